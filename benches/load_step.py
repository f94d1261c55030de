"""How long from a step of the load to a new replica that serves? A service whose replicas are all busy gets one request more, again
and again; each must have a replica made for it. Busy replicas wait for a feature store that does not answer, so they use no processor.

    python3 benches/load_step.py [--replicas 100] [--rounds 3]

Two rows: a replica made inside the request while the service may grow (`free`), and one for which the request must first be given
another service's unused share of the host (`shared`: the limit lies below the maximum and the control loop has to raise it).
Needs the release build and the guests' toolchain.
"""

import argparse
import http.server
import json
import re
import socket
import sys
import threading
import time

from harness import Scorehost, table
from request_path import built


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replicas", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    rows = []
    for name, neighbours in (("free", 0), ("shared", 20)):
        new, idle = [], []
        for _ in range(arguments.rounds):
            for made, found in steps(arguments.replicas, neighbours):
                new.append(made)
                idle.append(found)
        rank = lambda values, share: sorted(values)[min(len(values) - 1, int(len(values) * share))]
        rows.append([name, len(new), rank(new, 0.5), rank(new, 0.99), max(new), rank(idle, 0.5), rank(idle, 0.99)])
    print(table(["room", "steps", "a new replica, ms p50", "p99", "max", "an idle one, ms p50", "p99"], rows))
    return 0


def steps(replicas: int, neighbours: int) -> list[tuple[float, float]]:
    """Milliseconds of one quick request after each step, when all replicas are held, and of a second one."""
    with Store() as store:
        # Places for all, of which the neighbours' limits take most while nobody asks for them.
        flags = ("--max-replica-cores", "100000", "--max-replicas", str(replicas + 2 * neighbours + 2))
        with Scorehost(arguments=flags) as host:
            deploy(host, store, "step", replicas + 1)
            for number in range(neighbours):
                deploy(host, store, f"neighbour-{number}", replicas)
            took, held = [], []
            # The first request of all opens the way to the store, and is not measured.
            Caller(host.http, "quick").answer()
            for _ in range(replicas):
                held.append(Caller(host.http, "held"))
                held[-1].send()
                store.until_held(len(held))
                took.append((quick_ms(host), quick_ms(host)))
            store.release()
            for caller in held:
                caller.receive()
            return took


def quick_ms(host: Scorehost) -> float:
    caller = Caller(host.http, "quick")
    started = time.perf_counter()
    caller.answer()
    return (time.perf_counter() - started) * 1000


def deploy(host: Scorehost, store: "Store", name: str, most: int) -> None:
    file = host.config / f"{name}.json"
    grants = {"outbound": [{"host": "localhost", "port": store.port, "private": True}]}
    scaling = {"minReplicas": 1, "maxReplicas": most, "refreshPeriodInSeconds": 10}
    document = {"computeType": "local", "autoScaler": scaling, "maxQueueWaitMs": 60000, "scorehost": {"grants": grants}}
    file.write_text(json.dumps(document))
    url = f"FEATURES_URL=http://localhost:{store.port}"
    host.cli("deploy", "-n", name, "--scorer", built("lookup-rust"), "--dc", file, "--var", url)


class Caller:
    """One request on a connection of its own, opened beforehand."""

    def __init__(self, port: int, customer: str):
        self.body = json.dumps({"customer": customer}).encode()
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self) -> None:
        head = f"POST /api/v1/service/step/score HTTP/1.1\r\nhost: bench\r\ncontent-length: {len(self.body)}\r\n\r\n"
        self.socket.sendall(head.encode() + self.body)

    def receive(self) -> None:
        answer = b""
        while not (found := re.search(rb"content-length: (\d+).*?\r\n\r\n", answer.lower(), re.DOTALL)) or len(answer) < found.end() + int(found[1]):
            part = self.socket.recv(1 << 16)
            if not part:
                break
            answer += part
        if not answer.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"a request was not answered: {answer[:500]!r}")
        self.socket.close()

    def answer(self) -> None:
        self.send()
        self.receive()


class Store:
    """A feature store that answers `quick` at once and `held` when it is released."""

    def __enter__(self) -> "Store":
        self.held, self.changed, self.released = 0, threading.Condition(), threading.Event()
        store = self

        class Answers(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                if self.path.endswith("held"):
                    with store.changed:
                        store.held += 1
                        store.changed.notify_all()
                    store.released.wait(600)
                body = b'{"features": [1.5, 2]}'
                head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
                self.wfile.write(head.encode() + body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def until_held(self, count: int) -> None:
        with self.changed:
            if not self.changed.wait_for(lambda: self.held >= count, 60):
                raise SystemExit(f"{self.held} of {count} requests came to the store")

    def release(self) -> None:
        self.released.set()

    def __exit__(self, *_) -> None:
        self.release()
        self.server.shutdown()


if __name__ == "__main__":
    sys.exit(main())

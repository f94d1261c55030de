"""How long from nothing to an answer? Start to ready of an empty host and of a host that restores one service of each kind, and the
first answer after that start; then the first answer of services that were scaled to zero, beside the second one.

    python3 benches/cold_start.py [--runs 5] [--services 50] [--rounds 4] [--part start|zero|all]

Components were compiled before (the host keeps the machine code beside its data), models lie in the registry. A client's own time is in
all answers: the second answer of the same connection shows how much.
"""

import argparse
import http.client
import re
import socket
import statistics
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from harness import MODELS, Load, Scorehost, cpu_seconds, infer_binary, table
from request_path import ECHO_BODY, built

KINDS = {
    "no-code": ("identity", ["-m", "identity:1"]),
    "Rust scorer": ("identity-rust", ["-m", "identity:1", "--scorer"]),
    "Python entry script": ("echo-python", ["--scorer"]),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--services", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--part", choices=("start", "zero", "all"), default="all")
    arguments = parser.parse_args()
    if arguments.part != "zero":
        starts(arguments.runs)
    if arguments.part != "start":
        from_zero(arguments.services, arguments.rounds)
    return 0


def starts(runs: int) -> None:
    rows = [row("no service", *restarts(None, [], runs))]
    for kind, (service, arguments) in KINDS.items():
        scorer = [str(built(service))] if arguments[-1] == "--scorer" else []
        rows.append(row(kind, *restarts(service, arguments + scorer, runs)))
    print(table(["restored service", "start to ready, ms (median)", "max", "first answer, ms (median)", "max"], rows))


def from_zero(services: int, rounds: int) -> None:
    """Many services of one component, each of which answers once from zero replicas in each round."""
    rows = []
    for kind in ("Rust scorer", "Python entry script"):
        example, arguments = KINDS[kind]
        cold, warm, cpu_ms = zero_and_second(example, arguments, services, rounds)
        rank = lambda values, share: sorted(values)[min(len(values) - 1, int(len(values) * share))]
        figures = [rank(values, share) for values in (cold, warm) for share in (0.5, 0.99)]
        rows.append([kind, len(cold), *figures, *(value / len(cold) for value in cpu_ms)])
    headings = ["from zero replicas", "answers", "first, ms p50", "p99", "second, ms p50", "p99"]
    print(table([*headings, "server CPU-ms of a first", "of a second"], rows))


def zero_and_second(example: str, arguments: list[str], services: int, rounds: int):
    """Milliseconds of the first and of the second answers, and the server's CPU-ms of all first and of all second ones."""
    cold, warm, cpu = [], [], [0.0, 0.0]
    with Scorehost(arguments=("--max-models", "4000")) as host:
        host.cli("model", "register", "--name", "identity", "--path", MODELS / "identity_fp32.onnx")
        rule = host.config / "to-zero.json"
        rule.write_text('{"computeType": "local", "scorehost": {"scaling": {"minReplicas": 0, "idleAfterSeconds": 1}}}')
        names = [f"{example}-{number}" for number in range(services)]
        for name in names:
            host.cli("deploy", "-n", name, *arguments, *([str(built(example))] if arguments[-1] == "--scorer" else []), "--dc", rule)
        connection = Connection(host.http)
        for _ in range(rounds):
            until_zero(host)
            for index, answers in enumerate((cold, warm)):
                before = cpu_seconds(host.pid)
                answers += [connection.answer_ms(host, request(host, name, example)) for name in names]
                cpu[index] += (cpu_seconds(host.pid) - before) * 1000
    return cold, warm, cpu


def until_zero(host: Scorehost) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        text = urllib.request.urlopen(f"{host.url}/metrics").read().decode()
        counts = [line.rsplit(" ", 1)[1] for line in text.splitlines() if line.startswith("scorehost_replicas{")]
        if counts and not any(int(float(count)) for count in counts):
            return
        time.sleep(0.1)
    raise SystemExit("the services did not go to zero replicas within 60 s")


class Connection:
    """One connection that is kept open; bytes out, bytes in, so that little of a client's time is measured."""

    def __init__(self, port: int):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def answer_ms(self, host: Scorehost, load: Load) -> float:
        headers = {"host": "bench", "content-length": str(len(load.body)), **load.headers}
        head = f"POST {load.url.removeprefix(host.url)} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items())
        message = head.encode() + b"\r\n" + load.body
        started = time.perf_counter()
        self.socket.sendall(message)
        answer = self.socket.recv(1 << 16)
        while b"\r\n\r\n" not in answer:
            answer += self.socket.recv(1 << 16)
        took = (time.perf_counter() - started) * 1000
        head, body = answer.split(b"\r\n\r\n", 1)
        length = int(re.search(rb"content-length: (\d+)", head.lower())[1])
        while len(body) < length:
            body += self.socket.recv(1 << 16)
        if not head.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"{load.url}: {head!r} {body[:500]!r}")
        return took


def restarts(service: str | None, arguments: list[str], runs: int) -> tuple[list[float], list[float]]:
    ready, first = [], []
    with tempfile.TemporaryDirectory(prefix="scorehost-cold-") as scratch:
        data = Path(scratch) / "data"
        with Scorehost(data) as host:
            host.cli("model", "register", "--name", "identity", "--path", MODELS / "identity_fp32.onnx")
            if service:
                host.cli("deploy", "-n", service, *arguments)
        for _ in range(runs):
            with Scorehost(data) as host:
                ready.append(host.ready_after * 1000)
                if service:
                    first.append(first_answer(host, request(host, service)) * 1000)
    return ready, first


def request(host: Scorehost, service: str, example: str | None = None) -> Load:
    if (example or service) == "echo-python":
        url = f"{host.url}/api/v1/service/{service}/score"
        return Load(url, ECHO_BODY, {"content-type": "application/json"})
    return infer_binary(host.url, service)


def first_answer(host: Scorehost, load: Load) -> float:
    connection = http.client.HTTPConnection("127.0.0.1", host.http)
    connection.connect()
    started = time.perf_counter()
    connection.request("POST", load.url.removeprefix(host.url), load.body, load.headers)
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200:
        raise SystemExit(f"first answer: {answer.status} {body[:500]!r}")
    return time.perf_counter() - started


def row(kind: str, ready: list[float], first: list[float]) -> list[object]:
    middle = lambda values: statistics.median(values) if values else None
    return [kind, middle(ready), max(ready), middle(first), max(first, default=None)]


if __name__ == "__main__":
    sys.exit(main())

"""What does watching cost? Server CPU per request of the identity path (no-code, HTTP binary) with telemetry on, against the same
host with it off, in interleaved rounds of one run.

    python3 benches/telemetry.py [--rounds 12] [--seconds 1] [--connections 32] [--callgrind]

Cases: `traces` exports spans (1 % sampled) and logs to a collector and is scraped once a second; `access` writes an access log besides.
`--callgrind` counts instructions per request instead, which repeats to a fraction of a percent where CPU time does not; it needs valgrind.
"""

import argparse
import http.client
import http.server
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from pathlib import Path

from harness import MODELS, SCOREHOST, Scorehost, free_port, infer_binary, measure, require, table, wait_for

SAMPLE = "0.01"


class Collector(http.server.BaseHTTPRequestHandler):
    """Takes everything."""

    received = 0

    def do_POST(self):
        Collector.received += len(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def collector() -> str:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def cases(url: str, folder: Path) -> dict[str, tuple[str, ...]]:
    traces = ("--otlp-endpoint", url, "--trace-sample", SAMPLE)
    access = ("--access-log", "json", "--access-log-file", str(folder / "access.log"))
    return {"off": (), "traces": traces, "traces and access": traces + access}


def main() -> int:
    arguments = parse_arguments()
    with tempfile.TemporaryDirectory() as folder:
        hosts = cases(collector(), Path(folder))
        if arguments.callgrind:
            require("valgrind", "apt-get install valgrind")
            rows = [[case, instructions(options, Path(folder))] for case, options in hosts.items()]
            rows = [[case, count, f"{count / rows[0][1] - 1:+.2%}"] for case, count in rows]
            print(table(["case", "instructions per request", "against off"], rows))
            return 0
        require("h2load", "apt-get install nghttp2-client")
        print(interleaved(hosts, arguments))
    return 0


def interleaved(options: dict[str, tuple[str, ...]], arguments: argparse.Namespace) -> str:
    hosts = {case: Scorehost(arguments=of_case) for case, of_case in options.items()}
    stop = threading.Event()
    try:
        for host in hosts.values():
            deploy(host)
        watched = [host for case, host in hosts.items() if case != "off"]
        threading.Thread(target=scrape, args=(watched, stop), daemon=True).start()
        figures: dict[str, list] = {case: [] for case in hosts}
        for number in range(arguments.rounds):
            order = list(hosts)[number % len(hosts) :] + list(hosts)[: number % len(hosts)]
            for case in order:
                load = infer_binary(hosts[case].url, "identity")
                figures[case].append(measure(load, arguments.connections, hosts[case].pid, arguments.seconds))
    finally:
        stop.set()
        for host in hosts.values():
            host.stop()
    failed = sum(result.failed for results in figures.values() for result in results)
    if failed or Collector.received == 0:
        raise SystemExit(f"{failed} requests failed, the collector got {Collector.received} bytes")
    return table(["case", "CPU-ms, median", "lowest", "ratio to off: median of rounds", "of the lowest"], rows_of(figures))


def rows_of(figures: dict[str, list]) -> list[list]:
    cpu = {case: [result.cpu_ms for result in results] for case, results in figures.items()}
    off = cpu["off"]
    return [
        [
            case,
            statistics.median(values),
            min(values),
            f"{statistics.median(on / base for on, base in zip(values, off)):.3f}",
            f"{min(values) / min(off):.3f}",
        ]
        for case, values in cpu.items()
    ]


def deploy(host: Scorehost) -> None:
    host.cli("model", "register", "--name", "identity", "--path", MODELS / "identity_fp32.onnx")
    host.cli("deploy", "-n", "identity", "-m", "identity:1")


def scrape(hosts: list[Scorehost], stop: threading.Event) -> None:
    """Prometheus, in a hurry."""
    while not stop.wait(1):
        for host in hosts:
            urllib.request.urlopen(f"{host.url}/metrics", timeout=10).read()


def instructions(options: tuple[str, ...], folder: Path, requests: int = 3000) -> float:
    """User-space instructions of one request on one connection, start and warm-up left out."""
    with Scorehost() as host:
        deploy(host)
        host.own_dir = False
    out, port = folder / f"callgrind-{time.monotonic_ns()}", free_port()
    url = f"http://127.0.0.1:{port}"
    command = ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={out}", SCOREHOST, "serve"]
    command += ["--data-dir", host.data_dir, "--http", f"127.0.0.1:{port}", "--grpc", f"127.0.0.1:{free_port()}", "--threads", "1"]
    environment = os.environ | {"SCOREHOST_CONFIG_DIR": str(folder / "config")}
    with (folder / "valgrind.log").open("w") as log:
        command = [str(part) for part in (*command, *options)]
        child = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        try:
            wait_for(f"{url}/v2/health/ready", 300, child)
            send(url, 500)
            subprocess.run(["callgrind_control", "-i", "on", str(child.pid)], check=True, capture_output=True)
            send(url, requests)
            subprocess.run(["callgrind_control", "-i", "off", str(child.pid)], check=True, capture_output=True)
        finally:
            child.terminate()
            child.wait(120)
    total = re.search(r"^totals: (\d+)", out.read_text(), re.MULTILINE)
    return int(total[1]) / requests


def send(url: str, requests: int) -> None:
    load = infer_binary(url, "identity")
    target = urllib.parse.urlparse(load.url)
    connection = http.client.HTTPConnection(target.hostname, target.port)
    for _ in range(requests):
        connection.request("POST", target.path, body=load.body, headers=load.headers)
        answer = connection.getresponse()
        if answer.read() and answer.status != 200:
            raise SystemExit(f"{load.url} answered {answer.status}")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=12, help="measurements of each case")
    parser.add_argument("--seconds", type=float, default=1.0, help="length of one measurement")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--callgrind", action="store_true", help="count instructions per request instead")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

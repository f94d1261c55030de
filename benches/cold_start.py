"""How long from nothing to an answer? Start to ready of an empty host and of a host that restores one service of each kind, and the
first answer after that start.

    python3 benches/cold_start.py [--runs 5]

Components were compiled before (the host keeps the machine code beside its data), models lie in the registry.
"""

import argparse
import http.client
import statistics
import sys
import tempfile
import time
from pathlib import Path

from harness import MODELS, Load, Scorehost, infer_binary, table
from request_path import ECHO_BODY, built

KINDS = {
    "no-code": ("identity", ["-m", "identity:1"]),
    "Rust scorer": ("identity-rust", ["-m", "identity:1", "--scorer"]),
    "Python entry script": ("echo-python", ["--scorer"]),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    rows = [row("no service", *restarts(None, [], runs))]
    for kind, (service, arguments) in KINDS.items():
        scorer = [str(built(service))] if arguments[-1] == "--scorer" else []
        rows.append(row(kind, *restarts(service, arguments + scorer, runs)))
    print(table(["restored service", "start to ready, ms (median)", "max", "first answer, ms (median)", "max"], rows))
    return 0


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


def request(host: Scorehost, service: str) -> Load:
    if service == "echo-python":
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

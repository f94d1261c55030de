"""What does a request cost? Identity FP32 [1,16] at 1, 8 and 32 connections over HTTP binary, HTTP JSON and gRPC, for a no-code
service, a Rust scorer and a Python entry script; beside it the floor, a bare hyper echo on one single-threaded runtime.

    python3 benches/request_path.py [--seconds 2] [--one-core] [--json FILE]

With a core each, a server slower than the load generator wakes it once for every answer, and pays for that: an interrupt to another
core, which on a virtual machine leaves the machine. `--one-core` takes this out: both share one core, and as batch work neither
interrupts the other, so that answers are given and read many at a time.

Prints requests per second, server CPU-ms per request and latency. Needs `h2load`, the release build, `.models/` and, for the scorers,
the guest toolchains (deploy/quickstart.sh sets all of them up).
"""

import argparse
import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

from harness import (
    MODELS,
    ROOT,
    SCOREHOST,
    Load,
    Process,
    Result,
    Scorehost,
    free_port,
    infer_binary,
    infer_grpc,
    infer_json,
    measure,
    require,
    table,
)

CONNECTIONS = (1, 8, 32)
ECHO_BODY = json.dumps({"data": [index / 8 for index in range(16)]}).encode()


def main() -> int:
    arguments = parse_arguments()
    if arguments.one_core:
        share_one_core()
    require("h2load", "apt-get install nghttp2-client")
    require("cargo", "https://rustup.rs")
    results: list[tuple[str, int, Result]] = []
    run_floor(results, arguments.seconds)
    run_scorehost(results, arguments.seconds)
    report(results)
    if arguments.json:
        rows = [{"case": case, "connections": count, **dataclasses.asdict(result)} for case, count, result in results]
        arguments.json.write_text(json.dumps(rows, indent=1))
    return 1 if any(result.failed for _, _, result in results) else 0


def share_one_core() -> None:
    """This process and those it starts share the last core, and none interrupts another when it wakes."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    os.environ["SCOREHOST_THREADS"] = "1"


def run_floor(results: list, seconds: float) -> None:
    build = ["cargo", "build", "--release", "--locked", "-p", "scorehost-ingress", "--example", "floor"]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    port = free_port()
    command = [ROOT / "target/release/examples/floor", f"127.0.0.1:{port}", "1"]
    url = f"http://127.0.0.1:{port}"
    with Process(command, url + "/") as floor:
        sweep(results, "floor: bare hyper echo", infer_binary(url, "identity"), floor.pid, seconds)


def run_scorehost(results: list, seconds: float) -> None:
    with Scorehost() as host:
        host.cli("model", "register", "--name", "identity", "--path", MODELS / "identity_fp32.onnx")
        host.cli("deploy", "-n", "identity", "-m", "identity:1")
        host.cli("deploy", "-n", "identity-rust", "-m", "identity:1", "--scorer", built("identity-rust"))
        host.cli("deploy", "-n", "echo-python", "--scorer", built("echo-python"))
        for name, service in (("no-code", "identity"), ("Rust scorer", "identity-rust")):
            sweep(results, f"{name}, HTTP binary", infer_binary(host.url, service), host.pid, seconds)
            sweep(results, f"{name}, HTTP JSON", infer_json(host.url, service), host.pid, seconds)
            sweep(results, f"{name}, gRPC", infer_grpc(host.grpc, service), host.pid, seconds)
        script = Load(
            f"{host.url}/api/v1/service/echo-python/score", ECHO_BODY, {"content-type": "application/json"}
        )
        sweep(results, "Python entry script, score", script, host.pid, seconds)


def built(example: str) -> Path:
    """The component of an example scorer, from the build cache when it is there."""
    out = ROOT / "target" / "benches" / f"{example}.wasm"
    out.parent.mkdir(parents=True, exist_ok=True)
    source = ROOT / "plugins" / "examples" / example
    subprocess.run([SCOREHOST, "scorer", "build", source, "-o", out], check=True, capture_output=True)
    return out


def sweep(results: list, case: str, load: Load, pid: int, seconds: float) -> None:
    for connections in CONNECTIONS:
        result = measure(load, connections, pid, seconds)
        results.append((case, connections, result))
        print(f"{case:<32} {connections:>3} connections  {result.rate:>9.0f}/s  {result.cpu_ms:.4f} CPU-ms", file=sys.stderr)


def report(results: list[tuple[str, int, Result]]) -> None:
    floor = {count: result for case, count, result in results if case.startswith("floor")}
    rows = [
        [case, count, result.rate, result.cpu_ms, result.cpu_ms / floor[count].cpu_ms, result.p50_us, result.p99_us, result.failed]
        for case, count, result in results
    ]
    headings = ["case", "connections", "requests/s", "server CPU-ms", "× floor", "p50 µs", "p99 µs", "failed"]
    print(table(headings, rows))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=2.0, help="length of one measurement")
    parser.add_argument("--one-core", action="store_true", help="server and load generator share one core")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

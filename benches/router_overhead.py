"""What do authentication and the division between versions cost a request? Server CPU per request of the identity path (no-code, HTTP binary)
of one host's services, in interleaved rounds of one run: open with one version, and with a key, a token, six versions, and both.

    python3 benches/router_overhead.py [--rounds 8] [--seconds 1] [--connections 8]

The queue and the metrics are on every request's way and cannot be switched off; what they cost is in
`cargo run --release -p scorehost-router --example overhead`, and a verdict alone in `… -p scorehost-auth --example verdict_cost`.
"""

import argparse
import dataclasses
import json
import statistics
import sys

from harness import MODELS, Load, Result, Scorehost, infer_binary, measure, require, table

VERSIONS = 6


def services(host: Scorehost) -> dict[str, Load]:
    """Deploys the cases; the first is what the others are compared with."""
    host.cli("model", "register", "--name", "identity", "--path", MODELS / "identity_fp32.onnx")
    host.cli("deploy", "-n", "open", "-m", "identity:1")
    host.guarded("deploy", "-n", "keyed", "-m", "identity:1")
    tokens = host.data_dir / "tokens.json"
    tokens.write_text(json.dumps({"computeType": "aks", "authEnabled": False, "tokenAuthEnabled": True}))
    host.guarded("deploy", "-n", "tokened", "-m", "identity:1", "--dc", tokens)
    host.cli("deploy", "-n", "split", "--version", "v1", "-m", "identity:1")
    host.guarded("deploy", "-n", "split-keyed", "--version", "v1", "-m", "identity:1")
    for number in range(2, VERSIONS + 1):
        for name in ("split", "split-keyed"):
            host.guarded("deploy", "-n", name, "--version", f"v{number}", "-m", "identity:1", "--traffic", 15)
    key = lambda name: json.loads(host.guarded("service", "keys", name, "--output", "json"))["primaryKey"]
    return {
        "open, one version": infer_binary(host.url, "open"),
        "with a key": presenting(infer_binary(host.url, "keyed"), key("keyed")),
        "with a token": presenting(infer_binary(host.url, "tokened"), host.guarded("service", "token", "tokened")),
        "open, six versions": infer_binary(host.url, "split"),
        "with a key, six versions": presenting(infer_binary(host.url, "split-keyed"), key("split-keyed")),
    }


def presenting(load: Load, credential: str) -> Load:
    return dataclasses.replace(load, headers=load.headers | {"authorization": f"Bearer {credential}"})


def interleaved(host: Scorehost, loads: dict[str, Load], arguments: argparse.Namespace) -> dict[str, list[Result]]:
    figures: dict[str, list[Result]] = {case: [] for case in loads}
    for number in range(arguments.rounds):
        turned = number % len(loads)
        for case in list(loads)[turned:] + list(loads)[:turned]:
            figures[case].append(measure(loads[case], arguments.connections, host.pid, arguments.seconds))
    return figures


def rows_of(figures: dict[str, list[Result]]) -> list[list]:
    cpu = {case: [result.cpu_ms for result in results] for case, results in figures.items()}
    base = next(iter(cpu.values()))
    return [
        [
            case,
            statistics.median(values),
            min(values),
            f"{statistics.median(value / with_none for value, with_none in zip(values, base)):.3f}",
            f"{1000 * statistics.median(value - with_none for value, with_none in zip(values, base)):+.2f}",
            f"{1000 * (min(values) - min(base)):+.2f}",
        ]
        for case, values in cpu.items()
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=8, help="measurements of each case")
    parser.add_argument("--seconds", type=float, default=1.0, help="length of one measurement")
    parser.add_argument("--connections", type=int, default=8)
    arguments = parser.parse_args()
    require("h2load", "apt-get install nghttp2-client")
    with Scorehost() as host:
        figures = interleaved(host, services(host), arguments)
    failed = sum(result.failed for results in figures.values() for result in results)
    headings = ["case", "CPU-ms, median", "lowest", "× open: median of rounds", "µs more: median of rounds", "of the lowest"]
    print(table(headings, rows_of(figures)))
    print(f"failed requests: {failed}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

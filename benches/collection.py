"""What does keeping data cost? Server CPU and throughput of the identity path (no-code, HTTP binary) for services that collect or record
a share of their requests, against one that keeps nothing, all in one server, in interleaved rounds of one run.

    python3 benches/collection.py [--rounds 8] [--seconds 1] [--connections 8]

CPU is that of the whole process: the thread that lays records out and writes them included. At full speed not every record of a large share can
be written; the last column says which part was dropped, which is what the queue is bounded for.
"""

import argparse
import json
import re
import statistics
import sys
import tempfile
import urllib.request
from pathlib import Path

from harness import MODELS, Scorehost, infer_binary, measure, require, table

CASES = {
    "off": {},
    "csv-1pc": {"collection": {"sample": 0.01}},
    "csv-10pc": {"collection": {"sample": 0.1}},
    "csv-all": {"collection": {}},
    "parquet-all": {"collection": {"format": "parquet"}},
    "record-1pc": {"recording": {"sample": 0.01}},
}


def main() -> int:
    arguments = parse_arguments()
    require("h2load", "apt-get install nghttp2-client")
    with Scorehost() as host, tempfile.TemporaryDirectory() as folder:
        host.cli("model", "register", "--name", "identity", "--path", MODELS / "identity_fp32.onnx")
        for case, block in CASES.items():
            dc = Path(folder) / f"{case}.json"
            dc.write_text(json.dumps({"computeType": "local", "scorehost": block}))
            host.cli("deploy", "-n", case, "-m", "identity:1", "--dc", dc)
        figures = {case: [] for case in CASES}
        for number in range(arguments.rounds):
            order = list(CASES)[number % len(CASES) :] + list(CASES)[: number % len(CASES)]
            for case in order:
                figures[case].append(measure(infer_binary(host.url, case), arguments.connections, host.pid, arguments.seconds))
        metrics = urllib.request.urlopen(f"{host.url}/metrics", timeout=10).read().decode()
    if failed := sum(result.failed for results in figures.values() for result in results):
        raise SystemExit(f"{failed} requests failed")
    off = figures["off"]
    rows = []
    for case, results in figures.items():
        cpu = statistics.median(a.cpu_ms / b.cpu_ms for a, b in zip(results, off))
        rate = statistics.median(a.rate / b.rate for a, b in zip(results, off))
        rows.append([case, statistics.median(result.cpu_ms for result in results), f"{cpu:.3f}", f"{rate:.3f}", dropped(metrics, case)])
    print(table(["case", "CPU-ms, median", "CPU against off", "throughput against off", "dropped"], rows))
    return 0


def dropped(metrics: str, case: str) -> str:
    found = {
        result: float(value)
        for result, value in re.findall(rf'scorehost_collected_records_total{{service="{case}",result="(\w+)"}} (\S+)', metrics)
    }
    total = sum(found.values())
    return f"{found['dropped'] / total:.1%}" if total else "-"


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=8, help="measurements of each case")
    parser.add_argument("--seconds", type=float, default=1.0, help="length of one measurement")
    parser.add_argument("--connections", type=int, default=8)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

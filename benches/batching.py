"""Does merging calls pay? Throughput, latency and batch sizes at 32 connections with and without dynamic batching, one after the other in
one run, for two services that share a model: half of the connections call one, half the other.

    python3 benches/batching.py [--rounds 3] [--seconds 3] [--connections 32] [--sequence 16] [--models mlp,minilm] [--target-ms 250]

Models: `mlp`, three layers of 2048 written with seeded weights (17 MB, which a call of one row reads as a whole), and `minilm`
(`.models/minilm.onnx`) with `--sequence` tokens. `target` sets scorehost.batching.latencyTargetMs; `off` sets enabled to false. The share of mixed
batches is of all runs on workers, from /metrics. Needs h2load, and onnx and numpy (`.venv`) for the mlp.
"""

import argparse
import json
import re
import struct
import subprocess
import sys
import tempfile
import threading
import urllib.request
from pathlib import Path

from harness import MODELS, ROOT, Load, Scorehost, measure, require, table

WIDTH = 2048
MLP = """
import sys
sys.path.insert(0, sys.argv[1])
import numpy as np
from writer import FLOAT, Writer
net, random, width = Writer(), np.random.default_rng(7), int(sys.argv[3])
x = "input"
for layer in range(3):
    weight = net.weight(f"w{layer}", (random.standard_normal((width, width)) / np.sqrt(width)).astype(np.float32))
    bias = net.weight(f"b{layer}", np.zeros(width, np.float32))
    x = net.node("Gemm", x, weight, bias)
    x = net.node("Relu", x)
data = net.finish("mlp", [("input", FLOAT, ["N", width])], x, ("output", FLOAT, ["N", width]), 17)
open(sys.argv[2], "wb").write(data)
"""


def infer(url: str, service: str, inputs: list[tuple[str, list[int], str, bytes]], output: str) -> Load:
    """A request with binary tensors both ways."""
    describe = lambda name, shape, kind, data: {
        "name": name, "shape": shape, "datatype": kind, "parameters": {"binary_data_size": len(data)},
    }
    document = {
        "inputs": [describe(*tensor) for tensor in inputs],
        "outputs": [{"name": output, "parameters": {"binary_data": True}}],
    }
    head = json.dumps(document, separators=(",", ":")).encode()
    headers = {"content-type": "application/octet-stream", "inference-header-content-length": str(len(head))}
    return Load(f"{url}/v2/models/{service}/infer", head + b"".join(tensor[3] for tensor in inputs), headers)


def mlp(folder: Path) -> Path:
    path = folder / "mlp.onnx"
    python = ROOT / ".venv" / "bin" / "python"
    subprocess.run([python, "-c", MLP, ROOT / "deploy" / "models", path, str(WIDTH)], check=True)
    return path


def mlp_load(url: str, service: str, _: argparse.Namespace) -> Load:
    return infer(url, service, [("input", [1, WIDTH], "FP32", struct.pack(f"<{WIDTH}f", *[0.5] * WIDTH))], "output")


def minilm_load(url: str, service: str, arguments: argparse.Namespace) -> Load:
    length = arguments.sequence
    ids = struct.pack(f"<{length}q", *range(1000, 1000 + length))
    tensor = lambda name, data: (name, [1, length], "INT64", data)
    ones, zeros = struct.pack(f"<{length}q", *[1] * length), bytes(8 * length)
    inputs = [tensor("input_ids", ids), tensor("attention_mask", ones), tensor("token_type_ids", zeros)]
    return infer(url, service, inputs, "last_hidden_state")


def deployment(folder: Path, batching: dict) -> Path:
    path = folder / "deployment.json"
    document = {"computeType": "local", "maxQueueWaitMs": 30_000, "scorehost": {"batching": batching}}
    path.write_text(json.dumps(document))
    return path


class Case:
    """A host with two services that share one model."""

    def __init__(self, path: Path, folder: Path, batching: dict):
        self.host = Scorehost(arguments=("--small-models", "onnxruntime"))
        model = self.host.cli("model", "register", "--name", "net", "--path", path)
        for service in ("ant", "bee"):
            self.host.cli("deploy", "-n", service, "-m", model, "--dc", deployment(folder, batching))
        self.results = []

    def round(self, load_of, arguments: argparse.Namespace) -> None:
        found = {}
        call = lambda service: found.update(
            {service: measure(load_of(self.host.url, service, arguments), arguments.connections // 2, self.host.pid, arguments.seconds)}
        )
        callers = [threading.Thread(target=call, args=(service,)) for service in ("ant", "bee")]
        [caller.start() for caller in callers]
        [caller.join() for caller in callers]
        self.results.append(found)

    def counted(self, pattern: str) -> float:
        text = urllib.request.urlopen(f"{self.host.url}/metrics").read().decode()
        return sum(float(value) for value in re.findall(rf"^{pattern} (\S+)$", text, re.M))

    def row(self) -> list[object]:
        middle = lambda values: sorted(values)[len(values) // 2]
        both = [list(found.values()) for found in self.results]
        rate = middle([sum(result.rate for result in results) for results in both])
        p50 = middle([max(result.p50_us or 0 for result in results) for results in both]) / 1e3
        p99 = middle([max(result.p99_us or 0 for result in results) for results in both]) / 1e3
        runs = self.counted(r"scorehost_batch_calls_count\{[^}]*\}")
        calls = self.counted(r"scorehost_batch_calls_sum\{[^}]*\}")
        mixed = self.counted(r'scorehost_batches_mixed_total\{[^}]*mixed="services"\}')
        failed = sum(result.failed for results in both for result in results)
        return [rate, p50, p99, calls / max(runs, 1), f"{mixed / max(runs, 1):.0%}", failed]


def main() -> int:
    arguments = parse_arguments()
    require("h2load", "apt-get install nghttp2-client")
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        known = {"mlp": (mlp, mlp_load), "minilm": (lambda _: MODELS / "minilm.onnx", minilm_load)}
        for name in arguments.models.split(","):
            make, load_of = known[name]
            path = make(folder)
            settings = {"off": {"enabled": False}, "on": {}, "on, with target": {"latencyTargetMs": arguments.target_ms}}
            for case, batching in settings.items():
                # One host at a time: the cores are shared with the load anyway.
                running = Case(path, folder, batching)
                try:
                    for _ in range(arguments.rounds):
                        running.round(load_of, arguments)
                    rows.append([name, case, *running.row()])
                finally:
                    running.host.stop()
    print(table(["model", "batching", "answers/s", "p50 ms", "p99 ms", "calls per run", "runs that mixed services", "failed"], rows))
    return 1 if any(row[-1] for row in rows) else 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--sequence", type=int, default=16)
    parser.add_argument("--models", default="mlp,minilm")
    parser.add_argument("--target-ms", type=float, default=250.0)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

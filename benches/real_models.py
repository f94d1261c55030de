"""Does the server disappear behind a real model? Runs per second of a model behind scorehost's door against the same model called in
process through ONNX Runtime's Python package, with the same library version's threads, in interleaved rounds of one run.

    .venv-tests/bin/python benches/real_models.py [--seconds 6] [--rounds 3] [--threads 1 2] [--connections 1 8] [--model NAME]

In process: one `InferenceSession`, as many callers as there are connections, `intra_op_num_threads` = threads. Served: `serve --model-threads`
with the same number, HTTP with binary tensors, h2load. The ratio is served / in process, the median over the rounds. Answers are compared
with the in-process ones before anything is timed.
"""

import argparse
import concurrent.futures
import json
import statistics
import sys
import time
import urllib.request

import numpy
import onnxruntime

from harness import MODELS, Load, Scorehost, measure, require, table


def tokens(random: numpy.random.Generator) -> dict[str, numpy.ndarray]:
    length = (1, 128)
    return {
        "input_ids": random.integers(1000, 29000, length),
        "attention_mask": numpy.ones(length, numpy.int64),
        "token_type_ids": numpy.zeros(length, numpy.int64),
    }


def picture(random: numpy.random.Generator) -> dict[str, numpy.ndarray]:
    return {"": random.standard_normal((1, 3, 224, 224), numpy.float32)}


INPUTS = {"minilm": tokens, "resnet50": picture, "mobilenetv2": picture}
DATATYPES = {"float32": "FP32", "int64": "INT64"}


def main() -> int:
    arguments = parse_arguments()
    require("h2load", "apt-get install nghttp2-client")
    rows = []
    for threads in arguments.threads:
        with Scorehost(arguments=("--model-threads", str(threads))) as host:
            for model in arguments.model:
                rows += compare(host, model, threads, arguments)
    print(table(["model", "threads", "connections", "in process, runs/s", "served, runs/s", "served / in process", "p50, ms"], rows))
    return 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--model", nargs="+", choices=INPUTS, default=["minilm", "resnet50"])
    return parser.parse_args()


def compare(host: Scorehost, model: str, threads: int, arguments: argparse.Namespace) -> list[list[object]]:
    file = MODELS / f"{model}.onnx"
    host.cli("model", "register", "--name", model, "--path", file)
    # Eight callers of a model that takes 100 ms wait for longer than a service lets them by default.
    patient = host.config / f"{model}.json"
    patient.write_text(json.dumps({"computeType": "local", "maxQueueWaitMs": 10000}))
    host.cli("deploy", "-n", model, "-m", f"{model}:1", "--dc", patient)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    given = INPUTS[model](numpy.random.default_rng(time.time_ns()))
    inputs = {taken.name: given.get(taken.name, given.get("")) for taken in session.get_inputs()}
    load = request(host.url, model, inputs)
    check(load, session, inputs)
    rows = []
    for connections in arguments.connections:
        own, served = [], []
        for _ in range(arguments.rounds):
            own.append(in_process(session, inputs, connections, arguments.seconds))
            served.append(measure(load, connections, host.pid, arguments.seconds))
        if failed := sum(result.failed for result in served):
            raise SystemExit(f"{failed} requests failed")
        ratio = statistics.median(result.rate / rate for result, rate in zip(served, own))
        rate = statistics.median(result.rate for result in served)
        p50 = statistics.median(result.p50_us or 0 for result in served) / 1000
        rows.append([model, threads, connections, statistics.median(own), rate, f"{ratio:.3f}", p50])
        print(f"{model}, {threads} threads, {connections} connections: {ratio:.3f}", file=sys.stderr, flush=True)
    return rows


def request(url: str, model: str, inputs: dict[str, numpy.ndarray]) -> Load:
    described = [
        {
            "name": name,
            "shape": value.shape,
            "datatype": DATATYPES[str(value.dtype)],
            "parameters": {"binary_data_size": value.nbytes},
        }
        for name, value in inputs.items()
    ]
    header = json.dumps({"inputs": described, "parameters": {"binary_data_output": True}}).encode()
    body = header + b"".join(value.tobytes() for value in inputs.values())
    headers = {"content-type": "application/octet-stream", "inference-header-content-length": str(len(header))}
    return Load(f"{url}/v2/models/{model}/infer", body, headers)


def check(load: Load, session: onnxruntime.InferenceSession, inputs: dict[str, numpy.ndarray]) -> None:
    """Both must compute the same, or their times cannot be compared."""
    asked = urllib.request.Request(load.url, load.body, load.headers)
    with urllib.request.urlopen(asked, timeout=60) as answer:
        head, body = int(answer.headers["inference-header-content-length"]), answer.read()
    outputs = json.loads(body[:head])["outputs"]
    for output, expected in zip(outputs, session.run([output["name"] for output in outputs], inputs)):
        size = output["parameters"]["binary_data_size"]
        actual = numpy.frombuffer(body[head : head + size], expected.dtype).reshape(output["shape"])
        head += size
        numpy.testing.assert_allclose(actual, expected, rtol=1e-3, atol=1e-4, err_msg=output["name"])


def in_process(session: onnxruntime.InferenceSession, inputs: dict, callers: int, seconds: float) -> float:
    """Runs per second of `callers` threads; the library lets go of Python's lock while it computes."""
    until = time.perf_counter() + seconds

    def call() -> int:
        runs = 0
        while time.perf_counter() < until:
            session.run(None, inputs)
            runs += 1
        return runs

    began = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(callers) as pool:
        runs = sum(pool.map(lambda _: call(), range(callers)))
    return runs / (time.perf_counter() - began)


if __name__ == "__main__":
    sys.exit(main())

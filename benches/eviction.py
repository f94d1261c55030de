"""What does a host do that has more models than memory? 1000 different models, of which 50 fit, called by a skewed random choice; and what
does an answer from the response cache cost?

    python3 benches/eviction.py [--models 1000] [--fitting 50] [--seconds 10] [--connections 8] [--weights 1048576]

Each model adds a row of weights of its own (1 MiB by default, in ONNX Runtime), so that an answer shows which model gave it. Prints
requests per second, the share of requests that found their model loaded, the latency of those that did and of those that waited for
a reload, wrong answers, and how much resident memory the models added against the budget; then a hit of the response cache beside a
miss and beside the same service without a cache.
"""

import argparse
import concurrent.futures
import http.client
import json
import random
import statistics
import struct
import sys
import tempfile
import time
from pathlib import Path

from density import OPEN, call, deploy, register, wait_for_services
from harness import MODELS, Scorehost, infer_binary, measure, resident_mib, table


def main() -> int:
    options = parse_arguments()
    with tempfile.TemporaryDirectory(prefix="scorehost-eviction-") as scratch:
        scratch = Path(scratch)
        size = loaded_size(scratch, options)
        budget = size * options.fitting + size // 2
        print(f"a model takes {size} bytes; the budget is {budget}", file=sys.stderr)
        with Scorehost(scratch / "data", ["--model-memory", f"{budget}B", "--max-models", str(options.models + 2)]) as host:
            empty = resident_mib(host.pid)
            deploy_all(host, options)
        with Scorehost(scratch / "data", ["--model-memory", f"{budget}B", "--max-models", str(options.models + 2)]) as host:
            ready = host.ready_after + wait_for_services(host, options.models)
            started = resident_mib(host.pid)
            rows = churn(host, options, budget, empty)
            rows = [
                [f"start to ready, {options.models} services", f"{ready:.2f} s"],
                ["resident memory without models, once ready", f"{empty:.0f} MiB, {started:.0f} MiB"],
            ] + rows
            wrong = rows[-1][1]
            rows += cache(host)
    print(table(["question", "answer"], rows))
    return 1 if wrong else 0


def varint(number: int) -> bytes:
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def whole(number: int, value: int) -> bytes:
    return varint(number << 3) + varint(value)


def adder(index: int, floats: int) -> bytes:
    """`y = x + w[0:1]`, where all of `w` is the model's number."""

    def value(name: str) -> bytes:
        tensor = whole(1, 1) + field(2, field(1, whole(1, 1)))
        return field(1, name.encode()) + field(2, field(1, tensor))

    def numbers(name: str, values: list[int]) -> bytes:
        data = struct.pack(f"<{len(values)}q", *values)
        return whole(1, len(values)) + whole(2, 7) + field(8, name.encode()) + field(9, data)

    weights = whole(1, floats) + whole(2, 1) + field(8, b"w") + field(9, struct.pack("<f", index) * floats)
    # The product keeps the library from folding all weights but the first away.
    nodes = field(1, b"w") + field(1, b"from") + field(1, b"to") + field(2, b"first") + field(4, b"Slice")
    add = field(1, b"x") + field(1, b"first") + field(2, b"y") + field(4, b"Add")
    scale = field(1, b"w") + field(1, b"x") + field(2, b"scaled") + field(4, b"Mul")
    most = field(1, b"scaled") + field(2, b"most") + field(4, b"ReduceMax")
    graph = (
        b"".join(field(1, node) for node in (scale, most, nodes, add))
        + field(2, b"adds")
        + b"".join(field(5, tensor) for tensor in (weights, numbers("from", [0]), numbers("to", [1])))
        + field(11, value("x"))
        + field(12, value("y"))
        + field(12, value("most"))
    )
    return whole(1, 8) + field(7, graph) + field(8, whole(2, 17))


def connect(host: Scorehost) -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection("127.0.0.1", host.http)
    connection.authorization = host.authorization()
    return connection


def loaded_size(scratch: Path, options: argparse.Namespace) -> int:
    with Scorehost(scratch / "one", ["--model-memory", "unlimited"]) as host:
        connection = connect(host)
        deploy(connection, "one", register(connection, "one", adder(1, options.weights // 4)))
        return call(connection, "GET", "/memory")["models"][0]["bytes"]


def deploy_all(host: Scorehost, options: argparse.Namespace) -> None:
    connection = connect(host)
    for index in range(options.models):
        deploy(connection, f"svc-{index}", register(connection, f"m{index}", adder(index, options.weights // 4)))


def ask(connection: http.client.HTTPConnection, index: int) -> float:
    """Calls one model; returns its seconds, below zero where the answer is wrong."""
    head = json.dumps({
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "parameters": {"binary_data_size": 4}}],
        "outputs": [{"name": "y", "parameters": {"binary_data": True}}],
    }).encode()
    body = head + struct.pack("<f", 0.5)
    headers = {"Inference-Header-Content-Length": str(len(head)), "content-type": "application/octet-stream"}
    started = time.perf_counter()
    connection.request("POST", f"/v2/models/svc-{index}/infer", body, headers)
    answer = connection.getresponse()
    content = answer.read()
    took = time.perf_counter() - started
    right = answer.status == 200 and struct.unpack("<f", content[-4:])[0] == index + 0.5
    if not right:
        print(f"svc-{index}: {answer.status} {content[:200]}", file=sys.stderr)
    return took if right else -took


def churn(host: Scorehost, options: argparse.Namespace, budget: int, empty: float) -> list[list[object]]:
    """Connections that each call models by a Zipf distribution (exponent 1) until the time is up."""
    shares = [1 / (rank + 1) for rank in range(options.models)]
    order = list(range(options.models))
    random.Random(7).shuffle(order)
    control = connect(host)
    before = call(control, "GET", "/memory")
    end = time.perf_counter() + options.seconds

    def caller(seed: int) -> list[float]:
        choice, connection, times = random.Random(seed), connect(host), []
        while time.perf_counter() < end:
            times += [ask(connection, index) for index in choice.choices(order, shares, k=50)]
        return times

    began, most = time.perf_counter(), 0.0
    with concurrent.futures.ThreadPoolExecutor(options.connections) as pool:
        callers = [pool.submit(caller, seed) for seed in range(options.connections)]
        while not all(done.done() for done in callers):
            most = max(most, resident_mib(host.pid))
            time.sleep(0.05)
    took = time.perf_counter() - began
    times = [seconds for done in callers for seconds in done.result()]
    after = call(control, "GET", "/memory")
    reloads = after["loads"] - before["loads"]
    good = sorted(abs(seconds) for seconds in times)
    # The slowest requests are those that reloaded.
    slow, fast = good[len(good) - reloads :], good[: len(good) - reloads]
    milliseconds = lambda part, q: f"{part[min(len(part) - 1, int(len(part) * q))] * 1000:.2f} ms" if part else "–"
    return [
        [f"requests per second, {options.connections} connections, Zipf", f"{len(times) / took:.0f}"],
        ["requests that found their model loaded", f"{100 * (1 - reloads / len(times)):.1f} %"],
        ["these, median and p99", f"{milliseconds(fast, 0.5)}, {milliseconds(fast, 0.99)}"],
        [f"{reloads} reloads ({reloads / took:.0f} a second), median and p99", f"{milliseconds(slow, 0.5)}, {milliseconds(slow, 0.99)}"],
        ["evictions", after["evictions"] - before["evictions"]],
        ["models loaded at the end, bytes of the budget", f"{sum(m['loaded'] for m in after['models'])}, {100 * after['loaded_bytes'] / budget:.0f} %"],
        ["resident memory beyond a host without models, at most, of the budget", f"{most - empty:.0f} MiB of {budget / (1 << 20):.0f} MiB"],
        ["wrong answers", sum(seconds < 0 for seconds in times)],
    ]


def cache(host: Scorehost) -> list[list[object]]:
    """The same identity model with a cache and without one."""
    connection = connect(host)
    identity = register(connection, "identity", (MODELS / "identity_fp32.onnx").read_bytes())
    kept = OPEN | {"scorehost": {"responseCache": {}}}
    for service, settings in (("plain", OPEN), ("kept", kept)):
        operation = call(connection, "PUT", f"/services/{service}", {"models": [identity], "deployment": settings})["id"]
        while (state := call(connection, "GET", f"/operations/{operation}"))["state"] == "Running":
            time.sleep(0.001)
        if state["state"] != "Succeeded":
            raise SystemExit(f"{service}: {state}")
    results = {"plain": [], "kept": []}
    for _ in range(3):
        for service in results:
            results[service].append(measure(infer_binary(host.url, service), 8, host.pid, 1.0).cpu_ms)
    plain, hit = (statistics.median(results[service]) for service in ("plain", "kept"))
    return [["identity, server CPU-ms: computed, from the cache", f"{plain:.4f}, {hit:.4f} ({hit / plain:.2f} ×)"]]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=1000)
    parser.add_argument("--fitting", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--weights", type=int, default=1 << 20, help="bytes of a model's weights")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

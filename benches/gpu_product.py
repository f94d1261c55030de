"""The whole product on a device: a server that runs models on a GPU because their deployments ask for it, scored over HTTP and compared
with the same models on the CPU of the same server.

    python3 benches/gpu_product.py [--models FOLDER] [--stand-in]

Prints one line a check (`ok` or `FAIL`) and one a timing; the exit code is 1 where a check failed. `--stand-in` lets a processor that OpenCL
offers (PoCL) take the GPU's part, which proves the script and everything above the device. Standard library only.
"""

import argparse
import concurrent.futures
import json
import math
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from array import array
from pathlib import Path

from harness import MODELS, SCOREHOST, Scorehost

BOUND = {"fp32": 1e-3, "fp16": 1e-2}
CALLS, CALLERS = 64, 8
PATIENCE = 60  # seconds for one call
WINDOW = 1.0  # seconds of one timing
IMAGE = (3, 224, 224)
TOKENS = 128

failures = 0


def told(right: bool, what: str) -> bool:
    global failures
    failures += not right
    print(f"{'ok  ' if right else 'FAIL'} product: {what}", flush=True)
    return right


def image(seed: int, rows: int) -> list:
    draw = random.Random(seed)
    values = array("f", (draw.uniform(-1.5, 1.5) for _ in range(rows * math.prod(IMAGE))))
    return [("input", "FP32", (rows, *IMAGE), values.tobytes())]


def words(seed: int, rows: int) -> list:
    draw = random.Random(seed)
    numbers = array("q", (draw.randrange(1, 1000) for _ in range(rows * TOKENS)))
    ones, zeros = array("q", [1]) * len(numbers), array("q", [0]) * len(numbers)
    named = [("input_ids", numbers), ("attention_mask", ones), ("token_type_ids", zeros)]
    return [(name, "INT64", (rows, TOKENS), values.tobytes()) for name, values in named]


def infer(url: str, service: str, inputs: list) -> list[array]:
    """The outputs of one call with binary tensors."""
    described = [
        {"name": name, "datatype": dtype, "shape": shape, "parameters": {"binary_data_size": len(data)}}
        for name, dtype, shape, data in inputs
    ]
    head = json.dumps({"inputs": described, "parameters": {"binary_data_output": True}}).encode()
    headers = {"content-type": "application/octet-stream", "inference-header-content-length": str(len(head))}
    body = b"".join([head, *(data for *_, data in inputs)])
    request = urllib.request.Request(f"{url}/v2/models/{service}/infer", body, headers)
    length, content = patient(request, service)
    outputs, at = [], length
    for output in json.loads(content[:length])["outputs"]:
        size = output["parameters"]["binary_data_size"]
        # Labels are integers; probabilities and activations are floats.
        values = array({"FP32": "f", "INT64": "q"}[output["datatype"]])
        values.frombytes(content[at : at + size])
        outputs.append(values)
        at += size
    return outputs


def patient(request: urllib.request.Request, service: str) -> tuple[int, bytes]:
    """One answer, and the bytes of its head. A host that is full says so, and is asked again a little later."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return int(answer.headers["inference-header-content-length"]), answer.read()
        except urllib.error.HTTPError as error:
            if error.code != 503 or time.monotonic() > until:
                text = error.read().decode(errors="replace")[:300]
                raise RuntimeError(f"{service} answers {error.code}: {text}") from None
            time.sleep(0.02)


def brief(said: str) -> str:
    """Why a command failed, without its lines of progress."""
    lines = [line.partition("Failed: ")[2] or line for line in said.splitlines() if "Failed: " in line or line.startswith("error")]
    return " ".join((lines or said.splitlines() or ["nothing said"])[0].split())[:300]


def apart(actual: list[array], expected: list[array]) -> float:
    """The largest relative error of an output: the norm of the difference over the norm of what is expected."""
    if [len(values) for values in actual] != [len(values) for values in expected]:
        return math.inf
    worst = 0.0
    for a, b in zip(actual, expected):
        difference = math.sqrt(sum((x - y) ** 2 for x, y in zip(a, b)))
        worst = max(worst, difference / max(math.sqrt(sum(y * y for y in b)), 1e-30))
    return worst if math.isfinite(worst) else math.inf


class Host(Scorehost):
    """A server, and deployments by file."""

    def attempt(self, *arguments: object) -> tuple[bool, str]:
        command = [str(part) for part in (SCOREHOST, "--server", self.url, *arguments)]
        done = subprocess.run(command, capture_output=True, text=True, env=self.environment, timeout=PATIENCE)
        return done.returncode == 0, (done.stdout + done.stderr).strip()

    def deploy(self, service: str, model: str, settings: dict) -> tuple[bool, str]:
        file = self.config / f"{service}.json"
        file.write_text(json.dumps({"computeType": "local", "authEnabled": False} | settings))
        return self.attempt("deploy", "-n", service, "-m", model, "--dc", file)

    def metric(self, name: str, *labels: str) -> float:
        """The sum of the series with these labels; 0 where there is none."""
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=PATIENCE) as answer:
            lines = answer.read().decode().splitlines()
        found = [line for line in lines if re.match(rf"{name}[ {{]", line) and all(label in line for label in labels)]
        return sum(float(line.rsplit(" ", 1)[1]) for line in found)

    def rows(self) -> list[dict]:
        return json.loads(self.attempt("--output", "json", "devices")[1])


def on(**placement: object) -> dict:
    return {"gpuCores": 1, "scorehost": {"placement": placement}}


CPU = {"scorehost": {"placement": {"device": "cpu"}}}


def devices(stand_in: bool) -> None:
    done = subprocess.run([SCOREHOST, "devices"], capture_output=True, text=True, timeout=PATIENCE)
    family = "opencl" if stand_in else "cuda"
    rows = [line for line in done.stdout.splitlines() if family in line]
    print("\n".join(rows))
    wanted = bool(rows) and not any("cannot be opened" in row or "finds no" in row for row in rows)
    told(done.returncode == 0 and wanted, f"`scorehost devices` shows {family}")


def deployments(host: Host, stand_in: bool) -> dict[str, str]:
    """Deploys; returns the services on the device with their precisions."""
    for model, file in (("vision", "mobilenetv2.onnx"), ("text", "minilm.onnx"), ("determinant", "onnx-node/test_det_2d/model.onnx")):
        host.cli("model", "register", "--name", model, "--path", options.models / file)
    served = {}
    for service, model, settings, precision in (
        ("vision-cpu", "vision:1", CPU, None),
        ("text-cpu", "text:1", CPU, None),
        ("vision-card", "vision:1", on(precision="fp32"), "fp32"),
        ("vision-half", "vision:1", on(precision="fp16"), "fp16"),
        ("text-card", "text:1", {"gpuCores": 1}, "fp32"),
        ("text-host", "text:1", {}, "fp32"),
    ):
        started = time.perf_counter()
        done, said = host.deploy(service, model, settings)
        if stand_in and precision == "fp16" and not done:
            told("fp16" in said and "fp32" in said, f"{service} is refused: {brief(said)}")
            continue
        told(done, f"{service} is deployed in {time.perf_counter() - started:.2f} s" if done else f"{service}: {brief(said)}")
        if done and precision:
            served[service] = precision
    return served


def cases() -> dict[str, list]:
    return {
        "vision": [image(seed, rows) for seed, rows in ((1, 1), (2, 1), (3, 3))],
        "text": [words(seed, rows) for seed, rows in ((1, 1), (2, 2), (3, 5))],
    }


def kind(service: str) -> str:
    return service.split("-")[0]


def answers(host: Host, served: dict[str, str], inputs: dict, expected: dict) -> None:
    for service, precision in served.items():
        with urllib.request.urlopen(f"{host.url}/v2/models/{service}", timeout=PATIENCE) as answer:
            platform = json.loads(answer.read())["platform"]
        model = kind(service)
        errors = [apart(infer(host.url, service, case), wanted) for case, wanted in zip(inputs[model], expected[model])]
        bound = BOUND[precision]
        text = f"{service} on {platform}: relative error {max(errors):.1e} to the CPU's answers (allowed {bound:.0e})"
        told(max(errors) <= bound and platform in ("scorehost_cuda", "scorehost_opencl"), text)


def mixed(host: Host, served: dict[str, str], inputs: dict, expected: dict) -> None:
    """Calls of several services and sizes at a time; each must get the answer to its own inputs."""
    services = list(served)

    def one(call: int) -> bool:
        service = services[call % len(services)]
        model, case = kind(service), call // len(services) % 3
        return apart(infer(host.url, service, inputs[model][case]), expected[model][case]) <= BOUND[served[service]]

    with concurrent.futures.ThreadPoolExecutor(CALLERS) as pool:
        wrong = sum(not right for right in pool.map(one, range(CALLS)))
    told(wrong == 0, f"{CALLS} mixed calls from {CALLERS} callers to {len(services)} services: {wrong} wrong")


def fallback(host: Host) -> None:
    done, said = host.deploy("determinant-strict", "determinant:1", on())
    told(not done and "Det" in said, f"a model without kernels is refused: {brief(said)}")
    host.deploy("determinant-cpu", "determinant:1", CPU)
    done, said = host.deploy("determinant-free", "determinant:1", on(cpuFallback=True))
    if not told(done, "with cpuFallback it is deployed" if done else said):
        return
    with urllib.request.urlopen(f"{host.url}/v2/models/determinant-cpu", timeout=PATIENCE) as answer:
        spec = json.loads(answer.read())["inputs"][0]
    draw = random.Random(5)
    shape = tuple(abs(size) for size in spec["shape"])
    numbers = array("f", (draw.uniform(0, 16) for _ in range(math.prod(shape))))
    inputs = [(spec["name"], "FP32", shape, numbers.tobytes())]
    same = apart(infer(host.url, "determinant-free", inputs), infer(host.url, "determinant-cpu", inputs))
    told(same <= 1e-6, f"and answers as the CPU does (relative error {same:.1e})")
    counted = host.metric("scorehost_device_fallbacks_total")
    told(counted >= 1, f"scorehost_device_fallbacks_total is {counted:.0f}")


def copies(host: Host, inputs: dict, expected: dict) -> None:
    """`gpuCores: 2`: a copy on each of two devices, or a refusal that says how many there are."""
    there = sum(row["available"] and row["name"] in ("cuda", "opencl") for row in host.rows())
    done, said = host.deploy("text-pair", "text:1", {"gpuCores": 2})
    if there < 2:
        told(not done and "2 devices" in said, f"two cards asked for, {there} there: {brief(said)}")
        return
    if not told(done, f"a copy on each of two of {there} devices" if done else said):
        return
    names = device_names(host)
    before = {name: host.metric("scorehost_device_busy_seconds_total", f'"{name}"') for name in names}
    with concurrent.futures.ThreadPoolExecutor(CALLERS) as pool:
        call = lambda index: apart(infer(host.url, "text-pair", inputs["text"][index % 3]), expected["text"][index % 3])
        worst = max(pool.map(call, range(CALLS)))
    worked = [name for name in names if host.metric("scorehost_device_busy_seconds_total", f'"{name}"') > before[name]]
    told(len(worked) >= 2 and worst <= BOUND["fp32"], f"both worked: {', '.join(worked)}; relative error {worst:.1e}")


def device_names(host: Host) -> list[str]:
    with urllib.request.urlopen(f"{host.url}/metrics", timeout=PATIENCE) as answer:
        return re.findall(r'^scorehost_device_healthy{device="([^"]+)"} 1', answer.read().decode(), re.M)


def accounts(host: Host, served: dict[str, str]) -> None:
    name = "scorehost_service_device_seconds_total"
    for service in served:
        seconds = host.metric(name, f'service="{service}"', 'device="gpu"')
        told(seconds > 0, f"{name} of {service} is {seconds:.3f}")
    told(host.metric(name, 'service="vision-cpu"') == 0, f"{name} counts no service on the CPU")
    names = device_names(host)
    busy = host.metric("scorehost_device_busy_seconds_total")
    told(bool(names) and busy > 0, f"{', '.join(names) or 'no device'} healthy, busy for {busy:.3f} s in all")
    used, limit = (host.metric(f"scorehost_device_memory_{what}_bytes") for what in ("used", "limit"))
    told(0 < used < limit, f"models hold {used / 2**20:.0f} of {limit / 2**20:.0f} MiB")
    loaded = json.loads(host.attempt("--output", "json", "model", "loaded")[1])["models"]
    kinds = sorted({model["device"] for model in loaded})
    told(kinds == ["cpu", "gpu"], f"`scorehost model loaded` shows models on {' and '.join(kinds)}")


def timings(host: Host, served: dict[str, str], inputs: dict) -> None:
    for service in ["vision-cpu", "text-cpu", *served]:
        case, times, started = inputs[kind(service)][0], [], time.perf_counter()
        infer(host.url, service, case)
        while time.perf_counter() - started < WINDOW:
            begin = time.perf_counter()
            infer(host.url, service, case)
            times.append((time.perf_counter() - begin) * 1e3)
        times.sort()
        p99 = times[int(len(times) * 0.99)]
        print(f"served {service} batch 1: p50 {statistics.median(times):.3f} ms p99 {p99:.3f} ms over HTTP from this script", flush=True)


def killed(host: Host, stand_in: bool, served: dict[str, str], inputs: dict, expected: dict) -> None:
    """What the deployments asked for holds after SIGKILL, with the kernels on disk."""
    os.killpg(host.pid, signal.SIGKILL)
    host.child.wait()
    started = time.perf_counter()
    with Host(host.data_dir, serve(stand_in)) as again:
        ready = time.perf_counter() - started
        errors = [apart(infer(again.url, service, inputs[kind(service)][0]), expected[kind(service)][0]) for service in served]
        answered = time.perf_counter() - started
        right = all(error <= BOUND[served[service]] for service, error in zip(served, errors))
        told(right, f"after SIGKILL ready in {ready:.2f} s, all {len(served)} services answer rightly after {answered:.2f} s")
        seconds = again.metric("scorehost_service_device_seconds_total", 'device="gpu"')
        told(seconds > 0, f"and they run on the device again ({seconds:.3f} s)")


def serve(stand_in: bool) -> tuple[str, ...]:
    return ("--device", "gpu", *(["--opencl-cpu"] if stand_in else []))


def main() -> int:
    stand_in = options.stand_in
    devices(stand_in)
    with tempfile.TemporaryDirectory(prefix="scorehost-gpu-") as folder, Host(Path(folder) / "data", serve(stand_in)) as host:
        served = deployments(host, stand_in)
        if not served:
            return 1
        inputs = cases()
        expected = {model: [infer(host.url, f"{model}-cpu", case) for case in inputs[model]] for model in inputs}
        answers(host, served, inputs, expected)
        mixed(host, served, inputs, expected)
        accounts(host, served)
        fallback(host)
        copies(host, inputs, expected)
        timings(host, served, inputs)
        killed(host, stand_in, served, inputs, expected)
    return int(failures > 0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, default=MODELS)
    parser.add_argument("--stand-in", action="store_true")
    options = parser.parse_args()
    sys.exit(main())

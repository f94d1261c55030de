"""How many models fit into one host, and how fast is it there? 1000 different identity models, each its own no-code service.

    python3 benches/density.py [--models 1000]

Prints: the time to deploy one more model by API, start to ready of a host that restores all services, its resident memory, and whether
every service answers an inference with its own result.
"""

import argparse
import concurrent.futures
import http.client
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

from harness import MODELS, Scorehost, infer_binary, resident_mib, table


def main() -> int:
    count = parse_arguments().models
    with tempfile.TemporaryDirectory(prefix="scorehost-density-") as scratch:
        scratch = Path(scratch)
        print(f"making {count} different models", file=sys.stderr)
        write_models(scratch, count)
        loads = deploy_all(scratch, count)
        with Scorehost(scratch / "data") as host:
            ready, all_ready = host.ready_after, wait_for_services(host, count)
            memory_idle = resident_mib(host.pid)
            wrong = score_all(host, count)
            memory = resident_mib(host.pid)
    rows = [
        ["deploy one model by API, median", f"{statistics.median(loads) * 1000:.1f} ms"],
        ["deploy one model by API, the last 10", f"{statistics.median(loads[-10:]) * 1000:.1f} ms"],
        ["start to /v2/health/ready", f"{ready:.2f} s"],
        [f"start to all {count} services ready", f"{ready + all_ready:.2f} s"],
        ["resident memory, all ready", f"{memory_idle:.0f} MiB"],
        ["resident memory, all scored once", f"{memory:.0f} MiB"],
        ["services that answered wrongly", wrong],
    ]
    print(table(["question", "answer"], rows))
    return 1 if wrong else 0


def write_models(scratch: Path, count: int) -> None:
    """Appends a different `doc_string` (field 6 of ModelProto) to the identity model, so that no two share a digest."""
    identity = (MODELS / "identity_fp32.onnx").read_bytes()
    for index in range(count):
        text = f"model {index}".encode()
        (scratch / f"m{index}.onnx").write_bytes(identity + bytes([6 << 3 | 2, len(text)]) + text)


def deploy_all(scratch: Path, count: int) -> list[float]:
    """Registers and deploys over the management API; returns the seconds each deployment took."""
    loads = []
    with Scorehost(scratch / "data") as host:
        connection = http.client.HTTPConnection("127.0.0.1", host.http)
        connection.authorization = host.authorization()
        for index in range(count):
            body = (scratch / f"m{index}.onnx").read_bytes()
            model = register(connection, f"m{index}", body)
            started = time.perf_counter()
            deploy(connection, f"svc-{index}", model)
            loads.append(time.perf_counter() - started)
    return loads


# Services of the benches take requests without a key.
OPEN = {"computeType": "local", "authEnabled": False}


def call(connection: http.client.HTTPConnection, method: str, path: str, body: bytes | dict | None = None) -> dict:
    payload = json.dumps(body).encode() if isinstance(body, dict) else body
    headers = connection.authorization | ({"content-type": "application/json"} if payload else {})
    connection.request(method, f"/management/v1{path}", payload, headers)
    answer = connection.getresponse()
    text = answer.read()
    if answer.status >= 300:
        raise SystemExit(f"{method} {path}: {answer.status} {text.decode()}")
    return json.loads(text) if text else {}


def register(connection: http.client.HTTPConnection, name: str, content: bytes) -> str:
    import hashlib

    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    call(connection, "PUT", f"/blobs/{digest}", content)
    file = {"path": "model.onnx", "digest": digest, "size": len(content)}
    return call(connection, "POST", "/models", {"name": name, "files": [file]})["id"]


def deploy(connection: http.client.HTTPConnection, service: str, model: str) -> None:
    operation = call(connection, "PUT", f"/services/{service}", {"models": [model], "deployment": OPEN})["id"]
    while (state := call(connection, "GET", f"/operations/{operation}"))["state"] == "Running":
        time.sleep(0.0005)
    if state["state"] != "Succeeded":
        raise SystemExit(f"{service}: {state}")


def wait_for_services(host: Scorehost, count: int) -> float:
    started = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", host.http)
    while True:
        connection.request("POST", "/v2/repository/index", b"{\"ready\": true}", host.authorization())
        index = json.loads(connection.getresponse().read())
        if sum(entry.get("state") == "READY" for entry in index) == count:
            return time.perf_counter() - started
        time.sleep(0.005)


def score_all(host: Scorehost, count: int) -> int:
    """Scores every service once, 8 at a time; returns how many did not give their input back."""

    def score(index: int) -> bool:
        load = infer_binary(host.url, f"svc-{index}")
        connection = http.client.HTTPConnection("127.0.0.1", host.http)
        connection.request("POST", load.url.removeprefix(host.url), load.body, load.headers)
        answer = connection.getresponse()
        return answer.status == 200 and answer.read().endswith(load.body[-64:])

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        return sum(not good for good in pool.map(score, range(count)))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=1000)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

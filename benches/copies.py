"""How many bytes does the host copy on the way of a request, and where? A model that gives its 600 KB input back, asked without a scorer and
through a Rust scorer that passes handles on, over HTTP (binary tensors) and gRPC; a text to an entry script and back.

    python3 benches/copies.py [--requests 24] [--kilobytes 600]

The counters are the host's own (`scorehost_copied_bytes_total`). What the kernel copies (socket to process and back) is not in them. Requests of a
case differ in the length of what stands before the tensor, so that its bytes lie anywhere.
"""

import argparse
import http.client
import json
import re
import subprocess
import sys
import tempfile
import urllib.request

from harness import MODELS, SCOREHOST, ROOT, Scorehost, require, table

PLACES = ("body", "to_guest", "from_guest", "align", "result", "response")


def copied(host: Scorehost) -> dict[str, int]:
    with urllib.request.urlopen(urllib.request.Request(f"{host.url}/metrics", headers=host.authorization())) as answer:
        text = answer.read().decode()
    return {place: int(bytes_) for place, bytes_ in re.findall(r'^scorehost_copied_bytes_total\{place="(\w+)"\} (\d+)', text, re.M)}


def binary(model: str, tensor: bytes, rows: int, number: int) -> tuple[str, bytes, dict[str, str]]:
    """One request of the binary extension; ids of several lengths move the tensor's first byte."""
    one = {"name": "INPUT0", "shape": [rows, 16], "datatype": "FP32", "parameters": {"binary_data_size": len(tensor)}}
    document = {"id": "i" * (1 + number % 8), "inputs": [one], "parameters": {"binary_data_output": True}}
    header = json.dumps(document, separators=(",", ":")).encode()
    headers = {"content-type": "application/octet-stream", "inference-header-content-length": str(len(header))}
    return f"/v2/models/{model}/infer", header + tensor, headers


def post(host: Scorehost, path: str, body: bytes, headers: dict[str, str]) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", host.http, timeout=30)
    connection.request("POST", path, body, headers)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    if answer.status != 200:
        raise SystemExit(f"{path}: {answer.status} {content[:300]!r}")
    return content


def over_http(model: str):
    def send(host: Scorehost, tensor: bytes, rows: int, number: int) -> None:
        content = post(host, *binary(model, tensor, rows, number))
        assert content.endswith(tensor), "the model's answer is its input"

    return send


def over_grpc(host: Scorehost, tensor: bytes, rows: int, number: int) -> None:
    varint = lambda n: bytes([n]) if n < 128 else bytes([n & 127 | 128]) + varint(n >> 7)
    field = lambda key, data: bytes([key << 3 | 2]) + varint(len(data)) + data
    shape = field(1, b"INPUT0") + field(2, b"FP32") + field(3, varint(rows) + bytes([16]))
    message = field(1, b"identity") + field(3, b"i" * (1 + number % 8)) + field(5, shape) + field(7, tensor)
    with tempfile.NamedTemporaryFile() as body:
        body.write(b"\0" + len(message).to_bytes(4, "big") + message)
        body.flush()
        url = f"http://127.0.0.1:{host.grpc}/inference.GRPCInferenceService/ModelInfer"
        command = ["h2load", "-n", "1", "-c", "1", "-d", body.name, "-H", "content-type: application/grpc", "-H", "te: trailers", url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout
    received = re.search(r"traffic: .*\((\d+)\) total", done)
    assert received and int(received[1]) > len(tensor), "the answer came back whole"


def entry_script(host: Scorehost, tensor: bytes, rows: int, number: int) -> None:
    frame = b'{"data": [1], "padding": ""}'
    text = frame[:-2] + b"x" * (len(tensor) - len(frame)) + frame[-2:]
    post(host, "/api/v1/service/echo/score", text, {"content-type": "application/json"})


CASES = {
    "no code, HTTP": over_http("identity"), "no code, gRPC": over_grpc, "Rust scorer, HTTP": over_http("through-rust"),
    "Python entry script, text": entry_script,
}


def build(folder: str, name: str) -> str:
    out = f"{folder}/{name}.wasm"
    subprocess.run([SCOREHOST, "scorer", "build", ROOT / "plugins/examples" / name, "-o", out], check=True, capture_output=True)
    return out


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=24)
    parser.add_argument("--kilobytes", type=int, default=600)
    arguments = parser.parse_args()
    require("h2load", "apt-get install nghttp2-client")
    rows = arguments.kilobytes * 1000 // 64
    tensor = bytes(range(256)) * (rows * 64 // 256 + 1)
    # Halves of 0x7f80 and above are NaN; the identity gives any bits back.
    tensor = tensor[: rows * 64]
    figures = []
    with tempfile.TemporaryDirectory() as folder, Scorehost() as host:
        host.cli("model", "register", "--name", "identity", "--path", MODELS / "identity_fp32.onnx")
        host.cli("deploy", "-n", "identity", "-m", "identity:1")
        host.cli("deploy", "-n", "through-rust", "-m", "identity:1", "--scorer", build(folder, "identity-rust"))
        host.cli("deploy", "-n", "echo", "--scorer", build(folder, "echo-python"))
        for case, send in CASES.items():
            send(host, tensor, rows, 0)
            before = copied(host)
            for number in range(arguments.requests):
                send(host, tensor, rows, number)
            after = copied(host)
            each = {place: (after[place] - before[place]) / arguments.requests / len(tensor) for place in PLACES}
            figures.append([case, *(f"{each[place]:.2f}" for place in PLACES), f"{sum(each.values()):.2f}"])
    print(f"{len(tensor)} bytes in and out, {arguments.requests} requests; copies of the input's size per request:")
    print(table(["case", *PLACES, "all"], figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())

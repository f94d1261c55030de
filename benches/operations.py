"""What do operations in the host save a scorer? The text-in-a-photograph scorer as it is, which leaves decoding, resizing, cutting and searching to the
host, against the same scorer that does it in the sandbox, in alternating requests to one host.

    python3 benches/operations.py [--requests 12]

Both run the same two networks. *guest CPU* is what the host charges to the scorer's service, its operations included; the networks run on other
threads and are not in it. *moved* is what crossed the sandbox's border. *memory cap* is the smallest under which the scorer still answers: it holds
for the guest's memory, and for the tensors that it has in the host.
"""

import argparse
import http.client
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from harness import MODELS, ROOT, SCOREHOST, Scorehost, cpu_seconds, table

SCORERS = {"operations": "text-in-photo", "sandbox": "text-in-photo-sandboxed"}


def metrics(host: Scorehost) -> str:
    with urllib.request.urlopen(urllib.request.Request(f"{host.url}/metrics", headers=host.authorization())) as answer:
        return answer.read().decode()


def guest_seconds(text: str, service: str) -> float:
    return float(re.search(rf'^scorehost_guest_cpu_seconds_total\{{service="{service}",[^}}]*\}} (\S+)', text, re.M)[1])


def moved(text: str) -> int:
    places = re.findall(r'^scorehost_copied_bytes_total\{place="(?:to|from)_guest"\} (\d+)', text, re.M)
    return sum(map(int, places))


def score(host: Scorehost, service: str, photo: bytes) -> list[str]:
    connection = http.client.HTTPConnection("127.0.0.1", host.http, timeout=60)
    connection.request("POST", f"/api/v1/service/{service}/score", photo, {"content-type": "image/jpeg"})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    if answer.status != 200:
        raise SystemExit(f"{service}: {answer.status} {content[:300]!r}")
    return [line["text"] for line in json.loads(content)["lines"]]


def build(folder: str, name: str) -> Path:
    out = Path(folder, f"{name}.wasm")
    subprocess.run([SCOREHOST, "scorer", "build", ROOT / "plugins/examples" / name, "-o", out], check=True, capture_output=True)
    return out


def memory(component: Path, photo: Path) -> float:
    """The smallest cap in MiB, on linear memory and on tensors held in the host each, under which it still answers."""
    models = ["-m", f"ppocr-det={MODELS / 'ppocr_det.onnx'}", "-m", f"ppocr-rec={MODELS / 'ppocr_rec'}"]
    command = [str(part) for part in (SCOREHOST, "run", "--scorer", component, *models, "--file", photo, "--content-type", "image/jpeg")]
    works = lambda mib: subprocess.run([*command, "--memory-mib", str(mib)], capture_output=True).returncode == 0
    low, high = 0, 256
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if works(middle) else (middle, high)
    return high


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=12)
    arguments = parser.parse_args()
    photo = (MODELS / "photo.jpg").read_bytes()
    expected = [line["text"] for line in json.loads((MODELS / "photo.expected.json").read_text())["lines"]]
    figures = {case: {"wall": [], "cpu": [], "guest": [], "moved": []} for case in SCORERS}
    with tempfile.TemporaryDirectory() as folder, Scorehost() as host:
        host.cli("model", "register", "--name", "ppocr-det", "--path", MODELS / "ppocr_det.onnx")
        host.cli("model", "register", "--name", "ppocr-rec", "--path", MODELS / "ppocr_rec")
        sizes = {}
        for case, name in SCORERS.items():
            component = build(folder, name)
            sizes[case] = component.stat().st_size
            host.cli("deploy", "-n", name, "-m", "ppocr-det:1", "-m", "ppocr-rec:1", "--scorer", component)
        for number in range(arguments.requests + 2):
            for case, service in SCORERS.items():
                before, cpu, started = metrics(host), cpu_seconds(host.pid), time.perf_counter()
                lines = score(host, service, photo)
                wall, cpu = time.perf_counter() - started, cpu_seconds(host.pid) - cpu
                after = metrics(host)
                if lines != expected:
                    raise SystemExit(f"{case} read {lines}, expected {expected}")
                # The first two warm up.
                if number >= 2:
                    of = figures[case]
                    of["wall"].append(wall * 1000)
                    of["cpu"].append(cpu * 1000)
                    of["guest"].append((guest_seconds(after, service) - guest_seconds(before, service)) * 1000)
                    of["moved"].append(moved(after) - moved(before))
        caps = {case: memory(Path(folder, f"{name}.wasm"), MODELS / "photo.jpg") for case, name in SCORERS.items()}
    rows = []
    for case, of in figures.items():
        middle = {key: statistics.median(values) for key, values in of.items()}
        row = [case, middle["wall"], middle["cpu"], middle["guest"], caps[case], middle["moved"] / 1e6, sizes[case] / 1e3]
        rows.append(row)
    print(f"{len(expected)} lines read exactly by both, {arguments.requests} requests each; medians:")
    print(table(["case", "request, ms", "server CPU, ms", "guest CPU, ms", "memory cap, MiB", "moved, MB", "component, KB"], rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())

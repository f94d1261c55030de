"""Starts servers, puts load on them and accounts their CPU time. Standard library only; the load comes from `h2load`.

Server CPU is user plus system time of the whole process tree (from /proc), divided by the requests completed in the window.
The load generator runs beside the server on the same cores, so rates are comparable only within one run.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TICKS = os.sysconf("SC_CLK_TCK")
SCOREHOST = Path(os.environ.get("SCOREHOST", ROOT / "target" / "release" / "scorehost"))
MODELS = Path(os.environ.get("SCOREHOST_MODELS", ROOT / ".models"))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def process_tree(pid: int) -> list[int]:
    """The process and all its descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (OSError, IndexError):
                continue
            children.setdefault(parent, []).append(int(entry.name))
    tree = [pid]
    for member in tree:
        tree.extend(children.get(member, []))
    return tree


def cpu_seconds(pid: int) -> float:
    total = 0
    for member in process_tree(pid):
        try:
            fields = Path(f"/proc/{member}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def resident_mib(pid: int) -> float:
    total = 0
    for member in process_tree(pid):
        try:
            status = Path(f"/proc/{member}/status").read_text()
        except OSError:
            continue
        match = re.search(r"VmRSS:\s+(\d+) kB", status)
        total += int(match[1]) if match else 0
    return total / 1024


def wait_for(url: str, seconds: float, process: subprocess.Popen | None = None) -> float:
    """Polls until `url` answers 200; returns the seconds it took."""
    started = time.perf_counter()
    while time.perf_counter() - started < seconds:
        if process is not None and process.poll() is not None:
            raise SystemExit(f"{process.args[0]} ended with status {process.returncode} before {url} answered")
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                if answer.status == 200:
                    return time.perf_counter() - started
        except OSError:
            pass
        time.sleep(0.002)
    raise SystemExit(f"{url} did not answer within {seconds} s")


class Process:
    """A server process that ends with the `with` block."""

    def __init__(self, command: list[str], ready_url: str, seconds: float = 60, **options):
        self.log = tempfile.NamedTemporaryFile("w+", prefix="bench-", suffix=".log", delete=False)
        self.child = subprocess.Popen(
            [str(part) for part in command], stdout=self.log, stderr=self.log, start_new_session=True, **options
        )
        try:
            self.ready_after = wait_for(ready_url, seconds, self.child)
        except SystemExit:
            sys.stderr.write(Path(self.log.name).read_text()[-3000:])
            self.stop()
            raise

    @property
    def pid(self) -> int:
        return self.child.pid

    def stop(self) -> None:
        if self.child.poll() is None:
            os.killpg(self.child.pid, signal.SIGTERM)
            try:
                self.child.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self.child.pid, signal.SIGKILL)
                self.child.wait()
        self.log.close()

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, *_) -> None:
        self.stop()


class Scorehost(Process):
    """`scorehost serve` over a data directory (a new one by default), and its command line."""

    def __init__(self, data_dir: Path | None = None, arguments: tuple[str, ...] = ()):
        self.own_dir = data_dir is None
        self.data_dir = data_dir or Path(tempfile.mkdtemp(prefix="scorehost-bench-"))
        self.http, self.grpc = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.http}"
        command = [SCOREHOST, "serve", "--data-dir", self.data_dir, "--http", f"127.0.0.1:{self.http}"]
        command += ["--grpc", f"127.0.0.1:{self.grpc}", *arguments]
        self.config = Path(tempfile.mkdtemp(prefix="scorehost-bench-config-"))
        self.environment = os.environ | {"SCOREHOST_CONFIG_DIR": str(self.config)}
        super().__init__(command, self.ready_url(), env=self.environment)

    def ready_url(self) -> str:
        return f"{self.url}/v2/health/ready"

    def authorization(self) -> dict[str, str]:
        """The header of an administrator, whose credential the server left for its user."""
        file = self.config / "local" / f"127.0.0.1_{self.http}.json"
        return {"authorization": f"Bearer {json.loads(file.read_text())['credential']}"}

    def cli(self, *arguments: object) -> str:
        # Peers do not authenticate; what it costs here is measured on its own.
        opened = arguments[0] == "deploy" and "--no-auth" not in arguments
        return self.guarded(*arguments, *(["--no-auth"] if opened else []))

    def guarded(self, *arguments: object) -> str:
        """The same, where a new service asks for what it asks for by itself."""
        command = [str(part) for part in (SCOREHOST, "--server", self.url, *arguments)]
        done = subprocess.run(command, capture_output=True, text=True, env=self.environment)
        if done.returncode:
            raise SystemExit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
        return done.stdout.strip()

    def stop(self) -> None:
        super().stop()
        shutil.rmtree(self.config, ignore_errors=True)
        if self.own_dir:
            shutil.rmtree(self.data_dir, ignore_errors=True)


@dataclasses.dataclass
class Load:
    """One kind of request, as h2load sends it."""

    url: str
    body: bytes
    headers: dict[str, str]
    http2: bool = False
    # The server closes the connection after each answer, which `wrk` survives and h2load does not.
    closes: bool = False


@dataclasses.dataclass
class Result:
    rate: float
    cpu_ms: float
    p50_us: float | None
    p99_us: float | None
    failed: int


def measure(load: Load, connections: int, pid: int, seconds: float = 2.0) -> Result:
    """Runs `seconds` of closed-loop load over `connections` after a short warm-up. One request before must be answered rightly."""
    check(load)
    if load.closes:
        return measure_with_wrk(load, connections, pid, seconds)
    with tempfile.NamedTemporaryFile() as body, tempfile.NamedTemporaryFile("r") as times:
        body.write(load.body)
        body.flush()
        command = ["h2load", "-c", str(connections), "-t", "1", "-d", body.name, f"--log-file={times.name}"]
        command += [] if load.http2 else ["--h1"]
        for name, value in load.headers.items():
            command += ["-H", f"{name}: {value}"]
        h2load([*command, "-D", "500ms", load.url])
        before, started = cpu_seconds(pid), time.perf_counter()
        summary = h2load([*command, "-D", f"{round(seconds * 1000)}ms", load.url], seconds)
        cpu, elapsed = cpu_seconds(pid) - before, time.perf_counter() - started
        # Both runs append; the second run's lines are the last ones.
        succeeded, failed = parse_h2load(summary)
        latencies = sorted(int(line.split("\t")[2]) for line in times.readlines()[-succeeded:]) if succeeded else []
    rank = lambda share: latencies[min(len(latencies) - 1, int(len(latencies) * share))] if latencies else None
    return Result(succeeded / min(elapsed, seconds), cpu * 1000 / max(succeeded, 1), rank(0.5), rank(0.99), failed)


def check(load: Load) -> None:
    """Sends one request. h2load counts every gRPC answer as a success, since the status is in its trailers."""
    with tempfile.NamedTemporaryFile() as body:
        body.write(load.body)
        body.flush()
        command = ["curl", "--silent", "--show-error", "--max-time", "30", "--data-binary", f"@{body.name}", "--include"]
        command += ["--http2-prior-knowledge"] if load.http2 else []
        for name, value in load.headers.items():
            command += ["-H", f"{name}: {value}"]
        done = subprocess.run([*command, "--output", "-", load.url], capture_output=True)
    head = done.stdout.lower()
    right = re.match(rb"http/[\d.]+ 2\d\d", head) and (not load.http2 or b"grpc-status: 0" in head)
    if not right:
        raise SystemExit(f"{load.url} answers wrongly: {(done.stdout + done.stderr).decode(errors='replace')[:2000]}")


def measure_with_wrk(load: Load, connections: int, pid: int, seconds: float) -> Result:
    """The same with `wrk`, in whole seconds."""
    lines = ['wrk.method = "POST"', f"wrk.body = {lua(load.body)}"]
    lines += [f'wrk.headers["{name}"] = "{value}"' for name, value in load.headers.items()]
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write("\n".join(lines))
        script.flush()
        command = ["wrk", "-t", "1", "-c", str(connections), "--latency", "-s", script.name]
        run = lambda length: subprocess.run(
            [*command, "-d", f"{length}s", load.url], capture_output=True, text=True, check=True, timeout=length + 20
        ).stdout
        run(1)
        before = cpu_seconds(pid)
        text = run(max(1, round(seconds)))
        cpu = cpu_seconds(pid) - before
    requests, rate = re.search(r"(\d+) requests in", text), re.search(r"Requests/sec:\s+([\d.]+)", text)
    if not requests or not rate:
        raise SystemExit(f"wrk's summary was not understood:\n{text[-2000:]}")
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    rank = lambda share: microseconds(re.search(rf"\s{share}%\s+([\d.]+)(us|ms|s)", text))
    return Result(float(rate[1]), cpu * 1000 / max(int(requests[1]), 1), rank(50), rank(99), int(bad[1]) if bad else 0)


def microseconds(found: re.Match | None) -> float | None:
    return float(found[1]) * {"us": 1, "ms": 1e3, "s": 1e6}[found[2]] if found else None


def lua(data: bytes) -> str:
    """A Lua string of any bytes."""
    return '"' + "".join(f"\\{byte:03d}" for byte in data) + '"'


def h2load(command: list[str], seconds: float = 0.5) -> str:
    """Its summary. It never ends against a server that closes the connection after each answer, hence the limit."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds + 20).stdout
    except subprocess.TimeoutExpired:
        raise SystemExit(f"h2load did not end on {command[-1]}: the server closes its connections") from None


def parse_h2load(text: str) -> tuple[int, int]:
    """(2xx answers, everything else) of h2load's summary."""
    codes = re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", text)
    failed = re.search(r"(\d+) failed, (\d+) errored, (\d+) timeout", text)
    if not codes or not failed:
        raise SystemExit(f"h2load's summary was not understood:\n{text[-2000:]}")
    bad = sum(int(codes[i]) for i in (2, 3, 4)) + int(failed[2]) + int(failed[3])
    return int(codes[1]), bad


def table(headings: list[str], rows: list[list[object]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(headings) + " |", "|" + "---|" * len(headings)]
    lines += ["| " + " | ".join(cell(value) for value in row) + " |" for row in rows]
    return "\n".join(lines)


def cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4f}" if value < 1 else f"{value:.1f}" if value < 1000 else f"{value:.0f}"
    return "–" if value is None else str(value)


def require(tool: str, how: str) -> None:
    if shutil.which(tool) is None:
        raise SystemExit(f"error: `{tool}` is needed; install it with: {how}")


def fp32(values: int = 16) -> bytes:
    import struct

    return struct.pack(f"<{values}f", *(index / 8 for index in range(values)))


def infer_binary(url: str, model: str) -> Load:
    """Identity FP32 [1,16] over HTTP with the binary tensor extension, both ways."""
    tensor = fp32()
    header = json.dumps(
        {
            "inputs": [
                {
                    "name": "INPUT0",
                    "shape": [1, 16],
                    "datatype": "FP32",
                    "parameters": {"binary_data_size": len(tensor)},
                }
            ],
            "parameters": {"binary_data_output": True},
        },
        separators=(",", ":"),
    ).encode()
    headers = {"content-type": "application/octet-stream", "inference-header-content-length": str(len(header))}
    return Load(f"{url}/v2/models/{model}/infer", header + tensor, headers)


def infer_json(url: str, model: str) -> Load:
    document = {
        "inputs": [
            {"name": "INPUT0", "shape": [1, 16], "datatype": "FP32", "data": [index / 8 for index in range(16)]}
        ]
    }
    return Load(f"{url}/v2/models/{model}/infer", json.dumps(document).encode(), {"content-type": "application/json"})


def infer_grpc(port: int, model: str) -> Load:
    """The same as one framed `ModelInferRequest` with raw contents."""
    varint = lambda n: bytes([n]) if n < 128 else bytes([n & 127 | 128]) + varint(n >> 7)
    field = lambda number, data: bytes([number << 3 | 2]) + varint(len(data)) + data
    tensor = field(1, b"INPUT0") + field(2, b"FP32") + field(3, bytes([1, 16]))
    message = field(1, model.encode()) + field(5, tensor) + field(7, fp32())
    headers = {"content-type": "application/grpc", "te": "trailers"}
    url = f"http://127.0.0.1:{port}/inference.GRPCInferenceService/ModelInfer"
    return Load(url, b"\0" + len(message).to_bytes(4, "big") + message, headers, http2=True)

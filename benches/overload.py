"""What is left of a service under three times the load it can carry? Open-loop load at 0.5, 1, 2 and 3 times the measured capacity,
Poisson arrivals of a fixed seed; goodput is answers with status 200 within the deadline, counted from the moment at which a request
was due, whether or not the client could send it then.

    python3 benches/overload.py [--seconds 8] [--deadline 500] [--case scorer|no-code|neighbour]

Cases: a Rust scorer that computes for some milliseconds, a no-code model of similar length, and the scorer while another service's
endless loops want every processor. Needs the release build, `.models/` and the guests' toolchain.
"""

import argparse
import asyncio
import dataclasses
import json
import random
import struct
import subprocess
import sys
import time
from pathlib import Path

from harness import MODELS, ROOT, SCOREHOST, Scorehost, cpu_seconds, table

FACTORS = (0.5, 1.0, 2.0, 3.0)
WORK = b"work 6"


@dataclasses.dataclass
class Job:
    """One kind of request as bytes."""

    port: int
    path: str
    headers: dict[str, str]
    body: bytes

    def bytes(self, deadline_ms: int) -> bytes:
        lines = [f"POST {self.path} HTTP/1.1", "host: bench", f"content-length: {len(self.body)}"]
        lines += [f"x-scorehost-timeout-ms: {deadline_ms}"] + [f"{name}: {value}" for name, value in self.headers.items()]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + self.body


class Client:
    """Connections that are kept open and used by one request at a time."""

    def __init__(self, port: int):
        self.port, self.idle = port, []

    async def ask(self, request: bytes) -> int:
        """The status of the answer."""
        reader, writer = self.idle.pop() if self.idle else await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = next((line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b":0")
        await reader.readexactly(int(length.split(b":")[1]))
        self.idle.append((reader, writer))
        return int(head[9:12])


async def capacity(job: Job, seconds: float, callers: int = 4) -> float:
    """Answers a second when as many callers as it needs wait for theirs."""
    client, request = Client(job.port), job.bytes(60_000)
    end = time.perf_counter() + 1 + seconds
    begin, done = end - seconds, 0

    async def caller() -> None:
        nonlocal done
        while time.perf_counter() < end:
            status = await client.ask(request)
            if status != 200:
                raise SystemExit(f"the service answers {status}")
            done += begin <= time.perf_counter() < end

    await asyncio.gather(*(caller() for _ in range(callers)))
    return done / seconds


@dataclasses.dataclass
class Outcome:
    good: int = 0
    late: int = 0
    refused: int = 0
    timed_out: int = 0
    other: int = 0


async def open_loop(job: Job, rate: float, seconds: float, deadline_ms: int) -> Outcome:
    client, request, outcome = Client(job.port), job.bytes(deadline_ms), Outcome()
    arrivals, running = random.Random(7), set()

    async def one(due: float) -> None:
        status = await client.ask(request)
        took = time.perf_counter() - due
        if status == 200:
            outcome.good += took <= deadline_ms / 1000
            outcome.late += took > deadline_ms / 1000
        else:
            outcome.refused += status == 503
            outcome.timed_out += status == 504
            outcome.other += status not in (503, 504)

    due = begin = time.perf_counter()
    while due < begin + seconds:
        pause = due - time.perf_counter()
        if pause > 0:
            await asyncio.sleep(pause)
        task = asyncio.create_task(one(due))
        running.add(task)
        task.add_done_callback(running.discard)
        due += arrivals.expovariate(rate)
    await asyncio.gather(*running)
    return outcome


def faulty() -> Path:
    out = ROOT / "target" / "benches" / "faulty.wasm"
    out.parent.mkdir(parents=True, exist_ok=True)
    build = [SCOREHOST, "scorer", "build", ROOT / "tests/guests/faulty", "-o", out]
    subprocess.run(build, check=True, capture_output=True)
    return out


def deploy_scorer(host: Scorehost, name: str, concurrency: int, extra: dict | None = None) -> Job:
    document = {"computeType": "local", "numReplicas": 1, "maxConcurrentRequestsPerContainer": concurrency, **(extra or {})}
    document["containerResourceRequirements"] = {"cpu": 0.1, "memoryInGB": 0.0625}
    file = host.data_dir / f"{name}.json"
    file.write_text(json.dumps(document))
    host.cli("deploy", "-n", name, "--scorer", faulty(), "--dc", file, "--no-auth")
    return Job(host.http, f"/api/v1/service/{name}/score", {"content-type": "text/plain"}, WORK)


def deploy_model(host: Scorehost) -> Job:
    host.cli("model", "register", "--name", "detector", "--path", MODELS / "ppocr_det.onnx")
    host.cli("deploy", "-n", "detector", "-m", "detector:1", "--no-auth")
    size = 96
    tensor = struct.pack("<f", 0.5) * (3 * size * size)
    parameters = {"binary_data_size": len(tensor)}
    given = {"name": "x", "shape": [1, 3, size, size], "datatype": "FP32", "parameters": parameters}
    header = json.dumps({"inputs": [given], "parameters": {"binary_data_output": True}}).encode()
    headers = {"content-type": "application/octet-stream", "inference-header-content-length": str(len(header))}
    return Job(host.http, "/v2/models/detector/infer", headers, header + tensor)


async def loops(job: Job, count: int) -> list:
    """Callers whose calls never end."""
    request = dataclasses.replace(job, body=b"loop").bytes(3_600_000)
    streams = [await asyncio.open_connection("127.0.0.1", job.port) for _ in range(count)]
    for _, writer in streams:
        writer.write(request)
    await asyncio.sleep(1)
    return streams


async def run(case: str, arguments: argparse.Namespace) -> list[list]:
    with Scorehost() as host:
        if case == "no-code":
            job = deploy_model(host)
        else:
            job = deploy_scorer(host, "work", 4)
        held = []
        if case == "neighbour":
            greedy = deploy_scorer(host, "greedy", 50, {"scoringTimeoutMs": 3_600_000})
            held = await loops(greedy, 50)
        limit = await capacity(job, arguments.seconds / 2)
        rows, full = [], None
        for factor in FACTORS:
            rate, cpu = limit * factor, cpu_seconds(host.pid)
            outcome = await open_loop(job, rate, arguments.seconds, arguments.deadline)
            goodput = outcome.good / arguments.seconds
            full = goodput if factor == 1.0 else full
            ratio = goodput / full if full else None
            used = (cpu_seconds(host.pid) - cpu) / arguments.seconds
            row = [case, factor, rate, goodput, ratio, outcome.late, outcome.refused, outcome.timed_out, outcome.other, used]
            print(row, file=sys.stderr)
            rows.append(row)
        for _, writer in held:
            writer.close()
        return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=8.0, help="length of one measurement")
    parser.add_argument("--deadline", type=int, default=500, help="milliseconds from due to answered")
    parser.add_argument("--case", action="append", choices=["scorer", "no-code", "neighbour"])
    arguments = parser.parse_args()
    rows = []
    for case in arguments.case or ["scorer", "no-code", "neighbour"]:
        rows += asyncio.run(run(case, arguments))
    headings = ["case", "× capacity", "asked/s", "goodput/s", "of goodput at 1×", "late", "503", "504", "other", "server cores"]
    print(table(headings, rows))
    wrong = any(row[8] for row in rows)
    kept = all(row[4] is None or row[1] < 3 or row[4] >= 0.9 for row in rows)
    return 0 if kept and not wrong else 1


if __name__ == "__main__":
    sys.exit(main())

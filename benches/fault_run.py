"""Does the host keep its promises while everything goes wrong at once? Mixed traffic at twice the capacity over HTTP JSON, HTTP binary,
gRPC and the scoring door, all behind TLS, while scorers trap, loop, exhaust memory and their stack, certificates and keys are replaced,
versions come and go, models are registered, and the process is killed with SIGKILL and started again.

    .venv-tests/bin/python benches/fault_run.py [--minutes 10] [--kills 5] [--rate REQUESTS_PER_SECOND]

Checked: every answer against what only its own request can have asked for; statuses from the set that the documents allow; everything
acknowledged is there after every restart; no operation, connection or request that never ends; memory that stops growing. Prints one
table and every violation, and exits with 1 where there was one. Needs the release build, `.models/`, the guests' toolchain, `openssl`,
and the Python packages `aiohttp` and `grpcio`.
"""

import argparse
import asyncio
import collections
import dataclasses
import hashlib
import json
import os
import random
import shutil
import signal
import ssl
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import aiohttp
import grpc

from harness import MODELS, ROOT, SCOREHOST, free_port, table

# A request that has no answer after this many seconds is stuck; every one names a far shorter deadline.
STUCK = 20.0
DEADLINE_MS = 2000
# Requests and connections of the time before a restart may fail this much after it.
SETTLED = 3.0
# Requests of this client in flight at once.
IN_FLIGHT = 600
# What memory may grow by in the second half of the longest undisturbed time.
GROWTH_MIB, GROWTH_SHARE = 24, 0.10

FAULTS = ("trap", "loop", "memory", "stack", "panic")
# Kind of request, share of the traffic, and the statuses it may have beside a right 200.
KINDS = {
    "JSON": (0.10, {503, 504}),
    "binary": (0.14, {503, 504}),
    "gRPC": (0.14, {503, 504}),
    "Rust scorer": (0.12, {503, 504}),
    "with a key": (0.10, {503, 504}),
    "rolling versions": (0.10, {503, 504}),
    "entry script": (0.24, {503, 504}),
    "faulty scorer": (0.06, {502, 503, 504}),
}


class Violations(list):
    """What broke a promise; the first of each kind are shown."""

    def add(self, text: str) -> None:
        self.append(text)
        if len(self) <= 30:
            print(f"VIOLATION {text}", file=sys.stderr, flush=True)


class Authority:
    """A certificate authority in a folder, and certificates for the server by it."""

    def __init__(self, folder: Path):
        self.folder, self.count = folder, 0
        self.ca, self.cert, self.key = folder / "ca.pem", folder / "cert.pem", folder / "key.pem"
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        self.openssl("req", "-x509", *curve, "-keyout", "ca-key.pem", "-out", "ca.pem", "-days", "2", "-subj", "/CN=fault run")
        self.curve = curve
        self.renew()

    def openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True)

    def renew(self) -> bytes:
        """Replaces the server's certificate and key; gives the certificate."""
        self.count += 1
        (self.folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1")
        self.openssl("req", *self.curve, "-keyout", "new-key.pem", "-out", "new.csr", "-subj", f"/CN=host {self.count}")
        sign = ["-CA", "ca.pem", "-CAkey", "ca-key.pem", "-CAcreateserial", "-days", "2", "-extfile", "names"]
        self.openssl("x509", "-req", "-in", "new.csr", "-out", "new.pem", *sign)
        # Not one step: a server that reads between the two finds a pair that does not fit, and must keep the former.
        os.replace(self.folder / "new-key.pem", self.key)
        os.replace(self.folder / "new.pem", self.cert)
        return ssl.PEM_cert_to_DER_cert(self.cert.read_text())


class Server:
    """The process, its lives, and its command line."""

    def __init__(self, folder: Path, authority: Authority):
        self.folder, self.authority = folder, authority
        self.http, self.grpc = free_port(), free_port()
        self.url = f"https://127.0.0.1:{self.http}"
        self.environment = os.environ | {"SCOREHOST_CONFIG_DIR": str(folder / "config"), "SCOREHOST_CA": str(authority.ca)}
        self.lives: list[list[tuple[float, float]]] = []
        self.outages: list[tuple[float, float]] = []
        self.child: subprocess.Popen | None = None

    async def start(self) -> float:
        """Starts and waits until it is ready; seconds that took."""
        began = time.monotonic()
        command = [SCOREHOST, "serve", "--data-dir", self.folder / "data", "--http", f"127.0.0.1:{self.http}"]
        command += ["--grpc", f"127.0.0.1:{self.grpc}", "--tls-cert", self.authority.cert, "--tls-key", self.authority.key]
        with (self.folder / "host.log").open("a") as log:
            self.child = subprocess.Popen([str(part) for part in command], stdout=log, stderr=log, env=self.environment)
        context = ssl.create_default_context(cafile=str(self.authority.ca))
        async with aiohttp.ClientSession() as session:
            while time.monotonic() - began < 60:
                if self.child.poll() is not None:
                    break
                try:
                    async with session.get(f"{self.url}/v2/health/ready", ssl=context) as answer:
                        if answer.status == 200:
                            self.lives.append([])
                            return time.monotonic() - began
                except (aiohttp.ClientError, OSError):
                    pass
                await asyncio.sleep(0.02)
        raise SystemExit(f"the host did not become ready:\n{(self.folder / 'host.log').read_text()[-3000:]}")

    async def kill_and_restart(self) -> float:
        """SIGKILL and a new start on the same data."""
        began = time.monotonic()
        self.outages.append((began, float("inf")))
        self.child.kill()
        await asyncio.to_thread(self.child.wait)
        took = await self.start()
        self.outages[-1] = (began, time.monotonic() + SETTLED)
        return took

    def disturbed(self, since: float) -> bool:
        """Whether the server was away at any time between `since` and now."""
        now = time.monotonic()
        return any(begin <= now and since <= end for begin, end in self.outages)

    def up(self) -> bool:
        """Whether it is ready: a process that has just begun knows no SIGHUP, and ends by it."""
        return self.child.poll() is None and not (self.outages and self.outages[-1][1] == float("inf"))

    async def cli(self, *arguments: object) -> tuple[bool, str]:
        """Whether a command was acknowledged, and what it printed."""
        command = [str(part) for part in (SCOREHOST, "--server", self.url, *arguments)]
        run = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=self.environment
        )
        try:
            out, error = await asyncio.wait_for(run.communicate(), 120)
        except TimeoutError:
            run.kill()
            return False, f"stuck: {' '.join(command[3:])}"
        return run.returncode == 0, (out if run.returncode == 0 else error).decode(errors="replace").strip()

    async def must(self, *arguments: object) -> str:
        done, text = await self.cli(*arguments)
        if not done:
            raise SystemExit(f"{arguments}: {text}")
        return text

    def sample(self) -> None:
        if not self.up():
            return
        try:
            status = Path(f"/proc/{self.child.pid}/status").read_text()
        except OSError:
            return
        resident = next((int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS:")), None)
        if resident and self.lives:
            self.lives[-1].append((time.monotonic(), resident))


class Client:
    """Asks, and knows what the right answer is."""

    def __init__(self, server: Server, violations: Violations):
        self.server, self.violations, self.number = server, violations, 0
        self.counts = {kind: collections.Counter() for kind in KINDS}
        self.key = ""
        # While a key is replaced its callers use the other one.
        context = ssl.create_default_context(cafile=str(server.authority.ca))
        self.session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context, limit=IN_FLIGHT))
        credentials = grpc.ssl_channel_credentials(server.authority.ca.read_bytes())
        options = [("grpc.max_reconnect_backoff_ms", 300), ("grpc.initial_reconnect_backoff_ms", 100)]
        channel = grpc.secure_channel(f"localhost:{server.grpc}", credentials, options=options)
        self.channel, self.unary = channel, channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")

    async def close(self) -> None:
        await self.session.close()
        self.channel.close()

    async def ask(self, kind: str) -> None:
        """One request; counts its outcome, and reports what may not be."""
        self.number += 1
        began, number = time.monotonic(), self.number
        try:
            outcome = await asyncio.wait_for(self.outcome(kind, number), STUCK)
        except TimeoutError:
            outcome = "stuck"
        except (aiohttp.ClientError, OSError) as error:
            outcome = f"broken: {type(error).__name__} {error}"
        disturbed = self.server.disturbed(began)
        allowed = outcome == "right" or outcome in KINDS[kind][1]
        if not allowed and outcome != "wrong" and disturbed:
            outcome = "killed"
        elif not allowed:
            self.violations.add(f"{kind} request {number}: {outcome}")
        self.counts[kind][outcome if outcome in ("right", "wrong", "stuck", "killed", 502, 503, 504) else "other"] += 1

    async def outcome(self, kind: str, number: int) -> object:
        if kind == "gRPC":
            return await self.over_grpc(number)
        if kind == "entry script":
            own = f"{number}:{hashlib.sha256(str(number).encode()).hexdigest()}"
            return await self.post("/api/v1/service/work/score", f"echo 6 {own}".encode(), {}, lambda body: body == own.encode())
        if kind == "faulty scorer":
            fault = random.choice(FAULTS)
            # A fault that is answered as if it were none is a wrong answer.
            return await self.post("/api/v1/service/faulty/score", fault.encode(), {}, lambda body: False)
        service = {"Rust scorer": "rust", "with a key": "keyed", "rolling versions": "rolling"}.get(kind, "identity")
        headers = {"authorization": f"Bearer {self.key}"} if kind == "with a key" else {}
        path = f"/v2/models/{service}/infer"
        if kind == "JSON" or (kind == "rolling versions" and number % 2):
            values = payload(number)
            given = {"name": "INPUT0", "shape": [1, 16], "datatype": "FP32", "data": values}
            right = lambda body: json.loads(body)["outputs"][0]["data"] == values
            return await self.post(path, json.dumps({"inputs": [given]}).encode(), headers, right)
        data = struct.pack("<16f", *payload(number))
        given = {"name": "INPUT0", "shape": [1, 16], "datatype": "FP32", "parameters": {"binary_data_size": 64}}
        head = json.dumps({"inputs": [given], "parameters": {"binary_data_output": True}}).encode()
        headers["inference-header-content-length"] = str(len(head))
        return await self.post(path, head + data, headers, lambda body: body[-64:] == data)

    async def post(self, path: str, body: bytes, headers: dict[str, str], right) -> object:
        headers = {"x-scorehost-timeout-ms": str(DEADLINE_MS), "content-type": "application/octet-stream", **headers}
        async with self.session.post(self.server.url + path, data=body, headers=headers) as answer:
            content = await answer.read()
            if answer.status != 200:
                return answer.status if answer.status in (502, 503, 504) else f"status {answer.status}: {content[:200]!r}"
            return "right" if right(content) else "wrong"

    async def over_grpc(self, number: int) -> object:
        data = struct.pack("<16f", *payload(number))
        tensor = field(1, b"INPUT0") + field(2, b"FP32") + field(3, bytes([1, 16]))
        message = field(1, b"identity") + field(3, str(number).encode()) + field(5, tensor) + field(7, data)
        # Not grpc.aio: after a server's kill its calls now and then neither end nor reach their own time limit.
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        call = self.unary.future(message, timeout=DEADLINE_MS / 1000)
        call.add_done_callback(lambda _: loop.call_soon_threadsafe(ended.set))
        await ended.wait()
        try:
            answer = call.result()
        except grpc.RpcError as error:
            known = {grpc.StatusCode.RESOURCE_EXHAUSTED: 503, grpc.StatusCode.DEADLINE_EXCEEDED: 504}
            return known.get(error.code(), f"{error.code()}: {error.details()}")
        fields = dict(fields_of(answer))
        return "right" if fields.get(3) == str(number).encode() and fields.get(6) == data else "wrong"


def payload(number: int) -> list[float]:
    """Sixteen numbers that no other request sends."""
    return [float(number), float(-number)] + [float((number * 2654435761 + place * 40503) % (1 << 23)) for place in range(14)]


def varint(value: int) -> bytes:
    return bytes([value]) if value < 128 else bytes([value & 127 | 128]) + varint(value >> 7)


def field(number: int, data: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(data)) + data


def fields_of(message: bytes):
    """The length-delimited fields of a protobuf message, all that the answer has."""

    def read(place: int) -> tuple[int, int]:
        value = shift = 0
        while True:
            byte = message[place]
            value, shift, place = value | (byte & 127) << shift, shift + 7, place + 1
            if byte < 128:
                return value, place

    place = 0
    while place < len(message):
        key, place = read(place)
        length, place = read(place)
        yield key >> 3, message[place : place + length]
        place += length


class Ledger:
    """What the host acknowledged, and what it did not come to acknowledge."""

    def __init__(self):
        self.models: dict[str, bytes] = {}
        self.gone: set[str] = set()
        self.versions, self.default = {"v1"}, "v1"
        # After an operation that was broken off, the state before it and the state after it are both right.
        self.also: tuple[set[str], str] | None = None
        self.keys: dict[str, str] = {}
        self.unsure_key: str | None = None
        self.done = collections.Counter()


class Operator:
    """Changes the host without a pause, one thing after the other in each of its loops."""

    def __init__(self, server: Server, client: Client, violations: Violations, folder: Path):
        self.server, self.client, self.violations, self.folder = server, client, violations, folder
        self.ledger, self.lock = Ledger(), {name: asyncio.Lock() for name in ("models", "rolling", "temporary", "keys")}
        self.count = 0

    async def act(self, what: str, *arguments: object) -> tuple[bool, str]:
        """One command; a refusal that no restart explains is a violation."""
        began = time.monotonic()
        done, text = await self.server.cli(*arguments)
        self.ledger.done[what] += done
        if not done and (text.startswith("stuck") or not self.server.disturbed(began)):
            self.violations.add(f"{what}: {text}")
        return done, text

    async def models(self) -> None:
        self.count += 1
        content = f"model {self.count} {random.random()}".encode()
        name, file = f"registered-{self.count}", self.folder / "content.bin"
        file.write_bytes(content)
        done, text = await self.act("models registered", "model", "register", "--name", name, "--path", file)
        if done:
            self.ledger.models[text.split()[-1]] = content

    async def rolling(self) -> None:
        ledger = self.ledger
        newest = max(ledger.versions, key=lambda name: int(name[1:]))
        if len(ledger.versions) < 3 and ledger.default == newest:
            name = f"v{int(newest[1:]) + 1}"
            after = (ledger.versions | {name}, ledger.default)
            command = ["deploy", "-n", "rolling", "--version", name, "-m", "identity:1", "--traffic", 30]
            what = "versions deployed"
        elif ledger.default != newest:
            after, what = (ledger.versions, newest), "versions promoted"
            command = ["endpoint", "promote", "rolling", newest]
        else:
            oldest = min(ledger.versions, key=lambda name: int(name[1:]))
            after, what = (ledger.versions - {oldest}, ledger.default), "versions deleted"
            command = ["endpoint", "delete", "rolling", oldest]
        ledger.also = after
        if (await self.act(what, *command))[0]:
            (ledger.versions, ledger.default), ledger.also = after, None
        else:
            await self.read_rolling()

    async def read_rolling(self) -> None:
        """Compares the versions with the ledger, and goes on from what is there."""
        done, text = await self.server.cli("endpoint", "show", "rolling", "--output", "json")
        if not done:
            return
        ledger, found = self.ledger, versions_of(json.loads(text))
        allowed = [(ledger.versions, ledger.default)] + ([ledger.also] if ledger.also else [])
        if found not in allowed:
            self.violations.add(f"service rolling has versions {found}; acknowledged was one of {allowed}")
        (ledger.versions, ledger.default), ledger.also = found, None

    async def temporary(self) -> None:
        self.count += 1
        number = self.count
        name = f"temporary-{number}"
        began = time.monotonic()
        if not (await self.act("services deployed", "deploy", "-n", name, "-m", "identity:1", "--no-auth"))[0]:
            return
        given = {"name": "INPUT0", "shape": [1, 16], "datatype": "FP32", "data": payload(number)}
        path, body = f"/v2/models/{name}/infer", json.dumps({"inputs": [given]}).encode()
        right = lambda content: json.loads(content)["outputs"][0]["data"] == payload(number)
        await self.expect(began, path, body, right, {"right", 503, 504})
        began = time.monotonic()
        if (await self.act("services deleted", "service", "delete", name))[0]:
            self.ledger.gone.add(name)
            await self.expect(began, path, body, right, {"status 404"})

    async def expect(self, began: float, path: str, body: bytes, right, expected: set) -> None:
        try:
            outcome = await asyncio.wait_for(self.client.post(path, body, {}, right), STUCK)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            outcome = repr(error)
        shown = outcome.split(":")[0] if isinstance(outcome, str) else outcome
        if shown not in expected and not self.server.disturbed(began):
            self.violations.add(f"{path}: {outcome}; expected {expected}")

    async def keys(self) -> None:
        which, other = random.choice([("primary", "secondary"), ("secondary", "primary")])
        self.client.key = self.ledger.keys[other]
        self.ledger.unsure_key = which
        # Requests that hold the former key end before it does.
        await asyncio.sleep(DEADLINE_MS / 1000 + 0.5)
        command = ["service", "keys", "keyed", "--regenerate", which, "--output", "json"]
        done, text = await self.act("keys replaced", *command)
        if done:
            self.ledger.keys, self.ledger.unsure_key = keys_of(text), None
        else:
            await self.read_keys()

    async def read_keys(self) -> None:
        done, text = await self.server.cli("service", "keys", "keyed", "--output", "json")
        if not done:
            return
        found, ledger = keys_of(text), self.ledger
        lost = [which for which in found if found[which] != ledger.keys[which] and which != ledger.unsure_key]
        if lost:
            self.violations.add(f"service keyed has other keys than acknowledged: {lost}")
        ledger.keys, ledger.unsure_key = found, None
        self.client.key = found["primary"]

    async def loop(self, name: str, pause: float, until: float) -> None:
        while time.monotonic() < until:
            async with self.lock[name]:
                await getattr(self, name)()
            await asyncio.sleep(pause)

    async def certificates(self, pause: float, until: float) -> None:
        """Replaces the certificate, and waits until the doors show the new one."""
        while time.monotonic() < until:
            expected = await asyncio.to_thread(self.server.authority.renew)
            # Half of the time the host is told; else it finds out by itself.
            if random.random() < 0.5 and self.server.up():
                self.server.child.send_signal(signal.SIGHUP)
            began = time.monotonic()
            while await asyncio.to_thread(served, self.server.http) != expected:
                if self.server.disturbed(began):
                    began = time.monotonic()
                if time.monotonic() - began > STUCK:
                    self.violations.add(f"the certificate of {STUCK:.0f} seconds ago is not in use")
                    break
                await asyncio.sleep(0.2)
            self.ledger.done["certificates replaced"] += 1
            await asyncio.sleep(pause)

    async def check(self) -> None:
        """Everything that was acknowledged is there. Nothing else may change meanwhile."""
        for lock in self.lock.values():
            await lock.acquire()
        try:
            await self.check_models()
            await self.read_rolling()
            await self.read_keys()
            services = {service["name"] for service in json.loads(await self.server.must("service", "list", "--output", "json"))}
            if lost := {"identity", "keyed", "rust", "work", "faulty", "rolling"} - services:
                self.violations.add(f"services lost: {lost}")
            if back := self.ledger.gone & services:
                self.violations.add(f"deleted services are back: {back}")
        finally:
            for lock in self.lock.values():
                lock.release()

    async def check_models(self) -> None:
        listed = json.loads(await self.server.must("model", "list", "--output", "json"))
        found = {f"{model['name']}:{model['version']}" for model in listed}
        if lost := self.ledger.models.keys() - found:
            self.violations.add(f"models lost: {sorted(lost)}")
        for model in random.sample(sorted(self.ledger.models.keys() & found), min(3, len(self.ledger.models.keys() & found))):
            folder = Path(tempfile.mkdtemp(dir=self.folder)) / "model"
            await self.server.must("model", "download", model, "--out", folder)
            content = next(path for path in folder.rglob("*") if path.is_file()).read_bytes()
            if content != self.ledger.models[model]:
                self.violations.add(f"model {model} has other content than registered")

    async def unfinished(self) -> None:
        """No operation goes on once nobody asks for one."""
        for _ in range(60):
            operations = json.loads(await self.server.must("operation", "list", "--output", "json"))
            running = [operation["id"] for operation in operations if operation["state"] == "Running"]
            if not running:
                return
            await asyncio.sleep(0.5)
        self.violations.add(f"operations that do not end: {running}")


def served(port: int) -> bytes | None:
    """The certificate that the HTTP door shows."""
    try:
        return ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", port), timeout=5))
    except OSError:
        return None


def versions_of(shown: dict) -> tuple[set[str], str]:
    versions = shown["versions"]
    return {version["version"] for version in versions}, next(version["version"] for version in versions if version["is_default"])


def keys_of(text: str) -> dict[str, str]:
    found = json.loads(text)
    return {"primary": found["primaryKey"], "secondary": found["secondaryKey"]}


async def deploy(server: Server, folder: Path) -> None:
    out = ROOT / "target" / "benches"
    out.mkdir(parents=True, exist_ok=True)
    for project, name in (("tests/guests/faulty", "faulty"), ("plugins/examples/identity-rust", "identity-rust")):
        build = [SCOREHOST, "scorer", "build", ROOT / project, "-o", out / f"{name}.wasm"]
        subprocess.run(build, check=True, capture_output=True)

    def document(name: str, **members) -> Path:
        small = {"computeType": "local", "containerResourceRequirements": {"cpu": 0.1, "memoryInGB": 0.0625}}
        file = folder / f"{name}.json"
        file.write_text(json.dumps(small | members))
        return file

    await server.must("model", "register", "--name", "identity", "--path", MODELS / "identity_fp32.onnx")
    await server.must("deploy", "-n", "identity", "-m", "identity:1", "--no-auth")
    await server.must("deploy", "-n", "keyed", "-m", "identity:1")
    await server.must("deploy", "-n", "rolling", "--version", "v1", "-m", "identity:1", "--no-auth")
    await server.must("deploy", "-n", "rust", "-m", "identity:1", "--scorer", out / "identity-rust.wasm", "--no-auth")
    work = document("work", numReplicas=4)
    await server.must("deploy", "-n", "work", "--scorer", out / "faulty.wasm", "--dc", work, "--no-auth")
    faulty = document("faulty", numReplicas=2, scoringTimeoutMs=300)
    await server.must("deploy", "-n", "faulty", "--scorer", out / "faulty.wasm", "--dc", faulty, "--no-auth")


def draw(dice: random.Random) -> str:
    return dice.choices(list(KINDS), [share for share, _ in KINDS.values()])[0]


async def capacity(client: Client, seconds: float) -> float:
    """Answers a second when eight callers wait for theirs."""
    end, done, dice = time.monotonic() + seconds, 0, random.Random(1)

    async def caller() -> None:
        nonlocal done
        while time.monotonic() < end:
            await client.ask(draw(dice))
            done += 1

    await asyncio.gather(*(caller() for _ in range(8)))
    return done / seconds


async def traffic(client: Client, rate: float, until: float) -> int:
    """Requests at Poisson moments; gives how many could not be sent because too many were under way."""
    dice, running, unsent, due = random.Random(7), set(), 0, time.monotonic()
    while time.monotonic() < until:
        pause = due - time.monotonic()
        if pause > 0:
            await asyncio.sleep(pause)
        due += dice.expovariate(rate)
        if len(running) >= IN_FLIGHT or not client.server.up():
            # Nobody is there to be asked, or enough are waiting.
            unsent += 1
            due = max(due, time.monotonic())
            continue
        task = asyncio.create_task(client.ask(draw(dice)))
        running.add(task)
        task.add_done_callback(running.discard)
    await asyncio.gather(*running)
    return unsent


async def sampling(server: Server) -> None:
    while True:
        server.sample()
        await asyncio.sleep(0.5)


async def killing(server: Server, operator: Operator, moments: list[float]) -> list[float]:
    """Kills at these moments, and compares with the ledger after each start; gives the seconds of the starts."""
    starts = []
    for moment in moments:
        await asyncio.sleep(max(0, moment - time.monotonic()))
        starts.append(await server.kill_and_restart())
        await operator.check()
    return starts


def growth(lives: list[list[tuple[float, float]]]) -> tuple[float, float, float, float]:
    """Of the last life, which nothing disturbs: MiB at the end of its warm-up and at its end, MiB a minute between, and minutes between."""
    life = lives[-1]
    steady = life[len(life) // 2 :]
    fifth = max(1, len(steady) // 5)
    # The least of a stretch is what is kept; the rest comes and goes with requests in flight.
    begin, end = min(mib for _, mib in steady[:fifth]), min(mib for _, mib in steady[-fifth:])
    minutes = (steady[-1][0] - steady[0][0]) / 60
    return begin, end, (end - begin) / max(minutes, 1e-9), minutes


async def run(arguments: argparse.Namespace) -> int:
    folder, violations = Path(tempfile.mkdtemp(prefix="scorehost-fault-run-")), Violations()
    server = Server(folder, Authority(folder))
    await server.start()
    try:
        await deploy(server, folder)
        client = Client(server, violations)
        operator = Operator(server, client, violations, folder)
        operator.ledger.keys = keys_of(await server.must("service", "keys", "keyed", "--output", "json"))
        client.key = operator.ledger.keys["primary"]
        full = await capacity(client, min(5.0, arguments.minutes * 6))
        rate = arguments.rate or 2 * full
        print(f"capacity {full:.0f}/s, asking {rate:.0f}/s for {arguments.minutes} minutes", file=sys.stderr, flush=True)
        begin, seconds = time.monotonic(), arguments.minutes * 60
        until = begin + seconds
        # All in the first half, so that memory has an undisturbed second one.
        moments = [begin + seconds * 0.5 * (place + 1) / (arguments.kills + 1) for place in range(arguments.kills)]
        sampler = asyncio.create_task(sampling(server))
        pause = min(1.0, seconds / 60)
        loops = [operator.loop(name, pause, until) for name in operator.lock]
        killer = asyncio.create_task(killing(server, operator, moments))
        unsent, *_ = await asyncio.gather(traffic(client, rate, until), operator.certificates(2 * pause, until), *loops, killer)
        sampler.cancel()
        await operator.unfinished()
        await operator.check()
        await client.close()
        server.child.terminate()
        code = await asyncio.to_thread(server.child.wait, 60)
        if code != 0:
            violations.add(f"the host ended with {code} after SIGTERM")
        return report(Outcome(server, client, operator, violations, killer.result(), unsent, rate, full))
    finally:
        if server.child and server.child.poll() is None:
            server.child.kill()
        if arguments.keep:
            print(f"kept {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder, ignore_errors=True)


@dataclasses.dataclass
class Outcome:
    server: Server
    client: Client
    operator: Operator
    violations: Violations
    starts: list[float]
    unsent: int
    rate: float
    full: float


def report(outcome: Outcome) -> int:
    columns = ["right", 502, 503, 504, "killed", "wrong", "stuck", "other"]
    rows = [[kind, sum(counts.values()), *(counts[column] for column in columns)] for kind, counts in outcome.client.counts.items()]
    rows.append(["all"] + [sum(row[place] for row in rows) for place in range(1, len(columns) + 2)])
    print(table(["requests", "asked", *map(str, columns)], rows))
    begin, end, slope, minutes = growth(outcome.server.lives)
    if end - begin > max(GROWTH_MIB, begin * GROWTH_SHARE):
        outcome.violations.add(f"memory grew from {begin:.0f} to {end:.0f} MiB in {minutes:.1f} minutes")
    for what, count in sorted(outcome.operator.ledger.done.items()):
        print(f"{what}: {count}")
    starts = ", ".join(f"{start:.2f}" for start in outcome.starts) or "none"
    print(f"asked {outcome.rate:.0f}/s at a capacity of {outcome.full:.0f}/s; {outcome.unsent} not sent, for want of a place or a host")
    print(f"killed {len(outcome.starts)} times; seconds from start to ready: {starts}")
    print(f"memory after warm-up {begin:.0f} MiB, at the end {end:.0f} MiB: {slope:+.2f} MiB a minute over {minutes:.1f} minutes")
    print(f"violations: {len(outcome.violations)}")
    for violation in outcome.violations[:30]:
        print(f"  {violation}")
    return 1 if outcome.violations else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--rate", type=float, help="requests a second [default: twice what it answers to eight callers]")
    parser.add_argument("--keep", action="store_true", help="keep the folder with the host's log")
    return asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())

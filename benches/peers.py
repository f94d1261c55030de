"""How do the peers that pip can install do in the same run? MLServer (HTTP JSON) and KServe (HTTP JSON and gRPC) with an in-process identity model over the
Open Inference Protocol, LitServe with the same over JSON, and azmlinfsrv with the entry script that scorehost runs as a component.

    python3 benches/peers.py [--seconds 2] [--peer NAME ...]

Each peer gets a virtual environment below `.venv-peers/` (made once). Prints one table: rates, server CPU-ms per request, and the ratio to
scorehost doing the same job in the same run.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from harness import MODELS, ROOT, Load, Process, Result, Scorehost, free_port, infer_grpc, infer_json, measure, require, table
from request_path import CONNECTIONS, ECHO_BODY, built

ECHO_SCRIPT = ROOT / "plugins" / "examples" / "echo-python" / "score.py"
PEERS: dict[str, tuple[list[str], Callable]] = {}
SCORE = {"content-type": "application/json"}


def peer(*packages: str):
    def register(run: Callable) -> Callable:
        PEERS[run.__name__] = (list(packages), run)
        return run

    return register


@peer("mlserver==1.7.1")
def mlserver(python: Path, scratch: Path, sample: Callable) -> None:
    http, grpc, metrics = free_port(), free_port(), free_port()
    (scratch / "identity.py").write_text(MLSERVER_MODEL)
    write_json(scratch / "model-settings.json", {"name": "identity", "implementation": "identity.Identity"})
    settings = {"http_port": http, "grpc_port": grpc, "metrics_port": metrics, "host": "127.0.0.1"}
    write_json(scratch / "settings.json", {**settings, "parallel_workers": 0, "debug": False})
    url = f"http://127.0.0.1:{http}"
    with Process([python.parent / "mlserver", "start", scratch], f"{url}/v2/health/ready", cwd=scratch) as server:
        sample("MLServer, HTTP JSON", "no-code, HTTP JSON", infer_json(url, "identity"), server.pid)


@peer("kserve==0.21.0")
def kserve(python: Path, scratch: Path, sample: Callable) -> None:
    http, grpc = free_port(), free_port()
    (scratch / "identity.py").write_text(KSERVE_MODEL)
    command = [python, scratch / "identity.py", "--http_port", http, "--grpc_port", grpc, "--workers", "1"]
    url = f"http://127.0.0.1:{http}"
    with Process(command, f"{url}/v2/health/ready", cwd=scratch) as server:
        sample("KServe, HTTP JSON", "no-code, HTTP JSON", infer_json(url, "identity"), server.pid)
        sample("KServe, gRPC", "no-code, gRPC", infer_grpc(grpc, "identity"), server.pid)


@peer("litserve==0.2.19")
def litserve(python: Path, scratch: Path, sample: Callable) -> None:
    port = free_port()
    (scratch / "identity.py").write_text(LITSERVE_MODEL)
    url = f"http://127.0.0.1:{port}"
    with Process([python, scratch / "identity.py", port], f"{url}/health", cwd=scratch) as server:
        sample("LitServe, JSON", "no-code, HTTP JSON", Load(f"{url}/predict", ECHO_BODY, SCORE), server.pid)


@peer("azureml-inference-server-http==1.5.1")
def azmlinfsrv(python: Path, scratch: Path, sample: Callable) -> None:
    port = free_port()
    command = [python.parent / "azmlinfsrv", "--entry_script", ECHO_SCRIPT, "--port", port]
    url = f"http://127.0.0.1:{port}"
    with Process(command, url + "/", cwd=scratch) as server:
        sample("azmlinfsrv", "Python entry script", Load(f"{url}/score", ECHO_BODY, SCORE, closes=True), server.pid)


MLSERVER_MODEL = '''
from mlserver import MLModel
from mlserver.types import InferenceRequest, InferenceResponse, ResponseOutput


class Identity(MLModel):
    async def load(self) -> bool:
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        given = payload.inputs[0]
        output = ResponseOutput(name="OUTPUT0", shape=given.shape, datatype=given.datatype, data=given.data)
        return InferenceResponse(model_name=self.name, outputs=[output])
'''

KSERVE_MODEL = '''
import argparse

from kserve import InferOutput, InferResponse, Model, ModelServer, model_server


class Identity(Model):
    def __init__(self):
        super().__init__("identity")
        self.ready = True

    def predict(self, payload, headers=None, response_headers=None):
        given = payload.inputs[0]
        output = InferOutput("OUTPUT0", given.shape, given.datatype)
        output.set_data_from_numpy(given.as_numpy(), binary_data=payload.from_grpc)
        # Its own answer model refuses one without an id.
        return InferResponse(payload.id or "none", self.name, [output])


if __name__ == "__main__":
    arguments, _ = argparse.ArgumentParser(parents=[model_server.parser]).parse_known_args()
    ModelServer().start([Identity()])
'''

LITSERVE_MODEL = '''
import sys

import litserve


class Identity(litserve.LitAPI):
    def setup(self, device):
        pass

    def decode_request(self, request):
        return request["data"]

    def predict(self, data):
        return data

    def encode_response(self, output):
        return {"data": output}


if __name__ == "__main__":
    litserve.LitServer(Identity(), accelerator="cpu").run(
        host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False, log_level="warning"
    )
'''


def main() -> int:
    arguments = parse_arguments()
    require("h2load", "apt-get install nghttp2-client")
    require("curl", "apt-get install curl")
    require("wrk", "apt-get install wrk")
    ours: dict[tuple[str, int], Result] = {}
    with Scorehost() as host:
        host.cli("model", "register", "--name", "identity", "--path", MODELS / "identity_fp32.onnx")
        host.cli("deploy", "-n", "identity", "-m", "identity:1")
        host.cli("deploy", "-n", "echo-python", "--scorer", built("echo-python"))
        score = f"{host.url}/api/v1/service/echo-python/score"
        for case, load in (
            ("no-code, HTTP JSON", infer_json(host.url, "identity")),
            ("no-code, gRPC", infer_grpc(host.grpc, "identity")),
            ("Python entry script", Load(score, ECHO_BODY, SCORE)),
        ):
            for count in CONNECTIONS:
                ours[case, count] = measure(load, count, host.pid, arguments.seconds)
    rows = [[f"scorehost: {case}", count, r.rate, r.cpu_ms, None, None, r.failed] for (case, count), r in ours.items()]
    for name in arguments.peer or PEERS:
        rows += run_peer(name, ours, arguments.seconds)
    headings = ["server", "connections", "requests/s", "server CPU-ms", "scorehost's rate ×", "scorehost's CPU ÷", "failed"]
    print(table(headings, rows))
    return 0


def run_peer(name: str, ours: dict, seconds: float) -> list[list[object]]:
    packages, run = PEERS[name]
    rows: list[list[object]] = []

    def sample(label: str, same_job: str, load: Load, pid: int) -> None:
        for count in CONNECTIONS:
            theirs, own = measure(load, count, pid, seconds), ours[same_job, count]
            answered = theirs.rate > 0 and own.cpu_ms > 0
            ratios = [own.rate / theirs.rate, theirs.cpu_ms / own.cpu_ms] if answered else [None, None]
            rows.append([label, count, theirs.rate, theirs.cpu_ms, *ratios, theirs.failed])

    print(f"{name}: installing and measuring", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="peer-") as scratch:
        try:
            run(environment(name, packages), Path(scratch), sample)
        except (SystemExit, subprocess.CalledProcessError) as stopped:
            rows.append([f"{name}: did not run ({str(stopped)[:80]})", None, None, None, None, None, None])
    return rows


def environment(name: str, packages: list[str]) -> Path:
    python = ROOT / ".venv-peers" / name / "bin" / "python"
    if not (python.parent.parent / "complete").exists():
        subprocess.run([sys.executable, "-m", "venv", python.parent.parent], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
        (python.parent.parent / "complete").touch()
    return python


def write_json(path: Path, document: dict) -> None:
    import json

    path.write_text(json.dumps(document))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=2.0, help="length of one measurement")
    parser.add_argument("--peer", action="append", choices=sorted(PEERS), help="measure only this peer (may be repeated)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

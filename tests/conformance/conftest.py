"""One scorehost for the whole run, with the models of `.models/` deployed; stock clients talk to it.

The clients know nothing of scorehost: what passes here passes for everybody who has them.
"""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
MODELS = Path(os.environ.get("SCOREHOST_MODELS", ROOT / ".models"))
BINARY = Path(os.environ.get("SCOREHOST", ROOT / "target" / "release" / "scorehost"))


class Host:
    """A running server and its command line."""

    def __init__(self, data_dir: Path, log: Path, arguments: tuple = (), variables: dict | None = None):
        self.http, self.grpc = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
        self.url = f"http://{self.http}"
        command = [BINARY, "serve", "--data-dir", data_dir, "--http", self.http, "--grpc", self.grpc, *arguments]
        self.log, self.config = log, data_dir.parent / "config"
        self.environment = os.environ | {"SCOREHOST_CONFIG_DIR": str(self.config)} | (variables or {})
        with log.open("a") as output:
            self.child = subprocess.Popen(
                [str(part) for part in command], stdout=subprocess.DEVNULL, stderr=output, env=self.environment
            )
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        for _ in range(600):
            if self.child.poll() is not None:
                break
            try:
                with urllib.request.urlopen(f"{self.url}/v2/health/ready", timeout=2) as answer:
                    if answer.status == 200:
                        return
            except OSError:
                time.sleep(0.05)
        raise AssertionError(f"scorehost did not become ready:\n{self.log.read_text()[-4000:]}")

    def cli(self, *arguments: object) -> str:
        command = [str(part) for part in (BINARY, "--server", self.url, *arguments)]
        # The clients here are asked what they understand, not who they are: services are open unless a test says otherwise.
        command += ["--no-auth"] if arguments[0] == "deploy" else []
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=self.environment)
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
        return done.stdout.strip()

    def deploy_model(self, service: str, path: Path) -> None:
        model = self.cli("model", "register", "--name", service, "--path", path)
        self.cli("deploy", "-n", service, "-m", model)

    def authorization(self) -> dict[str, str]:
        """The header of an administrator, whose credential the server left for its user."""
        file = self.config / "local" / f"{self.http.replace(':', '_')}.json"
        return {"authorization": f"Bearer {json.loads(file.read_text())['credential']}"}

    def get(self, path: str) -> dict:
        with urllib.request.urlopen(f"{self.url}{path}", timeout=10) as answer:
            return json.loads(answer.read())

    def stop(self) -> int:
        self.child.send_signal(signal.SIGTERM)
        return self.child.wait(30)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def host(tmp_path_factory):
    assert BINARY.exists(), f"{BINARY} is missing; build it with `cargo build --release`"
    scratch = tmp_path_factory.mktemp("host")
    host = Host(scratch / "data", scratch / "host.log")
    for path in sorted(MODELS.glob("identity_*.onnx")):
        host.deploy_model(path.stem.replace("_", "-"), path)
    for name in ("add_sub", "digits", "digits_mlp", "digits_forest"):
        host.deploy_model(name.replace("_", "-"), MODELS / f"{name}.onnx")
    yield host
    assert host.stop() == 0, host.log.read_text()[-4000:]


@pytest.fixture(scope="session")
def models() -> Path:
    return MODELS

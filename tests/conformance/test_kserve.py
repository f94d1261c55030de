"""The `kserve` inference client over REST and gRPC, every dtype it can carry."""

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).with_name("kserve_client.py")


def talk(door: str, address: str) -> str:
    done = subprocess.run([sys.executable, SCRIPT, door, address], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


def test_rest_infers_and_asks_for_readiness(host):
    assert "20 inferences" in talk("rest", host.url)


def test_grpc_infers(host):
    assert "13 inferences" in talk("grpc", host.grpc)

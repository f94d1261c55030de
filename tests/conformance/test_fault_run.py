"""The fault run in its short form: half a minute of mixed traffic while scorers fail, certificates, keys and versions change, and the
process is killed twice. Every answer, every acknowledged write and the end of every operation are checked; see benches/fault_run.py."""

import os
import shutil
import subprocess
import sys

import pytest
from conftest import BINARY, ROOT


@pytest.mark.skipif(shutil.which("cargo") is None, reason="no Rust toolchain, which the faulty scorer is built with")
def test_promises_hold_while_everything_goes_wrong():
    command = [sys.executable, ROOT / "benches" / "fault_run.py", "--minutes", "0.5", "--kills", "2", "--rate", "150"]
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=600, env=os.environ | {"SCOREHOST": str(BINARY)}
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-4000:]}"
    assert "violations: 0" in done.stdout and "killed 2 times" in done.stdout, done.stdout

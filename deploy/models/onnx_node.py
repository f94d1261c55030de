"""Copies the operator cases of the ONNX project out of the installed `onnx` wheel: one folder a case, with a model,
inputs and the outputs they must give."""

import importlib.util
import shutil
from pathlib import Path

FOLDER = "onnx-node"
CASES = 1765


def build(directory: Path) -> None:
    """Writes `onnx-node/`, one folder a case, and `onnx-node/index.txt`, the names of all cases."""
    source = data_directory()
    names = sorted(path.name for path in source.iterdir() if (path / "model.onnx").is_file())
    if len(names) != CASES:
        raise SystemExit(f"{source} holds {len(names)} cases, expected {CASES}: onnx 1.22.0 is the release that has them")
    target, draft = directory / FOLDER, directory / f"{FOLDER}.draft"
    for old in (draft, target):
        shutil.rmtree(old, ignore_errors=True)
    shutil.copytree(source, draft)
    (draft / "index.txt").write_text("\n".join(names) + "\n")
    draft.replace(target)


def data_directory() -> Path:
    # Looked up, not imported: importing it takes a while and nothing of it is called.
    spec = importlib.util.find_spec("onnx")
    if spec is None or spec.origin is None:
        raise SystemExit("onnx is not installed: pip install -r deploy/models/requirements.txt")
    return Path(spec.origin).parent / "backend" / "test" / "data" / "node"

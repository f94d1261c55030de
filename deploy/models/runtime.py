"""Copies the ONNX Runtime shared library out of the installed `onnxruntime` wheel."""

import importlib.util
import os
import shutil
from pathlib import Path

LIBRARY = "libonnxruntime.so"


def build(directory: Path) -> None:
    """Writes `lib/libonnxruntime.so` (the path that ORT_DYLIB_PATH wants) and its licence files beside it."""
    package = package_directory()
    target = directory / "lib"
    target.mkdir(parents=True, exist_ok=True)
    replace(library_in(package / "capi"), target / LIBRARY)
    for notice in ("LICENSE", "ThirdPartyNotices.txt"):
        replace(package / notice, target / f"onnxruntime-{notice}")


def package_directory() -> Path:
    # Looked up, not imported: importing it would load a second copy of the library.
    spec = importlib.util.find_spec("onnxruntime")
    if spec is None or spec.origin is None:
        raise SystemExit("onnxruntime is not installed: pip install -r deploy/models/requirements.txt")
    return Path(spec.origin).parent


def library_in(capi: Path) -> Path:
    found = sorted(capi.glob(f"{LIBRARY}*"))
    if len(found) != 1:
        names = [path.name for path in found]
        raise SystemExit(f"expected one {LIBRARY}* in {capi}, found {names}: this wheel is not for Linux")
    return found[0]


def replace(source: Path, target: Path) -> None:
    # A running server may have the old library mapped: renaming over it leaves that mapping alone.
    draft = target.with_name(target.name + ".draft")
    shutil.copyfile(source, draft)
    os.replace(draft, target)

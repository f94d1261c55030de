"""Writes the models, sample data and the ONNX Runtime library used by demos and tests into one directory.

    python -m venv .venv && .venv/bin/pip install -r deploy/models/requirements.txt
    .venv/bin/python deploy/models/fetch_models.py [DIR] [--only RECIPE ...]

DIR defaults to `.models`. Each recipe runs only when one of its outputs is missing or altered, or when the files
that decide its result have changed, so a second call takes a tenth of a second. Nothing but pip touches the network.
"""

import argparse
import importlib
import sys
import time
from pathlib import Path

from recipe import Ledger, Recipe

HERE = Path(__file__).resolve().parent
PHOTO_DIR = HERE.parent.parent / "plugins" / "examples" / "text-in-photo"
PINS = [HERE / "requirements.txt"]
INTEGERS = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
IDENTITY_TYPES = ["bool", *INTEGERS, "fp16", "bf16", "fp32", "fp64", "bytes"]

# Modules are named, not imported: scikit-learn takes seconds to load and is not needed when nothing is to do.
RECIPES = [
    Recipe("runtime", ["lib/libonnxruntime.so"], [HERE / "runtime.py", *PINS]),
    Recipe("onnx_node", ["onnx-node/index.txt"], [HERE / "onnx_node.py", *PINS]),
    Recipe(
        "digits",
        ["digits.onnx", "digits_mlp.onnx", "digits_forest.onnx", "digits_samples.json"],
        [HERE / "digits.py", *PINS],
    ),
    Recipe(
        "identities",
        [f"identity_{name}.onnx" for name in IDENTITY_TYPES] + ["add_sub.onnx", "add_sub_int32.onnx"],
        [HERE / "identities.py", *PINS],
    ),
    Recipe(
        "ppocr",
        ["ppocr_det.onnx", "ppocr_rec.onnx", "ppocr_keys.txt", "ppocr_rec/model.onnx", "ppocr_rec/ppocr_keys.txt"],
        [HERE / "ppocr.py", HERE / "wheels.py", HERE / "wheels.txt", *PINS],
    ),
    Recipe("networks", ["resnet50.onnx", "mobilenetv2.onnx"], [HERE / "networks.py", HERE / "writer.py", *PINS]),
    Recipe(
        "minilm",
        ["minilm.onnx", "minilm_vocab.txt"],
        [HERE / "minilm.py", HERE / "writer.py", HERE / "wheels.py", HERE / "wheels.txt", *PINS],
    ),
    Recipe("forest", ["forest.onnx"], [HERE / "forest.py", *PINS]),
    Recipe(
        "photo",
        ["photo.jpg", "photo.expected.json", "photo.ppm"],
        [HERE / "photo.py", PHOTO_DIR / "photo.jpg", PHOTO_DIR / "photo.expected.json"],
    ),
]


def main() -> int:
    arguments = parse_arguments()
    arguments.directory.mkdir(parents=True, exist_ok=True)
    ledger = Ledger(arguments.directory)
    for recipe in RECIPES:
        if arguments.only and recipe.name not in arguments.only:
            continue
        started = time.monotonic()
        state = "up to date" if ledger.is_current(recipe) else build(recipe, ledger)
        print(f"{recipe.name:<12} {state} ({time.monotonic() - started:.2f} s)", flush=True)
    return 0


def build(recipe: Recipe, ledger: Ledger) -> str:
    importlib.import_module(recipe.module).build(ledger.directory)
    ledger.record(recipe)
    return "written"


def parse_arguments() -> argparse.Namespace:
    names = [recipe.name for recipe in RECIPES]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path, nargs="?", default=Path(".models"))
    parser.add_argument("--only", action="append", choices=names, help="run this recipe (may be repeated)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

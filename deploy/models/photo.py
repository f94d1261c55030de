"""Copies the committed demo photograph and what a reader should find in it, and writes its pixels for tests."""

import shutil
from pathlib import Path

from PIL import Image

SOURCE = Path(__file__).resolve().parent.parent.parent / "plugins" / "examples" / "text-in-photo"


def build(directory: Path) -> None:
    for name in ("photo.jpg", "photo.expected.json"):
        shutil.copyfile(SOURCE / name, directory / name)
    # The one picture format that a test reads in a few lines.
    Image.open(SOURCE / "photo.jpg").convert("RGB").save(directory / "photo.ppm")

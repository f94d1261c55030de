"""Copies the committed demo photograph and what a reader should find in it."""

import shutil
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent.parent / "plugins" / "examples" / "text-in-photo"


def build(directory: Path) -> None:
    for name in ("photo.jpg", "photo.expected.json"):
        shutil.copyfile(SOURCE / name, directory / name)

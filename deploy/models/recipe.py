"""Decides whether a recipe's outputs are still the ones that its sources produced."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

LEDGER_FILE = "ledger.json"


@dataclass
class Recipe:
    """One group of output files, the module whose `build(directory)` writes them, and what decides their content."""

    name: str
    outputs: list[str]
    sources: list[Path]

    @property
    def module(self) -> str:
        return self.name

    def key(self) -> str:
        digest = hashlib.sha256()
        for source in self.sources:
            digest.update(sha256(source).encode())
        return digest.hexdigest()


class Ledger:
    """Remembers, beside the outputs, which key each recipe was built from and what it wrote."""

    def __init__(self, directory: Path):
        self.directory = directory
        self._path = directory / LEDGER_FILE
        self._entries = self._load()

    def is_current(self, recipe: Recipe) -> bool:
        entry = self._entries.get(recipe.name)
        if entry is None or entry["key"] != recipe.key() or sorted(entry["files"]) != sorted(recipe.outputs):
            return False
        return all(self._is_intact(name, digest) for name, digest in entry["files"].items())

    def record(self, recipe: Recipe) -> None:
        files = {name: sha256(self.directory / name) for name in recipe.outputs}
        self._entries[recipe.name] = {"key": recipe.key(), "files": files}
        # Written beside and renamed, so that a killed run leaves the former ledger whole.
        draft = self._path.with_suffix(".draft")
        draft.write_text(json.dumps(self._entries, indent=1, sort_keys=True))
        draft.replace(self._path)

    def _is_intact(self, name: str, digest: str) -> bool:
        path = self.directory / name
        return path.is_file() and sha256(path) == digest

    def _load(self) -> dict:
        try:
            return json.loads(self._path.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return {}


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()

"""Loads, when the scorer is built, what its module imports inside functions: when it runs there are no files to load from."""

import ast
import importlib


def preload(module):
    """Loads everything that the module's source imports anywhere. What cannot be loaded fails where it is imported, as ever."""
    with open(module.__file__, encoding="utf-8") as file:
        tree = ast.parse(file.read())
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            try:
                importlib.import_module(name)
            except Exception:  # an optional import, or an attribute that is no module
                continue

"""What a script finds around it: logging, environment variables and model files, all of them the host's.

Modules are loaded when the scorer is built, where there is no host; until `start` everything is the build machine's.
"""

import builtins
import io
import logging
import os
from collections.abc import MutableMapping

from wit_world.imports import context, log, models

from ._errors import HostError, called

# Where Azure ML puts models: <root>/<name>/<version>/<files>.
MODEL_ROOT = "/var/azureml-app/azureml-models"

_LEVELS = ((logging.ERROR, log.Level.ERROR), (logging.WARNING, log.Level.WARN), (logging.INFO, log.Level.INFO), (0, log.Level.DEBUG))

_running = False


def start():
    """The host is there: from now on everything is asked of it."""
    global _running
    _running = True


class _HostHandler(logging.Handler):
    """Sends records to the service's log."""

    def emit(self, record):
        if _running:
            level = next(level for floor, level in _LEVELS if record.levelno >= floor)
            log.write(level, self.format(record))


class _Variables(MutableMapping):
    """`os.environ`, and below it the deployment's variables."""

    def __init__(self, own):
        self._own = own

    def __getitem__(self, name):
        if name in self._own:
            return self._own[name]
        value = _variable(name) if _running else None
        if value is None:
            raise KeyError(name)
        return value

    def __setitem__(self, name, value):
        self._own[name] = value

    def __delitem__(self, name):
        del self._own[name]

    def __iter__(self):
        return iter(self._own)

    def __len__(self):
        return len(self._own)

    def copy(self):
        return dict(self._own)


def _variable(name):
    value = context.variable(name)
    if value is None and name == "AZUREML_MODEL_DIR":
        available = models.available()
        return f"{MODEL_ROOT}/{available[0].replace(':', '/')}" if len(available) == 1 else MODEL_ROOT
    return value


def _open(file, mode="r", buffering=-1, encoding=None, errors=None, newline=None, closefd=True, opener=None):
    """`open`, which reads the deployment's model files below `MODEL_ROOT`."""
    path = os.fspath(file) if isinstance(file, (str, os.PathLike)) else None
    if not _running or not isinstance(path, str) or not path.startswith(MODEL_ROOT + "/"):
        return _own_open(file, mode, buffering, encoding, errors, newline, closefd, opener)
    if set(mode) - set("rbt"):
        raise PermissionError(f"model files are read only: {path}")
    content = io.BytesIO(_model_file(path))
    return content if "b" in mode else io.TextIOWrapper(content, encoding or "utf-8", errors, newline)


def _model_file(path):
    name, _, rest = path[len(MODEL_ROOT) + 1:].partition("/")
    version, _, below = rest.partition("/")
    try:
        return called(called(models.Model.open, f"{name}:{version}").file, os.path.normpath(below))
    except HostError as error:
        raise FileNotFoundError(f"{path}: {error}") from None


_own_open = builtins.open
builtins.open = io.open = _open
os.environ = _Variables(os.environ)
logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[_HostHandler()])

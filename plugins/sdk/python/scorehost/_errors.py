"""Failures: of the host's calls, and of the caller."""

from componentize_py_types import Err
from wit_world.imports.failures import Failure, FailureKind


class HostError(Exception):
    """A call to the host failed. `kind` is `invalid-input`, `not-found`, `unsupported`, `overloaded`, `deadline`, `unavailable` or
    `internal`; left uncaught, it decides the status that the caller sees."""

    def __init__(self, kind, message):
        super().__init__(message)
        self.kind = kind


class BadRequest(Exception):
    """Raise it in `run` where the caller is at fault: status 400 with the message."""


def called(function, *arguments):
    """Calls the host; its failures become `HostError`."""
    try:
        return function(*arguments)
    except Err as error:
        failure = error.value
        raise HostError(failure.kind.name.lower().replace("_", "-"), failure.message) from None


def failure_of(error, what):
    """The failure that the host hears of when `what` raised `error`."""
    if isinstance(error, BadRequest):
        return Err(Failure(FailureKind.INVALID_INPUT, str(error)))
    if isinstance(error, HostError):
        return Err(Failure(FailureKind[error.kind.upper().replace("-", "_")], str(error)))
    message = f"{what} raised {type(error).__name__}; the service's log has its traceback"
    return Err(Failure(FailureKind.INTERNAL, message))

"""Runs an entry script of Azure ML: a module with `init()` and `run()`.

The body reaches `run` as text; as a request object where it is decorated with `@rawhttp`; as named arguments where it is
decorated with `@input_schema`. An argument named `request_headers` is filled. What `run` returns is sent as JSON.
"""

import gc
import inspect
import json
import traceback
from json.encoder import c_make_encoder, encode_basestring_ascii
from urllib.parse import parse_qsl

import wit_world
from componentize_py_types import Err
from wit_world.imports import context, log
from wit_world.imports.failures import Failure, FailureKind

from . import _surroundings
from ._errors import failure_of
from .http import AMLRequest, AMLResponse, is_raw
from .schema import schemas_of

_dumps = json.dumps
_Response = wit_world.HttpResponse


def _unknown(value):
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


# What json.dumps makes anew in every call. Without its check for cycles, a cycle is a RecursionError.
_encode = c_make_encoder(None, _unknown, encode_basestring_ascii, None, ": ", ", ", False, False, True)
_join = "".join


def export(module):
    """The component's exports for a script."""
    for name in ("init", "run"):
        if not callable(getattr(module, name, None)):
            raise TypeError(f"{module.__name__} has no function {name}()")
    arguments = _arguments(module.run)
    schemas = schemas_of(module.run)
    takes_headers = "request_headers" in arguments
    names = [name for name in arguments if name != "request_headers"]
    if not names:
        raise TypeError("run() needs an argument for the input")
    if is_raw(module.run) and schemas:
        raise TypeError("run() cannot be decorated with both @rawhttp and @input_schema")
    if is_raw(module.run):
        read = _read_request
    elif schemas:
        read = _arguments_reader({name: arguments[name] for name in names})
    else:
        read = _read_text
    call = _caller(module.run, read, None if schemas else names[0], takes_headers)
    # The host reads an answer before it calls again, so one object serves all of them.
    answer = _Response(200, [], b"")
    # What was loaded so far lives as long as the component: the collector need not look at it.
    gc.collect()
    gc.freeze()

    class WitWorld(wit_world.WitWorld):
        def init(self):
            _surroundings.start()
            try:
                module.init()
            except BaseException as error:
                _report()
                raise failure_of(error, "init()") from None

        def describe(self):
            if schemas is None:
                return wit_world.Description(is_raw(module.run), None, None)
            return wit_world.Description(False, _dumps(schemas[0]), _dumps(schemas[1]))

        def run(self, request):
            try:
                result = call(request)
                if isinstance(result, AMLResponse):
                    return _Response(result.status_code, list(result.headers.items()), result.data)
                # Azure ML answers None with an empty object.
                answer.body = _join(_encode({} if result is None else result, 0)).encode()
                return answer
            except Err:
                raise
            except BaseException as error:
                _report()
                raise failure_of(error, "run()") from None

    return WitWorld


def _arguments(function):
    """Names of a function's arguments with their defaults."""
    parameters = inspect.signature(function).parameters.values()
    if any(parameter.kind not in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD) for parameter in parameters):
        raise TypeError("run() cannot take positional-only arguments, *args or **kwargs")
    return {parameter.name: parameter.default for parameter in parameters}


def _caller(run, read, name, takes_headers):
    """How `run` is called: with its only input by `name`, or with the arguments that `read` returns."""
    if takes_headers and name:
        return lambda request: run(**{name: read(request)}, request_headers=_headers())
    if takes_headers:
        return lambda request: run(**read(request), request_headers=_headers())
    if name:
        return lambda request: run(read(request))
    return lambda request: run(**read(request))


def _headers():
    """The request's headers, named as Azure ML names them: `Content-Type`."""
    return {"-".join(map(str.capitalize, name.split("-"))): value for name, value in context.headers()}


def _read_text(request):
    if request.method == "GET":
        return _dumps(_query(request.query))
    try:
        return str(request.body, "utf-8")
    except UnicodeDecodeError as error:
        raise _rejected(f"the body is not UTF-8 text: {error}") from None


def _read_request(request):
    return AMLRequest(request.method, request.query, request.body)


def _arguments_reader(arguments):
    def read(request):
        given = _query(request.query) if request.method == "GET" else _object(request.body)
        for name, default in arguments.items():
            if name not in given and default is inspect.Parameter.empty:
                raise _rejected(f"A value is not provided for the {name!r} parameter.")
        # What is not given is the function's own default, which nobody converts.
        return {name: given[name] for name in arguments if name in given}

    return read


def _object(body):
    try:
        value = json.loads(body)
    except ValueError as error:
        raise _rejected(f"POST body could not be decoded as JSON: {error}" if body else "POST body is empty. Expecting a JSON dictionary.") from None
    if not isinstance(value, dict):
        raise _rejected("POST body should be a JSON dictionary.")
    return value


def _query(query):
    """Values of a query, each parsed as JSON where it is JSON; a repeated key becomes a list."""
    values = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        values.setdefault(name, []).append(_parsed(value))
    return {name: value[0] if len(value) == 1 else value for name, value in values.items()}


def _parsed(text):
    try:
        return json.loads(text)
    except ValueError:
        return text


def _rejected(message):
    return Err(Failure(FailureKind.INVALID_INPUT, message))


def _report():
    """Writes the traceback of the exception being handled to the service's log."""
    log.write(log.Level.ERROR, traceback.format_exc())

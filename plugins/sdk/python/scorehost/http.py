"""Raw HTTP access of entry scripts: `@rawhttp`, `AMLRequest`, `AMLResponse`."""

import json
from urllib.parse import parse_qsl

from wit_world.imports import context

from .forms import File, Values, form_of
from .headers import Headers

__all__ = ["AMLRequest", "AMLResponse", "File", "Headers", "Values", "is_raw", "rawhttp"]


def rawhttp(function):
    """Decorates `run`: it takes an `AMLRequest` and sees every method, query and body itself."""
    function.__rawhttp__ = True
    return function


def is_raw(function):
    """Whether a function is decorated with `@rawhttp`."""
    return getattr(function, "__rawhttp__", False)


class AMLRequest:
    """A request, with the attributes of the request object that Azure ML scripts use."""

    __slots__ = ("method", "data", "_query", "_headers", "_args", "_form")

    def __init__(self, method, query, body):
        self.method = method
        self.data = body
        self._query = query
        self._headers = None
        self._args = None
        self._form = None

    @property
    def headers(self):
        """The request's headers."""
        if self._headers is None:
            self._headers = Headers(context.headers())
        return self._headers

    @property
    def args(self):
        """Values of the query."""
        if self._args is None:
            self._args = Values(parse_qsl(self._query, keep_blank_values=True))
        return self._args

    @property
    def form(self):
        """Fields of a form, as text; empty where the body is declared to be something else."""
        return self._parsed_form()[0]

    @property
    def files(self):
        """Files of a form (`multipart/form-data`), each a `File`."""
        return self._parsed_form()[1]

    @property
    def values(self):
        """Values of the query and, of a request that is no GET, fields of the form."""
        fields = () if self.method == "GET" else self.form.pairs()
        return Values([*self.args.pairs(), *fields])

    @property
    def mimetype(self):
        """The type of the body without parameters, in small letters."""
        return (self.content_type or "").partition(";")[0].strip().lower()

    @property
    def content_length(self):
        """The body's length in bytes."""
        return len(self.data)

    @property
    def query_string(self):
        """The query, still encoded, as bytes."""
        return self._query.encode()

    @property
    def content_type(self):
        """The `content-type` header."""
        return context.header("content-type")

    @property
    def is_json(self):
        """Whether the body is declared to be JSON."""
        return self.mimetype == "application/json" or self.mimetype.endswith("+json")

    def get_data(self, cache=True, as_text=False, parse_form_data=False):
        """The body, as bytes or as text."""
        return self.data.decode() if as_text else self.data

    def get_json(self, force=False, silent=False, cache=True):
        """The body parsed as JSON; None where it is not declared to be JSON and `force` is false."""
        if not force and not self.is_json:
            return None
        try:
            return json.loads(self.data)
        except ValueError:
            if silent:
                return None
            raise

    @property
    def json(self):
        """The body parsed as JSON."""
        return self.get_json()

    def _parsed_form(self):
        if self._form is None:
            self._form = form_of(self.content_type or "", self.data)
        return self._form


class AMLResponse:
    """A response: a message (bytes, text, or with `json_str` any JSON-able value), a status and headers."""

    __slots__ = ("data", "status_code", "headers")

    def __init__(self, message, status_code, response_headers={}, json_str=False, run_function_failed=False):
        self.status_code = status_code
        self.headers = Headers()
        if message is None or json_str:
            self.data = json.dumps({} if message is None else message).encode()
            self.headers.add("Content-Type", "application/json")
        else:
            self.data = message.encode() if isinstance(message, str) else bytes(message)
            if not any(name.lower() == "content-type" for name in response_headers):
                self.headers.add("Content-Type", "text/html; charset=utf-8")
        if run_function_failed:
            self.headers.add("x-ms-run-function-failed", "True")
        for name, value in response_headers.items():
            self.headers[name] = value

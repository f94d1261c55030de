"""Raw HTTP access of entry scripts: `@rawhttp`, `AMLRequest`, `AMLResponse`."""

import json
from urllib.parse import parse_qs

from wit_world.imports import context


def rawhttp(function):
    """Decorates `run`: it takes an `AMLRequest` and sees every method, query and body itself."""
    function.__rawhttp__ = True
    return function


def is_raw(function):
    """Whether a function is decorated with `@rawhttp`."""
    return getattr(function, "__rawhttp__", False)


class Headers(dict):
    """Headers, looked up without case."""

    def __init__(self, pairs=()):
        super().__init__()
        for name, value in pairs:
            self.add(name, value)

    def add(self, name, value):
        """Adds a header; values of one name are joined by commas."""
        name = self._named(name)
        dict.__setitem__(self, name, f"{dict.__getitem__(self, name)}, {value}" if dict.__contains__(self, name) else str(value))

    add_header = add

    def __getitem__(self, name):
        return super().__getitem__(self._named(name))

    def __setitem__(self, name, value):
        super().__setitem__(self._named(name), str(value))

    def __contains__(self, name):
        return super().__contains__(self._named(name))

    def get(self, name, default=None):
        return super().get(self._named(name), default)

    @staticmethod
    def _named(name):
        return "-".join(part.capitalize() for part in name.split("-"))


class Arguments(dict):
    """Values of a query: the first of each name; `getlist` has them all."""

    def __init__(self, query):
        self._lists = parse_qs(query, keep_blank_values=True)
        super().__init__((name, values[0]) for name, values in self._lists.items())

    def getlist(self, name):
        """All values of a name."""
        return self._lists.get(name, [])

    def to_dict(self, flat=True):
        """A plain dictionary of first values, or of lists."""
        return dict(self) if flat else dict(self._lists)


class AMLRequest:
    """A request, with the attributes of the request object that Azure ML scripts use."""

    __slots__ = ("method", "data", "_query", "_headers", "_args")

    def __init__(self, method, query, body):
        self.method = method
        self.data = body
        self._query = query
        self._headers = None
        self._args = None

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
            self._args = Arguments(self._query)
        return self._args

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
        kind = (self.content_type or "").partition(";")[0].strip().lower()
        return kind == "application/json" or kind.endswith("+json")

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

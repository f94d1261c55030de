"""Requests to other servers: only those whose hosts the deployment lists (`scorehost.grants.outbound`).

`scorehost.toml` must say `imports = "wasi:http"`. A request takes at most what is left of the call's time. Redirects are not followed:
a response with status 3xx comes back as it is, and following it is a request of its own.
"""

import json as _json
from dataclasses import dataclass
from urllib.parse import urlsplit

from componentize_py_types import Err, Ok

from ._errors import HostError

try:
    from wit_world.imports import outgoing_handler as _handler, streams as _streams, types as _types
except ImportError:
    raise ImportError('scorehost.outbound needs the line imports = "wasi:http" in scorehost.toml') from None

# Bytes that one write to a stream may have.
_CHUNK = 4096


@dataclass(frozen=True)
class Response:
    """A response, read whole. The names of `headers` are in lower case."""

    status: int
    headers: dict
    body: bytes

    def successful(self):
        """The response where its status is 200 to 299; else `HostError`."""
        if 200 <= self.status < 300:
            return self
        raise HostError("unavailable", f"the other server answered {self.status}")

    def text(self):
        """The body as text."""
        return self.body.decode()

    def json(self):
        """The body as JSON."""
        return _json.loads(self.body)


def get(url, *, headers=None, timeout=None):
    """Sends a `GET` request."""
    return request("GET", url, headers=headers, timeout=timeout)


def post(url, body=b"", *, json=None, headers=None, timeout=None):
    """Sends a `POST` request with bytes, text, or with `json`."""
    headers = dict(headers or {})
    if json is not None:
        body = _json.dumps(json)
        headers.setdefault("content-type", "application/json")
    return request("POST", url, headers=headers, body=body, timeout=timeout)


def request(method, url, *, headers=None, body=b"", timeout=None):
    """Sends a request and waits for the whole response. `timeout` is seconds: for a connection, for the response, and between two parts
    of it. `ValueError` where the request is none, `HostError` of kind `unavailable` where there is no response."""
    content = body.encode() if isinstance(body, str) else bytes(body)
    outgoing = _outgoing(method, url, {name.lower(): str(value) for name, value in (headers or {}).items()}, content)
    sink = outgoing.body()
    try:
        future = _handler.handle(outgoing, None if timeout is None else _options(timeout))
        _write(sink, content)
        with future, future.subscribe() as answered:
            answered.block()
            return _read(_value(_value(future.get())))
    except Err as error:
        raise HostError("unavailable", f"no response from {url}: {_name(error.value)}; see the service's log") from None


def _outgoing(method, url, headers, content):
    parts = urlsplit(url)
    schemes = {"http": _types.Scheme_Http, "https": _types.Scheme_Https}
    if parts.scheme not in schemes or not parts.netloc:
        raise ValueError(f"{url!r} is no http or https URL")
    if content:
        headers.setdefault("content-length", str(len(content)))
    try:
        fields = _types.Fields.from_list([(name, value.encode()) for name, value in headers.items()])
        outgoing = _types.OutgoingRequest(fields)
        outgoing.set_method(_types.Method_Other(method) if method != "GET" else _types.Method_Get())
        outgoing.set_scheme(schemes[parts.scheme]())
        outgoing.set_authority(parts.netloc)
        outgoing.set_path_with_query((parts.path or "/") + (f"?{parts.query}" if parts.query else ""))
    except Err:
        raise ValueError(f"the request to {url!r} has an invalid method, header, host or path") from None
    return outgoing


def _options(seconds):
    options = _types.RequestOptions()
    for set_timeout in (options.set_connect_timeout, options.set_first_byte_timeout, options.set_between_bytes_timeout):
        set_timeout(int(seconds * 1_000_000_000))
    return options


def _write(sink, content):
    with sink.write() as stream:
        try:
            for start in range(0, len(content), _CHUNK):
                stream.blocking_write_and_flush(content[start:start + _CHUNK])
        except Err as error:
            # The other side has read enough; what it says is in the response.
            if not isinstance(error.value, _streams.StreamError_Closed):
                raise
    _types.OutgoingBody.finish(sink, None)


def _read(incoming):
    with incoming:
        with incoming.headers() as fields:
            headers = {name: value.decode("latin-1") for name, value in fields.entries()}
        content = bytearray()
        with incoming.consume() as body, body.stream() as stream:
            while True:
                try:
                    content += stream.blocking_read(1 << 20)
                except Err as error:
                    if isinstance(error.value, _streams.StreamError_Closed):
                        break
                    raise
        return Response(incoming.status(), headers, bytes(content))


def _value(result):
    """What is inside of `Ok`; an `Err` is raised."""
    if isinstance(result, Ok):
        return result.value
    raise result


def _name(code):
    """`ErrorCode_HttpRequestDenied()` as `HttpRequestDenied`."""
    return type(code).__name__.removeprefix("ErrorCode_")

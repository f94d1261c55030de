"""Other services of the host: those that the deployment lists (`scorehost.grants.services`).

`scorehost.toml` must say `imports = "scorehost:services"`. A call ends with the request that makes it, at the latest by its deadline, and
belongs to its trace. It takes no key: the other service sees who sent the request, and its access log names this service.
"""

import json as _json
from dataclasses import dataclass

from ._errors import HostError, called
from ._tensor import Tensor, handle_of

try:
    from wit_world.imports import services as _host
except ImportError:
    raise ImportError('scorehost.services needs the line imports = "scorehost:services" in scorehost.toml') from None


@dataclass(frozen=True)
class Response:
    """What a service answered to a body. A status of 400 or more is an answer, too; the names of `headers` are in lower case."""

    service: str
    status: int
    headers: dict
    body: bytes

    def successful(self):
        """The response where its status is 200 to 299; else `HostError`."""
        if 200 <= self.status < 300:
            return self
        excerpt = self.body.decode(errors="replace")[:200]
        raise HostError("unavailable", f"service '{self.service}' answered {self.status}" + (f": {excerpt}" if excerpt else ""))

    def text(self):
        """The body as text."""
        return self.body.decode()

    def json(self):
        """The body as JSON."""
        return _json.loads(self.body)


def granted():
    """Names of the services that the deployment lists."""
    return _host.granted()


def call(service, inputs, outputs=()):
    """Calls a service of tensors with `{name: Tensor}` and returns `{name: Tensor}`: the outputs named, or all. Only handles travel."""
    handles = [(name, handle_of(name, tensor)) for name, tensor in inputs.items()]
    return {named.name: Tensor(named.tensor) for named in called(_host.call_tensors, service, handles, list(outputs))}


def post(service, body=b"", *, json=None, content_type=None):
    """Posts bytes, text, or `json` to a service: what its scoring URI would answer."""
    if json is not None:
        body, content_type = _json.dumps(json), content_type or "application/json"
    content = body.encode() if isinstance(body, str) else bytes(body)
    answer = called(_host.call, service, _host.HttpRequest("POST", "", content_type, content))
    return Response(service, answer.status, {name.lower(): value for name, value in answer.headers}, answer.body)

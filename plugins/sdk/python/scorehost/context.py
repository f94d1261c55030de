"""Facts about the request being handled, asked for one by one: what is not asked for costs nothing."""

from wit_world.imports import context as _host

request_id = _host.request_id
service = _host.service
version = _host.version
header = _host.header
variable = _host.variable


def headers():
    """All request headers, as a list of name and value."""
    return _host.headers()


def remaining():
    """Seconds until the host stops this call; None without a limit."""
    nanoseconds = _host.remaining()
    return None if nanoseconds is None else nanoseconds / 1e9

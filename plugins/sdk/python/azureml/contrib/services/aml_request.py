"""`@rawhttp` and `AMLRequest` under the name by which Azure ML scripts import them."""

from scorehost.http import AMLRequest, rawhttp

__all__ = ["AMLRequest", "rawhttp"]

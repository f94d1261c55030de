"""`AMLResponse` under the name by which Azure ML scripts import it."""

from scorehost.http import AMLResponse

__all__ = ["AMLResponse"]

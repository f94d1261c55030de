"""`AbstractParameterType` under the name by which Azure ML scripts import it."""

from scorehost.schema import AbstractParameterType

__all__ = ["AbstractParameterType"]

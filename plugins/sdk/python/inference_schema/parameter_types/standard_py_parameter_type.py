"""`StandardPythonParameterType` under the name by which Azure ML scripts import it."""

from scorehost.schema import StandardPythonParameterType

__all__ = ["StandardPythonParameterType"]

"""Declared inputs and outputs: what `inference_schema` offers, as far as it needs no native packages.

Schemas are those of Swagger 2: dictionaries made from samples.
"""

import base64
import datetime
import functools
import inspect


class AbstractParameterType:
    """A declared type, from a sample."""

    def __init__(self, sample_input):
        self.sample_input = sample_input
        self.sample_data_type = type(sample_input)

    def deserialize_input(self, input_data):
        """The Python value of a JSON value."""
        raise NotImplementedError

    def input_to_swagger(self):
        """The schema, with the sample under `example`."""
        raise NotImplementedError


class StandardPythonParameterType(AbstractParameterType):
    """Numbers, text, booleans, bytes (base64), dates and times (ISO 8601), and lists and dictionaries of them; other declared types
    may be nested in lists and dictionaries."""

    def deserialize_input(self, input_data):
        sample = self.sample_input
        if isinstance(sample, dict):
            _expect(input_data, dict)
            declared = {name: kind for name, kind in sample.items() if isinstance(kind, AbstractParameterType)}
            return {name: declared[name].deserialize_input(value) if name in declared else value for name, value in input_data.items()}
        if isinstance(sample, (list, tuple)):
            _expect(input_data, (list, tuple))
            if len(sample) and isinstance(sample[0], AbstractParameterType):
                return [sample[min(index, len(sample) - 1)].deserialize_input(value) for index, value in enumerate(input_data)]
            return input_data
        convert = _CONVERSIONS.get(self.sample_data_type)
        if convert is not None:
            return convert(input_data)
        _expect(input_data, (int, float) if self.sample_data_type is float else self.sample_data_type)
        return input_data

    def input_to_swagger(self):
        if self.sample_input is None:
            raise ValueError("Sample input cannot be None")
        return _schema(self.sample_input)


def input_schema(param_name, param_type, convert_to_provided_type=True, optional=False):
    """Decorates `run`: declares its argument `param_name`."""
    _expect_type(param_type)

    def decorate(function):
        declared = _declared(function)
        if param_name not in declared["arguments"]:
            raise ValueError(f"run() has no argument '{param_name}'")
        schema = param_type.input_to_swagger()
        declared["input"]["example"][param_name] = schema.pop("example")
        declared["input"]["properties"][param_name] = schema

        @functools.wraps(function)
        def run(*args, **kwargs):
            missing = param_name not in kwargs or (optional and kwargs[param_name] is None)
            if convert_to_provided_type and not missing:
                kwargs[param_name] = param_type.deserialize_input(kwargs[param_name])
            return function(*args, **kwargs)

        return run

    return decorate


def output_schema(output_type):
    """Decorates `run`: declares what it returns."""
    _expect_type(output_type)

    def decorate(function):
        _declared(function)["output"] = output_type.input_to_swagger()
        return function

    return decorate


def schemas_of(function):
    """The input and output schema of a decorated function; None for another."""
    declared = getattr(function, "__schemas__", None)
    return None if declared is None else (declared["input"], declared["output"])


def _declared(function):
    """The declarations of a function, shared by its wrappers."""
    declared = getattr(function, "__schemas__", None)
    if declared is None:
        names = [name for name in inspect.signature(function).parameters if name != "request_headers"]
        input = {"type": "object", "properties": {name: {} for name in names}, "example": {name: "" for name in names}}
        declared = {"arguments": names, "input": input, "output": {"type": "object"}}
        function.__schemas__ = declared
    return declared


def _expect_type(kind):
    if not isinstance(kind, AbstractParameterType):
        raise TypeError("a declared type is needed, such as StandardPythonParameterType([1.0])")


def _expect(value, kind):
    if not isinstance(value, kind):
        raise ValueError(f"Invalid input data type to parse. Expected: {kind} but got {type(value)}")


_CONVERSIONS = {
    bytes: base64.b64decode,
    bytearray: lambda text: bytearray(base64.b64decode(text)),
    datetime.date: datetime.date.fromisoformat,
    datetime.datetime: datetime.datetime.fromisoformat,
    datetime.time: datetime.time.fromisoformat,
}


def _schema(sample):
    """The schema of a sample, with the sample under `example`."""
    if isinstance(sample, AbstractParameterType):
        return sample.input_to_swagger()
    kind = type(sample)
    if kind is bool:
        return {"type": "boolean", "example": sample}
    if kind is int:
        return {"type": "integer", "format": "int64", "example": sample}
    if kind is float:
        return {"type": "number", "format": "double", "example": sample}
    if kind is str:
        return {"type": "string", "example": sample}
    if kind in (bytes, bytearray):
        return {"type": "string", "format": "byte", "example": base64.b64encode(sample).decode()}
    if kind in _CONVERSIONS:
        format = {datetime.date: "date", datetime.datetime: "date-time", datetime.time: "time"}[kind]
        return {"type": "string", "format": format, "example": sample.isoformat()}
    if kind in (list, tuple, range):
        return _list_schema(sample)
    if kind is dict:
        return _dictionary_schema(sample)
    return {"type": "object", "example": sample}


def _list_schema(sample):
    items = [_schema(item) for item in sample]
    example = [item.pop("example") for item in items]
    return {"type": "array", "items": items[-1] if items else {"type": "object"}, "example": example}


def _dictionary_schema(sample):
    properties = {name: _schema(value) for name, value in sample.items()}
    example = {name: schema.pop("example") for name, schema in properties.items()}
    return {"type": "object", "required": list(sample), "properties": properties, "example": example}

"""The host's interfaces in plain Python, under the names that componentize-py generates, so that the SDK runs without a component."""

import enum
import sys
import types
from dataclasses import dataclass

VARIABLES = {}
HEADERS = []
FILES = {"labels.txt": b"one\ntwo\n"}
LOG = []


def module(name, **members):
    made = types.ModuleType(name)
    made.__dict__.update(members)
    sys.modules[name] = made
    return made


@dataclass(frozen=True)
class Err(Exception):
    value: object


@dataclass
class Failure:
    kind: object
    message: str


@dataclass
class Description:
    raw_http: bool
    input_schema: object
    output_schema: object


@dataclass
class HttpRequest:
    method: str
    query: str
    body: bytes


@dataclass
class HttpResponse:
    status: int
    headers: list
    body: bytes


@dataclass
class NamedTensor:
    name: str
    tensor: object


@dataclass
class TensorSpec:
    name: str
    dtype: object
    shape: list


DTYPES = "BOOL U8 U16 U32 U64 I8 I16 I32 I64 FP16 BF16 FP32 FP64 BYTES".split()
Dtype = enum.Enum("Dtype", DTYPES)
FailureKind = enum.Enum("FailureKind", "INVALID_INPUT NOT_FOUND UNSUPPORTED OVERLOADED DEADLINE UNAVAILABLE INTERNAL".split())
Level = enum.Enum("Level", "TRACE DEBUG INFO WARN ERROR".split())


class Tensor:
    def __init__(self, dtype, shape, data):
        self._dtype, self._shape, self._data = dtype, shape, data

    @classmethod
    def create(cls, dtype, shape, data):
        assert isinstance(shape, list) and isinstance(data, bytes)
        return cls(dtype, shape, data)

    def dtype(self):
        return self._dtype

    def shape(self):
        return self._shape

    def byte_length(self):
        return len(self._data)

    def data(self):
        return self._data

    def share(self):
        return Tensor(self._dtype, self._shape, self._data)

    def reshape(self, shape):
        return Tensor(self._dtype, shape, self._data)

    def slice(self, start, end):
        row = len(self._data) // self._shape[0]
        return Tensor(self._dtype, [end - start, *self._shape[1:]], self._data[start * row:end * row])


class Model:
    @classmethod
    def open(cls, name):
        if name.split(":")[0] != "digits":
            raise Err(Failure(FailureKind.NOT_FOUND, f"no model '{name}'"))
        return cls()

    def run(self, inputs, outputs):
        return [NamedTensor(name, tensor) for name, tensor in inputs]

    def file(self, path):
        if path not in FILES:
            raise Err(Failure(FailureKind.NOT_FOUND, f"no file '{path}'"))
        return FILES[path]


def install():
    """Puts the fakes where the SDK imports them from."""
    module("componentize_py_types", Err=Err)
    failures = module("wit_world.imports.failures", Failure=Failure, FailureKind=FailureKind)
    tensors = module("wit_world.imports.tensors", Dtype=Dtype, Tensor=Tensor, NamedTensor=NamedTensor, TensorSpec=TensorSpec)
    models = module("wit_world.imports.models", Model=Model, available=lambda: ["digits:1"])
    log = module("wit_world.imports.log", Level=Level, write=lambda level, line: LOG.append((level.name, line)))
    context = module(
        "wit_world.imports.context", request_id=str, service=str, version=str, variable=VARIABLES.get, remaining=lambda: None,
        headers=lambda: list(HEADERS), header=lambda name: dict(HEADERS).get(name.lower()),
    )
    collect = module("wit_world.imports.collect", enabled=lambda: False)
    imports = module("wit_world.imports", failures=failures, tensors=tensors, models=models, log=log, context=context, collect=collect)
    module(
        "wit_world", imports=imports, WitWorld=object, Description=Description, HttpRequest=HttpRequest, HttpResponse=HttpResponse,
        Signature=lambda inputs, outputs: (inputs, outputs),
    )

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


CALLS = []


def recorder(name):
    """An operation that notes how it was called and gives back a tensor of nothing."""
    def operation(*arguments):
        CALLS.append((name, *arguments))
        nothing = Tensor(Dtype.FP32, [0], b"")
        if name == "top_k":
            return nothing, nothing
        if name == "letterbox":
            return types.SimpleNamespace(image=nothing, scale=0.5, top=1, left=2, height=3, width=4)
        return nothing
    return operation


def choices(names):
    return enum.Enum("Choice", names)


def record(*fields):
    return lambda *values: dict(zip(fields, values, strict=True))


def operations():
    """The three interfaces of operations."""
    arrays = "cast transpose slice concat stack stack_padded pad gather arithmetic arithmetic_scalar compare clip softmax matmul reduce argmax top_k"
    images = "decode resize letterbox crop_and_resize crop_quad warp_perspective normalize"
    operations = lambda names: {name: recorder(name) for name in names.split()}
    return {
        "arrays": module(
            "wit_world.imports.arrays", **operations(arrays), Range=record("start", "end", "step"),
            Operator=choices("ADD SUBTRACT MULTIPLY DIVIDE MINIMUM MAXIMUM"), Reduction=choices("SUM MEAN MAX MIN"),
            Comparison=choices("LESS LESS_EQUAL GREATER GREATER_EQUAL EQUAL NOT_EQUAL"),
        ),
        "images": module(
            "wit_world.imports.images", **operations(images), Color=choices("GREY RGB BGR RGBA"), Layout=choices("CHANNELS_LAST CHANNELS_FIRST"),
            Interpolation=choices("NEAREST BILINEAR BICUBIC"), DecodeOptions=record("color", "orient", "max_pixels"),
            Sampling=record("interpolation", "antialias", "layout"), Rectangle=record("left", "top", "right", "bottom"),
            Point=record("x", "y"), Normalization=record("scale", "mean", "std", "from", "to", "reverse"),
        ),
        "detection": module(
            "wit_world.imports.detection", **operations("non_max_suppression"), BoxFormat=choices("CORNERS CORNERS_YX CENTER"),
            Suppression=record("iou_threshold", "score_threshold", "max_boxes", "format"),
        ),
    }


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
    imports = module("wit_world.imports", failures=failures, tensors=tensors, models=models, log=log, context=context, collect=collect, **operations())
    module(
        "wit_world", imports=imports, WitWorld=object, Description=Description, HttpRequest=HttpRequest, HttpResponse=HttpResponse,
        Signature=lambda inputs, outputs: (inputs, outputs),
    )

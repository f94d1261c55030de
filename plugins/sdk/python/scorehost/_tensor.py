"""Tensors: handles to elements in the host."""

import struct
from array import array
from enum import Enum

from wit_world.imports import tensors as host

from ._errors import HostError, called


class DType(Enum):
    """Element types; the values are the host's names."""

    BOOL = "bool"
    U8 = "u8"
    U16 = "u16"
    U32 = "u32"
    U64 = "u64"
    I8 = "i8"
    I16 = "i16"
    I32 = "i32"
    I64 = "i64"
    FP16 = "fp16"
    BF16 = "bf16"
    FP32 = "fp32"
    FP64 = "fp64"
    BYTES = "bytes"

    @classmethod
    def of(cls, name):
        """The dtype of a name: `fp32`, `FP32`, `i64` or `INT64`."""
        if isinstance(name, cls):
            return name
        found = _NAMES.get(str(name).lower())
        if found is None:
            raise ValueError(f"'{name}' is not a dtype; there are {', '.join(dtype.value for dtype in cls)}")
        return found


_NAMES = {dtype.value: dtype for dtype in DType}
_NAMES |= {f"uint{bits}": _NAMES[f"u{bits}"] for bits in (8, 16, 32, 64)}
_NAMES |= {f"int{bits}": _NAMES[f"i{bits}"] for bits in (8, 16, 32, 64)}

# Formats of the `struct` module. bf16 has none: its elements are shown as their 16 bits.
_FORMATS = {
    DType.BOOL: "?", DType.U8: "B", DType.U16: "H", DType.U32: "I", DType.U64: "Q", DType.I8: "b", DType.I16: "h",
    DType.I32: "i", DType.I64: "q", DType.FP16: "e", DType.BF16: "H", DType.FP32: "f", DType.FP64: "d",
}
_DTYPES = {format: dtype for dtype, format in _FORMATS.items() if dtype is not DType.BF16} | {
    "l": DType.I64 if struct.calcsize("l") == 8 else DType.I32,
    "L": DType.U64 if struct.calcsize("L") == 8 else DType.U32,
}
_ARRAYS = frozenset("BHIQbhiqfd")


class Tensor:
    """A handle to an immutable, row-major tensor in the host."""

    __slots__ = ("_handle",)

    def __init__(self, handle):
        self._handle = handle

    @classmethod
    def from_list(cls, dtype, shape, values):
        """Makes a tensor from numbers, or from `str` and `bytes` for dtype `bytes`. `values` may be nested or flat, row by row."""
        dtype = DType.of(dtype)
        flat = _flat(values)
        if dtype is DType.BYTES:
            return cls.from_bytes(dtype, shape, _strings(flat))
        if dtype is DType.BF16:
            # The upper half of an fp32.
            return cls.from_bytes(dtype, shape, b"".join(struct.pack("<f", value)[2:] for value in flat))
        code = _FORMATS[dtype]
        data = array(code, flat).tobytes() if code in _ARRAYS else struct.pack(f"<{len(flat)}{code}", *flat)
        return cls.from_bytes(dtype, shape, data)

    @classmethod
    def from_buffer(cls, buffer, dtype=None, shape=None):
        """Makes a tensor from anything with the buffer protocol (`array`, `memoryview`, `bytes`). Dtype and shape are those of
        the buffer where they are not given."""
        view = memoryview(buffer)
        if dtype is None:
            dtype = _DTYPES.get(view.format.lstrip("<=@"))
            if dtype is None:
                raise ValueError(f"a buffer of format '{view.format}' has no dtype; give one")
        return cls.from_bytes(dtype, view.shape if shape is None else shape, view.tobytes())

    @classmethod
    def from_bytes(cls, dtype, shape, data):
        """Makes a tensor from bytes: row-major, little-endian; elements of dtype `bytes` each after their length as u32."""
        return cls(called(host.Tensor.create, host.Dtype[DType.of(dtype).name], list(shape), bytes(data)))

    @property
    def dtype(self):
        """The element type."""
        return DType[self._handle.dtype().name]

    @property
    def shape(self):
        """The dimensions, outermost first."""
        return tuple(self._handle.shape())

    @property
    def nbytes(self):
        """Bytes of all elements."""
        return self._handle.byte_length()

    def tobytes(self):
        """Copies all elements into Python, in the layout of `from_bytes`."""
        return self._handle.data()

    def tolist(self):
        """Copies all elements into nested lists; a scalar becomes a number."""
        shape = self.shape
        flat = self._elements()
        for size in reversed(shape[1:]):
            flat = [flat[start:start + size] for start in range(0, len(flat), size)] if size else [[]] * _product(shape[:-1])
        return flat if shape else flat[0]

    def __buffer__(self, flags):
        """`memoryview(tensor)`: the elements, copied once, with their format and shape."""
        dtype = self.dtype
        if dtype is DType.BYTES:
            raise BufferError("a tensor of byte strings has no buffer; use tolist()")
        shape = self.shape
        view = memoryview(self._handle.data())
        format = "H" if dtype is DType.FP16 else _FORMATS[dtype]
        return view.cast(format, shape) if all(shape) else view.cast(format)

    def reshape(self, *shape):
        """The same elements under another shape; no copy."""
        shape = shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape
        return Tensor(called(self._handle.reshape, list(shape)))

    def __len__(self):
        return self._handle.shape()[0]

    def __getitem__(self, rows):
        """`tensor[a:b]`: rows of the first dimension; no copy."""
        if not isinstance(rows, slice) or rows.step not in (None, 1):
            raise TypeError("a tensor is sliced by rows: tensor[a:b]; for elements use tolist()")
        start, end, _ = rows.indices(len(self))
        return Tensor(called(self._handle.slice, start, max(start, end)))

    def __repr__(self):
        return f"Tensor({self.dtype.value}, {list(self.shape)})"

    def _elements(self):
        dtype = self.dtype
        data = self._handle.data()
        if dtype is DType.BYTES:
            return _split(data)
        if dtype is DType.BF16:
            return [struct.unpack("<f", b"\0\0" + data[at:at + 2])[0] for at in range(0, len(data), 2)]
        code = _FORMATS[dtype]
        if code in _ARRAYS:
            elements = array(code)
            elements.frombytes(data)
            return elements.tolist()
        return list(struct.unpack(f"<{len(data) // struct.calcsize(code)}{code}", data))


class TensorSpec:
    """Name, dtype and shape of an input or output; -1 stands for a dimension that varies."""

    __slots__ = ("name", "dtype", "shape")

    def __init__(self, name, dtype, shape):
        self.name = name
        self.dtype = DType.of(dtype)
        self.shape = tuple(shape)

    def __repr__(self):
        return f"TensorSpec({self.name!r}, {self.dtype.value}, {list(self.shape)})"


def spec_from_host(spec):
    """A `TensorSpec` of the host's."""
    return TensorSpec(spec.name, DType[spec.dtype.name], spec.shape)


def spec_to_host(spec):
    """The host's form of a `TensorSpec`."""
    return host.TensorSpec(spec.name, host.Dtype[spec.dtype.name], list(spec.shape))


def handle_of(name, tensor):
    """The handle of what must be a tensor."""
    if isinstance(tensor, Tensor):
        return tensor._handle
    raise TypeError(f"'{name}' must be a Tensor, not {type(tensor).__name__}; Tensor.from_list and Tensor.from_buffer make one")


def _product(sizes):
    product = 1
    for size in sizes:
        product *= size
    return product


def _flat(values):
    if isinstance(values, (list, tuple)):
        while values and isinstance(values[0], (list, tuple)):
            values = [value for row in values for value in row]
        return values
    return list(values) if hasattr(values, "__iter__") and not isinstance(values, (str, bytes)) else [values]


def _strings(values):
    parts = []
    for value in values:
        data = value.encode() if isinstance(value, str) else bytes(value)
        parts += (len(data).to_bytes(4, "little"), data)
    return b"".join(parts)


def _split(data):
    strings, at = [], 0
    while at < len(data):
        end = at + 4 + int.from_bytes(data[at:at + 4], "little")
        if end > len(data):
            raise HostError("internal", "a byte string is cut short")
        strings.append(data[at + 4:end])
        at = end
    return strings

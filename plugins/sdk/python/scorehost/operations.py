"""Operations that run in the host: tensors in, new tensors out, no element in Python's memory.

    photo = operations.decode(file)
    small = operations.resize(photo, 224, 224)
    pixels = operations.normalize(small, mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])
    scores = operations.softmax(model.run({"x": pixels.reshape(1, 3, 224, 224)})["y"])

Failures are `HostError`: `invalid-input` where dtypes, shapes or arguments do not work or the result is more than the scorer may hold,
`deadline` where the request's time is up. Names of choices are strings, such as `"bilinear"` or `"channels-first"`.
"""

from wit_world.imports import arrays as _arrays
from wit_world.imports import detection as _detection
from wit_world.imports import images as _images
from wit_world.imports import tensors as _tensors

from ._errors import called
from ._tensor import DType, Tensor, handle_of


def _handle(tensor):
    return handle_of("an operand", tensor)


def _result(function, *arguments):
    return Tensor(called(function, *arguments))


def _choice(enum, name):
    key = str(name).upper().replace("-", "_")
    if key not in enum.__members__:
        names = ", ".join(member.lower().replace("_", "-") for member in enum.__members__)
        raise ValueError(f"'{name}' is none of {names}")
    return enum[key]


def _numbers(value):
    return [float(number) for number in value] if hasattr(value, "__iter__") else [float(value)]


def cast(tensor, dtype):
    """The same numbers as another dtype: integers wrap around, floats become integers toward zero and saturate."""
    return _result(_arrays.cast, _handle(tensor), _tensors.Dtype[DType.of(dtype).name])


def transpose(tensor, axes=()):
    """Axes in another order; none reverses all."""
    return _result(_arrays.transpose, _handle(tensor), list(axes))


def slice_axes(tensor, *ranges):
    """A part of the leading axes, one Python `slice` each: `slice_axes(tensor, slice(None), slice(0, 10, 2))`."""
    ranges = [_arrays.Range(part.start, part.stop, 1 if part.step is None else part.step) for part in ranges]
    return _result(_arrays.slice, _handle(tensor), ranges)


def concat(tensors, axis=0):
    """Tensors one behind the other along an axis they have."""
    return _result(_arrays.concat, [_handle(tensor) for tensor in tensors], axis)


def stack(tensors, axis=0):
    """Tensors of one shape along a new axis."""
    return _result(_arrays.stack, [_handle(tensor) for tensor in tensors], axis)


def stack_padded(tensors, shape=(), fill=0.0):
    """Tensors of one rank along a new first axis, each filled up to `shape`, or to the greatest length of each axis."""
    return _result(_arrays.stack_padded, [_handle(tensor) for tensor in tensors], list(shape), float(fill))


def pad(tensor, before, after, fill=0.0):
    """A margin of `fill`: elements before the first and behind the last of each axis."""
    return _result(_arrays.pad, _handle(tensor), list(before), list(after), float(fill))


def gather(tensor, indices, axis=0):
    """Slices along an axis by `i32` or `i64` indices; negative ones count from the end."""
    return _result(_arrays.gather, _handle(tensor), _handle(indices), axis)


def arithmetic(operator, left, right):
    """`add`, `subtract`, `multiply`, `divide`, `minimum` or `maximum` of a tensor and a tensor (broadcast as in numpy) or a number."""
    operator = _choice(_arrays.Operator, operator)
    if isinstance(right, Tensor):
        return _result(_arrays.arithmetic, operator, _handle(left), _handle(right))
    return _result(_arrays.arithmetic_scalar, operator, _handle(left), float(right))


def add(left, right):
    """The sum of a tensor and a tensor or a number."""
    return arithmetic("add", left, right)


def subtract(left, right):
    """The difference of a tensor and a tensor or a number."""
    return arithmetic("subtract", left, right)


def multiply(left, right):
    """The product of a tensor and a tensor or a number."""
    return arithmetic("multiply", left, right)


def divide(left, right):
    """The quotient of a tensor and a tensor or a number."""
    return arithmetic("divide", left, right)


def compare(comparison, tensor, number):
    """Which elements are `less`, `less-equal`, `greater`, `greater-equal`, `equal` or `not-equal`, as dtype `bool`."""
    return _result(_arrays.compare, _choice(_arrays.Comparison, comparison), _handle(tensor), float(number))


def clip(tensor, minimum, maximum):
    """Elements no lower than `minimum` and no higher than `maximum`."""
    return _result(_arrays.clip, _handle(tensor), float(minimum), float(maximum))


def softmax(tensor, axis=-1):
    """Exponentials along an axis, divided by their sum."""
    return _result(_arrays.softmax, _handle(tensor), axis)


def matmul(left, right):
    """Products of matrices."""
    return _result(_arrays.matmul, _handle(left), _handle(right))


def reduce(reduction, tensor, axes=(), keep_dims=False):
    """`sum`, `mean`, `max` or `min` along some axes, all where there are none; they stay with a length of 1 where `keep_dims`."""
    return _result(_arrays.reduce, _choice(_arrays.Reduction, reduction), _handle(tensor), list(axes), keep_dims)


def argmax(tensor, axis=-1, keep_dims=False):
    """The index of the greatest element along an axis, as `i64`."""
    return _result(_arrays.argmax, _handle(tensor), axis, keep_dims)


def top_k(tensor, k, axis=-1, largest=True):
    """The `k` greatest (or least) elements along an axis, in order, and their indices as `i64`."""
    values, indices = called(_arrays.top_k, _handle(tensor), k, axis, largest)
    return Tensor(values), Tensor(indices)


def decode(file, color="rgb", orient=True, max_pixels=0):
    """A JPEG or PNG file (`bytes`, or a tensor of dtype `u8` or `bytes`) to `u8` pixels [height, width, channels]."""
    if not isinstance(file, Tensor):
        file = Tensor.from_buffer(file, "u8")
    return _result(_images.decode, _handle(file), _images.DecodeOptions(_choice(_images.Color, color), orient, max_pixels))


def _sampling(interpolation, antialias, layout):
    return _images.Sampling(_choice(_images.Interpolation, interpolation), antialias, _choice(_images.Layout, layout))


def resize(tensor, height, width, interpolation="bilinear", antialias=True, layout="channels-last"):
    """A picture, or a batch of them, at another size."""
    return _result(_images.resize, _handle(tensor), height, width, _sampling(interpolation, antialias, layout))


class Letterboxed:
    """A picture in its letterbox: pixel (x, y) of `image` shows source pixel ((x - left) / scale, (y - top) / scale). `height` and `width`
    are those of the picture itself."""

    __slots__ = ("image", "scale", "top", "left", "height", "width")

    def __init__(self, boxed):
        self.image = Tensor(boxed.image)
        self.scale, self.top, self.left = boxed.scale, boxed.top, boxed.left
        self.height, self.width = boxed.height, boxed.width


def letterbox(tensor, height, width, fill=0.0, center=True, interpolation="bilinear", antialias=True, layout="channels-last"):
    """A picture as large as it fits into a size with its proportions kept, `fill` around."""
    sampling = _sampling(interpolation, antialias, layout)
    return Letterboxed(called(_images.letterbox, _handle(tensor), height, width, sampling, float(fill), center))


def crop_and_resize(tensor, boxes, height, width, interpolation="bilinear", antialias=True, layout="channels-last"):
    """Boxes (left, top, right, bottom in pixels) of one picture, each at the same size, in one batch."""
    boxes = [_images.Rectangle(*_numbers(corners)) for corners in boxes]
    return _result(_images.crop_and_resize, _handle(tensor), boxes, height, width, _sampling(interpolation, antialias, layout))


def crop_quad(tensor, corners, height, width, interpolation="bicubic"):
    """A quadrilateral, straightened: four corners (x, y) become top left, top right, bottom right, bottom left."""
    corners = tuple(_images.Point(float(x), float(y)) for x, y in corners)
    return _result(_images.crop_quad, _handle(tensor), corners, height, width, _choice(_images.Interpolation, interpolation))


def warp_perspective(tensor, matrix, height, width, interpolation="bilinear", fill=None):
    """A picture seen through a projection: result pixel (x, y, 1) times `matrix` (nine numbers, row by row) is the place in the source. Beyond
    the border is `fill`, or the border repeated."""
    interpolation = _choice(_images.Interpolation, interpolation)
    return _result(_images.warp_perspective, _handle(tensor), _numbers(matrix), height, width, interpolation, fill)


def normalize(tensor, mean=(), std=(), scale=1 / 255, source="channels-last", target="channels-first", reverse=False):
    """Pixels as a network takes them: (value * scale - mean) / std, `fp32`, from the layout `source` to `target`; `reverse` turns red,
    green, blue into blue, green, red."""
    source, target = _choice(_images.Layout, source), _choice(_images.Layout, target)
    wanted = _images.Normalization(float(scale), _numbers(mean), _numbers(std), source, target, reverse)
    return _result(_images.normalize, _handle(tensor), wanted)


def non_max_suppression(boxes, scores, classes=None, iou_threshold=0.5, score_threshold=0.0, max_boxes=0, format="corners"):
    """Indices of `boxes` (fp32 [n, 4]), best first by `scores` (fp32 [n]), without those that overlap a better one of their class (i64
    [n])."""
    wanted = _detection.Suppression(iou_threshold, score_threshold, max_boxes, _choice(_detection.BoxFormat, format))
    classes = None if classes is None else _handle(classes)
    return _result(_detection.non_max_suppression, _handle(boxes), _handle(scores), classes, wanted)

"""Models without their weights, and the same with seeded random ones: `strip FROM TO` keeps the graph, the small constants and
the spread of each large one (a few kilobytes where the model has a hundred megabytes), `fill FROM TO` draws the large ones
again. For comparing devices on a machine that cannot be given the weights."""

import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

KEEP = 4096  # bytes
SEED = 20261127


def strip(model: onnx.ModelProto) -> None:
    for weight in model.graph.initializer:
        values = numpy_helper.to_array(weight)
        if values.nbytes <= KEEP or values.dtype != np.float32:
            continue
        mark = f"{float(values.mean())!r} {float(values.std())!r}"
        weight.ClearField("raw_data")
        weight.ClearField("float_data")
        weight.doc_string = mark


def fill(model: onnx.ModelProto) -> None:
    random = np.random.default_rng(SEED)
    for weight in model.graph.initializer:
        if not weight.doc_string:
            continue
        mean, deviation = map(float, weight.doc_string.split())
        values = random.standard_normal(tuple(weight.dims), dtype=np.float32) * np.float32(deviation) + np.float32(mean)
        if mean - 2 * deviation > 0:  # a variance or a scale stays positive
            values = np.abs(values)
        weight.raw_data = values.tobytes()
        weight.ClearField("doc_string")


def main(what: str, source: str, target: str) -> None:
    model = onnx.load_from_string(Path(source).read_bytes())
    {"strip": strip, "fill": fill}[what](model)
    Path(target).write_bytes(model.SerializeToString())


if __name__ == "__main__":
    main(*sys.argv[1:])

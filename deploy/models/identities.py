"""Makes the smallest models of every element type: what goes in comes out, for protocol conformance and load tests."""

from pathlib import Path

import onnx
from onnx import TensorProto, helper

OPSET = 17
# File names use the lower-case data type names of the Open Inference Protocol.
TYPES = {
    "bool": TensorProto.BOOL,
    "uint8": TensorProto.UINT8,
    "uint16": TensorProto.UINT16,
    "uint32": TensorProto.UINT32,
    "uint64": TensorProto.UINT64,
    "int8": TensorProto.INT8,
    "int16": TensorProto.INT16,
    "int32": TensorProto.INT32,
    "int64": TensorProto.INT64,
    "fp16": TensorProto.FLOAT16,
    "bf16": TensorProto.BFLOAT16,
    "fp32": TensorProto.FLOAT,
    "fp64": TensorProto.DOUBLE,
    "bytes": TensorProto.STRING,
}
# fp32 is the benchmark's model: rows of 16. The others take any matrix.
COLUMNS = {"fp32": 16}
ADD_SUB = {"add_sub.onnx": TensorProto.FLOAT, "add_sub_int32.onnx": TensorProto.INT32}


def build(directory: Path) -> None:
    """Writes `identity_<type>.onnx` (INPUT0 to OUTPUT0) and the add-and-subtract models (INPUT0, INPUT1 to their sum
    OUTPUT0 and difference OUTPUT1, rows of 16)."""
    for name, element in TYPES.items():
        save(identity(name, element), directory / f"identity_{name}.onnx")
    for name, element in ADD_SUB.items():
        save(add_sub(element), directory / name)


def identity(name: str, element: int) -> onnx.GraphProto:
    shape = ["batch", COLUMNS.get(name, "columns")]
    return helper.make_graph(
        [helper.make_node("Identity", ["INPUT0"], ["OUTPUT0"])],
        f"identity_{name}",
        [helper.make_tensor_value_info("INPUT0", element, shape)],
        [helper.make_tensor_value_info("OUTPUT0", element, shape)],
    )


def add_sub(element: int) -> onnx.GraphProto:
    nodes = [
        helper.make_node(operator, ["INPUT0", "INPUT1"], [output])
        for operator, output in (("Add", "OUTPUT0"), ("Sub", "OUTPUT1"))
    ]
    inputs, outputs = (
        [helper.make_tensor_value_info(f"{side}{index}", element, ["batch", 16]) for index in range(2)]
        for side in ("INPUT", "OUTPUT")
    )
    return helper.make_graph(nodes, "add_sub", inputs, outputs)


def save(graph: onnx.GraphProto, path: Path) -> None:
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8, producer_name="scorehost"
    )
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString(deterministic=True))

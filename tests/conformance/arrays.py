"""Arrays of every dtype of the Open Inference Protocol, and the model that returns them unchanged."""

import numpy as np

# service, protocol dtype, numpy dtype
IDENTITIES = [
    ("identity-bool", "BOOL", np.bool_),
    ("identity-uint8", "UINT8", np.uint8),
    ("identity-uint16", "UINT16", np.uint16),
    ("identity-uint32", "UINT32", np.uint32),
    ("identity-uint64", "UINT64", np.uint64),
    ("identity-int8", "INT8", np.int8),
    ("identity-int16", "INT16", np.int16),
    ("identity-int32", "INT32", np.int32),
    ("identity-int64", "INT64", np.int64),
    ("identity-fp16", "FP16", np.float16),
    ("identity-fp32", "FP32", np.float32),
    ("identity-fp64", "FP64", np.float64),
    ("identity-bytes", "BYTES", np.object_),
]


def sample(dtype: type, rows: int = 3, seed: int | None = None) -> np.ndarray:
    """A fresh random array [rows, 16] that uses the dtype's whole range."""
    random = np.random.default_rng(seed)
    if dtype is np.bool_:
        return random.integers(0, 2, (rows, 16)).astype(np.bool_)
    if dtype is np.object_:
        words = ["", "plain", "Grüße", "漢字", "x" * 300]
        picked = [random.choice(words).encode() for _ in range(rows * 16)]
        return np.array(picked, dtype=np.object_).reshape(rows, 16)
    if np.issubdtype(dtype, np.integer):
        info = np.iinfo(dtype)
        return random.integers(info.min, info.max, (rows, 16), dtype=dtype, endpoint=True)
    return random.standard_normal((rows, 16)).astype(dtype)

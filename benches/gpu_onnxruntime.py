"""ResNet-50 and MiniLM through ONNX Runtime's CUDA provider, where `onnxruntime-gpu` is installed: `gpu_onnxruntime.py MODELS`.

Each call copies its inputs from and its outputs to the host's memory, as ours do. The exit code is 77 where the provider is missing."""

import statistics
import sys
import time
from pathlib import Path

WINDOW = 0.6  # seconds of one measurement
CASES = {"resnet50": {"input": (3, 224, 224)}, "minilm": {name: (128,) for name in ("input_ids", "attention_mask", "token_type_ids")}}


def missing(what: str) -> None:
    print(what)
    sys.exit(77)


def inputs(name: str, batch: int) -> dict:
    draw = numpy.random.default_rng(batch)
    if name == "resnet50":
        return {"input": draw.standard_normal((batch, 3, 224, 224), numpy.float32)}
    ones = numpy.ones((batch, 128), numpy.int64)
    return {"input_ids": draw.integers(1, 1000, (batch, 128)), "attention_mask": ones, "token_type_ids": ones * 0}


def main(folder: str) -> None:
    for name in CASES:
        for precision, tf32 in (("fp32", "0"), ("tf32", "1")):
            providers = [("CUDAExecutionProvider", {"use_tf32": tf32})]
            session = onnxruntime.InferenceSession(str(Path(folder) / f"{name}.onnx"), providers=providers)
            if session.get_providers()[0] != "CUDAExecutionProvider":
                missing("onnxruntime has the CUDA provider and cannot load it: are CUDA's and cuDNN's libraries in LD_LIBRARY_PATH?")
            for batch in (1, 8, 32):
                call = lambda fed=inputs(name, batch): session.run(None, fed)
                for _ in range(8):
                    call()
                times, started = [], time.perf_counter()
                while time.perf_counter() - started < WINDOW:
                    begin = time.perf_counter()
                    call()
                    times.append((time.perf_counter() - begin) * 1e3)
                times.sort()
                p50, p99 = times[len(times) // 2], times[int(len(times) * 0.99)]
                rate = batch * 1e3 / statistics.mean(times)
                print(f"onnxruntime {name} {precision} cuda batch {batch}: p50 {p50:.3f} ms p99 {p99:.3f} ms, {rate:.0f} rows/s", flush=True)


if __name__ == "__main__":
    try:
        import numpy
        import onnxruntime
    except ImportError as reason:
        missing(f"{reason}: pip install onnxruntime-gpu")
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        missing(f"onnxruntime {onnxruntime.__version__} has no CUDA provider: pip install onnxruntime-gpu")
    main(sys.argv[1])

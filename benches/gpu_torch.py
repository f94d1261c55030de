"""ResNet-50 and MiniLM in PyTorch on the GPU of this machine: the stand-in where ONNX Runtime's CUDA provider cannot be installed.

Each call copies its input from pinned memory and its result back, as the host's calls do. Prints one line a model, precision,
mode and batch, and the two ceilings of the device with `ceilings`.
"""

import statistics
import sys
import time

try:
    import torch
except ImportError as missing:
    print(f"{missing}: pip install torch torchvision transformers")
    sys.exit(77)

if not torch.cuda.is_available():
    print(f"torch {torch.__version__} finds no GPU")
    sys.exit(77)

WINDOW = 0.6  # seconds of one measurement
PRECISIONS = {"fp32": (torch.float32, False), "tf32": (torch.float32, True), "fp16": (torch.float16, True), "bf16": (torch.bfloat16, True)}


def ceilings() -> None:
    """Bytes a second of a large copy, and operations a second of a large product, as shell assignments."""
    a = torch.empty(1 << 30, dtype=torch.uint8, device="cuda")
    b = torch.empty_like(a)
    print(f"export GPU_BYTES_PER_S={2 * a.numel() / best(lambda: b.copy_(a)):.4g}")
    for name, (dtype, tf32) in PRECISIONS.items():
        torch.backends.cuda.matmul.allow_tf32 = tf32
        size = 4096 if dtype == torch.float32 else 8192
        x, y = (torch.randn(size, size, device="cuda", dtype=dtype) for _ in range(2))
        print(f"export GPU_FLOPS_{name.upper()}={2 * size**3 / best(lambda: x @ y):.4g}")


def best(work) -> float:
    """Seconds of one run on the device, the median of ten."""
    times = []
    for _ in range(13):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        work()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end) / 1e3)
    return statistics.median(times[3:])


def resnet50():
    import torchvision

    return torchvision.models.resnet50(), lambda n: (torch.randn(n, 3, 224, 224),)


def minilm():
    from transformers import BertConfig, BertModel

    config = BertConfig(hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536)
    return BertModel(config, add_pooling_layer=False), lambda n: (torch.randint(1, 1000, (n, 128)),)


def first(result):
    return result if torch.is_tensor(result) else result[0]


def measure(name: str, make, precisions: list, modes: list, batches: list) -> None:
    for precision in precisions:
        dtype, tf32 = PRECISIONS[precision]
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
        model, inputs = make()
        model = model.eval().cuda().to(dtype)
        if name == "resnet50":
            model = model.to(memory_format=torch.channels_last)
        for mode in modes:
            for batch in batches:
                try:
                    line(name, precision, mode, batch, model, inputs(batch), dtype)
                except Exception as error:  # a mode that this installation cannot run is a row of its own
                    print(f"pytorch {name} {precision} {mode} batch {batch}: not run ({type(error).__name__}: {str(error)[:80]})", flush=True)


def line(name, precision, mode, batch, model, inputs, dtype) -> None:
    pinned = [x.pin_memory() for x in inputs]
    forward = model
    if mode == "compile":
        torch._dynamo.reset()
        forward = torch.compile(model)
    call = graphed(model, pinned, dtype) if mode == "graph" else plain(forward, pinned, dtype)
    for _ in range(8):
        call()
    times, started = [], time.perf_counter()
    while time.perf_counter() - started < WINDOW:
        begin = time.perf_counter()
        call()
        times.append((time.perf_counter() - begin) * 1e3)
    times.sort()
    p50, p99 = times[len(times) // 2], times[int(len(times) * 0.99)]
    print(f"pytorch {name} {precision} {mode} batch {batch}: p50 {p50:.3f} ms p99 {p99:.3f} ms, {batch * 1e3 / statistics.mean(times):.0f} rows/s", flush=True)


def cast(x, dtype):
    x = x.cuda(non_blocking=True) if not x.is_cuda else x
    if x.is_floating_point():
        x = x.to(dtype).contiguous(memory_format=torch.channels_last)
    return x


@torch.inference_mode()
def warm(model, inputs, dtype):
    return first(model(*[cast(x, dtype) for x in inputs])).float()


def plain(model, pinned, dtype):
    out = torch.empty_like(warm(model, pinned, dtype), device="cpu").pin_memory()

    @torch.inference_mode()
    def call():
        out.copy_(first(model(*[cast(x, dtype) for x in pinned])).float(), non_blocking=True)
        torch.cuda.synchronize()

    return call


def graphed(model, pinned, dtype):
    static = [x.cuda() for x in pinned]
    for _ in range(3):
        result = warm(model, static, dtype)
    out = torch.empty_like(result, device="cpu").pin_memory()
    graph = torch.cuda.CUDAGraph()
    with torch.inference_mode(), torch.cuda.graph(graph):
        result = first(model(*[cast(x, dtype) for x in static])).float()

    def call():
        for to, source in zip(static, pinned):
            to.copy_(source, non_blocking=True)
        graph.replay()
        out.copy_(result, non_blocking=True)
        torch.cuda.synchronize()

    return call


def errors() -> None:
    """How far PyTorch's own narrow precisions are from its F32, on the shapes that the whole-model checks use."""
    import torchvision

    makers = {"resnet50": resnet50()[0], "mobilenetv2": torchvision.models.mobilenet_v2(), "minilm": minilm()[0]}
    for name, model in makers.items():
        x = torch.randint(1, 1000, (5, 128)) if name == "minilm" else torch.randn(5, 3, 224, 224)
        model = model.eval().cuda()
        with torch.inference_mode():
            torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
            exact = first(model(x.cuda())).double()
            for precision in ("fp16", "bf16"):
                dtype = PRECISIONS[precision][0]
                narrow = first(model.to(dtype)(cast(x, dtype))).double()
                print(f"pytorch {name} {precision} error against fp32: {((narrow - exact).norm() / exact.norm()).item():.2e}", flush=True)
                model = model.float()


def main(what: str = "all") -> None:
    if what == "ceilings":
        return ceilings()
    if what == "errors":
        return errors()
    modes = what.split(",") if what != "all" else ["eager", "graph", "compile"]
    for name, make in (("resnet50", resnet50), ("minilm", minilm)):
        measure(name, make, list(PRECISIONS), modes, [1, 8, 32])


if __name__ == "__main__":
    main(*sys.argv[1:])

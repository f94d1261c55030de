"""Writes ResNet-50 and MobileNetV2 with seeded random weights: the layers, shapes and node patterns of the real
networks, whose trained weights no package index carries. For speed and for comparing devices, not for recognising."""

from pathlib import Path

import numpy as np

from writer import FLOAT, Writer

SEED = 20260102
OPSET = 17
CLASSES = 1000
# Expansion, channels, repetitions, first stride: table 2 of Sandler et al., "MobileNetV2", 2018.
MOBILE_STAGES = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]
# Channels, blocks, first stride: table 1 of He et al., "Deep Residual Learning", 2015; strides on the 3x3 convolution.
RESIDUAL_STAGES = [(64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)]


def build(directory: Path) -> None:
    """Both take `input` float32 [N, 3, H, W] (224 x 224 in the papers) and give `logits` float32 [N, 1000]."""
    (directory / "resnet50.onnx").write_bytes(resnet50())
    (directory / "mobilenetv2.onnx").write_bytes(mobilenetv2())


class Layers(Writer):
    def __init__(self, seed: int):
        super().__init__()
        self._random = np.random.default_rng(seed)

    def normal(self, shape: tuple, deviation: float, mean: float = 0.0) -> np.ndarray:
        return self._random.standard_normal(shape, dtype=np.float32) * np.float32(deviation) + np.float32(mean)

    def convolution(self, x: str, name: str, channels: tuple, kernel: int, stride: int = 1, groups: int = 1, gain=1.0):
        """Convolution (He-initialised, without bias) and batch normalisation."""
        inputs, outputs = channels
        shape = (outputs, inputs // groups, kernel, kernel)
        weight = self.weight(f"{name}.weight", self.normal(shape, np.sqrt(2 / np.prod(shape[1:]))))
        attributes = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [kernel // 2] * 4}
        x = self.node("Conv", x, weight, group=groups, dilations=[1, 1], **attributes)
        return self.node("BatchNormalization", x, *self._statistics(name, outputs, gain), epsilon=1e-5, momentum=0.9)

    def _statistics(self, name: str, channels: int, gain: float) -> list:
        scale = self._random.uniform(0.8, 1.2, channels).astype(np.float32) * np.float32(gain)
        variance = self._random.uniform(0.7, 1.3, channels).astype(np.float32)
        return [
            self.weight(f"{name}.bn.weight", scale),
            self.weight(f"{name}.bn.bias", self.normal((channels,), 0.1)),
            self.weight(f"{name}.bn.running_mean", self.normal((channels,), 0.1)),
            self.weight(f"{name}.bn.running_var", variance),
        ]

    def classifier(self, x: str, features: int) -> str:
        x = self.node("Flatten", self.node("GlobalAveragePool", x), axis=1)
        weight = self.weight("classifier.weight", self.normal((CLASSES, features), 1 / np.sqrt(features)))
        bias = self.weight("classifier.bias", self.normal((CLASSES,), 0.1))
        return self.node("Gemm", x, weight, bias, alpha=1.0, beta=1.0, transB=1)

    def model(self, name: str, logits: str) -> bytes:
        image = ("input", FLOAT, ["N", 3, "H", "W"])
        return self.finish(name, [image], logits, ("logits", FLOAT, ["N", CLASSES]), OPSET)


def resnet50() -> bytes:
    net = Layers(SEED)
    x = net.node("Relu", net.convolution("input", "stem", (3, 64), 7, 2))
    x = net.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    inputs = 64
    for stage, (channels, blocks, first_stride) in enumerate(RESIDUAL_STAGES):
        for block in range(blocks):
            x = bottleneck(net, x, f"layer{stage}.{block}", (inputs, channels), first_stride if block == 0 else 1)
            inputs = 4 * channels
    return net.model("resnet50", net.classifier(x, inputs))


def bottleneck(net: Layers, x: str, name: str, channels: tuple, stride: int) -> str:
    inputs, inner = channels
    y = net.node("Relu", net.convolution(x, f"{name}.conv1", (inputs, inner), 1))
    y = net.node("Relu", net.convolution(y, f"{name}.conv2", (inner, inner), 3, stride))
    # A small gain keeps sums over 16 blocks in range.
    y = net.convolution(y, f"{name}.conv3", (inner, 4 * inner), 1, gain=0.4)
    if inputs != 4 * inner:
        x = net.convolution(x, f"{name}.downsample", (inputs, 4 * inner), 1, stride)
    return net.node("Relu", net.node("Add", y, x))


def mobilenetv2() -> bytes:
    net = Layers(SEED + 1)
    x = relu6(net, net.convolution("input", "stem", (3, 32), 3, 2))
    inputs = 32
    for stage, (expansion, channels, blocks, first_stride) in enumerate(MOBILE_STAGES):
        for block in range(blocks):
            stride = first_stride if block == 0 else 1
            x = inverted(net, x, f"features{stage}.{block}", (inputs, channels), expansion, stride)
            inputs = channels
    x = relu6(net, net.convolution(x, "head", (inputs, 1280), 1))
    return net.model("mobilenetv2", net.classifier(x, 1280))


def inverted(net: Layers, x: str, name: str, channels: tuple, expansion: int, stride: int) -> str:
    inputs, outputs = channels
    inner, y = inputs * expansion, x
    if expansion != 1:
        y = relu6(net, net.convolution(y, f"{name}.expand", (inputs, inner), 1))
    y = relu6(net, net.convolution(y, f"{name}.depthwise", (inner, inner), 3, stride, groups=inner))
    y = net.convolution(y, f"{name}.project", (inner, outputs), 1)
    return net.node("Add", x, y) if stride == 1 and inputs == outputs else y


def relu6(net: Layers, x: str) -> str:
    low, high = net.constant(np.float32(0)), net.constant(np.float32(6))
    return net.node("Clip", x, low, high)

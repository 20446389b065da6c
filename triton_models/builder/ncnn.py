"""Real-ESRGAN networks from ncnn's format into an ONNX graph.

ncnn keeps the layers in a text file (`.param`: kind, name, how many inputs and outputs, their
names, then `number=value` parameters) and the weights in another (`.bin`), in the layers' order.
Convolution weights begin with a tag: 0 for float32, 0x01306B47 for float16, padded to 4 bytes.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from triton_models.builder.graph import Graph

_MAGIC = "7767517"
_FLOAT32, _FLOAT16 = 0, 0x01306B47
_LEAKY_RELU = 2
_SUM = 1
_NEAREST, _LINEAR = 1, 2

Floats = NDArray[np.float32]
Parameters = dict[int, float | list[float]]


class BadModelFile(Exception):
    """The files hold something that these networks do not have."""


def append(graph: Graph, param: str, weights: bytes, pixels: str) -> str:
    """Add the network to `graph`.

    Args:
        graph: Takes the nodes.
        param: The `.param` file.
        weights: The `.bin` file.
        pixels: float [N,3,H,W], red, green, blue, 0..1.

    Returns:
        float [N,3,4H,4W], about 0..1. Raises BadModelFile.
    """
    lines = param.splitlines()
    if lines[0].strip() != _MAGIC:
        raise BadModelFile("this is no ncnn param file")
    network = _Network(graph, _Weights(weights), pixels)
    for line in lines[2:]:
        if line.strip():
            network.add(line.split())
    return network.finish()


class _Weights:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def plain(self, count: int) -> Floats:
        values = np.frombuffer(self._data, "<f4", count, self._position)
        self._position += 4 * count
        return values

    def tagged(self, count: int) -> Floats:
        tag = int(np.frombuffer(self._data, "<u4", 1, self._position)[0])
        self._position += 4
        if tag == _FLOAT32:
            return self.plain(count)
        if tag != _FLOAT16:
            raise BadModelFile(f"weights with tag {tag:#x} are not read here")
        values = np.frombuffer(self._data, "<f2", count, self._position).astype(np.float32)
        self._position += (2 * count + 3) & ~3
        return values

    def check_all_read(self) -> None:
        if self._position != len(self._data):
            raise BadModelFile(f"{len(self._data) - self._position} bytes of weights are left over")


class _Network:
    def __init__(self, graph: Graph, weights: _Weights, pixels: str) -> None:
        self._graph = graph
        self._weights = weights
        self._pixels = pixels
        self._values: dict[str, str] = {}
        self._last = pixels
        self._kinds: dict[str, Callable[[list[str], Parameters], str]] = {
            "Input": lambda _, __: pixels,
            "Split": lambda inputs, _: inputs[0],
            "Convolution": self._convolution,
            "PReLU": self._prelu,
            "Concat": lambda inputs, _: graph.add("Concat", *inputs, axis=1),
            "Eltwise": self._weighted_sum,
            "BinaryOp": self._sum,
            "PixelShuffle": self._pixel_shuffle,
            "Interp": self._interpolation,
        }

    def add(self, words: list[str]) -> None:
        kind, _, taken, made = words[0], words[1], int(words[2]), int(words[3])
        if kind not in self._kinds:
            raise BadModelFile(f"a layer {kind} is not read here")
        # x4plus calls its input one thing where it is declared and another where it is used
        inputs = [self._values.get(name, self._pixels) for name in words[4 : 4 + taken]]
        outputs = words[4 + taken : 4 + taken + made]
        self._last = self._kinds[kind](inputs, _parameters(words[4 + taken + made :]))
        self._values.update(dict.fromkeys(outputs, self._last))

    def finish(self) -> str:
        self._weights.check_all_read()
        return self._last

    def _convolution(self, inputs: list[str], p: Parameters) -> str:
        filters, size, padding = _whole(p, 0), _whole(p, 1), _whole(p, 4)
        count = _whole(p, 6)
        if _whole(p, 2, 1) != 1 or _whole(p, 3, 1) != 1 or padding != size // 2:
            raise BadModelFile("only convolutions that keep the size are read here")
        kernel = self._weights.tagged(count).reshape(filters, -1, size, size)
        operands = [inputs[0], self._graph.constant(kernel)]
        if _whole(p, 5, 0):
            operands.append(self._graph.constant(self._weights.plain(filters)))
        value = self._graph.add("Conv", *operands, kernel_shape=[size, size], pads=[padding] * 4)
        match _whole(p, 9, 0):
            case 0:
                return value
            case activation if activation == _LEAKY_RELU:
                slope = p[10]
                if not isinstance(slope, list):
                    raise BadModelFile("a leaky ReLU without its slope")
                return self._graph.add("LeakyRelu", value, alpha=slope[0])
            case activation:
                raise BadModelFile(f"activation {activation} is not read here")

    def _prelu(self, inputs: list[str], p: Parameters) -> str:
        slopes = self._weights.plain(_whole(p, 0)).reshape(-1, 1, 1)
        return self._graph.add("PRelu", inputs[0], self._graph.constant(slopes))

    def _weighted_sum(self, inputs: list[str], p: Parameters) -> str:
        factors = p.get(1, [1.0] * len(inputs))
        if _whole(p, 0) != _SUM or not isinstance(factors, list) or len(inputs) != 2:
            raise BadModelFile("only weighted sums of two are read here")
        scaled = [
            value if factor == 1 else self._graph.add("Mul", value, self._graph.constant(factor))
            for value, factor in zip(inputs, factors, strict=True)
        ]
        return self._graph.add("Add", *scaled)

    def _sum(self, inputs: list[str], p: Parameters) -> str:
        if _whole(p, 0, 0) != 0:
            raise BadModelFile("of binary operations only the sum is read here")
        return self._graph.add("Add", *inputs)

    def _pixel_shuffle(self, inputs: list[str], p: Parameters) -> str:
        return self._graph.add("DepthToSpace", inputs[0], blocksize=_whole(p, 0), mode="CRD")

    def _interpolation(self, inputs: list[str], p: Parameters) -> str:
        scales = self._graph.constant(np.array([1, 1, p[1], p[2]], np.float32))
        match _whole(p, 0):
            case how if how == _NEAREST:
                how_to = {
                    "mode": "nearest",
                    "coordinate_transformation_mode": "asymmetric",
                    "nearest_mode": "floor",
                }
            case how if how == _LINEAR:
                how_to = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
            case how:
                raise BadModelFile(f"interpolation {how} is not read here")
        return self._graph.add("Resize", inputs[0], "", scales, **how_to)


def _parameters(words: list[str]) -> Parameters:
    """Read `number=value`; a key of -23300 - n holds a list that begins with its length."""
    found: Parameters = {}
    for word in words:
        key, _, value = word.partition("=")
        if int(key) <= -23300:
            found[-int(key) - 23300] = [float(item) for item in value.split(",")[1:]]
        else:
            found[int(key)] = float(value)
    return found


def _whole(parameters: Parameters, key: int, default: int | None = None) -> int:
    value = parameters.get(key, default)
    if not isinstance(value, int | float):
        raise BadModelFile(f"parameter {key} is missing")
    return int(value)

"""dlib's face recognition ResNet (29 convolutions) into an ONNX graph.

The file is dlib's own serialisation. What is read of it, found by reading dlib's serialize code:
an integer is a byte whose low nibble says how many little-endian bytes follow and whose high bit is
the sign; a tensor is the integer 2, four integers (n, k, rows, columns) and float32 values; a layer
is a length-prefixed tag (`con_5`, `affine_1`, `fc_2` …) followed by its parameters. Layers stand in
the order they run.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from triton_models.builder.graph import Graph

_MEAN = (122.782, 117.001, 104.298)
"""Of the training pictures, red, green, blue: dlib's input_rgb_image."""

_TAG = re.compile(rb"\x01([\x04-\x0c])((?:con|affine|fc)_\d?)", re.DOTALL)
_TENSOR_VERSION = 2

_STAGES = ((3, False), (4, True), (3, True), (3, True), (1, True))
"""Residual blocks of each stage, and whether its first halves the size."""

Floats = NDArray[np.float32]


class BadModelFile(Exception):
    """The file is not the network that this reads."""


@dataclass(frozen=True, slots=True)
class _Layer:
    kind: str
    values: Floats
    numbers: dict[str, int] = field(default_factory=dict)


def append(graph: Graph, data: bytes, pixels: str) -> str:
    """Add the network to `graph`.

    Args:
        graph: Takes the nodes.
        data: The `.dat` file.
        pixels: float [N,3,150,150], red, green, blue, 0..255.

    Returns:
        float [N,128], not normalised. Raises BadModelFile.
    """
    return _Network(graph, _layers(data)).build(pixels)


class _Network:
    def __init__(self, graph: Graph, layers: Iterator[_Layer]) -> None:
        self._graph = graph
        self._layers = layers

    def build(self, pixels: str) -> str:
        graph = self._graph
        mean = np.array(_MEAN, np.float32).reshape(1, 3, 1, 1)
        value = graph.add("Sub", pixels, graph.constant(mean))
        value = graph.add("Mul", value, graph.constant(1 / 256))
        value, channels, _ = self._convolution(value)
        value = graph.add("Relu", value)
        value = graph.add("MaxPool", value, kernel_shape=[3, 3], strides=[2, 2])
        size = 35  # 150 -> 72 by the first convolution, -> 35 by the pool
        for blocks, halves in _STAGES:
            for block in range(blocks):
                value, channels, size = self._block(
                    value, channels, size, halves=halves and block == 0
                )
        value = graph.add("GlobalAveragePool", value)
        value = graph.add("Flatten", value)
        weights = self._next("fc").values.reshape(-1, 128)
        if next(self._layers, None) is not None:
            raise BadModelFile("there is more in the file than the network")
        return graph.add("MatMul", value, graph.constant(weights))

    def _block(self, value: str, channels: int, size: int, *, halves: bool) -> tuple[str, int, int]:
        graph = self._graph
        shortcut, shortcut_size = value, size
        value, _, stride = self._convolution(value)
        if (stride == 2) != halves:
            raise BadModelFile("a block halves the size where none should, or the other way round")
        value, out, _ = self._convolution(graph.add("Relu", value))
        own_size = size
        if halves:
            shortcut = graph.add("AveragePool", shortcut, kernel_shape=[2, 2], strides=[2, 2])
            # dlib's halving convolution has no padding, so its result can be smaller by one
            own_size, shortcut_size = (size - 3) // 2 + 1, (size - 2) // 2 + 1
        size = max(own_size, shortcut_size)
        value = self._padded(value, 0, size - own_size)
        shortcut = self._padded(shortcut, out - channels, size - shortcut_size)
        return graph.add("Relu", graph.add("Add", value, shortcut)), out, size

    def _padded(self, value: str, channels: int, pixels: int) -> str:
        """Grow with zeros at the end, as dlib's add_prev does with the smaller of two."""
        if not channels and not pixels:
            return value
        pads = np.array([0, 0, 0, 0, 0, channels, pixels, pixels], np.int64)
        return self._graph.add("Pad", value, self._graph.constant(pads))

    def _convolution(self, value: str) -> tuple[str, int, int]:
        """Add a convolution with its affine layer folded in; also returns channels and stride."""
        layer, affine = self._next("con"), self._next("affine")
        n = layer.numbers
        weights = layer.values[: -n["filters"]].reshape(n["filters"], -1, n["rows"], n["columns"])
        bias = layer.values[-n["filters"] :]
        gamma, beta = affine.values[: n["filters"]], affine.values[n["filters"] :]
        value = self._graph.add(
            "Conv",
            value,
            self._graph.constant(weights * gamma[:, None, None, None]),
            self._graph.constant(bias * gamma + beta),
            strides=[n["stride_y"], n["stride_x"]],
            pads=[n["padding_y"], n["padding_x"]] * 2,
        )
        return value, n["filters"], n["stride_y"]

    def _next(self, kind: str) -> _Layer:
        layer = next(self._layers, None)
        if layer is None or not layer.kind.startswith(kind):
            raise BadModelFile(f"expected a layer {kind}, found {layer and layer.kind}")
        return layer


def _layers(data: bytes) -> Iterator[_Layer]:
    for match in _TAG.finditer(data):
        kind = match.group(2).decode()
        if match.group(1)[0] != len(kind):
            continue
        position, numbers = match.end(), {}
        if kind.startswith("fc"):
            _, position = _integer(data, position)
            _, position = _integer(data, position)
        values, position = _tensor(data, position)
        if kind.startswith("con"):
            for name in _CONVOLUTION_NUMBERS:
                numbers[name], position = _integer(data, position)
        yield _Layer(kind, values, numbers)


_CONVOLUTION_NUMBERS = (
    "filters", "rows", "columns", "stride_y", "stride_x", "padding_y", "padding_x",
)  # fmt: skip


def _integer(data: bytes, position: int) -> tuple[int, int]:
    control = data[position]
    end = position + 1 + (control & 0x0F)
    value = int.from_bytes(data[position + 1 : end], "little")
    return (-value if control & 0x80 else value), end


def _tensor(data: bytes, position: int) -> tuple[Floats, int]:
    version, position = _integer(data, position)
    if version != _TENSOR_VERSION:
        raise BadModelFile(f"a tensor has version {version}, this reads {_TENSOR_VERSION}")
    count = 1
    for _ in range(4):
        side, position = _integer(data, position)
        count *= side
    return np.frombuffer(data, "<f4", count, position), position + 4 * count

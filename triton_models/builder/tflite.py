"""MediaPipe's small TensorFlow Lite networks into an ONNX graph.

Only the operators of BlazeFace short range and of selfie segmentation. TensorFlow keeps pictures as
[N,H,W,C] and convolution kernels as [out,H,W,in]; ONNX wants [N,C,H,W] and [out,in,H,W]. So every
picture-shaped value is channels first in the graph, until a reshape flattens it.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import tflite
from numpy.typing import NDArray

from triton_models.builder.graph import Graph

Array = NDArray[Any]

_TYPES = {
    tflite.TensorType.FLOAT32: np.float32,
    tflite.TensorType.FLOAT16: np.float16,
    tflite.TensorType.INT32: np.int32,
    tflite.TensorType.INT64: np.int64,
}
_KINDS = {
    value: name for name, value in vars(tflite.BuiltinOperator).items() if not name.startswith("_")
}
_VALID = tflite.Padding.VALID


class BadModelFile(Exception):
    """The file holds something that these networks do not have."""


def append(graph: Graph, data: bytes, pixels: str) -> dict[str, str]:
    """Add the network to `graph`.

    Args:
        graph: Takes the nodes.
        data: The `.tflite` file.
        pixels: float [N,3,H,W], red, green, blue, in the range the network was trained with.

    Returns:
        The network's outputs by the names they have in the file; pictures channels first.
        Raises BadModelFile.
    """
    return _Network(graph, tflite.Model.GetRootAs(data)).build(pixels)


class _Network:
    def __init__(self, graph: Graph, model: Any) -> None:  # noqa: ANN401 - tflite has no types
        self._graph = graph
        self._model = model
        self._tensors = model.Subgraphs(0)
        self._values: dict[int, str] = {}
        self._constants: dict[int, Array] = {}
        self._kinds: dict[str, Callable[[Any], str]] = {
            "CONV_2D": self._convolution,
            "DEPTHWISE_CONV_2D": self._depthwise,
            "CUSTOM": self._transposed_convolution,
            "RELU": lambda op: graph.add("Relu", self._value(op.Inputs(0))),
            "HARD_SWISH": lambda op: graph.add("HardSwish", self._value(op.Inputs(0))),
            "LOGISTIC": lambda op: graph.add("Sigmoid", self._value(op.Inputs(0))),
            "ADD": lambda op: self._pair(op, "Add", tflite.AddOptions()),
            "MUL": lambda op: self._pair(op, "Mul", tflite.MulOptions()),
            "PAD": self._pad,
            "MAX_POOL_2D": lambda op: self._pool(op, "MaxPool"),
            "AVERAGE_POOL_2D": lambda op: self._pool(op, "AveragePool"),
            "RESIZE_BILINEAR": self._resize,
            "RESHAPE": self._flatten,
            "CONCATENATION": self._concatenate,
        }

    def build(self, pixels: str) -> dict[str, str]:
        for index in range(self._tensors.TensorsLength()):
            self._read_constant(index)
        self._values[self._tensors.Inputs(0)] = pixels
        for index in range(self._tensors.OperatorsLength()):
            self._add(self._tensors.Operators(index))
        outputs = self._tensors.OutputsAsNumpy().tolist()
        return {
            self._tensors.Tensors(index).Name().decode(): self._values[index] for index in outputs
        }

    def _add(self, operator: Any) -> None:  # noqa: ANN401 - tflite has no types
        code = self._model.OperatorCodes(operator.OpcodeIndex())
        kind = _KINDS[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
        output = operator.Outputs(0)
        if kind == "DEQUANTIZE":  # weights kept as float16
            self._constants[output] = self._constants[operator.Inputs(0)].astype(np.float32)
            return
        if kind not in self._kinds:
            raise BadModelFile(f"an operator {kind} is not read here")
        self._values[output] = self._kinds[kind](operator)

    def _read_constant(self, index: int) -> None:
        tensor = self._tensors.Tensors(index)
        buffer = self._model.Buffers(tensor.Buffer())
        if buffer.DataLength():
            raw = buffer.DataAsNumpy().tobytes()
            values = np.frombuffer(raw, _TYPES[tensor.Type()])
            self._constants[index] = values.reshape(self._shape(index))

    def _shape(self, index: int) -> list[int]:
        shape = self._tensors.Tensors(index).ShapeAsNumpy()
        return [] if isinstance(shape, int) else shape.tolist()

    def _value(self, index: int) -> str:
        """Return a value of the graph; a constant operand is brought to channels first."""
        if index not in self._constants:
            return self._values[index]
        array = self._constants[index].astype(np.float32)
        if array.ndim == 4:
            array = array.transpose(0, 3, 1, 2)
        elif array.ndim == 1:
            array = array.reshape(1, -1, 1, 1)
        return self._graph.constant(array)

    def _convolution(self, operator: Any) -> str:  # noqa: ANN401
        kernel = self._constants[operator.Inputs(1)].transpose(0, 3, 1, 2)
        return self._any_convolution(
            operator, _options(operator, tflite.Conv2DOptions()), kernel, 1
        )

    def _depthwise(self, operator: Any) -> str:  # noqa: ANN401
        kernel = self._constants[operator.Inputs(1)].transpose(3, 0, 1, 2)
        channels = self._shape(operator.Inputs(0))[3]
        options = _options(operator, tflite.DepthwiseConv2DOptions())
        return self._any_convolution(operator, options, kernel, channels)

    def _any_convolution(self, operator: Any, options: Any, kernel: Array, group: int) -> str:  # noqa: ANN401
        strides = (options.StrideH(), options.StrideW())
        dilations = (options.DilationHFactor(), options.DilationWFactor())
        size = self._shape(operator.Inputs(0))[1:3]
        value = self._graph.add(
            "Conv",
            self._value(operator.Inputs(0)),
            self._graph.constant(kernel.astype(np.float32)),
            self._graph.constant(self._constants[operator.Inputs(2)].astype(np.float32)),
            strides=strides,
            dilations=dilations,
            group=group,
            pads=_pads(options.Padding(), size, kernel.shape[2:], strides, dilations),
        )
        return self._activated(value, options)

    def _transposed_convolution(self, operator: Any) -> str:  # noqa: ANN401
        """MediaPipe's own Convolution2DTransposeBias, of which only 2 x 2 by 2 is in use."""
        kernel = self._constants[operator.Inputs(1)].astype(np.float32)
        stride = self._shape(operator.Outputs(0))[1] // self._shape(operator.Inputs(0))[1]
        if kernel.shape[1:3] != (stride, stride):
            raise BadModelFile("only transposed convolutions without overlap are read here")
        return self._graph.add(
            "ConvTranspose",
            self._value(operator.Inputs(0)),
            self._graph.constant(kernel.transpose(3, 0, 1, 2)),
            self._graph.constant(self._constants[operator.Inputs(2)].astype(np.float32)),
            strides=[stride, stride],
        )

    def _pair(self, operator: Any, kind: str, options: Any) -> str:  # noqa: ANN401
        left, right = self._value(operator.Inputs(0)), self._value(operator.Inputs(1))
        return self._activated(self._graph.add(kind, left, right), _options(operator, options))

    def _activated(self, value: str, options: Any) -> str:  # noqa: ANN401
        match options.FusedActivationFunction():
            case tflite.ActivationFunctionType.NONE:
                return value
            case tflite.ActivationFunctionType.RELU:
                return self._graph.add("Relu", value)
            case tflite.ActivationFunctionType.RELU6:
                low, high = self._graph.constant(0.0), self._graph.constant(6.0)
                return self._graph.add("Clip", value, low, high)
            case other:
                raise BadModelFile(f"activation {other} is not read here")

    def _pad(self, operator: Any) -> str:  # noqa: ANN401
        pads = self._constants[operator.Inputs(1)][[0, 3, 1, 2]].T.ravel().astype(np.int64)
        return self._graph.add("Pad", self._value(operator.Inputs(0)), self._graph.constant(pads))

    def _pool(self, operator: Any, kind: str) -> str:  # noqa: ANN401
        options = _options(operator, tflite.Pool2DOptions())
        kernel = (options.FilterHeight(), options.FilterWidth())
        strides = (options.StrideH(), options.StrideW())
        size = self._shape(operator.Inputs(0))[1:3]
        return self._graph.add(
            kind,
            self._value(operator.Inputs(0)),
            kernel_shape=kernel,
            strides=strides,
            pads=_pads(options.Padding(), size, kernel, strides, (1, 1)),
        )

    def _resize(self, operator: Any) -> str:  # noqa: ANN401
        options = _options(operator, tflite.ResizeBilinearOptions())
        height, width = self._shape(operator.Inputs(0))[1:3]
        to_height, to_width = self._constants[operator.Inputs(1)].tolist()
        scales = np.array([1, 1, to_height / height, to_width / width], np.float32)
        how = "align_corners" if options.AlignCorners() else "asymmetric"
        if options.HalfPixelCenters():
            how = "half_pixel"
        return self._graph.add(
            "Resize",
            self._value(operator.Inputs(0)),
            "",
            self._graph.constant(scales),
            mode="linear",
            coordinate_transformation_mode=how,
        )

    def _flatten(self, operator: Any) -> str:  # noqa: ANN401
        shape = np.array([0, *self._shape(operator.Outputs(0))[1:]], np.int64)
        value = self._graph.add("Transpose", self._value(operator.Inputs(0)), perm=[0, 2, 3, 1])
        return self._graph.add("Reshape", value, self._graph.constant(shape))

    def _concatenate(self, operator: Any) -> str:  # noqa: ANN401
        parts = [self._value(index) for index in operator.InputsAsNumpy().tolist()]
        return self._graph.add("Concat", *parts, axis=1)


def _options(operator: Any, options: Any) -> Any:  # noqa: ANN401 - tflite has no types
    table = operator.BuiltinOptions()
    options.Init(table.Bytes, table.Pos)
    return options


def _pads(
    padding: int,
    size: "tuple[int, ...] | list[int]",
    kernel: tuple[int, ...],
    strides: tuple[int, int],
    dilations: tuple[int, int],
) -> list[int]:
    """Return ONNX pads for TensorFlow's SAME and VALID; of an odd number the end gets more."""
    if padding == _VALID:
        return [0, 0, 0, 0]
    totals = [
        max((-(-n // stride) - 1) * stride + (k - 1) * dilation + 1 - n, 0)
        for n, k, stride, dilation in zip(size, kernel, strides, dilations, strict=True)
    ]
    before = [total // 2 for total in totals]
    return [*before, *(total - first for total, first in zip(totals, before, strict=True))]

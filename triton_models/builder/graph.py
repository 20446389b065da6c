"""An ONNX graph under construction, and what all our models do at their ends."""

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

_OPSET = 17
_IR_VERSION = 8
"""What every ONNX Runtime since 1.13 and every Triton since 22.12 reads."""

Array = NDArray[Any]


class Graph:
    """Nodes and constants in the order they were added; values are known by name."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._named = 0

    def constant(self, value: Array | float) -> str:
        """Add a constant; plain numbers become float32."""
        array = np.float32(value) if isinstance(value, float) else np.ascontiguousarray(value)
        name = self._name("c")
        self._constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:  # noqa: ANN401
        """Add a node with one output and return the output's name."""
        return self.add_many(operator, 1, *inputs, **attributes)[0]

    def add_many(self, operator: str, outputs: int, *inputs: str, **attributes: Any) -> list[str]:  # noqa: ANN401
        """Add a node with several outputs and return their names."""
        names = [self._name("v") for _ in range(outputs)]
        self._nodes.append(helper.make_node(operator, inputs, names, **attributes))
        return names

    def model(
        self,
        inputs: dict[str, tuple[int, ...]],
        outputs: dict[str, tuple[str, tuple[int, ...], int]],
    ) -> bytes:
        """Return the finished model as bytes, checked.

        Args:
            inputs: uint8 inputs by name, with their shapes after the batch axis.
            outputs: by name: the value, its shape after the batch axis, its TensorProto type.
        """
        for name, (value, _, _) in outputs.items():
            self._nodes.append(helper.make_node("Identity", [value], [name]))
        described_in = [
            helper.make_tensor_value_info(name, TensorProto.UINT8, ["N", *shape])
            for name, shape in inputs.items()
        ]
        described_out = [
            helper.make_tensor_value_info(name, kind, ["N", *shape])
            for name, (_, shape, kind) in outputs.items()
        ]
        graph = helper.make_graph(
            self._nodes, "darkroom", described_in, described_out, self._constants
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)])
        model.ir_version = _IR_VERSION
        model.producer_name = "darkroom"
        model.producer_version = ""
        onnx.checker.check_model(model, full_check=True)
        serialized: bytes = model.SerializeToString(deterministic=True)
        return serialized

    def pixels(self, name: str, *, scale: float, offset: float = 0.0) -> str:
        """Turn uint8 [N,H,W,3] into float [N,3,H,W], each value times `scale` plus `offset`."""
        value = self.add("Cast", name, to=TensorProto.FLOAT)
        value = self.add("Transpose", value, perm=[0, 3, 1, 2])
        value = self.add("Mul", value, self.constant(scale))
        return self.add("Add", value, self.constant(offset)) if offset else value

    def to_pixels(self, value: str) -> str:
        """Turn float [N,3,H,W] in 0..1 into uint8 [N,H,W,3], rounded and clipped."""
        value = self.add("Mul", value, self.constant(255.0))
        value = self.add("Round", value)
        value = self.add("Clip", value, self.constant(0.0), self.constant(255.0))
        value = self.add("Transpose", value, perm=[0, 2, 3, 1])
        return self.add("Cast", value, to=TensorProto.UINT8)

    def _name(self, prefix: str) -> str:
        self._named += 1
        return f"{prefix}{self._named}"

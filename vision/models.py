"""The models by name, what goes in and out of each, and the one way to call them."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vision.errors import ModelBroken
from vision.picture import Pixels

Tensor: TypeAlias = NDArray[Any]
"""What a model answers with: float32 or uint8, [n, ...] as in its Signature."""

Kind = Literal["triton", "onnxruntime"]


class ModelName(StrEnum):
    """The folders of the model repository."""

    FACE_DETECTOR = "face_detector"
    FACE_EMBEDDER = "face_embedder"
    UPSCALER_FAST = "upscaler_fast"
    UPSCALER = "upscaler"
    PERSON_MATTE = "person_matte"


@dataclass(frozen=True, slots=True)
class Signature:
    """One uint8 tensor in, one tensor out. The batch axis comes before these shapes."""

    input_name: str
    input_shape: tuple[int, ...]
    output_name: str
    output_shape: tuple[int, ...]
    output_type: type[np.float32] | type[np.uint8]
    largest_batch: int
    """Items in one request; `infer` splits what is longer."""


SIGNATURES: dict[ModelName, Signature] = {
    ModelName.FACE_DETECTOR: Signature(
        "tiles", (128, 128, 3), "faces", (64, 17), np.float32, largest_batch=64
    ),
    ModelName.FACE_EMBEDDER: Signature(
        "chips", (150, 150, 3), "embeddings", (128,), np.float32, largest_batch=32
    ),
    ModelName.UPSCALER_FAST: Signature(
        "tiles", (192, 192, 3), "upscaled", (768, 768, 3), np.uint8, largest_batch=8
    ),
    ModelName.UPSCALER: Signature(
        "tiles", (192, 192, 3), "upscaled", (768, 768, 3), np.uint8, largest_batch=8
    ),
    ModelName.PERSON_MATTE: Signature(
        "pictures", (256, 256, 3), "mattes", (256, 256), np.float32, largest_batch=16
    ),
}


class Models(Protocol):
    """A place where models run. Safe to share between any number of tasks of one event loop."""

    @property
    def kind(self) -> Kind:
        """What runs them; only "triton" is Triton. For logs, health and metrics."""

    @property
    def description(self) -> str:
        """One sentence for people on what runs them and where."""

    async def infer(self, model: ModelName, batch: Pixels) -> Tensor:
        """Run a model.

        Args:
            model: Which one.
            batch: uint8 [n, ...] with the model's input shape; n may be 0 or of any length.

        Returns:
            [n, ...] with the model's output shape; every number in it is finite.

        Raises:
            ModelUnavailable: Down, restarting, overloaded or late.
            ModelRefused: The server does not know the model or its input.
            ModelBroken: The answer has the wrong shape or is not made of numbers.
            ValueError: `batch` does not have the model's input shape.
        """

    async def ready(self, models: Iterable[ModelName]) -> bool:
        """Tell whether each of `models` answers a real, tiny inference within a few seconds."""

    async def close(self) -> None:
        """Give back connections and threads. No call may follow."""


def check_batch(model: ModelName, batch: Pixels) -> None:
    """Raise ValueError unless `batch` is what the model takes."""
    expected = SIGNATURES[model].input_shape
    if batch.dtype != np.uint8 or batch.shape[1:] != expected:
        raise ValueError(f"{model} takes uint8 [n, {expected}], not {batch.dtype} {batch.shape}")


def check_answer(model: ModelName, items: int, answer: Tensor | None) -> Tensor:
    """Return the answer to `items` inputs; raises ModelBroken unless it is one."""
    signature = SIGNATURES[model]
    if answer is None or answer.shape != (items, *signature.output_shape):
        raise ModelBroken
    if answer.dtype != signature.output_type:
        raise ModelBroken
    if answer.dtype != np.uint8 and not np.isfinite(answer).all():
        raise ModelBroken
    return answer


def split(batch: Pixels, largest: int) -> list[Pixels]:
    """Cut a batch into ones of at most `largest` items; an empty batch gives none."""
    return [batch[start : start + largest] for start in range(0, len(batch), largest)]


def join(model: ModelName, answers: list[Tensor]) -> Tensor:
    """Put the answers to a split batch together again."""
    if len(answers) == 1:
        return answers[0]
    signature = SIGNATURES[model]
    if not answers:
        return np.empty((0, *signature.output_shape), signature.output_type)
    return np.concatenate(answers)


def blank(model: ModelName) -> Pixels:
    """One black input, for asking whether a model is alive."""
    return np.zeros((1, *SIGNATURES[model].input_shape), np.uint8)

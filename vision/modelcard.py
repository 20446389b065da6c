"""The card beside a model: what its tensors do not say, read once at the start of a service."""

import math
import tomllib
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from vision.errors import CardBroken
from vision.models import SIGNATURES, ModelName

_FILE = "card.toml"

_Positive = Annotated[float, Meta(gt=0)]
_Coordinate = Annotated[float, Meta(ge=0)]
_Place = tuple[_Coordinate, _Coordinate]


class Chips(msgspec.Struct, frozen=True, kw_only=True):
    """What goes into an embedder: level faces, all at the same place."""

    size: tuple[int, int]
    """Height and width in pixels."""
    colours: Literal["RGB"]
    template: tuple[_Place, _Place, _Place, _Place]
    """Where right eye, left eye, nose and mouth lie in it, in pixels from its outer corner."""


class Embeddings(msgspec.Struct, frozen=True, kw_only=True):
    """What comes out of an embedder."""

    dimensions: Annotated[int, Meta(ge=1)]
    unit_length: bool


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """How cosines become scores: 1 / (1 + exp(-slope * (cosine - midpoint)))."""

    midpoint: Annotated[float, Meta(gt=-1, lt=1)]
    slope: _Positive


class EmbedderCard(msgspec.Struct, frozen=True, kw_only=True):
    """What has to be known of an embedder to use it."""

    role: Literal["embedder"]
    version: Annotated[str, Meta(min_length=1, max_length=200)]
    """Embeddings of different versions cannot be compared."""
    input: Chips
    output: Embeddings
    calibration: Calibration


def embedder_card(repository: Path) -> EmbedderCard:
    """Read the card of the embedder that a model repository holds.

    Raises:
        CardBroken: It is not there, is no TOML, lacks something, or describes a network with other
            tensors than those that are asked for here.
    """
    place = f"{ModelName.FACE_EMBEDDER}/{_FILE}"
    try:
        text = (repository / ModelName.FACE_EMBEDDER / _FILE).read_text("utf-8")
        card = msgspec.convert(tomllib.loads(text), EmbedderCard)
    except OSError as error:
        raise CardBroken(f"The model repository has no readable {place}.") from error
    except ValueError as error:
        raise CardBroken(f"{place} of the model repository makes no sense: {error}") from error
    _check(card, place)
    return card


def _check(card: EmbedderCard, place: str) -> None:
    """Hold a card against what is asked of the model."""
    signature = SIGNATURES[ModelName.FACE_EMBEDDER]
    size, dimensions = signature.input_shape[:2], signature.output_shape[0]
    if card.input.size != size:
        raise CardBroken(f"{place} has chips of {card.input.size} pixels; they must be {size}.")
    if card.output.dimensions != dimensions:
        raise CardBroken(
            f"{place} has {card.output.dimensions} dimensions; there must be {dimensions}."
        )
    if len(set(card.input.template)) < len(card.input.template):
        raise CardBroken(f"{place} has a template with two landmarks at the same place.")
    numbers = (card.calibration.slope, *(n for point in card.input.template for n in point))
    if not all(map(math.isfinite, numbers)):
        raise CardBroken(f"{place} has numbers that are not finite.")
    if any(x > size[1] or y > size[0] for x, y in card.input.template):
        raise CardBroken(f"{place} has a template that reaches beyond the chip.")

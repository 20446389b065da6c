"""What embeddings hold on to and what tells people apart, with the built networks.

One person is at hand in colour and at a useful size, and a hundred others in grey, with 9 pixels
between the eyes. So this shows that an embedding survives what cameras and photographers do to a
picture, and that strangers are far from a good photograph. It does not show how far two good
photographs of one person are apart, and nothing about children.
"""

from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.integration.vision.strangers import PLACE, strangers
from vision.decode import decode
from vision.embedding import SIDE, Embeddings, aligned, chip, embed
from vision.encode import encode_jpeg
from vision.faces import detect_all, look_again
from vision.geometry import Affine, Point
from vision.modelcard import EmbedderCard, embedder_card
from vision.models import Models
from vision.picture import Pixels
from vision.tiles import Halves

SAME, STRANGER = 0.93, 0.905
"""Cosines with scores of 0.85 and 0.5."""


@pytest.fixture(scope="session")
def card(repository: Path) -> EmbedderCard:
    return embedder_card(repository)


async def embedded(models: Models, card: EmbedderCard, pixels: Pixels) -> Embeddings:
    """Every face of a picture, the largest first."""
    faces = await detect_all(models, pixels)
    template = np.array(card.input.template)
    picture = Halves(pixels)
    return await embed(models, [chip(picture, aligned(face.landmarks, template)) for face in faces])


def turned(pixels: Pixels, degrees: float) -> Pixels:
    """About its middle, on a larger canvas."""
    place = Affine.similarity(1.0, degrees, Point(256, 256), Point(362, 362))
    return np.asarray(cv2.warpAffine(pixels, place.opencv_matrix(), (724, 724)), np.uint8)


def lit(pixels: Pixels, stops: float) -> Pixels:
    """In more or less light."""
    light = (pixels / 255) ** 2.2 * 2.0**stops
    return (np.clip(light, 0, 1) ** (1 / 2.2) * 255).astype(np.uint8)


def resized(pixels: Pixels, side: int) -> Pixels:
    how = cv2.INTER_AREA if side < pixels.shape[1] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(pixels, (side, side), interpolation=how), np.uint8)


CHANGES = {
    "tilted": lambda p: turned(p, 20),
    "tilted the other way": lambda p: turned(p, -35),
    "lying": lambda p: np.ascontiguousarray(np.rot90(p)),
    "upside down": lambda p: np.ascontiguousarray(p[::-1, ::-1]),
    "darker": lambda p: lit(p, -1.5),
    "lighter": lambda p: lit(p, 0.7),
    "grey": lambda p: np.repeat(p.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2),
    "half the size": lambda p: resized(p, 290),
    "three times the size": lambda p: resized(p, 1536),
    "stored badly": lambda p: decode(encode_jpeg(p, quality=40)).pixels,
    "noisy": lambda p: np.clip(p + np.random.default_rng(1).normal(0, 8, p.shape), 0, 255).astype(
        np.uint8
    ),
    "cut below the chin": lambda p: np.ascontiguousarray(p[:200]),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_a_face_keeps_its_embedding(
    models: Models, card: EmbedderCard, portrait: Pixels, change: str
) -> None:
    (before,) = await embedded(models, card, portrait)
    (after,) = await embedded(models, card, CHANGES[change](portrait))
    assert before @ after > SAME + 0.02


@pytest.fixture(scope="session")
async def others(models: Models, card: EmbedderCard) -> Embeddings:
    """Whoever is found among the strangers."""
    template = np.array(card.input.template)
    chips = []
    for pixels in strangers():
        face = await look_again(models, pixels, PLACE)
        if face is not None:
            chips.append(chip(Halves(pixels), aligned(face.landmarks, template)))
    return await embed(models, chips)


async def test_strangers_are_far_from_a_good_photograph(
    models: Models, card: EmbedderCard, portrait: Pixels, others: Embeddings
) -> None:
    (person,) = await embedded(models, card, portrait)
    assert len(others) > 60
    cosines = others @ person
    assert cosines.max() < STRANGER + 0.01
    assert np.median(cosines) < 0.86


def test_strangers_with_hardly_a_pixel_are_taken_for_each_other(others: Embeddings) -> None:
    """Why small faces are doubted: no threshold would keep them apart."""
    pairs = (others @ others.T)[np.triu_indices(len(others), 1)]
    assert (pairs > SAME).sum() > 5


async def test_embeddings_have_unit_length_and_do_not_depend_on_their_neighbours(
    models: Models, card: EmbedderCard, portrait: Pixels
) -> None:
    random = np.random.default_rng(2)
    (face,) = await detect_all(models, portrait)
    own = chip(Halves(portrait), aligned(face.landmarks, np.array(card.input.template)))
    chips = [random.integers(0, 255, own.shape, dtype=np.uint8) for _ in range(40)]
    chips[7] = chips[39] = own

    many = await embed(models, chips)
    (alone,) = await embed(models, [own])

    assert many.dtype == np.float32
    assert many.shape == (40, card.output.dimensions)
    assert np.linalg.norm(many, axis=1) == pytest.approx(np.ones(40), abs=1e-6)
    for row in (7, 39):
        assert many[row] @ alone == pytest.approx(1.0, abs=1e-5)


async def test_no_faces_have_no_embeddings(models: Models, card: EmbedderCard) -> None:
    blank = np.full((300, 400, 3), 128, np.uint8)
    assert (await embedded(models, card, blank)).shape == (0, card.output.dimensions)


async def test_a_chip_without_any_structure_still_has_a_direction(models: Models) -> None:
    for value in (0, 255):
        (row,) = await embed(models, [np.full((SIDE, SIDE, 3), value, np.uint8)])
        assert np.linalg.norm(row) == pytest.approx(1.0)

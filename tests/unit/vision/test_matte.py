"""Putting a person on another background, checked where person, background and matte are known."""

import numpy as np
import pytest
from numpy.typing import NDArray

from vision.matte import onto, with_alpha
from vision.picture import Pixels

PERSON = (70, 40, 25)
"""Dark hair."""
OLD = (215, 220, 230)
NEW = (0, 150, 60)

Alpha = NDArray[np.float32]


def disc(width: int = 300, height: int = 360, edge: float = 12) -> Alpha:
    """A disc in the middle whose edge fades over `edge` pixels."""
    y, x = np.mgrid[0:height, 0:width]
    away = np.hypot(x - width / 2, y - height / 2)
    return np.clip((width / 3 - away) / edge + 0.5, 0, 1).astype(np.float32)


def mixed(alpha: Alpha, person: tuple[int, int, int], rest: tuple[int, int, int]) -> Pixels:
    share = alpha[..., None]
    return np.rint(share * person + (1 - share) * np.array(rest)).astype(np.uint8)


def soft(alpha: Alpha) -> NDArray[np.bool_]:
    return (alpha > 0) & (alpha < 1)


@pytest.mark.parametrize("edge", [2, 12, 24])
def test_the_old_background_does_not_shine_through_the_edge(edge: float) -> None:
    alpha = disc(edge=edge)
    seen, expected = mixed(alpha, PERSON, OLD), mixed(alpha, PERSON, NEW)

    result = onto(seen, alpha, NEW).astype(int)

    untreated = alpha[..., None] * seen + (1 - alpha[..., None]) * np.array(NEW)
    error = np.abs(result - expected)[soft(alpha)].mean()
    assert error < np.abs(untreated - expected)[soft(alpha)].mean() / 5
    assert error < 4


def test_on_its_old_background_a_person_looks_as_before() -> None:
    alpha = disc()
    seen = mixed(alpha, PERSON, OLD)

    result = onto(seen, alpha, OLD)

    assert np.abs(result.astype(int) - seen).mean() < 1
    assert np.abs(result.astype(int) - seen).max() < 20


def test_what_is_wholly_person_stays_and_what_is_not_goes() -> None:
    alpha = disc()
    random = np.random.default_rng(3)
    seen = random.integers(0, 256, (*alpha.shape, 3), dtype=np.uint8)

    flat, layer = onto(seen, alpha, NEW), with_alpha(seen, alpha)

    assert np.array_equal(flat[alpha == 1], seen[alpha == 1])
    assert (flat[alpha == 0] == NEW).all()
    assert np.array_equal(layer[alpha == 1, :3], seen[alpha == 1])
    assert not layer[alpha == 0].any()


def test_a_transparent_picture_shows_the_same_on_any_background() -> None:
    alpha = disc()
    layer = with_alpha(mixed(alpha, PERSON, OLD), alpha)

    assert np.abs(layer[..., 3] / 255 - alpha).max() <= 0.5 / 255 + 1e-6
    shown = mixed(layer[..., 3].astype(np.float32) / 255, (0, 0, 0), NEW) + (
        layer[..., :3] * (layer[..., 3:] / 255)
    )
    expected = onto(mixed(alpha, PERSON, OLD), alpha, NEW)
    assert np.abs(shown - expected).max() < 3


def test_a_part_of_a_picture_is_taken_as_it_lies() -> None:
    alpha = disc()
    seen = mixed(alpha, PERSON, OLD)
    part = (slice(20, 340), slice(10, 280))

    result = onto(seen[part], alpha[part], NEW)

    assert np.array_equal(result, onto(seen[part].copy(), alpha[part].copy(), NEW))


@pytest.mark.parametrize(("width", "height"), [(1, 1), (3, 40), (2000, 5)])
@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_any_size_and_any_matte_will_do(width: int, height: int, share: float) -> None:
    seen = np.full((height, width, 3), 90, np.uint8)
    alpha = np.full((height, width), share, np.float32)

    result = onto(seen, alpha, (200, 200, 200))

    assert result.shape == seen.shape
    assert with_alpha(seen, alpha).shape == (height, width, 4)
    assert np.abs(result - (90 * share + 200 * (1 - share))).max() < 3

"""Cards in photographs as they come out of a shoot; what is asked for here is less than what works.

The scenes are hard to the eye too: a room full of colours and edges, the card turned at random.
"""

from collections.abc import Callable

import numpy as np
import pytest
from zxingcpp import BarcodeFormat

from services.cardreader.decoding import MOST_SYMBOLS, find_cards, find_in_file
from tests.unit.cardreader.scenes import (
    TEXT,
    Pixels,
    Shot,
    background,
    glaring,
    moved,
    noisy,
    photograph,
    shaded,
    unsharp,
)
from vision.encode import encode_jpeg
from vision.errors import NotAPicture, PictureTruncated

QR, MATRIX = BarcodeFormat.QRCode, BarcodeFormat.DataMatrix
FORMATS = pytest.mark.parametrize("symbol", [QR, MATRIX], ids=["qr", "datamatrix"])
TRIES = 4


def texts(pixels: Pixels, *, thorough: bool = False) -> list[str]:
    return [found.text for found in find_cards(pixels, thorough=thorough)]


def turned(symbol: BarcodeFormat, seed: int, part: float = 0.15, **how: object) -> Shot:
    """A card somewhere near the middle, turned by any angle."""
    random = np.random.default_rng(seed)
    x, y = random.uniform(0.35, 0.65, 2)
    return Shot(
        format=symbol,
        part=part,
        centre=(float(x), float(y)),
        degrees=float(random.uniform(0, 360)),
        **how,  # type: ignore[arg-type]
    )


def is_read_in_file(pixels: Pixels, *, thorough: bool = False) -> bool:
    found = find_in_file(encode_jpeg(pixels, quality=88), thorough=thorough)
    return [symbol.text for symbol in found] == [TEXT]


@FORMATS
@pytest.mark.parametrize("degrees", range(0, 360, 24))
def test_a_card_is_read_whichever_way_it_is_turned(symbol: BarcodeFormat, degrees: int) -> None:
    shot = Shot(format=symbol, part=0.1, degrees=degrees)
    assert texts(photograph(shot, width=1600, height=1200)) == [TEXT]


CONDITIONS: dict[str, tuple[float, Callable[[BarcodeFormat, int], Pixels]]] = {
    "a seventh of the width": (1.0, lambda s, k: photograph(turned(s, k), seed=k)),
    "a tenth": (1.0, lambda s, k: photograph(turned(s, k, 0.10), seed=k)),
    "a twentieth": (0.75, lambda s, k: photograph(turned(s, k, 0.05), seed=k)),
    "tilted": (0.75, lambda s, k: photograph(turned(s, k, tilt=(30, 20)), seed=k)),
    "moved": (0.75, lambda s, k: moved(photograph(turned(s, k), seed=k), 12, 40 * k)),
    "out of focus": (0.75, lambda s, k: unsharp(photograph(turned(s, k), seed=k), 5)),
    "noise": (0.75, lambda s, k: noisy(photograph(turned(s, k, 0.08), seed=k), 25)),
    "uneven light": (0.75, lambda s, k: shaded(photograph(turned(s, k), seed=k), 0.25)),
    "all of it, mildly": (
        0.75,
        lambda s, k: noisy(
            shaded(moved(photograph(turned(s, k, 0.1, tilt=(15, 10)), seed=k), 8, 40 * k), 0.4),
            10,
        ),
    ),
}
HARDER: dict[str, tuple[float, Callable[[BarcodeFormat, int], Pixels]]] = {
    "far away": (0.5, lambda s, k: photograph(turned(s, k, 0.02), seed=k)),
    "well out of focus": (0.75, lambda s, k: unsharp(photograph(turned(s, k), seed=k), 8)),
    "a band of glare": (
        0.5,
        lambda s, k: glaring(photograph(shot := turned(s, k), seed=k), shot.centre, 0.03),
    ),
}


@FORMATS
@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_card_is_read_under(condition: str, symbol: BarcodeFormat) -> None:
    least, scene = CONDITIONS[condition]
    read = sum(is_read_in_file(scene(symbol, seed)) for seed in range(1, TRIES + 1))
    assert read >= least * TRIES


@FORMATS
@pytest.mark.parametrize("condition", HARDER)
def test_a_thorough_look_reads_what_the_quick_one_does_not(
    condition: str, symbol: BarcodeFormat
) -> None:
    least, scene = HARDER[condition]
    quick = thorough = 0
    for seed in range(1, TRIES + 1):
        pixels = scene(symbol, seed)
        quick += is_read_in_file(pixels)
        thorough += is_read_in_file(pixels, thorough=True)
    assert thorough >= least * TRIES
    assert thorough >= quick


def test_a_card_far_away_takes_full_size() -> None:
    pixels = photograph(Shot(part=0.02, degrees=10))

    assert texts(pixels) == []
    assert texts(pixels, thorough=True) == [TEXT]
    assert not is_read_in_file(pixels)
    assert is_read_in_file(pixels, thorough=True)


@pytest.mark.parametrize("seed", range(8))
def test_a_photograph_without_a_card_gives_nothing(seed: int) -> None:
    pixels = noisy(background(seed=seed), 5 * seed, seed)
    assert find_in_file(encode_jpeg(pixels, quality=88), thorough=True) == []


@pytest.mark.parametrize("value", [0, 128, 255])
def test_an_empty_picture_gives_nothing(value: int) -> None:
    assert find_cards(np.full((64, 2000), value, np.uint8), thorough=True) == []


def test_several_cards_are_told_from_the_top_down_with_their_kinds() -> None:
    shots = [
        Shot(f"DR1:SIBLING{number}", symbol, 0.09, (x, y), degrees)
        for number, (symbol, x, y, degrees) in enumerate(
            [
                (QR, 0.2, 0.2, 0),
                (MATRIX, 0.8, 0.3, 40),
                (QR, 0.5, 0.5, 180),
                (QR, 0.2, 0.8, 77),
                (MATRIX, 0.7, 0.85, 10),
            ]
        )
    ]
    found = find_cards(photograph(*shots))

    assert [symbol.text for symbol in found] == [shot.text for shot in shots]
    assert [symbol.format for symbol in found] == ["qr", "datamatrix", "qr", "qr", "datamatrix"]


def test_a_smaller_card_beside_a_large_one_is_not_overlooked() -> None:
    small = Shot("DR1:SMALL", QR, 0.028, (0.8, 0.5))
    pixels = photograph(Shot("DR1:LARGE", QR, 0.2, (0.3, 0.5)), small)
    assert texts(pixels) == ["DR1:LARGE", "DR1:SMALL"]


def test_one_card_seen_twice_is_one() -> None:
    assert texts(photograph(Shot(centre=(0.25, 0.5)), Shot(centre=(0.75, 0.5)))) == [TEXT]


def test_a_wall_of_codes_is_not_read_to_its_end() -> None:
    shots = [
        Shot(f"CODE{number}", QR, 0.07, (0.1 + 0.2 * (number % 5), 0.12 + 0.25 * (number // 5)))
        for number in range(20)
    ]
    assert len(find_cards(photograph(*shots))) == MOST_SYMBOLS


@FORMATS
def test_corners_are_where_the_symbol_is_at_any_size(symbol: BarcodeFormat) -> None:
    shot = Shot(format=symbol, part=0.2, centre=(0.4, 0.6), degrees=90)
    pixels = photograph(shot)
    for found in (find_cards(pixels), find_in_file(encode_jpeg(pixels, quality=90))):
        # turned a quarter clockwise, its top left is at the right
        half, ratio = 0.1, 1.5
        expected = [
            (0.4 + half, 0.6 - half * ratio),
            (0.4 + half, 0.6 + half * ratio),
            (0.4 - half, 0.6 + half * ratio),
            (0.4 - half, 0.6 - half * ratio),
        ]
        (only,) = found
        assert np.abs(np.array(only.corners) - expected).max() < 0.012


def test_grey_and_colour_are_read_alike() -> None:
    pixels = photograph(Shot(part=0.1), width=1600, height=1200)
    assert texts(pixels) == texts(np.ascontiguousarray(pixels[:, :, 1])) == [TEXT]


def test_text_is_handed_on_as_it_stands() -> None:
    text = "王小明 4 ]C1 \\ <GS>"
    assert texts(photograph(Shot(text, part=0.2), width=1600, height=1200)) == [text]


def test_files_that_are_no_photographs_are_refused() -> None:
    data = encode_jpeg(photograph(Shot(), width=800, height=600), quality=90)
    with pytest.raises(PictureTruncated):
        find_in_file(data[: len(data) // 2])
    with pytest.raises(NotAPicture):
        find_in_file(b"DR1:TEXT")

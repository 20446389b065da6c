import numpy as np
import pytest

from vision.finds import read_closely, read_tiles
from vision.geometry import Affine, Point
from vision.tiles import SIDE, Tile

POINTS = np.array([(-0.2, -0.2), (0.2, -0.2), (0, 0.05), (0, 0.25), (-0.5, -0.1), (0.5, -0.1)])


def tile_at(x: float, y: float, side: float, whole: bool = False) -> Tile:
    return Tile(np.zeros((SIDE, SIDE, 3), np.uint8), Affine.scale_and_move(side, side, x, y), whole)


def row(score: float, x: float, y: float, size: float) -> np.ndarray:
    """An anchor: a face of this size in fractions of its tile, with its points in place."""
    return np.concatenate(([score, x, y, size, size], (POINTS * size + (x, y)).ravel()))


def answer(*rows: np.ndarray) -> np.ndarray:
    filled = np.zeros((64, 17), np.float32)
    filled[: len(rows)] = rows
    return filled


def test_a_find_is_in_pixels_of_the_picture() -> None:
    (find,) = read_tiles([tile_at(100, 50, 200)], answer(row(0.9, 0.5, 0.25, 0.2))[None])

    assert find.score == pytest.approx(0.9)
    assert (find.box.x, find.box.y) == pytest.approx((180, 80))
    assert (find.box.width, find.box.height) == pytest.approx((40, 40))
    assert find.landmarks.right_eye.x == pytest.approx(200 - 8)
    assert find.landmarks.mouth.y == pytest.approx(100 + 10)


def test_the_same_face_in_several_tiles_is_one_find_weighted_by_score() -> None:
    tiles = [tile_at(0, 0, 100), tile_at(50, 0, 100)]

    finds = read_tiles(
        tiles, np.stack((answer(row(0.9, 0.7, 0.5, 0.2)), answer(row(0.6, 0.22, 0.5, 0.2))))
    )

    (find,) = finds
    assert find.score == pytest.approx(0.9)
    assert find.box.centre.x == pytest.approx((70 * 0.9 + 72 * 0.6) / 1.5, abs=0.01)


def test_two_faces_are_two_finds_the_surer_first() -> None:
    finds = read_tiles(
        [tile_at(0, 0, 100)], answer(row(0.9, 0.7, 0.5, 0.2), row(0.6, 0.2, 0.5, 0.2))[None]
    )

    assert [round(find.box.centre.x) for find in finds] == [70, 20]


def test_a_part_of_a_face_is_not_another_face() -> None:
    finds = read_tiles(
        [tile_at(0, 0, 100)], answer(row(0.9, 0.5, 0.5, 0.6), row(0.7, 0.5, 0.6, 0.2))[None]
    )

    assert len(finds) == 1
    assert finds[0].box.width == pytest.approx(60)


@pytest.mark.parametrize(("whole", "found"), [(False, 0), (True, 1)])
def test_a_face_over_the_edge_counts_only_where_the_edge_is_the_pictures(
    whole: bool, found: int
) -> None:
    finds = read_tiles([tile_at(0, 0, 100, whole)], answer(row(0.9, 0.05, 0.5, 0.3))[None])

    assert len(finds) == found


def test_what_is_unlikely_is_not_found() -> None:
    assert read_tiles([tile_at(0, 0, 100)], answer(row(0.49, 0.5, 0.5, 0.2))[None]) == []


def test_boxes_without_area_come_to_an_end() -> None:
    finds = read_tiles([tile_at(0, 0, 100)], answer(*[row(0.9, 0.5, 0.5, 0.0)] * 9)[None])

    assert len(finds) == 9


def test_the_second_look_turns_back() -> None:
    place = Affine.similarity(200, 90, Point(0.5, 0.5), Point(300, 300))
    tile = Tile(np.zeros((SIDE, SIDE, 3), np.uint8), place, whole=True)

    (find,) = read_closely([tile], answer(row(0.9, 0.5, 0.5, 0.5))[None])

    assert find.landmarks.roll == pytest.approx(90)
    assert (find.box.centre.x, find.box.centre.y) == pytest.approx((300, 300))
    assert find.box.width == pytest.approx(100)


@pytest.mark.parametrize(("score", "found"), [(0.74, 0), (0.76, 1)])
def test_the_second_look_is_stricter(score: float, found: int) -> None:
    tiles = [tile_at(0, 0, 100, whole=True)]

    assert len(read_closely(tiles, answer(row(score, 0.5, 0.5, 0.5))[None])) == found


def test_only_anchors_of_the_same_face_share_in_the_average() -> None:
    (find,) = read_closely(
        [tile_at(0, 0, 100, whole=True)],
        answer(
            row(0.9, 0.5, 0.5, 0.4),
            row(0.9, 0.52, 0.5, 0.4),
            row(0.85, 0.9, 0.5, 0.4),
            row(0.5, 0.6, 0.5, 0.4),
        )[None],
    )

    assert find.box.centre.x == pytest.approx(51, abs=0.01)


def test_a_face_seen_by_two_second_looks_is_one_face() -> None:
    tiles = [tile_at(0, 0, 100, whole=True), tile_at(5, 5, 100, whole=True)]

    finds = read_closely(
        tiles, np.stack((answer(row(0.8, 0.5, 0.5, 0.5)), answer(row(0.9, 0.45, 0.45, 0.5))))
    )

    assert [find.score for find in finds] == [pytest.approx(0.9)]

"""Whose photographs are whose where several cameras took them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.qr.frames import Frame, Order
from services.qr.sorting import Options, Reason, sort
from tests.unit.qr.sequences import JOB, SENT, card, photographs, told


def test_cameras_that_are_sent_mixed_are_sequences_of_their_own() -> None:
    frames = [
        Frame("a1", camera="A", cards=(card("an"),)),
        Frame("b1", camera="B", cards=(card("binh"),)),
        Frame("a2", camera="A"),
        Frame("b2", camera="B"),
        Frame("a3", camera="A", cards=(card("binh"),)),
        Frame("a4", camera="A"),
    ]
    result = sort(frames, SENT)

    assert photographs(result) == {"an": ["a2"], "binh": ["a4", "b2"]}
    assert result.reports == []  # binh was before two cameras, not twice before one

    together = sort(frames, Options(job=JOB, order=Order.SENT, cameras_apart=False))
    assert photographs(together) == {"an": [], "binh": ["a2", "b2", "a4"]}


def test_frames_that_name_no_camera_are_of_the_only_one() -> None:
    one = [Frame("1", camera="A", cards=(card("an"),)), Frame("2"), Frame("3", camera="A")]
    two = [*one, Frame("4", camera="B", cards=(card("binh"),))]

    assert photographs(sort(one, SENT)) == {"an": ["2", "3"]}
    assert photographs(sort(two, SENT)) == {"an": ["3"], "binh": []}


def at(second: float, file: str, *who: str, camera: str = "Phone", **more: Any) -> Frame:
    """A frame of a camera that tells no serial number."""
    taken = datetime(2026, 5, 1, 9, tzinfo=UTC) + timedelta(seconds=second)
    cards = tuple(map(card, who))
    return Frame(file, taken, camera, cards, not who, camera_is_certain=False, **more)


def test_a_file_that_could_not_be_read_is_of_the_camera_that_names_its_files_so() -> None:
    frames = [
        at(0, "A_0001.jpg", "an", camera="A"),
        at(1, "B_0001.jpg", "binh", camera="B"),
        Frame("A_0002.jpg", unread=True),
        at(3, "A_0003.jpg", camera="A"),
        at(4, "B_0003.jpg", camera="B"),
    ]
    result = sort(frames, Options(JOB))
    assert photographs(result) == {"an": [], "binh": ["B_0003.jpg"]}

    nobodys = replace(frames[2], file="scan.jpg")
    result = sort([*frames[:2], nobodys, *frames[3:]], Options(JOB, Order.SENT))
    assert photographs(result) == {"an": [], "binh": []}


def test_two_cameras_of_one_model_are_told_apart_by_how_they_count() -> None:
    frames = [
        at(0, "A_0001.jpg", "an"),
        at(1, "B_0001.jpg", "binh"),
        at(3, "A_0002.jpg"),
        at(4, "B_0002.jpg"),
        at(6, "A_0003.jpg"),
    ]
    result = sort(frames, Options(JOB))
    assert photographs(result) == {"an": ["A_0002.jpg", "A_0003.jpg"], "binh": ["B_0002.jpg"]}
    assert not result.reports
    # with serial numbers, equal ones are one camera whatever its files are called
    certain = [replace(frame, camera_is_certain=True) for frame in frames]
    assert photographs(sort(certain, Options(JOB)))["an"] == []


ONE_CAMERA = {
    "another prefix for another colour space": ("DSC_0001", "_DSC0002", "DSC_0003", "_DSC0004"),
    "the next folder": ("100/IMG_9998", "100/IMG_9999", "101/IMG_0001", "101/IMG_0002"),
    "renamed for whom they show": ("an_0001", "an_0002", "binh_0001", "binh_0002"),
    "no numbers": ("20260501_090000", "20260501_090001", "IMG_0001", "20260501_090003"),
}


@pytest.mark.parametrize("names", ONE_CAMERA.values(), ids=ONE_CAMERA)
def test_one_camera_is_not_taken_apart(names: tuple[str, ...]) -> None:
    first, second, third, fourth = (f"{name}.jpg" for name in names)
    frames = [at(0, first, "an"), at(1, second), at(2, third, "binh"), at(3, fourth)]
    result = sort(frames[::-1], Options(JOB))
    assert photographs(result) == {"an": [second], "binh": [fourth]}
    assert not result.reports


def test_edited_copies_are_of_the_camera_that_took_the_photograph() -> None:
    frames = [
        at(0, "IMG_0001.jpg", "an"),
        at(1, "IMG_0002.jpg"),
        at(1, "IMG_E0002.jpg"),
        at(2, "IMG_0003.jpg"),
    ]
    result = sort(frames, Options(JOB))
    assert photographs(result) == {"an": ["IMG_0002.jpg", "IMG_E0002.jpg", "IMG_0003.jpg"]}


def test_cameras_that_cannot_be_told_apart_are_reported() -> None:
    frames = [
        at(0, "IMG_0001.jpg", "an"),
        at(1, "IMG_0001.jpg", "binh"),
        at(3, "IMG_0002.jpg"),
        at(4, "IMG_0002.jpg"),
    ]
    (report,) = told(sort(frames, Options(JOB)), Reason.CAMERAS_UNCLEAR)
    assert list(report.frames) == frames

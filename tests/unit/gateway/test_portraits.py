import math
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kit.storage import Storage
from proto.facecrop import FaceBox, Portrait, Receipt
from proto.ids import StorageKey
from proto.jobs import Item, Measure
from proto.photos import Rejected
from services.gateway.portraits import (
    Links,
    cropped,
    files,
    outcome_of,
    receipt_from,
    receipt_of,
)

BOX = FaceBox(x=1, y=2, w=3, h=4)
OTHER = FaceBox(x=5, y=6, w=2, h=2)


def portrait(name: str = "a", eye_line: float = 0.4, **rest: Any) -> Portrait:
    receipt = Receipt(
        eye_line=eye_line,
        head=0.5,
        eye_distance=0.1,
        roll=-1.0,
        rotated=0.0,
        scale=1.0,
        print_dpi=300,
        sharpness=1.0,
        brightness=0.5,
    )
    return Portrait(
        **{
            "face_box": BOX,
            "faces": [BOX],
            "face_index": 0,
            "original": StorageKey(f"outputs/x/{name}_orig.jpg"),
            "medium": StorageKey(f"outputs/x/{name}_md.jpg"),
            "receipt": receipt,
        }
        | rest
    )


@pytest.fixture
async def links(tmp_path: Path) -> AsyncIterator[Links]:
    url = tmp_path.as_uri()
    async with Storage.open(url, public_url="http://here", secrets=["x" * 32]) as storage:
        yield Links(storage, 60)


async def test_a_photo_with_one_face_says_nothing_of_several(links: Links) -> None:
    found = await cropped(links, "a.jpg", "school", portrait())
    assert set(msgspec.to_builtins(found)) == {
        "filename",
        "icp_type",
        "face_box",
        "output_urls",
        "receipt",
    }


async def test_several_faces_are_listed_with_the_one_that_was_cropped(links: Links) -> None:
    several = portrait(faces=[BOX, OTHER], face_index=1, face_box=OTHER)
    found = await cropped(links, "a.jpg", "school", several)
    assert (found.faces, found.face_index, found.face_box) == ([BOX, OTHER], 1, OTHER)


async def test_the_first_of_several_faces_is_told_as_number_0(links: Links) -> None:
    found = await cropped(links, "a.jpg", "school", portrait(faces=[BOX, OTHER]))
    assert msgspec.to_builtins(found)["face_index"] == 0


async def test_every_file_has_a_link(links: Links) -> None:
    made = portrait(more={"card": StorageKey("outputs/x/a_card.jpg")})
    found = await cropped(links, "a.jpg", "badge", made)
    assert found.output_urls is not None
    assert list(found.output_urls) == ["original", "medium", "card"]
    assert found.output_urls["card"].startswith("http://here/files/outputs/x/a_card.jpg?")


async def test_a_photo_that_was_rejected_has_an_error_and_nothing_else(links: Links) -> None:
    found = await cropped(links, "a.jpg", "school", Rejected(code="NO_FACE", message="None."))
    assert msgspec.to_builtins(found) == {
        "filename": "a.jpg",
        "icp_type": "school",
        "error": {"code": "NO_FACE", "message": "None."},
    }


def test_the_outcome_of_an_item_is_what_the_engine_answered() -> None:
    made = portrait(more={"card": StorageKey("outputs/x/a_card.jpg")})
    facts = {"number": 0, "name": "a.jpg", "order": 1}
    succeeded = Item(**facts, state="succeeded", result=msgspec.msgpack.encode(made))
    failed = Item(**facts, state="failed", code="NO_FACE", message="None.")
    assert outcome_of(succeeded) == made
    assert outcome_of(failed) == Rejected(code="NO_FACE", message="None.")
    assert len(files(made)) == 3


def test_nothing_made_has_no_receipt() -> None:
    assert receipt_of([]) is None
    assert receipt_from({}) is None


def test_the_receipt_has_mean_and_deviation_and_counts_flags_and_warnings() -> None:
    found = receipt_of(
        [
            portrait("a", 0.3, flags=["padded"], warnings=["blurred", "head_cut"]),
            portrait("b", 0.5, flags=["padded", "upscaled"]),
        ]
    )
    assert found is not None
    assert (found.portraits, found.warned) == (2, 1)
    assert found.eye_line is not None
    assert found.roll is not None
    assert (found.eye_line.mean, found.eye_line.deviation) == (0.4, 0.1)
    assert (found.roll.mean, found.roll.deviation) == (-1.0, 0.0)
    assert found.flags == {"oversized": 0, "padded": 2, "upscaled": 1}
    assert found.flag_shares == {"oversized": 0.0, "padded": 1.0, "upscaled": 0.5}


def unmeasured(name: str, **rest: Any) -> Portrait:
    return portrait(
        name, receipt=msgspec.structs.replace(portrait().receipt, measured=False), **rest
    )


async def test_a_portrait_that_was_not_measured_is_warned_of(links: Links) -> None:
    found = await cropped(links, "a.jpg", "school", unmeasured("a", warnings=["blurred"]))
    assert found.warnings == ["blurred", "not_measured"]
    assert found.receipt is not None
    assert not found.receipt.measured


def test_what_was_not_measured_has_no_part_in_the_spread_and_a_part_in_the_counts() -> None:
    found = receipt_of(
        [portrait("a", 0.3), portrait("b", 0.5), unmeasured("c", flags=["upscaled"])]
    )
    assert found is not None
    assert (found.portraits, found.measured, found.warned) == (3, 2, 1)
    assert found.eye_line is not None
    assert (found.eye_line.mean, found.eye_line.deviation) == (0.4, 0.1)
    assert found.flags["upscaled"] == 1


def test_where_nothing_was_measured_there_is_no_spread() -> None:
    found = receipt_of([unmeasured("a", flags=["padded"])])
    share = {"warned": 1.0, "padded": 1.0, "oversized": 0.0, "upscaled": 0.0}
    measures = {name: Measure(count=1, mean=mean, deviation=0) for name, mean in share.items()}
    assert found == receipt_from(measures)
    assert found is not None
    assert (found.portraits, found.measured, found.eye_line, found.roll) == (1, 0, None, None)


def test_photos_that_are_the_same_count_once() -> None:
    found = receipt_of([portrait("a", 0.3), portrait("a", 0.3), portrait("b", 0.6)])
    assert found is not None
    assert found.eye_line is not None
    assert (found.portraits, found.eye_line.mean) == (2, 0.45)


def test_a_job_has_the_receipt_that_its_photos_would_have_had_together() -> None:
    portraits = [
        portrait("a", 0.31, flags=["padded"]),
        portrait("b", 0.42, warnings=["blurred"]),
        portrait("c", 0.47, flags=["padded", "oversized"], warnings=["blurred"]),
        unmeasured("d", flags=["upscaled"]),
    ]

    def measure(values: list[float]) -> Measure:
        mean = sum(values) / len(values)
        squares = sum((value - mean) ** 2 for value in values)
        return Measure(count=len(values), mean=mean, deviation=math.sqrt(squares / len(values)))

    measures = {
        name: measure([getattr(each.receipt, name) for each in portraits[:3]])
        for name in ("eye_line", "head", "eye_distance", "roll")
    }
    for flag in ("oversized", "padded", "upscaled"):
        measures[flag] = measure([float(flag in each.flags) for each in portraits])
    measures["warned"] = measure([0.0, 1.0, 1.0, 1.0])
    assert receipt_from(measures) == receipt_of(portraits)


@pytest.mark.parametrize("count", [1, 3, 7, 2000])
def test_counts_are_found_again_exactly_in_means(count: int) -> None:
    every = Measure(count=count, mean=0.5, deviation=0)
    lengths = dict.fromkeys(("eye_line", "head", "eye_distance", "roll"), every)
    for warned in {0, 1, count // 2, count}:
        share = Measure(count=count, mean=warned / count, deviation=0)
        found = receipt_from({**lengths, "warned": share})
        assert found is not None
        assert found.warned == warned

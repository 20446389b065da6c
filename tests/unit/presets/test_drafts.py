from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proto.errors import InvalidRequest
from proto.presets import Aspect, PresetDraft, Size
from services.presets.drafts import check, complete
from services.presets.icps import icps


def draft(**changed: Any) -> PresetDraft:
    asked = {"name": "badge", "aspect": (4, 5), "head": 0.5, "eye_line": 0.4} | changed
    return PresetDraft(**asked)


def test_ours_are_the_four_icps_in_the_order_of_their_file_and_fit_together() -> None:
    assert list(icps()) == ["school", "corporate", "sports", "childcare"]
    for name, preset in icps().items():
        check(preset)
        assert (preset.name, preset.own, preset.format, preset.dpi) == (name, False, "jpeg", 300)
    assert icps()["school"].full == (2400, 3000)
    assert icps()["corporate"].medium == (800, 800)


@pytest.mark.parametrize(
    ("aspect", "full", "medium"),
    [
        ((4, 5), (2400, 3000), (800, 1000)),
        ((8, 10), (2400, 3000), (800, 1000)),
        ((5, 4), (3000, 2400), (1000, 800)),
        ((1, 1), (2400, 2400), (1000, 1000)),
        ((2, 3), (2000, 3000), (667, 1000)),
        ((3, 2), (3000, 2000), (1000, 667)),
        ((5, 6), (2400, 2880), (833, 1000)),
        ((16, 9), (3000, 1688), (1000, 562)),
        ((1, 15), (200, 3000), (67, 1000)),
    ],
)
def test_sizes_that_are_left_out_are_the_largest_of_the_aspect(
    aspect: Aspect, full: Size, medium: Size
) -> None:
    preset = complete(draft(aspect=aspect))
    assert (preset.full, preset.medium) == (full, medium)


ASPECTS = st.tuples(st.integers(1, 100), st.integers(1, 100))


@given(ASPECTS.filter(lambda aspect: max(aspect) <= 15 * min(aspect)))
def test_whatever_the_aspect_the_sizes_that_are_chosen_have_it(aspect: Aspect) -> None:
    preset = complete(draft(aspect=aspect))
    longer = max(aspect) / min(aspect)
    for (width, height), (short, long) in (
        (preset.full, (2400, 3000)),
        (preset.medium, (1000, 1000)),
    ):
        assert abs(width - height * aspect[0] / aspect[1]) <= 1
        assert min(width, height) <= short
        assert max(width, height) <= long
        # a row more, and the columns that go with it, would be too many
        assert min(width, height) + 1 > short or max(width, height) + longer + 1 > long


@pytest.mark.parametrize(
    ("background", "given_format", "chosen"),
    [
        ("", None, "jpeg"),
        ("#ffffff", None, "jpeg"),
        ("transparent", None, "png"),
        ("transparent", "webp", "webp"),
        ("", "png", "png"),
    ],
)
def test_a_format_that_is_left_out_suits_the_background(
    background: str, given_format: str | None, chosen: str
) -> None:
    assert complete(draft(background=background, format=given_format)).format == chosen


def test_sizes_that_are_given_stay() -> None:
    preset = complete(draft(medium=(400, 500), sizes={"badge": (240, 300)}))
    assert (preset.full, preset.medium) == ((2400, 3000), (400, 500))
    assert preset.sizes == {"badge": (240, 300)}


@pytest.mark.parametrize(
    ("aspect", "sizes", "full", "medium"),
    [
        ((3, 4), {"badge": (300, 400)}, (300, 400), (300, 400)),
        ((4, 5), {"print": (1600, 2000), "badge": (240, 300)}, (1600, 2000), (800, 1000)),
        ((5, 4), {"slide": (1000, 800)}, (1000, 800), (1000, 800)),
        ((4, 5), {"off": (801, 1000)}, (801, 1000), (801, 1000)),
        ((1, 15), {"strip": (64, 960)}, (64, 960), (64, 960)),
        ((4, 5), {"wall": (4800, 6000), "desk": (4800, 6000)}, (4800, 6000), (800, 1000)),
        # with a full of that size there would be 130 megapixels
        ((4, 5), {"poster": (7200, 9000)}, (2400, 3000), (800, 1000)),
    ],
)
def test_where_only_further_sizes_are_named_the_others_follow_from_the_largest(
    aspect: Aspect, sizes: dict[str, Size], full: Size, medium: Size
) -> None:
    preset = complete(draft(aspect=aspect, sizes=sizes))
    assert (preset.full, preset.medium) == (full, medium)
    assert preset.sizes == sizes


def test_beside_a_full_that_is_given_the_medium_is_chosen_as_ever() -> None:
    preset = complete(draft(full=(1600, 2000), sizes={"badge": (240, 300)}))
    assert (preset.full, preset.medium) == ((1600, 2000), (800, 1000))


@pytest.mark.parametrize("width", [799, 800, 801])
def test_a_size_may_be_a_pixel_off(width: int) -> None:
    assert complete(draft(medium=(width, 1000))).medium == (width, 1000)


# how far the head reaches is a sum of fractions, which may come out a little over the edge
@pytest.mark.parametrize(
    ("head", "eye_line"), [(0.6, 0.3), (0.6, 0.7), (0.2, 0.1), (0.58, 0.71), (0.9, 0.45)]
)
def test_a_head_may_touch_the_edge_of_the_frame(head: float, eye_line: float) -> None:
    assert complete(draft(head=head, eye_line=eye_line)).head == head


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"full": (2398, 3000)}, "the size full, 2398 x 3000, does not have the aspect 4:5"),
        ({"medium": (802, 1000)}, "the size medium, 802 x 1000, does not"),
        ({"sizes": {"badge": (300, 240)}}, "the size badge, 300 x 240, does not"),
        ({"head": 0.82}, "inside the frame"),
        ({"eye_line": 0.76}, "inside the frame"),
        ({"background": "transparent", "format": "jpeg"}, "takes the format png or webp"),
        ({"sizes": {"full": (800, 1000)}}, "cannot be called full"),
        ({"sizes": {"md": (800, 1000)}}, "cannot be called md"),
        ({"sizes": {"original": (800, 1000)}}, "cannot be called original"),
        ({"sizes": {f"size{n}": (800, 1000) for n in range(9)}}, "at most 8 sizes"),
        ({"aspect": (1, 16)}, "1:16 is so narrow that full and medium must be given"),
        ({"aspect": (100, 1)}, "100:1 is so narrow"),
        ({"aspect": (1, 16), "sizes": {"strip": (100, 1600)}}, "1:16 is so narrow"),
        ({"sizes": {"a": (7200, 9000), "b": (4800, 6000)}}, "90 megapixels"),
    ],
)
def test_what_does_not_fit_together_is_refused_with_a_sentence(
    changed: dict[str, object], sentence: str
) -> None:
    with pytest.raises(InvalidRequest, match=sentence):
        complete(draft(**changed))


def test_a_narrow_frame_may_bring_sizes_of_its_own() -> None:
    preset = complete(draft(aspect=(100, 1), full=(10_000, 100), medium=(6400, 64)))
    assert preset.full == (10_000, 100)

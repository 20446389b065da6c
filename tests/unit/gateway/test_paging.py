from hypothesis import given
from hypothesis import strategies as st

from services.gateway.paging import parts


def test_parts_are_as_full_as_they_may_be() -> None:
    assert parts("abcde", lambda _: 1, most=2, most_bytes=10) == [["a", "b"], ["c", "d"], ["e"]]
    assert parts([3, 3, 3, 3], lambda n: n, most=9, most_bytes=6) == [[3, 3], [3, 3]]
    assert parts([], lambda _: 1, most=2, most_bytes=10) == []


def test_what_weighs_too_much_stands_alone() -> None:
    assert parts([1, 99, 1], lambda n: n, most=9, most_bytes=10) == [[1], [99], [1]]


@given(st.lists(st.integers(0, 20)), st.integers(1, 5), st.integers(1, 30))
def test_nothing_is_lost_and_no_part_is_too_large(
    weights: list[int], most: int, most_bytes: int
) -> None:
    cut = parts(weights, lambda weight: weight, most=most, most_bytes=most_bytes)
    assert [weight for part in cut for weight in part] == weights
    assert all(0 < len(part) <= most for part in cut)
    assert all(sum(part) <= most_bytes or len(part) == 1 for part in cut)

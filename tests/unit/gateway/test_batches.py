import msgspec
from hypothesis import given
from hypothesis import strategies as st

from proto.jobs import MOST_ADDED, MOST_WORK_BYTES, NewItem
from services.gateway.batches import _pages

MOST_MESSAGE_BYTES = 1024 * 1024
"""What NATS takes unless it is told otherwise."""


def items(count: int, work: int = 100, name: str = "a.jpg") -> list[NewItem]:
    return [NewItem(number=number, name=name, work=bytes(work)) for number in range(count)]


def test_what_fits_into_one_message_is_one_page() -> None:
    assert _pages(items(MOST_ADDED)) == [items(MOST_ADDED)]


def test_no_page_has_more_items_than_a_message_may() -> None:
    assert [len(page) for page in _pages(items(2 * MOST_ADDED + 1))] == [MOST_ADDED, MOST_ADDED, 1]


def test_a_name_weighs_as_many_bytes_as_it_takes() -> None:
    assert len(_pages(items(400, work=400, name="x" * 255))) == 1
    assert len(_pages(items(400, work=400, name="\U0001f600" * 255))) > 1


def test_nothing_is_no_page() -> None:
    assert _pages([]) == []


@given(st.lists(st.tuples(st.integers(0, MOST_WORK_BYTES), st.integers(1, 255)), max_size=700))
def test_pages_keep_every_item_in_order_and_fit_into_messages(
    sizes: list[tuple[int, int]],
) -> None:
    given_items = [
        NewItem(number=number, name="雪" * letters, work=bytes(work))
        for number, (work, letters) in enumerate(sizes)
    ]
    pages = _pages(given_items)
    assert [item for page in pages for item in page] == given_items
    assert all(pages)
    assert all(len(msgspec.msgpack.encode(page)) < MOST_MESSAGE_BYTES for page in pages)
    assert all(len(page) <= MOST_ADDED for page in pages)

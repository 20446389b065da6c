from uuid import UUID

import pytest

from cli.wallet import differences
from proto.ids import AccountId
from proto.wallet import Balance, Discrepancy, Reconciliation

WRONG = Discrepancy(
    account=AccountId(UUID(int=7)),
    cached=Balance(available=10, held=0),
    recomputed=Balance(available=8, held=2),
)


@pytest.mark.parametrize(
    ("left_over", "wrong", "sentences"),
    [
        (0, [], []),
        (0, [WRONG], ["10 available and 0 held, its entries make 8 available and 2 held"]),
        (3, [], ["3 tokens are left"]),
        (-1, [WRONG], ["its entries make", "-1 tokens"]),
    ],
)
def test_every_difference_in_the_books_is_a_sentence(
    left_over: int, wrong: list[Discrepancy], sentences: list[str]
) -> None:
    books = Reconciliation(accounts=1, entries=1, sum_of_all_places=left_over, discrepancies=wrong)
    found = differences(books)
    assert len(found) == len(sentences)
    assert all(part in sentence for part, sentence in zip(sentences, found, strict=True))

import base64
import time
from uuid import uuid4

import msgspec
import pytest

from proto.ids import AccountId
from services.gateway.problems import Problem
from services.gateway.quotes import GOOD_FOR_SECONDS, Quotes

QUOTES = Quotes(["s" * 32])
ACCOUNT = AccountId(uuid4())


def refused(quote_id: str, account: AccountId = ACCOUNT, units: int = 3) -> str:
    with pytest.raises(Problem) as caught:
        QUOTES.price(account, quote_id, "face_crop", units, 2)
    return caught.value.code


def test_a_quote_holds_when_prices_have_changed() -> None:
    quote_id, quote = QUOTES.make(ACCOUNT, "face_crop", 3, 2)
    assert quote.tokens == 6
    assert QUOTES.price(ACCOUNT, quote_id, "face_crop", 3, 99) == 2


def test_without_a_quote_the_price_is_the_price() -> None:
    assert QUOTES.price(ACCOUNT, "", "face_crop", 3, 99) == 99


def test_another_replica_reads_it() -> None:
    quote_id, _ = QUOTES.make(ACCOUNT, "face_crop", 3, 2)
    assert Quotes(["n" * 32, "s" * 32]).price(ACCOUNT, quote_id, "face_crop", 3, 99) == 2


def test_it_is_for_what_was_asked_and_no_more() -> None:
    quote_id, _ = QUOTES.make(ACCOUNT, "face_crop", 3, 2)
    assert refused(quote_id, units=4) == "QUOTE_MISMATCH"
    other, _ = QUOTES.make(ACCOUNT, "face_crop_enhanced", 3, 2)
    assert refused(other) == "QUOTE_MISMATCH"


def test_another_account_cannot_use_it() -> None:
    quote_id, _ = QUOTES.make(ACCOUNT, "face_crop", 3, 2)
    assert refused(quote_id, AccountId(uuid4())) == "QUOTE_NOT_VALID"


def test_after_a_quarter_of_an_hour_it_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    quote_id, quote = QUOTES.make(ACCOUNT, "face_crop", 3, 2)
    monkeypatch.setattr(time, "time", lambda: quote.expires_at - 1)
    assert QUOTES.price(ACCOUNT, quote_id, "face_crop", 3, 99) == 2
    monkeypatch.setattr(time, "time", lambda: quote.expires_at)
    assert refused(quote_id) == "QUOTE_EXPIRED"
    assert GOOD_FOR_SECONDS == 900


def unsealed() -> str:
    """A quote that nobody sealed, as it would stand where secrets are kept in clear."""
    body = b"\x00" + msgspec.msgpack.encode(["face_crop", 3, 0, 9e12])
    return "quote_" + base64.urlsafe_b64encode(body).decode()


@pytest.mark.parametrize(
    "quote_id",
    ["x", "quote_", "quote_AQ", "quote_AQAB", "quote_" + "A" * 2000, "quote_é", unsealed()],
)
def test_what_was_made_up_is_no_quote(quote_id: str) -> None:
    assert refused(quote_id) == "QUOTE_NOT_VALID"


def test_nor_is_one_that_was_changed() -> None:
    quote_id, _ = QUOTES.make(ACCOUNT, "face_crop", 3, 2)
    changed = quote_id[:40] + ("A" if quote_id[40] != "A" else "B") + quote_id[41:]
    assert refused(changed) == "QUOTE_NOT_VALID"

"""A page of deliveries, as large as it can be, still fits into one message."""

from datetime import UTC, datetime
from uuid import uuid4

import msgspec
import pytest

from proto.ids import AccountId
from proto.webhooks import (
    MOST_DELIVERIES,
    Attempt,
    Deliveries,
    Delivery,
    EndpointId,
    GetDeliveries,
)
from services.webhooks.claims import _LOGGED

MESSAGE_BYTES = 1024 * 1024


def test_the_largest_page_with_all_attempts_fits_into_a_message() -> None:
    now = datetime.now(UTC)
    attempts = [
        Attempt(
            number=10_000 + number,
            began_at=now,
            milliseconds=15_000,
            status=500,
            error="SECRET_UNREADABLE",
        )
        for number in range(_LOGGED)
    ]
    delivery = Delivery(
        event=uuid4(),
        type="wallet.low_balance",
        state="delivered",
        attempts=10_000 + _LOGGED,
        last_status=500,
        last_error="SECRET_UNREADABLE",
        next_attempt=now,
        created_at=now,
        last_attempt_at=now,
        ended_at=now,
        attempts_log=attempts,
    )
    page = Deliveries(deliveries=[delivery] * MOST_DELIVERIES, next_before=2**62)
    # room for what the answer is wrapped in
    assert len(msgspec.msgpack.encode(page)) < MESSAGE_BYTES - 10_000


def test_a_larger_page_cannot_be_asked_for() -> None:
    asked = GetDeliveries(
        account=AccountId(uuid4()), endpoint=EndpointId(uuid4()), limit=MOST_DELIVERIES + 1
    )
    with pytest.raises(msgspec.ValidationError, match="limit"):
        msgspec.msgpack.decode(msgspec.msgpack.encode(asked), type=GetDeliveries)

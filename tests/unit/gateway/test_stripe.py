import hashlib
import hmac
import json
from typing import Any
from uuid import uuid4

import pytest

from services.gateway.stripe import (
    TOLERANCE_SECONDS,
    NotSigned,
    NotUnderstood,
    Payment,
    payment,
    verify,
)

SECRET = "whsec_of_these_tests"
NOW = 1_763_700_000.0
BODY = b'{"id": "evt_1"}'
ACCOUNT = uuid4()


def signature(secret: str = SECRET, at: float = NOW, body: bytes = BODY) -> str:
    signed = f"{int(at)}.".encode() + body
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def event(kind: str = "checkout.session.completed", **session: Any) -> bytes:
    about = {
        "id": "cs_1",
        "object": "checkout.session",
        "payment_status": "paid",
        "client_reference_id": str(ACCOUNT),
        "metadata": {"tokens": "500"},
        "amount_total": 4900,
    }
    return json.dumps(
        {"id": "evt_1", "object": "event", "type": kind, "data": {"object": about | session}}
    ).encode()


@pytest.mark.parametrize(
    "header",
    [
        f"t={NOW:.0f},v1={signature()}",
        f"t={NOW:.0f}, v1={'0' * 64}, v1={signature()}, v0=ignored",
        f"t={NOW - TOLERANCE_SECONDS:.0f},v1={signature(at=NOW - TOLERANCE_SECONDS)}",
    ],
)
def test_what_stripe_signed_is_taken(header: str) -> None:
    verify(header, BODY, ["whsec_another", SECRET], NOW)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "t=,v1=",
        f"t={NOW:.0f}",
        f"v1={signature()}",
        f"t={NOW:.0f},v1={signature('whsec_of_somebody')}",
        f"t={NOW:.0f},v0={signature()}",
        f"t={NOW + 1:.0f},v1={signature()}",
        f"t={NOW:.0f},t={NOW:.0f},v1={signature()}",
        f"t={NOW:.0f},v1={signature(body=b'other')}",
        f"t={NOW - TOLERANCE_SECONDS - 1:.0f},v1={signature(at=NOW - TOLERANCE_SECONDS - 1)}",
        f"t={NOW + TOLERANCE_SECONDS + 1:.0f},v1={signature(at=NOW + TOLERANCE_SECONDS + 1)}",
        "t=١٢٣,v1=é",
        f"t={'9' * 400},v1=x",
    ],
)
def test_anything_else_is_not(header: str) -> None:
    with pytest.raises(NotSigned):
        verify(header, BODY, [SECRET], NOW)


@pytest.mark.parametrize(
    "kind", ["checkout.session.completed", "checkout.session.async_payment_succeeded"]
)
def test_a_paid_checkout_brings_its_tokens(kind: str) -> None:
    expected = Payment(event="evt_1", session="cs_1", account=ACCOUNT, tokens=500)  # type: ignore[arg-type]
    assert payment(event(kind)) == expected


def test_the_account_may_stand_in_the_metadata() -> None:
    found = payment(
        event(client_reference_id=None, metadata={"tokens": "1", "account_id": str(ACCOUNT)})
    )
    assert found is not None
    assert (found.account, found.tokens) == (ACCOUNT, 1)


@pytest.mark.parametrize(
    "body",
    [
        event(payment_status="unpaid"),
        event("checkout.session.expired"),
        event("invoice.paid"),
        event("customer.created", id=None),
    ],
)
def test_other_events_bring_nothing(body: bytes) -> None:
    assert payment(body) is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"\xff",
        b'{"type": "checkout.session.completed"}',
        event(client_reference_id="somebody"),
        event(client_reference_id=None),
        event(metadata={}),
        event(metadata=None),
        event(metadata={"tokens": "0"}),
        event(metadata={"tokens": "-5"}),
        event(metadata={"tokens": "1e3"}),
        event(metadata={"tokens": "1000000001"}),
        event(metadata={"tokens": "٥"}),
        event(id=7),
    ],
)
def test_a_payment_that_cannot_be_booked_is_refused(body: bytes) -> None:
    with pytest.raises(NotUnderstood):
        payment(body)

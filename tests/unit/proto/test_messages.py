"""Every message there is keeps the promises that all messages make."""

from uuid import uuid4

import msgspec
import pytest

import proto
from cli.asyncapi import requests
from proto import errors
from proto.ids import AccountId
from proto.message import Request
from proto.wallet import Reserve, transaction_id


def test_our_proto_is_the_one_that_is_imported() -> None:
    assert proto.__doc__ is not None
    assert "words services say" in proto.__doc__


def test_no_two_requests_share_a_subject() -> None:
    subjects = [request.subject for request in requests()]
    assert len(subjects) == len(set(subjects)) >= 12


@pytest.mark.parametrize("request_type", requests(), ids=lambda kind: kind.__name__)
def test_a_request_is_sent_to_the_service_its_module_is_named_after(
    request_type: type[Request[object]],
) -> None:
    assert request_type.subject.partition(".")[0] == request_type.__module__.split(".")[1]
    assert request_type.__doc__
    msgspec.msgpack.Decoder(request_type.reply)


def test_a_message_cannot_be_changed() -> None:
    message = Reserve(account=_account(), tokens=2, key="k", operation="face_crop")
    with pytest.raises(AttributeError):
        message.tokens = 3


@pytest.mark.parametrize("tokens", [0, -1, 1_000_000_001])
def test_an_amount_out_of_range_does_not_travel(tokens: int) -> None:
    body = msgspec.msgpack.encode(
        {"account": str(uuid4()), "tokens": tokens, "key": "k", "operation": "face_crop"}
    )
    with pytest.raises(msgspec.ValidationError, match="tokens"):
        msgspec.msgpack.decode(body, type=Reserve)


def test_every_refusal_has_a_code_of_its_own_and_travels() -> None:
    kinds = errors.every_refusal()
    assert len(kinds) == len({kind.__name__ for kind in kinds.values()}) >= 11
    sent = errors.InsufficientTokens("too few", balance=1, shortfall=2)
    read = msgspec.msgpack.decode(msgspec.msgpack.encode(sent), type=kinds[sent.code])
    assert (str(read), vars(read)) == ("too few", vars(sent))


@pytest.mark.parametrize(("number", "shown"), [(21, "TX-00021"), (123_456, "TX-123456")])
def test_transaction_numbers_have_at_least_five_digits(number: int, shown: str) -> None:
    assert transaction_id(number) == shown


def _account() -> AccountId:
    return AccountId(uuid4())

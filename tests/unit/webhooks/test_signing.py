"""Signatures against an example that is published with the standard's reference implementation."""

import base64

from services.webhooks import signing

SECRET = "whsec_plJ3nmyCDGBKInavdOK15jsl"
BODY = b'{"event_type":"ping","data":{"success":true}}'
SIGNATURE = "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0="


def test_a_published_example_is_signed_as_published() -> None:
    secret = base64.b64decode(SECRET.removeprefix("whsec_"))
    assert signing.headers([secret], "msg_loFOjxBNrRLzqYUf", 1731705121, BODY) == {
        "Content-Type": "application/json",
        "webhook-id": "msg_loFOjxBNrRLzqYUf",
        "webhook-timestamp": "1731705121",
        "webhook-signature": SIGNATURE,
    }


def test_every_secret_signs_and_the_newest_comes_first() -> None:
    one, two = (
        signing.headers(secrets, "id", 1, BODY)["webhook-signature"] for secrets in ([b"1"], [b"2"])
    )
    both = signing.headers([b"2", b"1"], "id", 1, BODY)["webhook-signature"]
    assert both == f"{two} {one}"
    assert one != two


def test_a_secret_is_shown_so_that_it_can_be_read_back() -> None:
    secret = signing.new_secret()
    assert 24 <= len(secret) <= 64
    assert secret != signing.new_secret()
    assert base64.b64decode(signing.shown(secret).removeprefix("whsec_"), validate=True) == secret

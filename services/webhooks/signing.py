"""Signatures by which a receiver knows that it is us (Standard Webhooks 1.0, symmetric)."""

import base64
import hashlib
import hmac
import os
from collections.abc import Sequence

_SECRET_BYTES = 32


def new_secret() -> bytes:
    """Return a new secret, as it signs."""
    return os.urandom(_SECRET_BYTES)


def shown(secret: bytes) -> str:
    """Return a secret as its owner gets it: whsec_ and base64."""
    return "whsec_" + base64.b64encode(secret).decode()


def headers(secrets: Sequence[bytes], event: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the headers of one attempt, with one signature for each secret.

    Args:
        secrets: All that the receiver may verify with, the newest first.
        event: The same at every attempt, so that a receiver can drop what it had already.
        timestamp: Of the attempt, in seconds since 1970; receivers refuse old ones.
        body: JSON, exactly as it is sent.
    """
    signed = f"{event}.{timestamp}.".encode() + body
    return {
        "Content-Type": "application/json",
        "webhook-id": event,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(_signature(secret, signed) for secret in secrets),
    }


def _signature(secret: bytes, signed: bytes) -> str:
    return "v1," + base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()

"""Keeping secrets where the database alone does not give them away (AES-256-GCM)."""

import base64
import os
from collections.abc import Sequence
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_SHORTEST = 32
_NONCE_BYTES = 12
_CLEAR = b"\x00"
_SEALED = b"\x01"
"""First byte of what is kept, so that a key can be given later."""


class CannotOpen(Exception):
    """None of the keys opens it: it was sealed with another, for something else, or changed."""


class Vault:
    """Seals and opens secrets for one purpose, each bound to what it belongs to."""

    def __init__(self, keys: Sequence[str], purpose: str) -> None:
        """Prepare keys: the first seals, all open; without any, secrets are kept in clear.

        Raises ValueError for a key that could be guessed.
        """
        if any(len(key) < _SHORTEST for key in keys):
            raise ValueError(f"SECRET_KEY needs {_SHORTEST} characters or more")
        self._keys = [AESGCM(_derived(key, purpose)) for key in keys]

    @property
    def seals(self) -> bool:
        """Whether there is a key to seal with."""
        return bool(self._keys)

    def seal(self, secret: bytes, of: UUID) -> bytes:
        """Return what to keep."""
        if not self._keys:
            return _CLEAR + secret
        nonce = os.urandom(_NONCE_BYTES)
        return _SEALED + nonce + self._keys[0].encrypt(nonce, secret, of.bytes)

    def open(self, kept: bytes, of: UUID) -> bytes:
        """Return the secret. Raises CannotOpen."""
        kind, rest = kept[:1], kept[1:]
        if kind == _CLEAR:
            return rest
        for key in self._keys:
            try:
                return key.decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], of.bytes)
            except InvalidTag:
                continue
        raise CannotOpen("a secret cannot be opened with the SECRET_KEY that is set")

    def seal_text(self, value: bytes, of: UUID) -> str:
        """Seal what goes out into the world, as text for a link or an id."""
        return base64.urlsafe_b64encode(self.seal(value, of)).rstrip(b"=").decode()

    def open_text(self, text: str, of: UUID) -> bytes:
        """Return what was sealed as text. Raises CannotOpen, also for text that is not sealed."""
        try:
            kept = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            # from the world only what was sealed is believed
            if kept[:1] == _SEALED:
                return self.open(kept, of)
        except ValueError as error:
            raise CannotOpen("this text was never sealed") from error
        raise CannotOpen("this text was never sealed")


def _derived(key: str, purpose: str) -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=f"darkroom {purpose}".encode()).derive(key.encode())

"""Quotes: what a request will cost, promised for a quarter of an hour.

A quote needs no table: its id is the promise itself, sealed for the account, and any replica can
read it. To alter it, or use it in another account, is to make it unreadable.
"""

import time
from collections.abc import Sequence

import msgspec

from kit.sealing import CannotOpen, Vault
from proto.ids import AccountId
from services.gateway.problems import Problem

GOOD_FOR_SECONDS = 900
_PREFIX = "quote_"
_LONGEST = 1000


class Quote(msgspec.Struct, frozen=True, array_like=True):
    """A promise."""

    operation: str
    units: int
    unit_tokens: int
    expires_at: float
    """Seconds since 1970."""

    @property
    def tokens(self) -> int:
        """What is held, and at most charged."""
        return self.units * self.unit_tokens


class Quotes:
    """Makes quotes and reads them back."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._vault = Vault(secrets, "quotes")

    def make(
        self, account: AccountId, operation: str, units: int, unit_tokens: int
    ) -> tuple[str, Quote]:
        """Return a quote and its id."""
        quote = Quote(operation, units, unit_tokens, float(int(time.time()) + GOOD_FOR_SECONDS))
        return _PREFIX + self._vault.seal_text(msgspec.msgpack.encode(quote), account), quote

    def price(
        self, account: AccountId, quote_id: str, operation: str, units: int, unit_tokens: int
    ) -> int:
        """Return the tokens of a unit: as quoted, or `unit_tokens` where there is no quote.

        Raises Problem: 422 for a quote that is none or is for something else, 409 for an old one.
        """
        if not quote_id:
            return unit_tokens
        quote = self._read(account, quote_id)
        if (quote.operation, quote.units) != (operation, units):
            said = f"{quote.units} of {quote.operation}, this request is {units} of {operation}"
            raise Problem(422, "QUOTE_MISMATCH", f"the quote is for {said}")
        if quote.expires_at <= time.time():
            raise Problem(409, "QUOTE_EXPIRED", "the quote has expired, ask for another")
        return quote.unit_tokens

    def _read(self, account: AccountId, quote_id: str) -> Quote:
        not_valid = Problem(422, "QUOTE_NOT_VALID", "there is no such quote in this account")
        if len(quote_id) > _LONGEST or not quote_id.startswith(_PREFIX):
            raise not_valid
        try:
            opened = self._vault.open_text(quote_id.removeprefix(_PREFIX), account)
            return msgspec.msgpack.decode(opened, type=Quote)
        except (CannotOpen, msgspec.DecodeError) as error:
            raise not_valid from error

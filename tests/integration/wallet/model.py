"""The rules of the wallet once more, in a few lines of Python: what the tests hold the books to.

An account is read from the database, one request is carried out on it here and there, and both must
come to the same.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from kit.database import Pool
from proto.wallet import Attach, Balance, Grant, Refund, Reserve, Settle, TopUp

GRANTS = """
SELECT key, tokens, expires_at, expires_at > now() AS live,
       CASE WHEN expires_at > now() THEN remaining ELSE 0 END AS "left"
FROM wallet.grants WHERE account_id = $1 ORDER BY expires_at, number
"""

HOLDS = """
SELECT number, key, reserved AS tokens, api_key AS spender, state, consumed, job_id AS job,
       state = 'held' AND coalesce(expires_at <= now(), false) AS over
FROM wallet.reservations WHERE account_id = $1
"""

USES = """
SELECT r.key AS hold, g.key AS grant, u.tokens FROM wallet.grant_uses AS u
JOIN wallet.reservations AS r ON r.account_id = u.account_id AND r.number = u.reservation
JOIN wallet.grants AS g ON g.account_id = u.account_id AND g.number = u.grant_number
WHERE u.account_id = $1
"""

PAID = """
SELECT coalesce(sum(tokens), 0)::bigint FROM wallet.legs
WHERE account_id = $1 AND place = 'available'
"""


@dataclass
class Given:
    """A grant, and what is left of it: nothing, if it has lapsed."""

    tokens: int
    expires_at: datetime
    live: bool
    left: int


@dataclass
class Held:
    """A hold, and how it ended."""

    tokens: int
    spender: UUID | None
    uses: dict[str, int] = field(default_factory=dict)
    """Tokens of each grant, by its key."""
    state: str = "held"
    consumed: int = 0
    over: bool = False
    job: UUID | None = None


@dataclass
class Account:
    """What an account owns; grants in the order in which they lapse."""

    paid: int
    grants: dict[str, Given]
    holds: dict[str, Held]
    numbers: dict[int, str] = field(default_factory=dict, compare=False)
    """The key of each hold."""
    top_ups: dict[str, int] = field(default_factory=dict)

    @property
    def granted(self) -> int:
        return sum(grant.left for grant in self.grants.values())

    @property
    def balance(self) -> Balance:
        held = sum(hold.tokens for hold in self.holds.values() if hold.state == "held")
        return Balance(available=self.paid + self.granted, held=held, promotional=self.granted)

    def counted(self, spender: UUID) -> int:
        """What a key has spent and holds."""
        mine = (hold for hold in self.holds.values() if hold.spender == spender)
        return sum(hold.tokens if hold.state == "held" else hold.consumed for hold in mine)

    def carry_out(self, request: Any) -> str:
        """Do what is asked; returns the state of the hold, or the name of the refusal."""
        match request:
            case Reserve():
                return self._reserve(request)
            case TopUp():
                return self._top_up(request)
            case Grant():
                return self._grant(request)
        hold = self.holds.get(self.numbers.get(request.number, ""))
        if hold is None:
            return "NotFound"
        match request:
            case Settle():
                return self._settle(hold, request.consumed)
            case Refund():
                return self._refund(hold)
            case Attach():
                return self._attach(hold, request.job)
        raise AssertionError(request)

    def sweep(self) -> None:
        for hold in self.holds.values():
            if hold.state == "held" and hold.over:
                self._end(hold, "expired", 0)

    def _reserve(self, request: Reserve) -> str:
        earlier = self.holds.get(request.key)
        if earlier is not None:
            return earlier.state if earlier.tokens == request.tokens else "IdempotencyConflict"
        if self.paid + self.granted < request.tokens:
            return "InsufficientTokens"
        spender, cap = request.api_key, request.credit_cap
        if spender and cap is not None and self.counted(spender) + request.tokens > cap:
            return "SpendCapReached"
        wanted, uses = request.tokens, {}
        for key, grant in self.grants.items():
            if part := min(wanted, grant.left):
                grant.left -= part
                wanted -= part
                uses[key] = part
        self.paid -= wanted
        self.holds[request.key] = Held(request.tokens, request.api_key, uses)
        return "held"

    def _settle(self, hold: Held, consumed: int) -> str:
        if (hold.state, hold.consumed) == ("settled", consumed):
            return "settled"
        if hold.state != "held" or hold.over or consumed > hold.tokens:
            return "ReservationEnded"
        return self._end(hold, "settled", consumed)

    def _refund(self, hold: Held) -> str:
        if hold.state == "settled":
            return "ReservationEnded"
        return hold.state if hold.state != "held" else self._end(hold, "refunded", 0)

    def _attach(self, hold: Held, job: UUID) -> str:
        if hold.state != "held" or hold.over:
            return "ReservationEnded"
        if hold.job not in (None, job):
            return "IdempotencyConflict"
        hold.job = job
        return "held"

    def _end(self, hold: Held, state: str, consumed: int) -> str:
        hold.state, hold.consumed, hold.over = state, consumed, False
        back = hold.tokens - consumed
        paid = min(back, hold.tokens - sum(hold.uses.values()))
        self.paid += paid
        back -= paid
        for key in reversed(self.grants):
            part = min(back, hold.uses.get(key, 0))
            back -= part
            if self.grants[key].live:
                self.grants[key].left += part
        return state

    def _top_up(self, request: TopUp) -> str:
        if request.key not in self.top_ups:
            self.top_ups[request.key] = request.tokens
            self.paid += request.tokens
        same = self.top_ups[request.key] == request.tokens
        return "added" if same else "IdempotencyConflict"

    def _grant(self, request: Grant) -> str:
        earlier = self.grants.get(request.key)
        if earlier is not None:
            same = (earlier.tokens, earlier.expires_at) == (request.tokens, request.expires_at)
            return "added" if same else "IdempotencyConflict"
        new = Given(request.tokens, request.expires_at, live=True, left=request.tokens)
        grants = [*self.grants.items(), (request.key, new)]
        self.grants = dict(sorted(grants, key=lambda item: item[1].expires_at))
        return "added"


async def read(pool: Pool, account: UUID) -> Account:
    """Read an account as its entries, holds and grants have it; not what is cached of them."""
    grants = await pool.fetch(GRANTS, account)
    holds = await pool.fetch(HOLDS, account)
    top_ups = await pool.fetch(
        "SELECT key, tokens FROM wallet.top_ups WHERE account_id = $1", account
    )
    found = Account(
        paid=await pool.fetchval(PAID, account),
        grants={key: Given(**rest) for key, rest in map(_keyed, grants)},
        holds={},
        top_ups={row["key"]: row["tokens"] for row in top_ups},
    )
    for key, rest in map(_keyed, holds):
        found.numbers[rest.pop("number")] = key
        found.holds[key] = Held(**rest)
    for row in await pool.fetch(USES, account):
        found.holds[row["hold"]].uses[row["grant"]] = row["tokens"]
    return found


def _keyed(row: Any) -> tuple[str, dict[str, Any]]:
    rest = dict(row)
    return rest.pop("key"), rest

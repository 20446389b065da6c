"""How tokens moved, counted as they move, and what stands open in the books, read from them."""

from prometheus_client import Counter, Gauge, Histogram

from kit.database import Pool
from kit.metrics import SECONDS, Few

RESERVED = Counter("darkroom_wallet_tokens_reserved", "Tokens held for work")
BY_OPERATION = Counter(
    "darkroom_wallet_operation_tokens_reserved",
    "The same by what is paid for, as the price book names it; there from its first hold on",
    ("operation",),
)
SETTLED = Counter("darkroom_wallet_tokens_settled", "Tokens captured for work that was done")
REFUNDED = Counter(
    "darkroom_wallet_tokens_refunded",
    "Tokens that went back: the rest of a settlement, a refund, or a hold that lapsed",
    ("way",),
)
ADDED = Counter("darkroom_wallet_tokens_added", "Tokens topped up or granted", ("way",))
HOLDS = Counter(
    "darkroom_wallet_holds", "Holds asked for, by how: held, short, capped, conflict", ("outcome",)
)
BATCH_SIZE = Histogram(
    "darkroom_wallet_batch_wishes",
    "Holds and ends that one statement carried out",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128),
)
BATCH_SECONDS = Histogram(
    "darkroom_wallet_batch_duration_seconds",
    "Time that a batch took in the database",
    buckets=SECONDS,
)

OPEN_HOLDS = Gauge("darkroom_wallet_open_holds", "Holds that have not ended", ("owner",))
HELD_TOKENS = Gauge("darkroom_wallet_held_tokens", "Tokens in open holds", ("owner",))
OLDEST_HOLD = Gauge(
    "darkroom_wallet_oldest_hold_age_seconds", "Age of the oldest open hold; 0 if none", ("owner",)
)
OVERDUE_HOLD = Gauge(
    "darkroom_wallet_hold_overdue_seconds",
    "How long the hold that lapsed first has been waiting for the sweep; 0 if none",
)
MISMATCH = Gauge(
    "darkroom_wallet_held_mismatch_tokens",
    "What accounts say they hold, less what their open holds add up to; always 0",
)

SURVEY = """
SELECT
    count(*) FILTER (WHERE job_id IS NULL) AS calls,
    coalesce(sum(reserved) FILTER (WHERE job_id IS NULL), 0)::bigint AS call_tokens,
    coalesce(extract(epoch FROM now() - min(created_at) FILTER (WHERE job_id IS NULL)), 0)::float8
        AS call_age,
    count(job_id) AS jobs,
    coalesce(sum(reserved) FILTER (WHERE job_id IS NOT NULL), 0)::bigint AS job_tokens,
    coalesce(extract(epoch FROM now() - min(created_at) FILTER (WHERE job_id IS NOT NULL)), 0)
        ::float8 AS job_age,
    greatest(coalesce(extract(epoch FROM now() - min(expires_at)), 0), 0)::float8 AS overdue
FROM wallet.reservations WHERE state = 'held'
"""
"""The open holds, which have an index of their own."""

COMPARE = """
SELECT (SELECT coalesce(sum(held), 0) FROM wallet.accounts)::bigint
    - (SELECT coalesce(sum(reserved), 0) FROM wallet.reservations WHERE state = 'held')::bigint
"""
"""One statement, and so of one moment. Reads every account."""

COMPARE_SECONDS = 60.0

_MOST_OPERATIONS = 50
_operation = Few(_MOST_OPERATIONS)

for _outcome in ("held", "short", "capped", "conflict"):
    HOLDS.labels(_outcome)
for _way in ("settled", "refunded", "expired"):
    REFUNDED.labels(_way)
_topped_up = ADDED.labels("top_up")
_granted = ADDED.labels("grant")


class Tally:
    """What one batch came to, added to the counters in one go: thousands may come in a second."""

    __slots__ = ("_back", "_outcomes", "_reserved", "_settled")

    def __init__(self) -> None:
        self._outcomes: dict[str, int] = {}
        self._reserved: dict[str, int] = {}
        self._settled = 0
        self._back: dict[str, int] = {}

    def held(self, code: str, operation: str, tokens: int) -> None:
        """Count a hold that was asked for: `done` now, `same` before, or refused."""
        if code == "done":
            self._outcomes["held"] = self._outcomes.get("held", 0) + 1
            self._reserved[operation] = self._reserved.get(operation, 0) + tokens
        elif code != "same":
            self._outcomes[code] = self._outcomes.get(code, 0) + 1

    def ended(self, code: str, way: str, reserved: int, consumed: int) -> None:
        """Count the end of a hold, if this was it."""
        if code == "done":
            self._settled += consumed
            self._back[way] = self._back.get(way, 0) + reserved - consumed

    def add(self) -> None:
        """Add it to the counters, once what it counts is committed."""
        for outcome, number in self._outcomes.items():
            HOLDS.labels(outcome).inc(number)
        for operation, tokens in self._reserved.items():
            RESERVED.inc(tokens)
            BY_OPERATION.labels(_operation(operation)).inc(tokens)
        for way, tokens in self._back.items():
            REFUNDED.labels(way).inc(tokens)
        SETTLED.inc(self._settled)


def added(tokens: int, *, granted: bool) -> None:
    """Count tokens that came into an account."""
    (_granted if granted else _topped_up).inc(tokens)


async def survey(pool: Pool) -> None:
    """Read what stands open."""
    row = await pool.fetchrow(SURVEY)
    assert row is not None  # noqa: S101 - an aggregate gives one row
    OPEN_HOLDS.labels("call").set(row["calls"])
    OPEN_HOLDS.labels("job").set(row["jobs"])
    HELD_TOKENS.labels("call").set(row["call_tokens"])
    HELD_TOKENS.labels("job").set(row["job_tokens"])
    OLDEST_HOLD.labels("call").set(row["call_age"])
    OLDEST_HOLD.labels("job").set(row["job_age"])
    OVERDUE_HOLD.set(row["overdue"])


async def compare(pool: Pool) -> None:
    """Compare what accounts say they hold with their holds."""
    MISMATCH.set(await pool.fetchval(COMPARE))

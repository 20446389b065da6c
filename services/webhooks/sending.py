"""Telling what is due: a few attempts at once for each endpoint, so that a slow one delays none.

Every attempt ends in the database. What is not written there, because this process or its
connection died, is attempted again when the lease has lapsed: receivers go by `webhook-id`.
"""

import asyncio
import random
import time
from datetime import timedelta

import structlog
from prometheus_client import Counter, Gauge, Histogram

from kit import context, tracing
from kit.database import Pool
from kit.fetching import Fetcher, FetchError
from kit.sealing import CannotOpen, Vault
from services.webhooks import retries, signing
from services.webhooks.claims import Claim, Claims, Outcome

log = structlog.get_logger(__name__)

ATTEMPTS = Counter(
    "darkroom_webhook_attempts",
    "Attempts to tell an event: delivered, retried later, or failed for good",
    ("outcome",),
)

DELIVERED_AFTER = Histogram(
    "darkroom_webhook_delivery_duration_seconds",
    "From an event to the receiver that took it, retries and their pauses included",
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 300, 3600, 43_200, 86_400),
)
PENDING = Gauge(
    "darkroom_webhook_deliveries_pending", "Deliveries that are due or wait for a retry"
)
OLDEST_DUE = Gauge(
    "darkroom_webhook_oldest_due_age_seconds",
    "For how long the delivery that is due longest has been waiting for an attempt; 0 if none",
)

SURVEY = """
SELECT count(*) AS pending, coalesce(extract(epoch FROM now() - min(next_attempt) FILTER (
    WHERE next_attempt <= now() AND (leased_until IS NULL OR leased_until <= now()))), 0)::float8
    AS oldest
FROM webhooks.deliveries WHERE state = 'pending'
"""

for _outcome in ("delivered", "retried", "failed"):
    ATTEMPTS.labels(_outcome)

AT_ONCE = 64
"""As many connections as the fetcher opens."""
PER_ENDPOINT = 3
LEASE = timedelta(seconds=60)
"""Several times what an attempt may take."""

_IDLE_SECONDS = 1.0
_ANSWER_BYTES = 64 * 1024
_GONE = 410


class Sender:
    """Attempts what is due, side by side with the senders of other replicas."""

    def __init__(
        self,
        pool: Pool,
        fetcher: Fetcher,
        vault: Vault,
        *,
        at_once: int = AT_ONCE,
        per_endpoint: int = PER_ENDPOINT,
        lease: timedelta = LEASE,
    ) -> None:
        self._claims = Claims(pool, per_endpoint, lease)
        self._fetcher = fetcher
        self._vault = vault
        self._at_once = at_once
        self._under_way = 0
        self._changed = asyncio.Event()
        self._stopping = False

    def wake(self) -> None:
        """Look now: something may have become due."""
        self._changed.set()

    def stop(self) -> None:
        """Take nothing new; `run` returns when what is under way has ended."""
        self._stopping = True
        self.wake()

    async def run(self) -> None:
        """Attempt what is due, until stopped. Cancelled, it leaves the rest to its lease."""
        async with asyncio.TaskGroup() as attempts:
            while not self._stopping:
                self._changed.clear()
                claimed = await self._take()
                for claim in claimed:
                    self._under_way += 1
                    attempts.create_task(self._tell(claim)).add_done_callback(self._ended)
                if not claimed:
                    await self._rest()

    async def _take(self) -> list[Claim]:
        free = self._at_once - self._under_way
        if not free:
            return []
        try:
            return await self._claims.take(free)
        except Exception as error:  # noqa: BLE001 - the database may be back the next time
            log.warning("nothing can be claimed", error=type(error).__name__)
            await asyncio.sleep(_IDLE_SECONDS)
            return []

    async def _rest(self) -> None:
        """Wait until there may be something to do: room, news, or a retry that has become due."""
        try:
            async with asyncio.timeout(_IDLE_SECONDS):
                await self._changed.wait()
        except TimeoutError:
            pass

    def _ended(self, _: asyncio.Task[None]) -> None:
        self._under_way -= 1
        self.wake()

    async def _tell(self, claim: Claim) -> None:
        context.correlation_id.set(claim.correlation_id)
        try:
            with tracing.span("webhook", "consumer", parent="") as span:
                began = time.monotonic()
                status, wrong = await self._attempt(claim)
                took = round((time.monotonic() - began) * 1000)
                if wrong:
                    span.fail(wrong)
            await self._note(claim, Outcome(status, wrong, took))
        except Exception as error:
            log.warning("attempt not written down", **_facts(claim), exc_info=error)

    async def _attempt(self, claim: Claim) -> tuple[int | None, str | None]:
        """Return the status of the answer, if one came, and what is wrong, if anything is."""
        try:
            secrets = [self._vault.open(sealed, claim.endpoint) for sealed in claim.secrets]
        except CannotOpen as error:
            log.warning("secret unreadable", error=str(error), **_facts(claim))
            return None, "SECRET_UNREADABLE"
        headers = signing.headers(secrets, str(claim.event), int(time.time()), claim.body)
        try:
            status = await self._fetcher.post(claim.url, claim.body, headers, _ANSWER_BYTES)
        except FetchError as error:
            return None, error.code
        return status, _judged(status)

    async def _note(self, claim: Claim, outcome: Outcome) -> None:
        status, error = outcome.status, outcome.error
        if error is None:
            await self._claims.delivered(claim, outcome)
            ATTEMPTS.labels("delivered").inc()
            DELIVERED_AFTER.observe(claim.age.total_seconds())
            log.info("delivered", status=status, **_facts(claim))
            return
        if status == _GONE and await self._claims.gone(claim, outcome):
            ATTEMPTS.labels("failed").inc()
            log.info("receiver is gone, endpoint disabled", **_facts(claim))
            return
        wait = retries.delay(claim.attempts, claim.age, random.random())  # noqa: S311 - hides nothing
        await self._claims.failed(claim, outcome, wait)
        ATTEMPTS.labels("retried" if wait else "failed").inc()
        log.info("not delivered", status=status, error=error, again=bool(wait), **_facts(claim))


async def survey(pool: Pool) -> None:
    """Read how much waits to be told."""
    row = await pool.fetchrow(SURVEY)
    assert row is not None  # noqa: S101 - an aggregate gives one row
    PENDING.set(row["pending"])
    OLDEST_DUE.set(row["oldest"])


def _judged(status: int) -> str | None:
    """Return what is wrong with an answer, None if nothing is."""
    match status // 100:
        case 2:
            return None
        case 3:
            return "REDIRECTED"
        case _:
            return "GONE" if status == _GONE else "BAD_STATUS"


def _facts(claim: Claim) -> dict[str, object]:
    """Return what a log line may say: a URL may hold a password."""
    return {
        "endpoint": str(claim.endpoint),
        "webhook_id": str(claim.event),
        "type": claim.type,
        "attempt": claim.attempts,
    }

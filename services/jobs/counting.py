"""How items and jobs ended, counted as they end, and what stands open in the book, read from it."""

from prometheus_client import Counter, Gauge, Histogram

from kit.database import Pool

ITEMS_ENDED = Counter(
    "darkroom_jobs_items_ended",
    "Items that ended: succeeded, failed for what was sent, cancelled, dead because of a fault of "
    "ours, or overdue because nobody could do them in time",
    ("kind", "outcome"),
)
CLOSED = Counter("darkroom_jobs_closed", "Jobs that closed", ("kind", "state"))
SECONDS = Histogram(
    "darkroom_job_duration_seconds",
    "From a job's start to its close",
    ("kind",),
    buckets=(1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600, 10_800, 43_200, 86_400),
)
LOST = Counter(
    "darkroom_jobs_items_recovered",
    "Items put back into the book because their tickets or workers were gone",
)

ITEMS = Gauge("darkroom_jobs_items", "Items of open jobs by where they are", ("kind", "state"))
OPEN = Gauge("darkroom_jobs_open", "Jobs that have begun and not ended", ("kind",))
OLDEST_WAITING = Gauge(
    "darkroom_jobs_oldest_waiting_item_age_seconds",
    "How long ago the oldest job began that has items which nobody works on; 0 if none",
    ("kind",),
)
CLOSING = Gauge("darkroom_jobs_closing", "Jobs whose items have ended and that are not closed")
OLDEST_CLOSING = Gauge(
    "darkroom_jobs_oldest_closing_age_seconds",
    "Since when the oldest of these could have been closed; 0 if there is none",
)
UNTOLD = Gauge("darkroom_jobs_untold", "Jobs that have closed and whose event is not published")
OLDEST_UNTOLD = Gauge(
    "darkroom_jobs_oldest_untold_age_seconds", "How long ago the oldest of these closed; 0 if none"
)
QUEUE = Gauge(
    "darkroom_jobs_queue_tickets",
    "Tickets in the work queue: waiting, or given to a worker and not acknowledged",
    ("kind", "state"),
)
REDELIVERED = Gauge(
    "darkroom_jobs_queue_redelivered",
    "Tickets in the work queue that were given out more than once",
    ("kind",),
)

OPEN_ITEMS = """
SELECT k.name AS kind, count(o.kind) AS jobs, coalesce(sum(o.waiting), 0)::bigint AS waiting,
    coalesce(sum(o.queued), 0)::bigint AS queued, coalesce(sum(o.running), 0)::bigint AS running,
    coalesce(extract(epoch FROM now() - min(o.queued_at) FILTER (WHERE o.waiting + o.queued > 0)),
        0)::float8 AS oldest
FROM jobs.kinds AS k LEFT JOIN (
    SELECT j.kind, j.queued_at, w.waiting, h.queued, h.running FROM jobs.jobs AS j
    CROSS JOIN LATERAL (
        SELECT count(*) AS waiting FROM jobs.items
        WHERE job_id = j.id AND state = 'waiting' AND same_as IS NULL
    ) AS w
    CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE state = 'queued') AS queued,
            count(*) FILTER (WHERE state = 'running') AS running
        FROM jobs.items WHERE job_id = j.id AND state IN ('queued', 'running')
    ) AS h
    WHERE j.state IN ('queued', 'running')
) AS o ON o.kind = k.name
GROUP BY k.name
"""
"""Each part has an index: open jobs, items that wait, items that were handed out."""

CLOSINGS = """
SELECT count(*) AS closing,
    coalesce(extract(epoch FROM now() - min(i.ended_at)), 0)::float8 AS oldest
FROM jobs.jobs AS j LEFT JOIN jobs.items AS i ON i.job_id = j.id AND i.ended = j.total
WHERE j.state = 'closing'
"""
"""The item that ended in the last place ended last."""

UNTOLDS = """
SELECT count(*) AS untold,
    coalesce(extract(epoch FROM now() - min(closed_at)), 0)::float8 AS oldest
FROM jobs.jobs WHERE closed_at IS NOT NULL AND told_at IS NULL
"""

_OUTCOMES = ("succeeded", "failed", "cancelled", "dead", "overdue")
_STATES = ("completed", "failed", "cancelled")
_OURS = {"PROCESSING_FAILED": "dead", "TIMED_OUT": "overdue", "ENGINE_UNAVAILABLE": "overdue"}
"""Codes of items that failed for what was not their own fault."""


def ended(kind: str, outcome: str, items: int) -> None:
    """Count items that have ended, once that is committed."""
    if items:
        ITEMS_ENDED.labels(kind, outcome).inc(items)


def outcome(code: str, *, succeeded: bool, cancelled: bool) -> str:
    """Return under what an item that ended with a code is counted."""
    if succeeded or cancelled:
        return "succeeded" if succeeded else "cancelled"
    return _OURS.get(code, "failed")


def closed(kind: str, state: str, seconds: float) -> None:
    """Count a job that has closed."""
    CLOSED.labels(kind, state).inc()
    SECONDS.labels(kind).observe(seconds)


def known(kind: str) -> None:
    """Let everything about a kind be there with 0."""
    for each in _OUTCOMES:
        ITEMS_ENDED.labels(kind, each)
    for state in _STATES:
        CLOSED.labels(kind, state)
    SECONDS.labels(kind)


def queue(kind: str, waiting: int, unacknowledged: int, redelivered: int) -> None:
    """Note how the work queue of a kind stands."""
    QUEUE.labels(kind, "waiting").set(waiting)
    QUEUE.labels(kind, "unacknowledged").set(unacknowledged)
    REDELIVERED.labels(kind).set(redelivered)


async def survey(pool: Pool) -> None:
    """Read what stands open."""
    for row in await pool.fetch(OPEN_ITEMS):
        kind = row["kind"]
        known(kind)
        OPEN.labels(kind).set(row["jobs"])
        for state in ("waiting", "queued", "running"):
            ITEMS.labels(kind, state).set(row[state])
        OLDEST_WAITING.labels(kind).set(row["oldest"])
    closings = await pool.fetchrow(CLOSINGS)
    untolds = await pool.fetchrow(UNTOLDS)
    assert closings is not None  # noqa: S101 - an aggregate gives one row
    assert untolds is not None  # noqa: S101 - as above
    CLOSING.set(closings["closing"])
    OLDEST_CLOSING.set(closings["oldest"])
    UNTOLD.set(untolds["untold"])
    OLDEST_UNTOLD.set(untolds["oldest"])

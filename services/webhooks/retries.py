"""When to try again."""

from datetime import timedelta

_DELAYS = (
    timedelta(seconds=5),
    timedelta(seconds=30),
    timedelta(minutes=2),
    timedelta(minutes=10),
    timedelta(hours=1),
    timedelta(hours=3),
    timedelta(hours=6),
    timedelta(hours=6),
    timedelta(hours=6),
)
"""After the first attempt, the second, and so on: a little more than 22 hours in all."""

_AT_MOST = timedelta(hours=24)
_JITTER = 0.2


def delay(attempts: int, age: timedelta, chance: float) -> timedelta | None:
    """Return how long to wait after an attempt that failed, None to give up.

    Args:
        attempts: How many there were, this one included.
        age: How long ago the event came.
        chance: From 0 to 1; shortens the wait by up to a fifth, so that what failed together does
            not come again together.
    """
    if attempts > len(_DELAYS):
        return None
    wait = _DELAYS[attempts - 1] * (1 - _JITTER * chance)
    return wait if age + wait <= _AT_MOST else None

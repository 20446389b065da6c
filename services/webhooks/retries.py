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
)
"""After the first attempt, the second, and so on; the last of them again and again."""

LAST_AFTER = timedelta(hours=23, minutes=57)
"""How long after the event the last attempt begins: before 24 hours are over, whatever it waits
for until it is made."""

_JITTER = 0.2


def delay(attempts: int, age: timedelta, chance: float) -> timedelta | None:
    """Return how long to wait after an attempt that failed, None to give up.

    Args:
        attempts: How many there were, this one included.
        age: How long ago the event came.
        chance: From 0 to 1; shortens the wait by up to a fifth, so that what failed together does
            not come again together.
    """
    left = LAST_AFTER - age
    if left <= timedelta():
        return None
    wait = _DELAYS[min(attempts, len(_DELAYS)) - 1] * (1 - _JITTER * chance)
    return min(wait, left)

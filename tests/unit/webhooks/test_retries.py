import random
from datetime import timedelta

import pytest

from services.webhooks.app import ATTEMPT_SECONDS
from services.webhooks.retries import LAST_AFTER, delay

NOW = timedelta()


def last(chance: "random.Random", takes: timedelta) -> tuple[int, timedelta]:
    """How many attempts there are when all fail, and how long after the first the last one is."""
    attempts, age = 1, NOW
    while wait := delay(attempts, age, chance.random()):
        # the age is that at the beginning of an attempt, the wait begins at its end
        attempts, age = attempts + 1, age + takes + wait
    return attempts, age


class Always(random.Random):
    """The same chance every time."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def random(self) -> float:
        return self.value


CHANCES = [Always(0.0), Always(0.5), Always(1.0), *(random.Random(seed) for seed in range(200))]


def test_the_waits_grow_from_seconds_to_hours_and_stay_there() -> None:
    waits = [delay(attempts, NOW, 0.0) for attempts in range(1, 10)]
    seconds = [wait.total_seconds() for wait in waits if wait]
    assert seconds == [5, 30, 120, 600, 3600, 10_800, 21_600, 21_600, 21_600]


@pytest.mark.parametrize("takes", [NOW, timedelta(seconds=ATTEMPT_SECONDS)], ids=["quick", "slow"])
def test_the_last_attempt_is_a_day_after_the_first_whatever_chance_says(takes: timedelta) -> None:
    for chance in CHANCES:
        attempts, age = last(chance, takes)
        assert timedelta(hours=23.9) <= age <= timedelta(hours=24)
        assert 10 <= attempts <= 12


def test_chance_shortens_a_wait_by_up_to_a_fifth() -> None:
    assert delay(2, NOW, 1.0) == timedelta(seconds=24)
    assert delay(2, NOW, 0.5) == timedelta(seconds=27)


def test_nothing_is_tried_again_more_than_a_day_after_it_came() -> None:
    moment = timedelta(seconds=1)
    assert delay(1, LAST_AFTER - moment, 0.0) == moment
    assert delay(1, LAST_AFTER, 0.0) is None
    assert delay(1, LAST_AFTER * 2, 0.0) is None

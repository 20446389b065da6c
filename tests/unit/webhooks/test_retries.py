from datetime import timedelta

import pytest

from services.webhooks.retries import delay

NOW = timedelta()


def total(chance: float) -> tuple[int, timedelta]:
    """How many attempts there are when all fail, and how long after the event the last one is."""
    attempts, age = 1, NOW
    while wait := delay(attempts, age, chance):
        attempts, age = attempts + 1, age + wait
    return attempts, age


def test_the_waits_grow_from_seconds_to_hours() -> None:
    waits = [delay(attempts, NOW, 0.0) for attempts in range(1, 8)]
    seconds = [wait.total_seconds() for wait in waits if wait]
    assert seconds == [5, 30, 120, 600, 3600, 10_800, 21_600]


@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
def test_an_event_is_tried_ten_times_over_most_of_a_day(chance: float) -> None:
    attempts, age = total(chance)
    assert attempts == 10
    assert timedelta(hours=17) < age < timedelta(hours=24)


def test_chance_shortens_a_wait_by_up_to_a_fifth() -> None:
    assert delay(2, NOW, 1.0) == timedelta(seconds=24)
    assert delay(2, NOW, 0.5) == timedelta(seconds=27)


def test_nothing_is_tried_again_more_than_a_day_after_it_came() -> None:
    day = timedelta(hours=24)
    assert delay(1, day - timedelta(seconds=5), 0.0) == timedelta(seconds=5)
    assert delay(1, day - timedelta(seconds=4), 0.0) is None

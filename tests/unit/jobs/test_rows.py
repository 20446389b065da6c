"""Measures as they are kept: one value after the other, and the same as over all of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.jobs.rows import Tally, tallies, written

values = st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=200)


def tally(of: list[float]) -> Tally:
    made = Tally()
    for value in of:
        made.add(value)
    return made


@given(values)
def test_a_tally_is_what_numpy_finds(told: list[float]) -> None:
    made = tally(told)
    spread = np.ptp(told)
    assert made.count == len(told)
    assert made.mean == pytest.approx(np.mean(told), rel=1e-9, abs=1e-9 * spread + 1e-9)
    deviation = np.sqrt(made.squares / made.count)
    assert deviation == pytest.approx(np.std(told), rel=1e-6, abs=1e-6 * spread + 1e-6)


def test_a_small_spread_about_a_large_mean_is_not_lost() -> None:
    told = [1e9 + value for value in (4.0, 7.0, 13.0, 16.0)]
    assert tally(told).squares / 4 == pytest.approx(22.5)


@given(values)
def test_a_tally_is_read_as_it_was_written(told: list[float]) -> None:
    made = {"sharpness": tally(told)}
    assert tallies(written(made)) == made

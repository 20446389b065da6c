import os
from pathlib import Path

import pytest

from kit import machine

SEEN = len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("told", "cores"),
    [
        ("max 100000", SEEN),
        ("100000 100000", 1),
        ("50000 100000", 1),
        ("1000 100000", 1),
        ("150000 100000", min(SEEN, 2)),
        ("6400000 100000", SEEN),
        ("nonsense", SEEN),
        ("1 0", SEEN),
    ],
)
def test_what_a_container_is_allowed_counts(tmp_path: Path, told: str, cores: int) -> None:
    (tmp_path / "cpu.max").write_text(f"{told}\n")
    assert machine.cores(tmp_path) == cores


def test_without_a_control_group_every_core_counts(tmp_path: Path) -> None:
    assert machine.cores(tmp_path) == SEEN

"""What this process may use of the machine it runs on."""

import math
import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")
"""Where a container sees its own control group (version 2)."""


def cores(cgroup: Path = _CGROUP) -> int:
    """Return how many cores this process may keep busy, at least 1.

    A container that is given two cores of a large machine still sees all of them, and threads for
    all of them would only wait for each other. So what the control group allows counts too.
    """
    seen = len(os.sched_getaffinity(0))
    allowed = _allowed(cgroup / "cpu.max")
    return seen if allowed is None else max(1, min(seen, math.ceil(allowed)))


def _allowed(file: Path) -> float | None:
    """Return how many cores' worth of time a control group gets; None where there is no limit."""
    try:
        quota, period = file.read_text().split()
        return int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):  # no such file, or its first word is `max`
        return None

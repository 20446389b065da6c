"""How much processor time the processes of a stack take for what is measured.

On a machine that has other things to do, it says more than what a clock says.
"""

from collections.abc import Mapping
from contextlib import suppress

import psutil


def seconds(pids: Mapping[str, int]) -> dict[str, float]:
    """Return what each process has taken since it began, with its children."""
    return {name: _taken(pid) for name, pid in pids.items()}


def milliseconds_each(
    before: Mapping[str, float], after: Mapping[str, float], count: int
) -> dict[str, float]:
    """Return what each process took for one of so many things, the busiest first."""
    taken = {name: 1e3 * (after[name] - before[name]) / count for name in before}
    return dict(sorted(taken.items(), key=lambda each: -each[1]))


def _taken(pid: int) -> float:
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        times = [member.cpu_times() for member in (process, *process.children(recursive=True))]
        return sum(each.user + each.system for each in times)
    return 0.0

"""How much the metrics of this process grow while something is done."""

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import REGISTRY


def number(name: str, **labels: str) -> float:
    """Return the present value of a series; 0 where there is none yet."""
    return REGISTRY.get_sample_value(name, labels) or 0.0


class Growth:
    """What each series had at the beginning."""

    def __init__(self) -> None:
        self._before = _all()

    def __call__(self, name: str, **labels: str) -> float:
        """Return by how much a series has grown."""
        key = (name, tuple(sorted(labels.items())))
        return number(name, **labels) - self._before.get(key, 0.0)


@contextmanager
def growing() -> Iterator[Growth]:
    yield Growth()


def _all() -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in REGISTRY.collect()
        for sample in family.samples
    }

"""What operations cost, as bench/operations.py measured it on one machine."""

from pathlib import Path

import msgspec

FILE = Path(__file__).with_name("costs.json")


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """What one unit of an operation costs: a photograph, or a subject of a sheet."""

    units: int
    """How many were measured."""
    cpu_ms: dict[str, float]
    """Processor time by part of the stack."""
    transactions: float
    """Of PostgreSQL, those that only read included."""
    wal_bytes: float
    bus_messages: float
    """Questions between services; each has an answer."""
    stream_messages: float
    """Kept by JetStream."""
    storage_requests: float
    storage_read_bytes: float
    storage_written_bytes: float
    kept_bytes: float
    """Of finished files."""
    received_bytes: float
    """From the client."""

    @property
    def all_cpu_ms(self) -> float:
        """Processor time of all parts."""
        return sum(self.cpu_ms.values())


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """One run."""

    measured_at: str
    machine: str
    load_average: tuple[float, float]
    """Before and after, of what else ran included."""
    photograph_bytes: int
    operations: dict[str, Cost]


def read(file: Path = FILE) -> Costs:
    """Return what was measured last."""
    return msgspec.json.decode(file.read_bytes(), type=Costs)

"""The plan book: what each plan brings."""

from pathlib import Path
from typing import Annotated, get_args

import msgspec
from msgspec import Meta

from proto.plans import Feature, Plan, PlanName

OWN_BOOK = Path(__file__).parent / "plans.toml"

_PerMinute = Annotated[int, Meta(ge=1, le=1_000_000)]


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A plan as the book has it."""

    title: str
    features: list[Feature]
    key_per_minute: _PerMinute
    account_per_minute: _PerMinute
    members: Annotated[int, Meta(ge=1)]


class BadPlanBook(Exception):
    """The plan book cannot be read, or names a plan that there is not."""


class Plans:
    """Every plan by its name, the smallest first."""

    def __init__(self, path: str = "") -> None:
        """Read our own book, and the operator's over it. Raises BadPlanBook."""
        book = _read(OWN_BOOK) | (_read(Path(path)) if path else {})
        self._plans: dict[PlanName, Plan] = {
            name: Plan(name=name, **msgspec.structs.asdict(book[name]))
            for name in get_args(PlanName)
        }

    def __getitem__(self, name: str) -> Plan:
        return self._plans[name]  # type: ignore[index] # the database holds no other names

    @property
    def all(self) -> list[Plan]:
        """Every plan."""
        return list(self._plans.values())


def _read(path: Path) -> dict[PlanName, Entry]:
    try:
        return msgspec.toml.decode(path.read_bytes(), type=dict[PlanName, Entry])
    except (OSError, msgspec.MsgspecError) as error:
        raise BadPlanBook(f"{path}: {error}") from error

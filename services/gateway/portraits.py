"""Portraits as clients see them: results of single photos, and the receipt over all of them."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from kit.bus import decoder
from kit.storage import Storage
from proto.facecrop import FaceBox, Flag, Portrait, Receipt, Warned
from proto.ids import StorageKey
from proto.jobs import Item, Job, Measure
from proto.photos import Rejected

_LENGTHS = ("eye_line", "head", "eye_distance", "roll")
_FLAGS: tuple[Flag, ...] = ("oversized", "padded", "upscaled")

ToLookAt = Literal[Warned, "not_measured"]
"""What the engine warns of, and that the receipt tells what was planned."""


class ErrorOfOne(msgspec.Struct, frozen=True, kw_only=True):
    """Why one photo could not be cropped; it is not charged."""

    code: str
    message: str


class Cropped(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One photo: a face box and links, or an error."""

    filename: str
    icp_type: str
    face_box: FaceBox | None = None
    """In pixels of the upright original."""
    output_urls: dict[str, str] | None = None
    """Signed links, good for a day unless the operator set another time: `original`, `medium`, and
    the further sizes of a preset by their names."""
    faces: list[FaceBox] = []
    """Every face, the largest first, where there are several. Beside one that is sure, faces are
    not sought that are smaller than a twentieth of the photo's shorter side."""
    face_index: int | None = None
    """Which of `faces` the portrait is of: the largest, or of those at least four fifths as large
    the one nearest to the middle of the photo."""
    flags: list[Flag] = []
    """What a print lab wants to know: `oversized`, `padded`, `upscaled`, each if it applies to any
    of the files; `receipt.files` says to which."""
    warnings: list[ToLookAt] = []
    """What a person should look at before printing: `face_small_for_print`, `blurred`,
    `underexposed`, `overexposed`, `head_cut`, `not_measured`."""
    receipt: Receipt | None = None
    """How the portrait came out, measured on it."""
    error: ErrorOfOne | None = None


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """One measure over all portraits, as a fraction of the frame's height or in degrees."""

    mean: float
    deviation: float
    """Standard deviation."""


class ReceiptOfAll(msgspec.Struct, frozen=True, kw_only=True):
    """How alike the portraits are, and how many want a look."""

    portraits: int
    """Photos that are the same count once."""
    measured: int
    """Portraits on which a face was seen again; the measures are over these, and null if there are
    none."""
    eye_line: Spread | None
    head: Spread | None
    eye_distance: Spread | None
    roll: Spread | None
    flags: dict[Flag, int]
    """How many bear each flag."""
    flag_shares: dict[Flag, float]
    """The same as fractions of the portraits."""
    warned: int
    """How many bear a warning."""


class Links:
    """Makes the links of an answer."""

    def __init__(self, storage: Storage, seconds: int) -> None:
        self._storage = storage
        self._seconds = seconds

    async def to(self, key: StorageKey) -> str:
        """Return a link to a file."""
        return await self._storage.link_to_get(key, self._seconds)


async def cropped(
    links: Links, filename: str, icp_type: str, outcome: Portrait | Rejected
) -> Cropped:
    """Return one photo's result."""
    if isinstance(outcome, Rejected):
        error = ErrorOfOne(code=outcome.code, message=outcome.message)
        return Cropped(filename=filename, icp_type=icp_type, error=error)
    several = len(outcome.faces) > 1
    return Cropped(
        filename=filename,
        icp_type=icp_type,
        face_box=outcome.face_box,
        output_urls={name: await links.to(key) for name, key in files(outcome).items()},
        faces=outcome.faces if several else [],
        face_index=outcome.face_index if several else None,
        flags=outcome.flags,
        warnings=warnings(outcome),
        receipt=outcome.receipt,
    )


def files(portrait: Portrait) -> dict[str, StorageKey]:
    """Return what was made, by the names of sizes."""
    return {"original": portrait.original, "medium": portrait.medium, **portrait.more}


def warnings(portrait: Portrait) -> list[ToLookAt]:
    """Return what a person should look at before printing."""
    found: list[ToLookAt] = [*portrait.warnings]
    if not portrait.receipt.measured:
        found.append("not_measured")
    return found


async def of_item(links: Links, job: Job, item: Item) -> Cropped | None:
    """Return the result of an item of a face crop job; None while it has not ended."""
    if item.order is None:
        return None
    return await cropped(links, item.name, job.details.get("icp_type", ""), outcome_of(item))


def outcome_of(item: Item) -> Portrait | Rejected:
    """Return what came of an item of a face crop job that has ended."""
    if item.result is None:
        return Rejected(code=item.code, message=item.message)
    portrait: Portrait = decoder(Portrait).decode(item.result)
    return portrait


def receipt_of(portraits: Sequence[Portrait]) -> ReceiptOfAll | None:
    """Return the receipt over portraits; None if there are none."""
    distinct = list({portrait.medium: portrait for portrait in portraits}.values())
    if not distinct:
        return None
    measured = [portrait.receipt for portrait in distinct if portrait.receipt.measured]
    values = {name: [getattr(receipt, name) for receipt in measured] for name in _LENGTHS}
    flags = {flag: sum(flag in portrait.flags for portrait in distinct) for flag in _FLAGS}
    return ReceiptOfAll(
        portraits=len(distinct),
        measured=len(measured),
        **{
            name: _spread(statistics.fmean(of), statistics.pstdev(of)) if of else None
            for name, of in values.items()
        },
        flags=flags,
        flag_shares=_shares(flags, len(distinct)),
        warned=sum(bool(warnings(portrait)) for portrait in distinct),
    )


def receipt_from(measures: Mapping[str, Measure]) -> ReceiptOfAll | None:
    """Return the receipt over a job from its measures; None if nothing succeeded."""
    # every portrait says whether it bears a warning; only those that were measured say the rest
    every = measures.get("warned")
    if every is None:
        return None
    lengths = {name: measures.get(name) for name in _LENGTHS}
    flags = {flag: _how_many(measures.get(flag)) for flag in _FLAGS}
    return ReceiptOfAll(
        portraits=every.count,
        measured=min(of.count if of else 0 for of in lengths.values()),
        **{name: _spread(of.mean, of.deviation) if of else None for name, of in lengths.items()},
        flags=flags,
        flag_shares=_shares(flags, every.count),
        warned=_how_many(every),
    )


def _spread(mean: float, deviation: float) -> Spread:
    return Spread(mean=round(mean, 5), deviation=round(deviation, 5))


def _shares(flags: Mapping[Flag, int], portraits: int) -> dict[Flag, float]:
    return {flag: round(count / portraits, 5) for flag, count in flags.items()}


def _how_many(measure: Measure | None) -> int:
    """Return for how many items a measure of 0 or 1 was 1."""
    return round(measure.count * measure.mean) if measure else 0

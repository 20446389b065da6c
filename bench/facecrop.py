"""Face crop: the whole stack over HTTP against the bare chain in one process, same photographs.

The bare chain is decode, detect, frame, cut, encode and the look at the finished portrait, with
onnxruntime in the same process and one picture thread a core: what the libraries can do on this
machine when nothing stands between.
"""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from pathlib import Path
from typing import Any

import aiohttp
import cv2

from bench.load import Rate, measure
from bench.memory import watched
from bench.photographs import photographs
from bench.stack import running
from proto.presets import Preset
from services.facecrop import portrait, receipt
from services.facecrop.files import encoded
from services.facecrop.framing import Frame, frame, in_view, main_face
from vision.connect import connect
from vision.decode import decode
from vision.faces import Face, detect, look_again
from vision.picture import Picture, Pixels

REPOSITORY = Path("triton_models/repository")
SCHOOL = Preset(
    name="school",
    aspect=(4, 5),
    head=0.54,
    eye_line=0.40,
    full=(2400, 3000),
    medium=(800, 1000),
)
"""As the gateway asks for it."""
CALLERS = (1, 4, 16)
CALLS = {"512": 200, "12MP": 80, "24MP": 40}
SOAK_CALLS = 1000


async def main() -> None:
    """Measure and print; the last line is one JSON object."""
    cv2.setNumThreads(1)  # as the engine does
    photos = photographs()
    bare = {name: await bare_rates([photo], CALLS[name]) for name, photo in photos.items()}
    async with (
        running(tokens=1_000_000) as (stack, headers),
        aiohttp.ClientSession(headers=headers) as client,
        watched(stack.pids) as watch,
    ):
        over_http = {
            name: await http_rates(client, stack.url, photo, CALLS[name])
            for name, photo in photos.items()
        }
        print("\nmemory over", SOAK_CALLS, "requests of the 12MP photograph")
        growth = await soak(client, stack.url, photos["12MP"], watch.sample)
    best_bare, best_stack = _best(bare["12MP"]), _best(over_http["12MP"])
    result = {
        "stack_images_per_s": best_stack,
        "bare_images_per_s": best_bare,
        "ratio": round(best_stack / best_bare, 3),
        "peak_rss_mb": {name: round(megabytes) for name, megabytes in watch.peak_mb.items()},
        "rss_growth_mb_over_1000": growth,
        "by_photograph": {
            name: {"stack": _best(over_http[name]), "bare": _best(bare[name])} for name in photos
        },
    }
    print(json.dumps(result))


async def bare_rates(photos: Sequence[bytes], calls: int) -> list[Rate]:
    """Run the chain in this process at each number of callers, the photographs taking turns."""
    models = connect(None, REPOSITORY)
    turns = cycle(photos)
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:

        async def crop() -> object:
            picture = await loop.run_in_executor(threads, decode, next(turns))
            found = await detect(models, picture.pixels)
            faces = in_view(found, picture.width, picture.height, 50)
            chosen = main_face([box for _, box in faces], picture.width, picture.height)
            face = faces[chosen][0]
            face = await look_again(models, picture.pixels, face.box, face.roll) or face
            place = frame(face, SCHOOL, picture.width, picture.height)
            drawn, look, medium = await loop.run_in_executor(threads, _drawn, picture, place, face)
            stance, *files = await asyncio.gather(
                receipt.seen(models, face, place, medium),
                loop.run_in_executor(threads, encoded, drawn, SCHOOL),
                loop.run_in_executor(threads, encoded, medium, SCHOOL),
            )
            size = portrait.size_of(drawn)
            told = receipt.files(place, size, size, SCHOOL)
            return receipt.receipt(stance, place, SCHOOL, look, told), files

        size = sum(map(len, photos)) / len(photos)
        print(f"\nbare chain, photograph of {size / 1e6:.1f} MB")
        rates = [await _shown(crop, callers, calls) for callers in CALLERS]
    await models.close()
    return rates


def _drawn(picture: Picture, place: Frame, face: Face) -> tuple[Pixels, receipt.Looks, Pixels]:
    drawn = portrait.cut(picture, place)
    return drawn, receipt.looks(picture, face.box), portrait.resized(drawn, SCHOOL.medium)


async def http_rates(
    client: aiohttp.ClientSession, url: str, photo: bytes, calls: int
) -> list[Rate]:
    """Send uploads of one photograph at each number of callers."""
    print(f"\nstack over HTTP, photograph of {len(photo) / 1e6:.1f} MB")
    return [await _shown(_upload(client, url, photo), callers, calls) for callers in CALLERS]


async def soak(
    client: aiohttp.ClientSession, url: str, photo: bytes, sample: Callable[[], dict[str, float]]
) -> dict[str, int]:
    """Return how much each process grew from the 200th to the last request, in megabytes."""
    upload = _upload(client, url, photo)
    await measure(upload, 4, SOAK_CALLS // 5)
    before = sample()
    await measure(upload, 4, SOAK_CALLS - SOAK_CALLS // 5)
    after = sample()
    return {name: round(after[name] - before[name]) for name in after}


def _upload(client: aiohttp.ClientSession, url: str, photo: bytes) -> Callable[[], Awaitable[Any]]:
    async def upload() -> object:
        form = aiohttp.FormData({"icp_type": "school"})
        form.add_field("file[]", photo, filename="photo.jpg", content_type="image/jpeg")
        async with client.post(f"{url}/v1/services/studio/face-crop/upload", data=form) as answer:
            if answer.status != 200:
                raise SystemExit(f"{answer.status}: {await answer.text()}")
            return await answer.json()

    return upload


async def _shown(call: Callable[[], Awaitable[object]], callers: int, calls: int) -> Rate:
    rate = await measure(call, callers, calls)
    print(rate, flush=True)
    return rate


def _best(rates: list[Rate]) -> float:
    return round(max(rate.per_second for rate in rates), 2)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))

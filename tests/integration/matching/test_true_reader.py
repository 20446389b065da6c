"""The whole way with the real face reader and its models.

There is one person to photograph here, in many ways: that shows that the way holds together and
that somebody is recognised, not how well people are told apart.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image, ImageEnhance, ImageOps

from cli.nats import Nats
from kit.bus import Bus
from kit.storage import Storage
from proto.errors import Unavailable
from proto.facereader import Embedder, GetEmbedder
from proto.ids import AccountId
from proto.matching.references import BuildReferences
from tests.integration.jobs.book import until
from tests.integration.matching.day import Day, told, whose
from tests.integration.matching.reader import FaceReader
from tests.integration.matching.studio import Studio, new_subject

PROJECT = Path(__file__).parents[3]
REPOSITORY = PROJECT / "triton_models" / "repository"

pytestmark = pytest.mark.usefixtures("jobs", "service", "true_reader")


@pytest.fixture(scope="module")
async def true_reader(nats_server: Nats, bus: Bus, folder: Path) -> AsyncIterator[Embedder]:
    """The face reader as a process, its models running in it."""
    if not (REPOSITORY / "face_embedder" / "1" / "model.onnx").exists():
        pytest.skip("the models are not built: run ./just models")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.facereader",
        cwd=PROJECT,
        env={
            "PATH": os.environ["PATH"],
            "NATS_URL": nats_server.url("facereader"),
            "STORAGE_URL": f"file://{folder}",
            "MODEL_REPOSITORY": str(REPOSITORY),
            "LOG_LEVEL": "WARNING",
        },
    )

    async def answers() -> bool:
        try:
            await bus.request(GetEmbedder())
        except Unavailable:
            return False
        return True

    await until(answers)
    yield await bus.request(GetEmbedder())
    process.terminate()
    assert await process.wait() == 0


@pytest.fixture
def day(bus: Bus, storage: Storage, account: AccountId) -> Day:
    return Day(Studio(bus, storage, account), FaceReader(storage))


@pytest.fixture(scope="module")
def ways(astronaut: bytes) -> dict[str, Image.Image]:
    """The same person, photographed in many ways."""
    with Image.open(BytesIO(astronaut)) as opened:
        plain = opened.convert("RGB")
    beside = Image.new("RGB", (1100, 560), (150, 150, 150))
    beside.paste(plain, (0, 48))
    beside.paste(ImageOps.mirror(plain), (560, 48))
    return {
        "plain": plain,
        "mirrored": ImageOps.mirror(plain),
        "tilted": plain.rotate(12, expand=True, fillcolor=(150, 150, 150)),
        "dark": ImageEnhance.Brightness(plain).enhance(0.7),
        "large": plain.resize((1536, 1536)),
        "twice": beside,
        "nobody": Image.new("RGB", (800, 600), (90, 120, 150)),
    }


async def test_somebody_is_recognised(day: Day, ways: dict[str, Image.Image]) -> None:
    agency = await day.studio.with_consent()
    ann, ben = await day.studio.subjects(agency, new_subject(1), new_subject(2))
    await day.studio.references(agency, ann, await day.photo(_jpeg(ways["plain"])))
    await day.studio.references(
        agency, ben, await day.photo(_jpeg(ways["nobody"])), await day.photo(_jpeg(ways["twice"]))
    )
    built = await day.studio.ask(BuildReferences, agency.id)
    assert built.created == 1
    assert {each.code for each in built.problems} == {"NO_FACE", "SEVERAL_FACES"}

    sure = ("mirrored", "tilted", "dark", "large")
    contents = [_jpeg(ways[name]) for name in (*sure, "twice", "nobody")]
    shoot, _ = await day.shoot(agency, *contents, contents[0][:2000])
    match = await day.run(agency, shoot)
    results = await day.results(match)
    assert told(results[:4]) == [("matched", [])] * 4
    assert [whose(each) for each in results[:4]] == [[ann.id]] * 4
    assert all(each.faces[0].candidates[0].score >= 0.85 for each in results[:4])
    twice, nobody, broken = results[4:]
    # nobody is twice in one photograph
    assert twice.state == "needs_review"
    assert sorted(whose(twice), key=str) == sorted([ann.id, None], key=str)
    assert (nobody.state, nobody.reasons) == ("unmatched", ["no_face"])
    assert broken.state == "failed"
    assert match.failed == 1


def _jpeg(picture: Image.Image) -> bytes:
    into = BytesIO()
    picture.save(into, "JPEG", quality=92)
    return into.getvalue()

"""What becomes of photographs when models are away or answer what cannot be."""

from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from cli import ports
from kit.fetching import Fetcher
from kit.storage import Storage
from proto.errors import Broken, Unavailable
from proto.facereader import FacesRead, GetEmbedder, ReadFaces
from proto.photos import StoredPhoto
from services.facereader.endpoints import Endpoints
from services.facereader.reading import FaceReader
from tests.integration.facereader.answering import Server, Spoil, answering
from tests.integration.facereader.conftest import ACCOUNT, KEPT, LIMITS, PHOTO, Desk, Website
from tests.integration.facereader.people import beside, likeness
from vision.connect import connect
from vision.encode import encode_jpeg
from vision.modelcard import EmbedderCard
from vision.models import Tensor
from vision.picture import Pixels

READ = ReadFaces(account=ACCOUNT, photo=StoredPhoto(key=PHOTO))


@pytest.fixture
async def away(card: EmbedderCard, website: Website, tmp_path: Path) -> AsyncIterator[Desk]:
    """A reader whose Triton does not answer."""
    (port,) = ports.free(1)
    models = connect(f"127.0.0.1:{port}", Path("nowhere"))
    reader = FaceReader(models, card, LIMITS)
    allowed = [f"127.0.0.1:{website.port}"]
    async with Storage.open(f"file://{tmp_path}") as storage, Fetcher(allowed) as fetcher:
        yield Desk(Endpoints(storage, fetcher, reader), reader, storage, website)
    await models.close()


@pytest.fixture
async def server(repository: Path) -> AsyncIterator[tuple[Server, str]]:
    models = connect(None, repository)
    async with answering(models) as started:
        yield started
    await models.close()


@pytest.fixture
async def spoilt(
    server: tuple[Server, str], card: EmbedderCard, astronaut: bytes, tmp_path: Path
) -> AsyncIterator[Endpoints]:
    """A reader whose embeddings are the test's."""
    models = connect(server[1], Path("nowhere"))
    async with Storage.open(f"file://{tmp_path}") as storage, Fetcher() as fetcher:
        await storage.put(PHOTO, astronaut, "image/png")
        yield Endpoints(storage, fetcher, FaceReader(models, card, LIMITS))
    await models.close()


async def test_without_models_nothing_is_said_of_a_photograph(away: Desk, astronaut: bytes) -> None:
    with pytest.raises(Unavailable) as caught:
        await away.endpoints.read_faces(await away.stored(astronaut))
    assert not isinstance(caught.value, Broken)


async def test_without_models_what_is_no_photograph_is_rejected_all_the_same(away: Desk) -> None:
    answer = await away.endpoints.read_faces(await away.stored(b"no picture"))
    assert not isinstance(answer, FacesRead)
    assert answer.code == "NOT_A_PICTURE"


async def test_without_models_what_was_fetched_is_kept_and_need_not_be_fetched_again(
    away: Desk, desk: Desk, astronaut: bytes
) -> None:
    with pytest.raises(Unavailable):
        await away.endpoints.read_faces(away.remote(astronaut, KEPT))
    assert await away.keys() == {KEPT}


async def test_without_models_it_still_tells_what_embeds(away: Desk, card: EmbedderCard) -> None:
    assert (await away.endpoints.get_embedder(GetEmbedder())).version == card.version


def not_a_number(answer: Tensor) -> Tensor:
    spoilt = answer.copy()
    spoilt[0, 3] = np.nan
    return spoilt


def endless(answer: Tensor) -> Tensor:
    return np.full_like(answer, np.inf)


@pytest.mark.parametrize(
    "spoil",
    [
        not_a_number,
        endless,
        np.zeros_like,
        lambda answer: answer[:, :64],
        lambda answer: answer[:0],
        lambda answer: np.concatenate((answer, answer)),
        lambda answer: answer[0],
    ],
    ids=["nan", "infinite", "no direction", "half", "none", "two for one", "flat"],
)
async def test_embeddings_that_cannot_be_are_no_answer(
    server: tuple[Server, str], spoilt: Endpoints, spoil: Spoil
) -> None:
    server[0].spoil = spoil
    with pytest.raises(Broken):
        await spoilt.read_faces(READ)
    server[0].spoil = lambda answer: answer
    assert isinstance(await spoilt.read_faces(READ), FacesRead)


async def test_embeddings_are_brought_to_unit_length(
    server: tuple[Server, str], spoilt: Endpoints
) -> None:
    plain = await spoilt.read_faces(READ)
    server[0].spoil = lambda answer: answer * np.float32(1.4)
    longer = await spoilt.read_faces(READ)
    assert isinstance(plain, FacesRead)
    assert isinstance(longer, FacesRead)
    assert likeness(longer.faces[0], longer.faces[0]) == pytest.approx(1.0, abs=1e-6)
    assert likeness(longer.faces[0], plain.faces[0]) == pytest.approx(1.0, abs=1e-6)


async def test_all_faces_of_a_photograph_are_embedded_with_one_request(
    server: tuple[Server, str], card: EmbedderCard, portrait: Pixels
) -> None:
    models = connect(server[1], Path("nowhere"))
    four = np.vstack([beside(portrait, portrait, height=512)] * 2)
    read = await FaceReader(models, card, LIMITS).read(encode_jpeg(four))
    await models.close()
    assert len(read.faces) == 4
    assert server[0].batches == [4]


async def test_triton_and_the_models_in_this_process_agree(
    triton_url: str, card: EmbedderCard, reader: FaceReader, astronaut: bytes
) -> None:
    models = connect(triton_url, Path("nowhere"))
    there = await FaceReader(models, card, LIMITS).read(astronaut)
    await models.close()
    here = await reader.read(astronaut)
    assert likeness(there.faces[0], here.faces[0]) > 0.9999
    assert there.faces[0].box == here.faces[0].box

"""What the kit counts, at real servers: messages, statements, files, models."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import numpy as np
import pytest

from kit import database, queries
from kit.bus import Bus
from kit.endpoints import Answering, answers
from kit.inference import watch
from kit.storage import ObjectNotFound, ObjectTooLarge, Storage
from proto.errors import DeadlineExceeded, Internal, NotFound, Unavailable
from proto.ids import StorageKey
from proto.message import Message, Request
from tests.counted import growing, number
from vision.errors import ModelUnavailable
from vision.models import ModelName, blank
from vision.triton import TritonModels


class Nothing(Message):
    pass


class Ask(Request[Nothing], subject="measured.ask"):
    how: str = "well"


class Unheard(Request[Nothing], subject="measured.unheard"):
    pass


class Endpoints:
    @answers
    async def ask(self, request: Ask) -> Nothing:
        match request.how:
            case "refuse":
                raise NotFound("there is none")
            case "break":
                raise RuntimeError("a fault")
            case "wait":
                await asyncio.sleep(10)
        return Nothing()


@pytest.fixture
async def bus(nats_url: str) -> AsyncIterator[Bus]:
    bus = await Bus.connect(nats_url, "measuring")
    answering = Answering(bus, 4)
    await answering.listen("measured", Endpoints())
    yield bus
    await answering.stop()
    await bus.close()


async def test_messages_are_counted_where_they_are_asked_and_where_they_are_answered(
    bus: Bus,
) -> None:
    with growing() as grown:

        def told(of: str, code: str, subject: str = "measured.ask") -> float:
            return grown(f"darkroom_bus_{of}_total", subject=subject, code=code)

        await bus.request(Ask())
        with pytest.raises(NotFound):
            await bus.request(Ask(how="refuse"))
        with pytest.raises(Internal):
            await bus.request(Ask(how="break"))
        with pytest.raises(DeadlineExceeded):
            await bus.request(Ask(how="wait"), timeout_seconds=0.05)
        with pytest.raises(Unavailable):
            await bus.request(Unheard())
        for code in ("OK", NotFound.code, "INTERNAL"):
            assert (told("calls", code), told("requests", code)) == (1, 1)
        assert told("calls", "DEADLINE_EXCEEDED") == 1
        assert told("calls", "UNAVAILABLE", "measured.unheard") == 1
        assert grown("darkroom_bus_call_duration_seconds_count", subject="measured.ask") == 4


async def test_statements_are_counted_by_how_they_ended(database_url: str) -> None:
    name = "darkroom_database_queries_total"
    with growing() as grown:
        async with database.connect(database_url, at_most=3) as pool:
            assert number("darkroom_database_connections_limit") >= 3
            await pool.fetchval("SELECT 1")
            with pytest.raises(asyncpg.UndefinedTableError):
                await pool.fetchval("SELECT secret FROM nowhere.nothing")
            async with pool.acquire():
                assert number("darkroom_database_connections", state="busy") >= 1
            with pytest.raises(TimeoutError):
                await pool.fetchval("SELECT pg_sleep(5)", timeout=0.05)
        await asyncio.sleep(0)
        assert grown(name, outcome="ok") >= 1
        assert grown(name, outcome="error") == 1
        assert grown(name, outcome="away") == 1


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("SELECT * FROM wallet.apply($1, $2)", "SELECT wallet.apply"),
        ("\nINSERT INTO jobs.items (a) VALUES ('x')", "INSERT jobs.items"),
        ("UPDATE jobs.jobs AS j SET a = 'secret@example.com'", "UPDATE jobs.jobs"),
        ("WITH lost AS (SELECT 1 FROM jobs.jobs) DELETE FROM x.y", "WITH jobs.jobs"),
        ("SELECT true", "SELECT"),
        ("'; nonsense", "OTHER"),
        ("", "OTHER"),
    ],
)
def test_a_statement_is_told_by_its_verb_and_its_table(statement: str, told: str) -> None:
    assert queries.summary(statement) == told


async def test_files_are_counted_with_their_bytes_and_failures(tmp_path: Path) -> None:
    def pieces(size: int) -> AsyncIterator[bytes]:
        async def give() -> AsyncIterator[bytes]:
            yield b"x" * size

        return give()

    folder, key = tmp_path / "storage", StorageKey("uploads/a/b")
    async with Storage.open(folder.as_uri()) as storage:
        with growing() as grown:

            def told(operation: str, outcome: str) -> float:
                name = "darkroom_storage_operations_total"
                return grown(name, operation=operation, outcome=outcome)

            await storage.put(key, b"12345", "image/jpeg")
            await storage.put_stream(key, pieces(7), max_bytes=10)
            with pytest.raises(ObjectTooLarge):
                await storage.put_stream(key, pieces(11), max_bytes=10)
            assert len(await storage.get(key, 100)) == 7
            _, read = await storage.stream(key)
            assert b"".join([piece async for piece in read]) == b"x" * 7
            with pytest.raises(ObjectNotFound):
                await storage.size_of(StorageKey("uploads/none"))
            assert told("put", "ok") == told("get", "ok") == told("stream", "ok") == 1
            assert (told("put_stream", "ok"), told("put_stream", "interrupted")) == (1, 1)
            assert told("head", "missing") == 1
            assert grown("darkroom_storage_bytes_total", direction="written") == 12
            assert grown("darkroom_storage_bytes_total", direction="read") == 14
            folder.joinpath("uploads").rename(tmp_path / "elsewhere")
            folder.joinpath("uploads").write_text("no folder any more")
            with pytest.raises(Unavailable):
                await storage.put(key, b"12345", "image/jpeg")
            assert told("put", "failed") == 1


async def test_a_model_that_does_not_answer_is_counted_as_failed() -> None:
    models = TritonModels("127.0.0.1:1", watch=watch)
    model = ModelName.FACE_DETECTOR
    with growing() as grown:
        with pytest.raises(ModelUnavailable):
            await models.infer(model, np.repeat(blank(model), 3, axis=0))
        assert not await models.ready([model])
        assert grown("darkroom_model_requests_total", model=model, outcome="failed") == 1
        assert grown("darkroom_model_batch_items_sum", model=model) == 3
        assert grown("darkroom_model_wait_seconds_count", model=model) == 1
    await models.close()

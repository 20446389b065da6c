"""Server-sent events of a job: each photo once, in order, from wherever a client left off."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from tests.contract.conftest import JOBS, Client, Newcomer, photographs
from tests.contract.test_errors import is_error

MOST_STREAMS = 50


@dataclass(frozen=True)
class Event:
    name: str
    id: str | None
    data: Any


async def read(answer: aiohttp.ClientResponse) -> AsyncIterator[Event]:
    """Yield the events of a stream as they come, until it ends."""
    fields: dict[str, str] = {}
    async for line in answer.content:
        name, colon, value = line.decode().rstrip("\n").partition(": ")
        if name:
            fields[name] = value if colon else ""
        elif "event" in fields:
            yield Event(fields["event"], fields.get("id"), json.loads(fields["data"]))
            fields = {}


async def follow(client: Client, task: str, heard: str | None = None) -> list[Event]:
    """Follow a job to its end, from the event that was heard last."""
    headers = client.headers | ({"Last-Event-ID": heard} if heard else {})
    url = f"{client.url}{JOBS}/{task}/events"
    async with asyncio.timeout(60), client.session.get(url, headers=headers) as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert answer.headers["Cache-Control"] == "no-store"
        return [event async for event in read(answer)]


async def test_each_photo_is_told_once_in_the_order_in_which_it_ended(
    client: Client, astronaut_jpeg: bytes
) -> None:
    files = photographs(astronaut_jpeg, 10)
    files[7] = ("none.jpg", b"no photo")
    task = await client.begin(*files)
    first, *items, end = await follow(client, task)
    assert (first.name, first.id) == ("progress", None)
    assert first.data["task_id"] == task
    assert first.data["status"] in ("queued", "running")
    assert [(item.name, item.id) for item in items] == [("item", str(n)) for n in range(1, 11)]
    assert sorted(item.data["number"] for item in items) == list(range(10))
    for place, item in enumerate(items, start=1):
        assert item.data["progress"] == {"current": place, "total": 10, "percentage": 10.0 * place}
        assert item.data["result"]["filename"] == files[item.data["number"]][0]
    (failed,) = [item for item in items if item.data["status"] == "failed"]
    assert failed.data["result"]["error"]["code"] == "NOT_A_PICTURE"
    good = next(item for item in items if item.data["status"] == "succeeded")
    medium = await client.picture(good.data["result"]["output_urls"]["medium"])
    assert medium.size == (800, 1000)
    assert (end.name, end.id) == ("completed", "11")
    job = await client.job(task)
    del job["results"]
    assert end.data == job


@pytest.mark.parametrize("heard", [0, 1, 5, 9])
async def test_a_client_that_comes_back_hears_exactly_what_it_missed(
    client: Client, astronaut_jpeg: bytes, heard: int
) -> None:
    task = await client.begin(*photographs(astronaut_jpeg, 9))
    await client.ended(task)
    first, *rest = await follow(client, task, str(heard))
    assert first.name == "progress"
    assert [event.id for event in rest] == [str(n) for n in range(heard + 1, 11)]
    path = f"{JOBS}/{task}/events?last_event_id={heard}"
    by_query = (await client.send("GET", path)).body.decode()
    assert [line for line in by_query.splitlines() if line.startswith("id: ")] == [
        f"id: {event.id}" for event in rest
    ]


async def test_a_connection_that_breaks_in_the_middle_loses_and_repeats_nothing(
    newcomer: Newcomer, astronaut_jpeg: bytes
) -> None:
    client = await newcomer(tokens=200)
    task = await client.begin(*photographs(astronaut_jpeg, 30))
    url = f"{client.url}{JOBS}/{task}/events"
    heard: list[Event] = []
    async with asyncio.timeout(60):
        while not heard or heard[-1].name == "item":
            last = {"Last-Event-ID": heard[-1].id or ""} if heard else {}
            async with client.session.get(url, headers=client.headers | last) as answer:
                told = 0
                async for event in read(answer):
                    if event.name == "progress":
                        continue
                    heard.append(event)
                    told += 1
                    if told == 4:
                        break
    assert [event.id for event in heard] == [str(n) for n in range(1, 32)]
    assert sorted(event.data["number"] for event in heard[:-1]) == list(range(30))
    assert heard[-1].name == "completed"


async def test_who_has_heard_the_end_is_told_to_come_no_more(
    client: Client, astronaut_jpeg: bytes
) -> None:
    task = await client.begin(*photographs(astronaut_jpeg, 9))
    end = (await follow(client, task))[-1]
    for heard in (end.id or "", "999999999"):
        answer = await client.send("GET", f"{JOBS}/{task}/events", headers={"Last-Event-ID": heard})
        assert (answer.status, answer.body) == (204, b"")


@pytest.mark.parametrize("heard", ["x", "-1", "1.5", "9999999999", "²", "1;2"])
async def test_an_id_that_is_none_is_422(client: Client, astronaut_jpeg: bytes, heard: str) -> None:
    task = await client.begin(*photographs(astronaut_jpeg, 9))
    path = f"{JOBS}/{task}/events"
    is_error(
        await client.send("GET", path, headers={"Last-Event-ID": heard}), 422, "INVALID_REQUEST"
    )
    is_error(
        await client.send("GET", path, params={"last_event_id": heard}), 422, "INVALID_REQUEST"
    )


async def test_a_head_of_the_stream_is_answered_without_waiting_for_the_job(
    newcomer: Newcomer, astronaut_jpeg: bytes
) -> None:
    client = await newcomer(tokens=300)
    task = await client.begin(*photographs(astronaut_jpeg, 30), enhance="true")
    answer = await client.send("HEAD", f"{JOBS}/{task}/events")
    assert (answer.status, answer.body) == (200, b"")
    assert (await client.job(task))["status"] in ("queued", "running")
    await client.send("DELETE", f"{JOBS}/{task}")


async def test_every_listener_hears_that_a_job_was_cancelled_and_one_too_many_is_429(
    newcomer: Newcomer, astronaut_jpeg: bytes
) -> None:
    client = await newcomer(tokens=300)
    task = await client.begin(*photographs(astronaut_jpeg, 40), enhance="true")
    url = f"{client.url}{JOBS}/{task}/events"
    answers = [await client.session.get(url, headers=client.headers) for _ in range(MOST_STREAMS)]
    assert {answer.status for answer in answers} == {200}
    is_error(await client.send("GET", f"{JOBS}/{task}/events"), 429, "TOO_MANY_STREAMS")
    assert (await client.send("DELETE", f"{JOBS}/{task}")).status == 200

    async def last_of(answer: aiohttp.ClientResponse) -> Event:
        return [event async for event in read(answer)][-1]

    async with asyncio.timeout(60):
        ends = await asyncio.gather(*(last_of(answer) for answer in answers))
    assert {(end.name, end.id) for end in ends} == {("cancelled", "41")}
    # their places are free again
    assert (await follow(client, task, "40"))[-1].name == "cancelled"

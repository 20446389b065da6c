"""One trace from the client to the database and the models and back, at a real collector."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import uuid4

import aiohttp
import pytest

from kit.bus import Bus
from proto.ids import AccountId
from proto.wallet import TopUp
from tests.contract.cards import EXAMPLE, GENERATE, JOB
from tests.contract.conftest import Client, photographs
from tests.contract.schools import form, school
from tests.contract.shoots import SORT
from tests.integration.tracing.collector import Collector, Span, collecting
from tests.running import RunningStack, temporary_home

TRACE = uuid4().hex
CALLER = "00f067aa0ba902b7"
UNSAMPLED = uuid4().hex
NAME = "Wilhelmine Quastenflosser 7B"
UPLOAD = "POST /v1/services/studio/face-crop/upload"


@dataclass(frozen=True)
class Told:
    """What the collector heard of a stack from its start to its end."""

    collector: Collector
    client: Client
    secrets: list[str]

    @property
    def crop(self) -> list[Span]:
        return self.collector.of(TRACE)

    def one(self, name: str, service: str = "") -> Span:
        found = [s for s in self.crop if s.name == name and s.service == (service or s.service)]
        assert found, (name, sorted({(s.service, s.name) for s in self.crop}))
        return found[0]


@pytest.fixture(scope="module")
async def told(astronaut_jpeg: bytes) -> AsyncIterator[Told]:
    async with collecting() as collector, aiohttp.ClientSession() as session:
        with temporary_home() as home:
            stack = await asyncio.to_thread(
                RunningStack.start, home, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url
            )
            try:
                client, secrets = await _traffic(stack, session, astronaut_jpeg)
            finally:
                # what has not been sent yet is sent before a service ends
                await asyncio.to_thread(stack.stop)
        yield Told(collector, client, secrets)


async def _traffic(
    stack: RunningStack, session: aiohttp.ClientSession, photograph: bytes
) -> tuple[Client, list[str]]:
    card = stack.card
    anonymous = Client(session, stack.url, AccountId(card.account_id), card.email, {})
    credentials = {"email": card.email, "password": card.password}
    login = await anonymous.send("POST", "/v1/account/login", json=credentials)
    token = login.body["access_token"]
    bus = await Bus.connect(stack.nats_url, "traces")
    await bus.request(TopUp(account=anonymous.account, tokens=100, key=NAME, reason=NAME))
    await bus.close()

    def traced(trace: str, flags: str) -> Client:
        traceparent = f"00-{trace}-{CALLER}-{flags}"
        headers = {"Authorization": f"Bearer {token}", "traceparent": traceparent}
        return anonymous.instead(**headers)

    crop = await traced(TRACE, "01").upload((f"{NAME}.jpg", photograph))
    assert crop.status == 200, crop.body
    (result,) = crop.body["results"]
    link = result["output_urls"]["original"]
    assert (await anonymous.send("GET", link)).status == 200
    assert (await traced(UNSAMPLED, "00").upload(("b.jpg", photograph))).status == 200
    client = anonymous.instead(Authorization=f"Bearer {token}")
    task = await client.begin(*((NAME + n, data) for n, data in photographs(photograph, 9)))
    assert (await client.ended(task))["status"] == "completed"
    made = await school(client, name=f"School of {NAME}")
    await made.person("S1", photograph, name=NAME)
    await made.build()
    match = await made.match(await made.job((f"{NAME}.jpg", photograph), name=NAME))
    assert match.body["matched"] == 1
    assert (await client.send("POST", GENERATE, json=EXAMPLE)).status == 200
    sort = await client.send("POST", SORT, data=form((f"{NAME}.jpg", photograph), job_id=JOB))
    assert sort.status == 200, sort.body
    return client, [
        token,
        card.password,
        link.partition("?")[2],
        link.partition("/files/")[2].partition("?")[0],
        "Quastenflosser",
        card.email,
        "JFIF",
    ]


async def test_one_face_crop_is_one_trace_through_every_part(told: Told) -> None:
    root = told.one(UPLOAD)
    assert (root.service, root.kind, root.parent) == ("gateway", "server", CALLER)
    assert root.facts["http.response.status_code"] == 200
    services = {span.service for span in told.crop}
    assert services >= {"gateway", "accounts", "presets", "wallet", "facecrop"}
    ids = {span.id for span in told.crop}
    assert len(ids) == len(told.crop)
    strays = [span for span in told.crop if span.parent not in ids and span is not root]
    assert strays == []


async def test_each_part_stands_under_the_one_that_asked(told: Told) -> None:
    by_id = {span.id: span for span in told.crop}

    def above(span: Span) -> list[tuple[str, str]]:
        """Return service and name of everything that a span stands under, the nearest first."""
        found = []
        while span.parent in by_id:
            span = by_id[span.parent]
            found.append((span.service, span.name))
        return found

    asked, root = ("gateway", "facecrop.crop-face"), ("gateway", UPLOAD)
    answered = ("facecrop", "facecrop.crop-face")
    assert above(told.one("facecrop.crop-face", "facecrop")) == [asked, root]
    assert above(told.one("model face_detector")) == [answered, asked, root]
    assert above(told.one("storage put", "facecrop")) == [answered, asked, root]
    assert above(told.one("SELECT wallet.apply")) == [
        ("wallet", "wallet.apply"),
        ("wallet", "wallet.reserve"),
        ("gateway", "wallet.reserve"),
        root,
    ]
    assert root in above(told.one("storage put_stream", "gateway"))


async def test_spans_lie_within_those_that_they_stand_under(told: Told) -> None:
    root = told.one(UPLOAD)
    for span in told.crop:
        assert span.began <= span.ended
        # a statement's span is made when it has ended, and may be late by a moment
        assert root.began - 50_000_000 <= span.began
        assert not span.failed, span


async def test_items_of_a_job_are_traces_of_their_own(told: Told) -> None:
    items = [span for span in told.collector.spans if span.name == "item face_crop"]
    assert len(items) >= 9
    for item in items:
        assert (item.service, item.kind, item.parent) == ("facecrop", "consumer", "")
    worked = [
        i for i in items if any(s.name.startswith("model") for s in told.collector.of(i.trace))
    ]
    assert len(worked) == 9
    assert len({item.trace for item in worked}) == 9
    assert len({item.facts["darkroom.item"] for item in worked}) == 9


async def test_an_item_of_a_match_is_one_trace_through_all_who_work_at_it(told: Told) -> None:
    items = [span for span in told.collector.spans if span.name == "item face_match"]
    traces = [told.collector.of(item.trace) for item in items]
    # a ticket that came twice makes a trace in which nothing was done
    (spans,) = (spans for spans in traces if any(s.name.startswith("model") for s in spans))
    assert {span.service for span in spans} >= {"matching", "jobs", "facereader"}
    by_id = {span.id: span for span in spans}
    (embedded, *_) = (span for span in spans if span.name == "model face_embedder")
    above = by_id[embedded.parent]
    assert (above.service, above.name) == ("facereader", "facereader.read-faces")
    assert (by_id[above.parent].service, by_id[above.parent].kind) == ("matching", "client")


async def test_reading_cards_is_a_trace_of_the_card_reader(told: Told) -> None:
    items = [span for span in told.collector.spans if span.name == "item card_read"]
    assert {item.service for item in items} == {"cardreader"}
    assert any(
        span.name.startswith("storage") and span.service == "cardreader"
        for item in items
        for span in told.collector.of(item.trace)
    )


async def test_what_the_caller_does_not_keep_is_not_told(told: Told) -> None:
    assert told.collector.of(UNSAMPLED) == []


async def test_no_span_says_what_is_nobodys_business(told: Told) -> None:
    assert len(told.collector.spans) > 100
    assert any(span.name.startswith("GET /files/") for span in told.collector.spans)
    for secret in told.secrets:
        assert secret.encode() not in told.collector.raw, secret
    for span in told.collector.spans:
        for banned in ("uploads/", "outputs/", "://", "Bearer", "?"):
            assert banned not in span.text, span


async def test_what_nobody_asked_for_makes_no_trace(told: Told) -> None:
    """Checks, sweeps and surveys go on all the time."""
    begun = {(span.kind, span.name) for span in told.collector.spans if not span.parent}
    assert {kind for kind, _ in begun} <= {"server", "consumer"}

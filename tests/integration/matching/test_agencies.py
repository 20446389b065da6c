"""Agencies: who has which, what they allow, and what is refused."""

import asyncio
from typing import Any

import pytest
from aiohttp import web

from kit.bus import Bus
from kit.database import Pool
from kit.lifecycle import CHECKS
from proto.agencies import Agency, AgencyId
from proto.errors import InvalidRequest, NotFound
from proto.matching.agencies import (
    ChangeAgency,
    CreateAgency,
    EraseAgency,
    GetAccessLog,
    GetAgencies,
    GetAgency,
    GiveConsent,
    WithdrawConsent,
)
from services.matching import agencies as module
from services.matching.agencies import Agencies
from tests.integration.matching import found
from tests.integration.matching.studio import BY, Studio

NAMES_NOBODY = (AgencyId(1_000_000_000), AgencyId(2**63 - 1))
NO_ID = (AgencyId(0), AgencyId(-1), AgencyId(2**63))

ABOUT_AN_AGENCY: list[tuple[Any, dict[str, Any]]] = [
    (GetAgency, {}),
    (ChangeAgency, {"name": "Stolen"}),
    (GiveConsent, {"statement": "they agreed"}),
    (WithdrawConsent, {}),
    (EraseAgency, {}),
    (GetAccessLog, {}),
]


async def test_an_agency_is_what_was_said_of_it(studio: Studio) -> None:
    made = await studio.agency(name="Škola", agency_type="sports", retention_days=30)
    assert (made.name, made.agency_type, made.mode) == ("Škola", "sports", "faces")
    assert (made.retention_days, made.archived, made.consent) == (30, False, None)
    assert (made.subjects, made.references, made.embeddings) == (0, 0, 0)
    assert await studio.now(made) == made
    assert (await studio.ask(GetAgencies)).agencies == [made]


async def test_what_is_given_changes_and_nothing_else(studio: Studio) -> None:
    made = await studio.agency()
    changed = await studio.ask(ChangeAgency, made.id, name="Other", retention_days=7)
    assert (changed.name, changed.retention_days) == ("Other", 7)
    assert (changed.agency_type, changed.mode) == (made.agency_type, made.mode)
    assert await studio.ask(ChangeAgency, made.id) == changed
    assert await studio.actions(made) == [("retention_set", None)]


async def test_archived_agencies_are_listed_apart(studio: Studio) -> None:
    kept, archived = await studio.agency(), await studio.agency()
    archived = await studio.ask(ChangeAgency, archived.id, archived=True)
    assert archived.archived
    assert (await studio.ask(GetAgencies)).agencies == [kept]
    assert (await studio.ask(GetAgencies, archived=True)).agencies == [archived]
    restored = await studio.ask(ChangeAgency, archived.id, archived=False)
    assert (await studio.ask(GetAgencies)).agencies == [kept, restored]


async def test_a_list_goes_on_behind_the_last_one(studio: Studio) -> None:
    made = [await studio.agency(name=f"School {number}") for number in range(3)]
    first = await studio.ask(GetAgencies, limit=2)
    assert (first.agencies, first.next_after) == (made[:2], made[1].id)
    second = await studio.ask(GetAgencies, limit=2, after=first.next_after)
    assert (second.agencies, second.next_after) == (made[2:], None)


async def test_a_page_of_the_longest_names_fits_into_a_message(studio: Studio, pool: Pool) -> None:
    most = "\N{GRINNING FACE}" * 200
    await pool.execute(
        "INSERT INTO matching.agencies (account_id, name, agency_type, mode, retention_days, "
        "consent_statement, consent_by, consent_at) "
        "SELECT $1, $2, 'school', 'faces', 9, $2, 'user:x', now() FROM generate_series(1, 500)",
        studio.account,
        most,
    )
    after, seen = 0, 0
    while after is not None:
        page = await studio.ask(GetAgencies, after=after)
        seen, after = seen + len(page.agencies), page.next_after
    assert seen == 500


async def test_another_account_finds_nothing(studio: Studio) -> None:
    made = await studio.with_consent()
    other = studio.other()
    for kind, fields in ABOUT_AN_AGENCY:
        for agency in (made.id, *NAMES_NOBODY):
            with pytest.raises(NotFound):
                await other.ask(kind, agency, **fields)
        for agency in NO_ID:
            with pytest.raises(InvalidRequest):
                await other.ask(kind, agency, **fields)
    assert (await other.ask(GetAgencies)).agencies == []
    assert await studio.now(made) == made


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "a" * 201),
        ("name", "a\0b"),
        ("name", "a\nb"),
        ("name", "a\n"),
        ("name", "\x7f"),
        ("agency_type", "zoo"),
        ("mode", "magic"),
        ("retention_days", 0),
        ("retention_days", 3651),
        ("by", ""),
        ("by", "a\0"),
    ],
)
async def test_what_makes_no_sense_is_refused(studio: Studio, field: str, value: object) -> None:
    with pytest.raises(InvalidRequest):
        await studio.agency(**{field: value})
    assert (await studio.ask(GetAgencies)).agencies == []


async def test_both_ends_of_what_is_allowed(studio: Studio) -> None:
    for name, days in (("a", 1), ("\N{GRINNING FACE}" * 200, 3650)):
        made = await studio.agency(name=name, retention_days=days)
        assert (made.name, made.retention_days) == (name, days)


async def test_an_id_beyond_what_the_database_counts_is_no_fault_of_ours(studio: Studio) -> None:
    with pytest.raises(InvalidRequest):
        await studio.ask(GetAgency, AgencyId(2**63))


async def test_an_account_has_so_many_agencies_and_no_more(
    studio: Studio, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_AGENCIES", 5)
    replicas = Agencies(pool), Agencies(pool)
    asked = CreateAgency(account=studio.account, by=BY, name="A", agency_type="school")
    made = await asyncio.gather(
        *(replicas[number % 2].create(asked) for number in range(12)), return_exceptions=True
    )
    assert sum(isinstance(each, Agency) for each in made) == 5
    assert {type(each) for each in made} == {Agency, InvalidRequest}
    assert len((await studio.ask(GetAgencies)).agencies) == 5
    # what one account has takes no room from another
    other = studio.other()
    theirs = await other.agency()
    assert (await other.ask(GetAgencies)).agencies == [theirs]


async def test_consent_says_who_gave_it_and_when(studio: Studio) -> None:
    made = await studio.agency()
    given = await studio.ask(GiveConsent, made.id, statement="all parents signed")
    assert given.consent is not None
    assert (given.consent.statement, given.consent.given_by) == ("all parents signed", BY)
    assert given.consent.given_at >= made.created_at
    again = await studio.ask(GiveConsent, made.id, statement="again", by="key:one")
    assert (again.consent.statement, again.consent.given_by) == ("again", "key:one")
    entries = await studio.log(made)
    assert [(each.action, each.by, each.details) for each in entries] == [
        ("consent_given", "key:one", {"statement": "again"}),
        ("consent_given", BY, {"statement": "all parents signed"}),
    ]


async def embedded(studio: Studio, pool: Pool) -> Agency:
    """An agency with a subject who can be compared with, and a photo that showed no face."""
    agency = await studio.with_consent()
    subject = await studio.subject(agency)
    made = await studio.references(agency, subject, await studio.photo(), await studio.photo())
    await found.embed(pool, studio.account, made[0].id)
    await pool.execute(
        "UPDATE matching.reference_photos SET state = 'failed', code = 'NO_FACE' WHERE id = $1",
        made[1].id,
    )
    return await studio.now(agency)


@pytest.mark.parametrize(
    ("kind", "fields", "action"),
    [(WithdrawConsent, {}, "consent_withdrawn"), (ChangeAgency, {"mode": "cards"}, "mode_changed")],
)
async def test_embeddings_go_with_consent_and_with_faces(
    studio: Studio, pool: Pool, kind: Any, fields: dict[str, Any], action: str
) -> None:
    agency, spared = await embedded(studio, pool), await embedded(studio, pool)
    assert agency.embeddings == 1
    before = await found.gallery(pool, agency)
    after = await studio.ask(kind, agency.id, **fields)
    assert (after.embeddings, after.references) == (0, 2)
    assert await found.gallery(pool, agency) > before
    rows = await pool.fetch(
        "SELECT state, code, embedder, embedding, embedded_at FROM matching.reference_photos "
        "WHERE agency_id = $1 ORDER BY id",
        agency.id,
    )
    assert [tuple(row) for row in rows] == [
        ("waiting", "", None, None, None),
        ("failed", "NO_FACE", None, None, None),
    ]
    assert (await studio.actions(agency))[0] == (action, None)
    assert await studio.now(spared) == spared


async def test_who_withdraws_twice_withdraws_once(studio: Studio, pool: Pool) -> None:
    agency = await studio.with_consent()
    withdrawn = await studio.ask(WithdrawConsent, agency.id)
    gallery = await found.gallery(pool, agency)
    assert withdrawn.consent is None
    assert await studio.ask(WithdrawConsent, agency.id) == withdrawn
    assert await found.gallery(pool, agency) == gallery
    assert [action for action, _ in await studio.actions(agency)] == [
        "consent_withdrawn",
        "consent_given",
    ]


async def test_a_mode_that_stays_forgets_nothing(studio: Studio, pool: Pool) -> None:
    agency = await embedded(studio, pool)
    gallery = await found.gallery(pool, agency)
    assert await studio.ask(ChangeAgency, agency.id, mode="faces") == agency
    assert await found.gallery(pool, agency) == gallery
    await studio.ask(ChangeAgency, agency.id, mode="cards")
    back = await studio.ask(ChangeAgency, agency.id, mode="faces")
    assert (back.mode, back.embeddings) == ("faces", 0)
    assert [each.details for each in (await studio.log(agency))[:2]] == [
        {"from": "cards", "to": "faces"},
        {"from": "faces", "to": "cards"},
    ]


async def test_embeddings_of_another_embedder_do_not_count(studio: Studio, pool: Pool) -> None:
    agency = await embedded(studio, pool)
    store = Agencies(pool)
    counted = [
        (await store.get(studio.account, agency.id, version)).embeddings
        for version in (None, found.VERSION, "v2")
    ]
    assert counted == [1, 1, 0]


async def test_the_service_is_ready_when_its_parts_are(service: web.Application, bus: Bus) -> None:
    checks = service[CHECKS]
    assert {"nats", "postgresql", "sweeps", "match worker", "reference worker"} <= set(checks)
    assert all([await check() for check in checks.values()])

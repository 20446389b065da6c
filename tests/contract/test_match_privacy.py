"""What law asks of who compares faces: other accounts, consent, erasure, export, the log."""

import io
import json
import zipfile
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from cli import services
from cli.home import Target
from tests.contract.cards import JOB, generated
from tests.contract.conftest import JOBS, Client, Newcomer, another
from tests.contract.schools import (
    AGENCIES,
    CONSENT,
    MATCHING,
    Matched,
    School,
    matched,
    portraits,
    school,
)
from tests.contract.shoots import SORT
from tests.contract.test_errors import is_error
from tests.running import RunningStack


@pytest.fixture
async def made(client: Client, astronaut_jpeg: bytes) -> School:
    made = await school(client)
    await made.person("S1", astronaut_jpeg, name="Xylophone Zebedee")
    await made.build()
    return made


@pytest.fixture
async def match(made: School, astronaut: bytes) -> Matched:
    return await made.match(await made.job(*portraits(astronaut, 2)))


async def everything(made: School, match: Matched) -> list[tuple[str, str, Any]]:
    """Return every request about an agency, by method, path and JSON."""
    job = match.body["job_id"]
    file = (await match.results())[0]["file_id"]
    (subject,) = (await made.send("GET", "/subjects")).body["subjects"]
    person = f"/subjects/{subject['id']}"
    (reference,) = (await made.send("GET", f"{person}/references")).body["references"]
    urls = {"image_urls": ["https://example.com/a.jpg"]}
    of_agency: Sequence[tuple[str, str, Any]] = [
        ("GET", "", None),
        ("PATCH", "", {"name": "Mine"}),
        ("PUT", "/consent", CONSENT),
        ("DELETE", "/consent", None),
        ("GET", "/jobs", None),
        ("POST", "/jobs", {"name": "x", "icp_type": "school"}),
        ("GET", f"/jobs/{job}", None),
        ("PATCH", f"/jobs/{job}", {"name": "Mine"}),
        ("GET", f"/jobs/{job}/files", None),
        ("POST", f"/jobs/{job}/files", urls),
        ("DELETE", f"/jobs/{job}/files", {"file_ids": [file]}),
        ("DELETE", f"/jobs/{job}/files/{file}", None),
        ("DELETE", f"/jobs/{job}", None),
        ("GET", "/missing", None),
        ("GET", "/subjects", None),
        ("POST", "/subjects", {"subjects": [{"student_id": "S1", "name": "Mine"}]}),
        ("GET", person, None),
        ("PATCH", person, {"name": "Mine"}),
        ("GET", f"{person}/export", None),
        ("GET", f"{person}/references", None),
        ("POST", f"{person}/references", urls),
        ("DELETE", f"{person}/references/{reference['id']}", None),
        ("DELETE", person, None),
        ("DELETE", "", None),
    ]
    of_match: Sequence[tuple[str, str, Any]] = [
        ("GET", "", None),
        ("DELETE", "", None),
        ("GET", "/results", None),
        ("GET", "/results?student_id=S1", None),
        ("GET", f"/results/{file}", None),
        ("POST", f"/results/{file}", {"action": "unmatch"}),
        ("GET", f"/results/{file}/decisions", None),
        ("GET", "/missing", None),
        ("GET", "/export.csv", None),
        ("GET", "/archive", None),
        ("POST", "/yearbook", {}),
        ("GET", f"/yearbook?task_id={match.body['task_id']}", None),
    ]
    agency = {"agency_id": made.id}
    return [
        *((method, made.path + path, body) for method, path, body in of_agency),
        *((method, match.path + path, body) for method, path, body in of_match),
        ("POST", f"{MATCHING}/references", agency),
        ("GET", f"{MATCHING}/references?agency_id={made.id}", None),
        ("POST", f"{MATCHING}/match-job", agency | {"job_id": job}),
        ("POST", f"{MATCHING}/match-job", agency | {"file_ids": [file]}),
        ("GET", f"{MATCHING}/jobs?agency_id={made.id}", None),
        ("POST", SORT, agency | {"files_of_job": job, "job_id": "x"}),
    ]


async def test_another_account_finds_nothing_and_changes_nothing(
    made: School, match: Matched, newcomer: Newcomer
) -> None:
    stranger = await newcomer()
    before = [await made.shown(), await match.results(state="matched")]
    for method, path, body in await everything(made, match):
        more = {} if body is None else {"json": body}
        answer = await stranger.send(method, path, **more)
        assert answer.status == 404, (method, path, answer.status, answer.body)
        assert answer.body["error"] == "NOT_FOUND"
        assert "Zebedee" not in str(answer.body)
    log = await stranger.send("GET", f"{made.path}/access-log")
    assert log.status == 404 or log.body["entries"] == []
    assert (await stranger.send("GET", AGENCIES)).body == {"agencies": []}
    assert (await stranger.send("GET", f"{MATCHING}/jobs")).body["jobs"] == []
    after = [await made.shown(), await match.results(state="matched")]
    assert _without_links(after) == _without_links(before)
    assert await stranger.balance() == 100


async def test_ones_own_agency_does_not_open_anothers_things(
    made: School, match: Matched, newcomer: Newcomer, astronaut_jpeg: bytes
) -> None:
    theirs = await school(await newcomer())
    await theirs.person("T1", astronaut_jpeg)
    await theirs.build()
    job, file = match.body["job_id"], (await match.results())[0]["file_id"]
    for method, path, body in await everything(made, match):
        if not path.startswith(f"{made.path}/") or "/consent" in path:
            continue
        inside = path.replace(made.path, theirs.path, 1)
        if inside.count("/") <= made.path.count("/") + 1:
            continue  # about their own agency alone
        more = {} if body is None else {"json": body}
        answer = await theirs.client.send(method, inside, **more)
        assert answer.status == 404, (method, inside, answer.status, answer.body)
    is_error(await theirs.begin(job), 404, "NOT_FOUND")
    is_error(await theirs.begin(file_ids=[file]), 404, "NOT_FOUND")
    own = await theirs.match(await theirs.job(("a.jpg", astronaut_jpeg)))
    (subject,) = (await made.send("GET", "/subjects")).body["subjects"]
    (result,) = await own.results()
    answer = await own.decide(result["file_id"], action="reassign", subject_id=subject["id"])
    is_error(answer, 404, "NOT_FOUND")
    sort = await theirs.begin(
        (await theirs.job(("a.jpg", astronaut_jpeg))), sort_task_id=match.body["task_id"]
    )
    assert sort.status == 404


async def test_who_withdraws_consent_is_compared_with_nobody(
    made: School, astronaut: bytes
) -> None:
    job = await made.job(*portraits(astronaut, 1))
    assert (await made.send("DELETE", "/consent")).body["embeddings"] == 0
    body = {"agency_id": made.id}
    answer = await made.client.send("POST", f"{MATCHING}/references", json=body)
    is_error(answer, 409, "CONSENT_MISSING")
    is_error(await made.begin(job), 400, "NO_REFERENCES")
    await made.send("PUT", "/consent", json=CONSENT)
    is_error(await made.begin(job), 400, "NO_REFERENCES")
    assert (await made.build())["embeddings_created"] == 1
    assert (await made.match(job)).body["matched"] == 1


async def test_to_turn_to_cards_erases_embeddings(made: School) -> None:
    changed = (await made.send("PATCH", json={"mode": "cards"})).body
    assert (changed["mode"], changed["embeddings"], changed["references"]) == ("cards", 0, 1)
    body = {"agency_id": made.id}
    answer = await made.client.send("POST", f"{MATCHING}/references", json=body)
    is_error(answer, 422, "INVALID_REQUEST")


async def test_somebody_who_is_erased_is_gone_everywhere_at_once(
    made: School, match: Matched, stack: RunningStack, astronaut: bytes, astronaut_jpeg: bytes
) -> None:
    other = await made.person("S2", another(astronaut_jpeg, 1))
    await made.build()
    (found,) = (await made.send("GET", "/subjects", params={"student_id": "S1"})).body["subjects"]
    path = f"/subjects/{found['id']}"
    (reference,) = (await made.send("GET", f"{path}/references")).body["references"]
    await match.decided((await match.results())[0]["file_id"], action="confirm")
    assert (await made.send("DELETE", path)).status == 204
    text = json.dumps([await match.results(), await match.now(), await made.shown()])
    assert "Zebedee" not in text
    for result in await match.results():
        assert result["state"] == "unmatched"
        assert all(face["subject_id"] is None for face in result["faces"])
        assert all(not face["candidates"] for face in result["faces"])
    photo = await made.client.send("GET", reference["photo_url"], headers={"Authorization": ""})
    assert photo.status == 404
    # the next search does not know them any more
    again = await made.match(match.body["job_id"])
    subjects = {face["subject_id"] for each in await again.results() for face in each["faces"]}
    assert subjects == {other}
    log = (await made.send("GET", "/access-log")).body["entries"]
    assert "subject_erased" in [each["action"] for each in log]


@pytest.mark.parametrize("what", ["subject", "photograph", "agency"])
async def test_a_portrait_of_a_yearbook_goes_with_whom_it_shows(
    made: School, match: Matched, stack: RunningStack, astronaut: bytes, what: str
) -> None:
    client = made.client
    begun = await match.send("POST", "/yearbook", json={})
    task = begun.body["task_id"]
    (portrait,) = (await client.ended(task))["results"]
    (found,) = (await made.send("GET", "/subjects")).body["subjects"]
    assert portrait["filename"] == str(found["id"])
    links = list(portrait["output_urls"].values())
    assert len(links) >= 2
    folder = stack.home / "storage" / "outputs" / str(client.account)
    assert len([path for path in folder.rglob("*.jpg") if path.is_file()]) == len(links)
    log = (await made.send("GET", "/access-log")).body["entries"]
    (entry,) = [each for each in log if each["action"] == "yearbook_begun"]
    assert entry["details"]["task"] == task
    if what == "subject":
        gone = await made.send("DELETE", f"/subjects/{found['id']}")
    elif what == "photograph":
        gone = await made.send("DELETE", f"/jobs/{match.body['job_id']}")
    else:
        gone = await made.send("DELETE")
    assert gone.status == 204
    assert [path for path in folder.rglob("*") if path.is_file()] == []
    for link in links:
        assert (await client.send("GET", link, headers={"Authorization": ""})).status == 404
    # what is left of the job is a list of nobody
    packed = await client.send("GET", f"{JOBS}/{task}/archive")
    assert packed.status == 200
    assert zipfile.ZipFile(io.BytesIO(packed.body)).namelist() == ["receipt.csv", "receipt.json"]


async def test_somebody_is_erased_in_the_middle_of_a_match(made: School, astronaut: bytes) -> None:
    job = await made.job(*portraits(astronaut, 12))
    answer = await made.begin(job)
    (found,) = (await made.send("GET", "/subjects")).body["subjects"]
    assert (await made.send("DELETE", f"/subjects/{found['id']}")).status == 204
    match = await matched(made.client, answer.body["match_job_id"])
    assert match.body["matched"] == 0
    for result in await match.results():
        assert all(face["subject_id"] is None for face in result["faces"])
        assert all(not face["candidates"] for face in result["faces"])


async def test_everything_known_of_somebody_is_exported_without_embeddings(
    made: School, match: Matched, stack: RunningStack
) -> None:
    (found,) = (await made.send("GET", "/subjects")).body["subjects"]
    answer = await made.send("GET", f"/subjects/{found['id']}/export")
    assert answer.status == 200
    assert "attachment" in answer.headers["Content-Disposition"]
    text = json.dumps(answer.body)
    assert "Xylophone Zebedee" in text
    assert "IMG_0000.JPG" in text
    # no row of numbers
    assert not any(isinstance(each, list) and len(each) > 100 for each in _walk(answer.body))
    folder = stack.home / "storage" / "outputs" / str(made.client.account)
    assert not [path for path in folder.rglob("*") if path.is_file()]
    log = (await made.send("GET", "/access-log")).body["entries"]
    assert "subject_exported" in [each["action"] for each in log]


async def test_an_export_has_links_to_its_photographs_and_no_keys_of_storage(
    made: School, match: Matched
) -> None:
    (found,) = (await made.send("GET", "/subjects")).body["subjects"]
    path = f"/subjects/{found['id']}/export"
    await made.send("GET", path)
    (result, *_) = await match.results()
    await match.decided(result["file_id"], action="unmatch")
    export = (await made.send("GET", path)).body
    assert str(made.client.account) not in json.dumps(_without_links(export))
    shown = [(each["photo_url"], each["filename"]) for each in export["results"]]
    # nobody is taken for them in the first any more: it may show another child
    assert shown[0] == (None, "")
    assert shown[1][1] == "IMG_0001.JPG"
    (reference,) = export["references"]
    for link in (reference["photo_url"], shown[1][0]):
        assert (await made.client.picture(link)).format == "JPEG"
    assert datetime.fromisoformat(export["links_until"]) > datetime.now(UTC)
    (decision,) = export["decisions"]
    assert (decision["action"], decision["given_to_subject"]) == ("unmatch", False)
    assert [each["taken_for_subject"] for each in decision["before"]] == [True]
    assert any("embeddings" in each for each in export["not_included"])
    assert any("QR" in each for each in export["not_included"])


async def test_who_looks_at_people_stands_in_the_log_once_an_hour(
    made: School, match: Matched
) -> None:
    key = await made.client.with_key(scopes=["matching"])
    (found,) = (await made.send("GET", "/subjects")).body["subjects"]
    for _ in range(2):
        for path in (
            f"{made.path}/subjects",
            f"{made.path}/subjects/{found['id']}/references",
            f"{match.path}/results",
        ):
            assert (await key.send("GET", path)).status == 200
    log = (await made.send("GET", "/access-log")).body["entries"]
    looks = [each["action"] for each in reversed(log) if each["by"].startswith("key:")]
    assert looks == ["subjects_viewed", "references_viewed", "results_viewed"]
    (added,) = [each for each in log if each["action"] == "references_added"]
    assert (added["subject_id"], added["details"]) == (found["id"], {"photographs": "1"})


async def test_no_name_and_no_link_stands_in_a_log_or_a_metric_of_the_services(
    made: School, match: Matched, stack: RunningStack
) -> None:
    client = made.client
    await match.send("GET", "/export.csv")
    await match.send("GET", "/results", params={"student_id": "S1"})
    # cards with the name on them, and read; a portrait with the name in its package
    subjects = [{"student_id": "S1", "name": "Xylophone Zebedee"}]
    await generated(client, subjects=subjects, name_in_code=True)
    wish = {"job_id": JOB, "files_of_job": match.body["job_id"], "agency_id": made.id}
    assert (await client.send("POST", SORT, json=wish)).status in (200, 202)
    task = (await match.send("POST", "/yearbook", json={})).body["task_id"]
    await client.ended(task)
    assert (await match.send("GET", "/yearbook", params={"task_id": task})).status == 200
    for part in services.NAMES:
        log = stack.log(part)
        assert "Zebedee" not in log
        assert "signature=" not in log
    for target in msgspec.json.decode(stack.at.targets.read_bytes(), type=list[Target]):
        (where,) = target.targets
        told = await client.send("GET", f"http://{where}/metrics")
        assert (told.status, b"Zebedee" in told.body) == (200, False), target


def _without_links(value: Any) -> Any:
    """Leave out signed links, which are others every second."""
    if isinstance(value, dict):
        return {key: _without_links(each) for key, each in value.items() if key != "photo_url"}
    if isinstance(value, list):
        return [_without_links(each) for each in value]
    return value


def _walk(value: Any) -> list[Any]:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [value, *(found for each in inside for found in _walk(each))]

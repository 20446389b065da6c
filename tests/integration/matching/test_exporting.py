"""What somebody is given who asks what is known of them: all of it, and nothing of others."""

from typing import Any

import msgspec
import pytest

from kit.database import Pool
from proto.agencies import Agency, Subject
from proto.errors import InvalidRequest
from proto.matching.subjects import EraseReference, ExportSubject
from tests.integration.matching import found
from tests.integration.matching.studio import BY, Studio, new_subject, remote

_MOST_BYTES = 10_000_000


async def export(studio: Studio, agency: Agency, subject: Subject, name: str = "a") -> Any:
    key = f"outputs/{studio.account}/{name}.json"
    made = await studio.ask(ExportSubject, agency.id, subject_id=subject.id, key=key)
    assert made.key == key
    return msgspec.json.decode(await studio.storage.get(made.key, _MOST_BYTES))


async def test_everything_that_is_known_is_told(studio: Studio, pool: Pool) -> None:
    agency = await studio.with_consent()
    shoot = await studio.shoot(agency)
    her, other = await studio.subjects(
        agency, new_subject(1, class_name="9B", name="Žofie"), new_subject(2, name="Somebody")
    )
    photo = await studio.photo()
    embedded, waiting = await studio.references(agency, her, photo, remote("https://a.example/b"))
    await found.embed(pool, studio.account, embedded.id)
    files = await studio.files(shoot, *(remote(f"https://a.example/{at}") for at in range(4)))
    match = await found.match(pool, studio.account, agency)
    faces: list[tuple[str, list[dict[str, Any]], list[int]]] = [
        ("matched", [found.face(0, "matched", her.id, (her.id, 0.97, 0.2))], [her.id]),
        (
            "unmatched",
            [found.face(0, "unmatched", None, (other.id, 0.4, 0.1), (her.id, 0.3, -0.1))],
            [],
        ),
        ("matched", [found.face(0, "matched", other.id, (other.id, 0.97, 0.2))], [other.id]),
        ("matched", [found.face(2, "matched", her.id)], []),
    ]
    for file, (state, seen, card) in zip(files, faces, strict=True):
        await found.result(pool, studio.account, match, file.id, state, seen, card)
    await found.decide(pool, studio.account, match, files[3].id, her.id, {"faces": []})
    # taken from her, and one she came into question for
    hers = {"faces": [found.face(1, "matched", her.id, (her.id, 0.9, 0.1))]}
    await found.decide(pool, studio.account, match, files[0].id, other.id, hers)
    likely = (other.id, 0.8, 0.1), (her.id, 0.7, -0.1)
    of_two = {
        "faces": [found.face(0, "needs_review", None, *likely), found.face(1, "unmatched", None)]
    }
    await found.decide(pool, studio.account, match, files[2].id, None, of_two)
    nothing_of_her = {"faces": [found.face(0, "matched", other.id, (other.id, 0.9, 0.1))]}
    await found.decide(pool, studio.account, match, files[2].id, other.id, nothing_of_her)
    await studio.ask(EraseReference, agency.id, subject_id=her.id, reference=waiting.id)

    told = await export(studio, agency, her)
    assert told["subject"]["student_id"] == "S-00001"
    assert (told["subject"]["name"], told["subject"]["class_name"]) == ("Žofie", "9B")
    assert told["subject"]["consent_statement"] == "all parents signed"
    (reference,) = told["references"]
    assert (reference["id"], reference["key"]) == (embedded.id, photo.key)
    assert (reference["has_embedding"], reference["embedder"]) == (True, found.VERSION)
    assert [
        (each["file_id"], each["taken_for_subject"], each["score"]) for each in told["results"]
    ] == [(files[0].id, True, 0.97), (files[1].id, False, 0.3), (files[3].id, True, None)]
    assert [each["file_id"] for each in told["cards"]] == [files[0].id]
    assert {each["decided_by"] for each in told["decisions"]} == {"user:a-reviewer"}
    assert [
        (each["file_id"], each["given_to_subject"], each["before"]) for each in told["decisions"]
    ] == [
        (files[3].id, True, []),
        (files[0].id, False, [_mention(1, 0.9, 0.1, its=True)]),
        (files[2].id, False, [_mention(0, 0.7, -0.1, its=False)]),
    ]
    assert [each["action"] for each in told["access"]] == ["references_added", "reference_erased"]
    assert any("embeddings" in each for each in told["not_included"])


def _mention(face: int, score: float, margin: float, *, its: bool) -> dict[str, Any]:
    return {"face": face, "taken_for_subject": its, "score": score, "margin": margin}


async def test_nothing_is_told_of_others_and_no_embedding(studio: Studio, pool: Pool) -> None:
    agency = await studio.with_consent()
    shoot = await studio.shoot(agency)
    her, other = await studio.subjects(
        agency, new_subject(1), new_subject(987_654, name="Somebody Else")
    )
    made = await studio.references(agency, her, remote("https://a.example/b"))
    await found.embed(pool, studio.account, made[0].id)
    (file,) = await studio.files(shoot, remote("https://a.example/c"))
    match = await found.match(pool, studio.account, agency)
    seen = [found.face(0, "needs_review", None, (other.id, 0.9, 0.1), (her.id, 0.8, -0.1))]
    await found.result(pool, studio.account, match, file.id, "needs_review", seen)
    await found.decide(pool, studio.account, match, file.id, other.id, {"faces": seen})
    told = await export(studio, agency, her)
    text = msgspec.json.encode(told).decode()
    assert len(told["decisions"]) == 1
    for of_others in ("Somebody Else", "987654", "candidates", "sealed", "c2VhbGVk"):
        assert of_others not in text
    assert "embedding" not in told["references"][0]
    assert f'"subject":{other.id}' not in text


async def test_a_photograph_in_which_nobody_is_taken_for_them_is_not_opened(
    studio: Studio, pool: Pool
) -> None:
    agency = await studio.with_consent()
    shoot = await studio.shoot(agency)
    her, other = await studio.subjects(agency, new_subject(1), new_subject(2))
    of_her, of_other = await studio.files(
        shoot, await studio.photo(filename="her.jpg"), await studio.photo(filename="other.jpg")
    )
    match = await found.match(pool, studio.account, agency)
    close = (other.id, 0.97, 0.1), (her.id, 0.9, -0.1)
    for file, whom in ((of_her, her.id), (of_other, other.id)):
        seen = [found.face(0, "matched", whom, *close)]
        await found.result(pool, studio.account, match, file.id, "matched", seen, [her.id])
    told = await export(studio, agency, her)
    for part in ("results", "cards"):
        assert [
            (each["file_id"], each["taken_for_subject"], each["filename"], each["key"])
            for each in told[part]
        ] == [(of_her.id, True, "her.jpg", of_her.key), (of_other.id, False, "", "")]
    assert [each["score"] for each in told["results"]] == [0.9, 0.9]


async def test_an_export_is_noted_and_shown_in_the_next(studio: Studio) -> None:
    agency = await studio.agency()
    subject = await studio.subject(agency)
    assert (await export(studio, agency, subject, "a"))["access"] == []
    (noted,) = (await export(studio, agency, subject, "b"))["access"]
    assert (noted["action"], noted["done_by"]) == ("subject_exported", BY)
    # where an earlier one lay is in the log, and nobody's business
    assert noted["details"] == {}
    entry = (await studio.log(agency))[0]
    assert entry.details == {"key": f"outputs/{studio.account}/b.json"}
    assert await studio.actions(agency) == [("subject_exported", subject.id)] * 2


async def test_an_export_lies_only_where_the_account_keeps_results(studio: Studio) -> None:
    agency = await studio.agency()
    subject = await studio.subject(agency)
    mine = f"outputs/{studio.account}"
    for key in (
        f"outputs/{studio.other().account}/a.json",
        f"{mine}/../{studio.other().account}/a.json",
        f"photos/{studio.account}/a.json",
        f"{mine}",
        f"{mine}/",
        f"{mine}/a\0",
        f"{mine}/{'a' * 300}",
        "",
    ):
        with pytest.raises(InvalidRequest):
            await studio.ask(ExportSubject, agency.id, subject_id=subject.id, key=key)
    assert await studio.actions(agency) == []

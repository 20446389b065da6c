"""Who is in which photograph, as files: a list, and an archive of photographs under new names."""

from collections.abc import AsyncIterator
from contextlib import aclosing

from kit.bus import Bus
from kit.storage import Storage
from proto.ids import StorageKey
from proto.matching.exports import Assignment, GetAssignments
from services.gateway import table
from services.gateway.renaming import Photograph, Renaming
from services.gateway.whose import OfMatch
from services.gateway.zips import Zip

LIST = "assignments.csv"

_HEADINGS = ("file_id", "filename", "student_id", "name", "class_name", "score", "reviewed")
_ASKING_SECONDS = 30.0


async def assignments(bus: Bus, about: OfMatch) -> AsyncIterator[Assignment]:
    """Yield who is in which photograph, by class, student_id and photograph."""
    after: str | None = ""
    while after is not None:
        page = await bus.request(GetAssignments(**about, after=after), _ASKING_SECONDS)
        for each in page.assignments:
            yield each
        after = page.next_after


async def listed(found: AsyncIterator[Assignment]) -> AsyncIterator[bytes]:
    """Yield CSV with a line for each person in each photograph."""
    yield table.rows([_HEADINGS])
    async for each in found:
        yield table.rows([_line(each)])


async def archived(
    storage: Storage, found: AsyncIterator[Assignment], naming: Renaming
) -> AsyncIterator[bytes]:
    """Yield a ZIP of the photographs, each as often as there are people in it, and the list.

    Raises ObjectNotFound in the middle when a photograph is not there any more, so that a part is
    not taken for the whole.
    """
    lines: list[tuple[object, ...]] = [("entry", *_HEADINGS)]
    with Zip() as archive:
        async for each in found:
            if not each.key:  # by URL, and never fetched
                lines.append((None, *_line(each)))
                continue
            name = naming.name(
                Photograph(each.filename, each.student_id, each.name, each.class_name)
            )
            lines.append((name, *_line(each)))
            async with aclosing(archive.add_stored(name, storage, StorageKey(each.key))) as pieces:
                async for piece in pieces:
                    yield piece
        archive.add(LIST, table.rows(lines))
    yield archive.take()


def _line(each: Assignment) -> tuple[object, ...]:
    return (
        each.file,
        each.filename,
        each.student_id,
        each.name,
        each.class_name,
        None if each.score is None else round(each.score, 4),
        "yes" if each.reviewed else "no",
    )

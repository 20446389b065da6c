"""Portraits of a yearbook: where they will lie, told before they are cut."""

from typing import Annotated

from msgspec import Meta

from proto.agencies import FileId, SubjectId
from proto.ids import JobId, StorageKey
from proto.matching.asking import AboutMatch, Done
from proto.message import Message, Request

MOST_NOTED = 10_000
"""Portraits in one message, and in one job."""

Ending = Annotated[str, Meta(pattern=r"^[a-z0-9]{1,20}\.[a-z]{1,5}$(?!\n)")]
"""Of a file of a portrait, behind its stem: md.jpg."""


class NewPortrait(Message):
    """A portrait that is about to be cut."""

    subject: SubjectId
    file: FileId
    """The photograph that it is cut out of."""


class NotePortraits(Request[Done], AboutMatch, subject="matching.note-portraits"):
    """Write down which portraits a job is about to cut, so that they go with whom they show.

    Asked before the job begins. Raises NotFound, and InvalidRequest for a folder that is not the
    account's own.
    """

    job: JobId
    outputs: StorageKey
    """The folder that they will lie in: `outputs/<account>/<id>`."""
    endings: Annotated[list[Ending], Meta(min_length=1, max_length=20)]
    portraits: Annotated[list[NewPortrait], Meta(min_length=1, max_length=MOST_NOTED)]


def stem_of(subject: SubjectId) -> str:
    """Return what the names of the files of somebody's portrait begin with."""
    return f"s{subject}"


def key_of(outputs: str, subject: SubjectId, ending: str) -> StorageKey:
    """Return where a file of somebody's portrait lies."""
    return StorageKey(f"{outputs}/{stem_of(subject)}_{ending}")

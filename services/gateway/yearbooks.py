"""A yearbook package as PSPA describes it: portraits of one aspect ratio, and an index of them.

The index is a text file with a line for each portrait: volume, folder, image file, grade, last
name, first name, teacher, home room. A roster of ours knows a name and a class: the name is cut
into two by a stated rule, the grade is the number that the class begins with, the teacher stays
empty.
"""

import csv
import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from kit.letters import in_ascii
from proto.agencies import FileId, SubjectId
from proto.facecrop import FaceBox
from proto.matching.exports import Assignment
from proto.matching.results import FileResult

FOLDER = "PORTRAITS"
INDEX = "INDEX.TXT"
LONGEST = 9
"""Letters and digits of a file name, without its ending; what PSPA recommends."""

NameOrder = Literal["given_first", "family_first"]

_CLEARLY_LARGER = 2.0
"""How many times as high as any other a face must be for a photograph to be of that person alone:
whoever crops it takes the largest, or of those at least four fifths as large the most central."""
_GRADE = re.compile(r"\d{1,2}(?!\d)")


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the index."""

    image: str
    name: str
    class_name: str


def index(
    entries: Iterable[Entry], volume: str, delimiter: Literal["tab", "comma"], order: NameOrder
) -> bytes:
    """Return the index, in UTF-8, a line for each portrait and none besides.

    Programs of yearbooks read it, not spreadsheets: names stand in it as they are.
    """
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t" if delimiter == "tab" else ",")
    for entry in entries:
        last, first = names(entry.name, order)
        grade, room = grade_of(entry.class_name), entry.class_name
        writer.writerow((volume, FOLDER, entry.image, grade, last, first, "", room))
    return text.getvalue().encode()


def names(name: str, order: NameOrder) -> tuple[str, str]:
    """Return last and first name.

    A comma parts them, "Nguyen, An"; else the last word is the last name, or the first word where
    the family comes first; a single word is a first name.
    """
    last, comma, first = (part.strip() for part in name.partition(","))
    if comma:
        return last, first
    words = name.split()
    if len(words) < 2:
        return "", name.strip()
    if order == "family_first":
        return words[0], " ".join(words[1:])
    return words[-1], " ".join(words[:-1])


def grade_of(class_name: str) -> str:
    """Return the number that a class begins with, of at most two digits; else the whole class."""
    found = _GRADE.match(class_name.strip())
    return found[0] if found else class_name


def plain(text: str) -> str:
    """Return the ASCII letters and digits of a text, letters without their marks."""
    return "".join(letter for letter in in_ascii(text) if letter.isalnum())


def image_names(student_ids: Iterable[str]) -> dict[str, str]:
    """Return for each student_id the name of its image, without ending.

    It is the id itself where what is plain in it is short enough and nobody else's, and a number
    otherwise.
    """
    ids = list(student_ids)
    wished = {student_id: plain(student_id) for student_id in ids}
    count: dict[str, int] = {}
    for name in wished.values():
        count[name.casefold()] = count.get(name.casefold(), 0) + 1
    good = {
        student_id: name
        for student_id, name in wished.items()
        if 0 < len(name) <= LONGEST and count[name.casefold()] == 1
    }
    taken = {name.casefold() for name in good.values()}
    number = 0
    for student_id in ids:
        if student_id in good:
            continue
        while True:
            number += 1
            name = f"P{number:07d}"
            if name.casefold() not in taken:
                break
        good[student_id] = name
    return good


def main_person(result: FileResult) -> SubjectId | None:
    """Return who a portrait that is cut out of a photograph would show, if that is beyond doubt."""
    seen = [face for face in result.faces if face.box is not None]
    if not seen:
        # told by a card alone
        people = {face.subject for face in result.faces if face.state == "matched"}
        return people.pop() if len(people) == 1 else None
    largest, *others = sorted(seen, key=lambda face: -_height(face.box))
    if any(_height(largest.box) < _CLEARLY_LARGER * _height(other.box) for other in others):
        return None
    return largest.subject if largest.state == "matched" else None


def chosen(
    assignments: Iterable[Assignment], main: Mapping[FileId, SubjectId]
) -> dict[SubjectId, Assignment]:
    """Return for each person the photograph to cut a portrait out of.

    One that somebody confirmed comes before others, then the surest, then the earliest. People who
    are nowhere the main person are not among them.
    """
    best: dict[SubjectId, Assignment] = {}
    for each in assignments:
        if main.get(each.file) != each.subject:
            continue
        before = best.get(each.subject)
        if before is None or _rank(each) > _rank(before):
            best[each.subject] = each
    return best


def _rank(assignment: Assignment) -> tuple[bool, float, int]:
    return assignment.reviewed, assignment.score or 0.0, -assignment.file


def _height(box: FaceBox | None) -> int:
    return box.h if box is not None else 0

"""Which cards a sheet has, in which order, and what each says."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby

from proto.errors import InvalidRequest
from proto.qr import MOST_SUBJECTS, Subject, Wishes
from services.qr.drawing.cards import Card
from services.qr.payload import CardContent, Kind

Write = Callable[[CardContent], str]
"""Returns the text of a card's code. Raises InvalidRequest for what no card can hold."""

_EXTRA = "extra-"
_DIGITS = re.compile(r"(\d+)")
_STROKES = str.maketrans({"đ": "d", "ø": "o", "ł": "l"})
"""Letters with a stroke, which Unicode does not take apart."""


def check(subjects: Sequence[Subject]) -> None:
    """Raise InvalidRequest for nobody, too many, or a student_id that two have."""
    if not subjects:
        raise InvalidRequest("this sheet has no subjects")
    if len(subjects) > MOST_SUBJECTS:
        first = subjects[MOST_SUBJECTS].student_id
        raise InvalidRequest(
            f"a sheet has at most {MOST_SUBJECTS} subjects; {first} is the first one too many"
        )
    seen: set[str] = set()
    for subject in subjects:
        if subject.student_id in seen:
            raise InvalidRequest(f"the student_id {subject.student_id} is on this sheet twice")
        seen.add(subject.student_id)


def cards(subjects: Sequence[Subject], wishes: Wishes, job: bytes, write: Write) -> list[Card]:
    """Return the cards of a sheet in the order in which they are printed.

    Subjects come first, each class with its group card before it if wished, then further groups,
    then the blank cards for people who are not on the list. Of two groups of the same name, the
    first has a card.

    Args:
        subjects: As `check` lets them pass.
        wishes: How the sheet shall look.
        job: As `payload.job_tag` makes it.
        write: Makes the texts of the codes.

    Raises InvalidRequest: An id, or the name of a group, that no card can hold.
    """
    made: list[Card] = []
    groups: set[str] = set()
    ordered = _in_order(subjects, wishes)
    for class_name, of_class in groupby(ordered, key=lambda subject: subject.class_name):
        if wishes.group_cards:
            made += _groups([class_name], groups, job, write, class_name)
        made += [_subject(subject, wishes, job, write) for subject in of_class]
    made += _groups(wishes.groups, groups, job, write)
    made += [_extra(number, job, write) for number in range(1, wishes.extras + 1)]
    return made


def subject_text(
    student_id: str, name: str, job: bytes, write: Write, *, name_in_code: bool
) -> str:
    """Return what the code of a subject says: always the same for the same subject."""
    content = CardContent(Kind.SUBJECT, job, student_id, name if name_in_code else "")
    return _written(content, write)


def extra_name(extra_id: str) -> str:
    """Return what is printed on a blank card, by its id."""
    return f"Extra {extra_id.removeprefix(_EXTRA)}"


def _in_order(subjects: Sequence[Subject], wishes: Wishes) -> list[Subject]:
    """Order the subjects; classes stay together where something stands before each."""
    ordered = list(subjects)
    if wishes.sort_by == "name":
        ordered.sort(key=lambda subject: (_natural(subject.name), subject.name))
    together = wishes.group_cards or wishes.dividers or wishes.page_break_per_class
    if wishes.sort_by == "class" or (wishes.sort_by == "name" and together):
        ordered.sort(key=lambda subject: _class_key(subject.class_name))
    elif together:
        first = {subject.class_name: at for at, subject in reversed(list(enumerate(ordered)))}
        ordered.sort(key=lambda subject: first[subject.class_name])
    return ordered


def _class_key(class_name: str) -> tuple[object, ...]:
    """Order classes by name, 9B before 10A; those without a class come last."""
    return (not class_name, _natural(class_name), class_name)


def _natural(text: str) -> tuple[str | int, ...]:
    """Order as people do: without regard to case and accents, numbers by their value."""
    apart = unicodedata.normalize("NFKD", text.casefold().translate(_STROKES))
    plain = "".join(letter for letter in apart if not unicodedata.combining(letter))
    parts = _DIGITS.split(plain)
    return tuple(int(part) if at % 2 else part for at, part in enumerate(parts))


def _subject(subject: Subject, wishes: Wishes, job: bytes, write: Write) -> Card:
    student_id, name = subject.student_id, subject.name
    return Card(
        payload=subject_text(student_id, name, job, write, name_in_code=wishes.name_in_code),
        name=name,
        student_id=student_id,
        class_name=subject.class_name,
        lines=tuple(subject.lines),
    )


def _groups(
    names: Iterable[str], taken: set[str], job: bytes, write: Write, class_name: str = ""
) -> Iterator[Card]:
    """Yield a card for each name that is not empty and not taken yet."""
    for name in names:
        group = _group_id(name)
        if group and group not in taken:
            taken.add(group)
            text = _written(CardContent(Kind.GROUP, job, group), write)
            yield Card(text, name, class_name=class_name, kind="group")


def _group_id(name: str) -> str:
    """Return what the code of a group says: its name, with plain spaces and nothing invisible."""
    return "".join(filter(str.isprintable, " ".join(name.split())))


def _extra(number: int, job: bytes, write: Write) -> Card:
    extra = f"{_EXTRA}{number}"
    text = _written(CardContent(Kind.EXTRA, job, extra), write)
    return Card(text, extra_name(extra), kind="extra")


def _written(content: CardContent, write: Write) -> str:
    try:
        return write(content)
    except InvalidRequest as error:
        raise InvalidRequest(f"there is no card for {content.student_id!r}: {error}") from error

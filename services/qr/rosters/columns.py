"""Which column holds what: by its heading, else by what is in it."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from services.qr.rosters.headings import Meaning, Role, meaning
from services.qr.rosters.tables import Table

_SAMPLE_ROWS = 500
_FAMILY_FIRST = frozenset({"vi", "zh", "ja", "ko"})
"""Languages in which a name begins with that of the family."""
_GIVEN_WHEN_SPLIT = frozenset({"vi", "es", "ko", "th", "ru", "zh", "ja", "ar"})
"""Where the word for a name, beside one for the family's, means the given one: Tên, Nombre."""

_DATE = re.compile(r"\d{1,4}[-./]\d{1,2}[-./]\d{1,4}.*")
_CLASS = re.compile(
    r"(?:\d{1,2}[ºª°]?\s?[-./]?\s?[^\W\d]{0,2}\d{0,2}|[^\W\d]{1,3}\s?[-.]?\d{1,2}[^\W\d]?)"
)
_ANSWERS = frozenset(
    (
        *("m", "f", "w", "d", "x", "male", "female", "boy", "girl", "nam", "nữ", "h", "mujer"),
        *("männlich", "weiblich", "homme", "femme", "garçon", "fille", "masculino", "femenino"),
        *("hombre", "niño", "niña", "男", "女", "男性", "女性", "남", "여", "남자", "여자"),
        *("ชาย", "หญิง", "ذكر", "أنثى", "м", "ж", "муж", "жен"),
        *("yes", "no", "true", "false", "ja", "nein", "oui", "non", "sí", "có", "không", "y", "n"),
    )
)
"""Few and short as classes are: genders, yes and no."""
_WITHOUT_SPACES = re.compile(
    "[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3\U00020000-\U0003ffff・·]{2,12}"
)
"""Names of scripts that put no space between words."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column that was found, or chosen."""

    index: int
    """From 0."""
    confidence: float = 1.0
    """From 0 to 1; 1 is for what somebody chose."""


@dataclass(frozen=True, slots=True)
class Columns:
    """What to read where; a name is in one column or in two."""

    student_id: Column | None = None
    name: Column | None = None
    first_name: Column | None = None
    last_name: Column | None = None
    class_name: Column | None = None
    reference_photo_url: Column | None = None
    """Told by its heading alone."""
    family_first: bool = False
    """In which order a name in two columns is put together."""
    lines: tuple[int, ...] = ()
    """Columns to print below the name, from 0; never guessed."""


@dataclass(frozen=True, slots=True)
class _Content:
    """Shares, from 0 to 1, of the filled cells of one column."""

    filled: float
    """Of all rows."""
    count: int
    distinct: float
    digits: float
    """With a digit in it."""
    worded: float
    """Several words of letters, or one of a script without spaces."""
    lettered: float
    """One word of letters."""
    classlike: float
    short: float
    """At most 20 characters without a space, no date, no address."""
    running: bool
    """1, 2, 3."""
    lesser: bool
    """Dates, addresses, genders: nothing that is looked for."""


def guess(table: Table) -> Columns:
    """Return where id, name and class most likely are, each with how sure that is.

    Headings count first; the best of several, the leftmost among equals. What they do not tell is
    sought in the content: short codes that never repeat, words with spaces, few short values.
    """
    said = [meaning(heading) for heading in table.headings]
    columns = _split_name(_by_heading(said), said, table)
    contents = {
        index: _content(table.column(index)[:_SAMPLE_ROWS])
        for index in range(table.width)
        if said[index] is None
    }
    columns = _id_by_content(columns, contents, said)
    columns = _name_by_content(columns, contents)
    return _class_by_content(columns, contents)


def _by_heading(said: Sequence[Meaning | None]) -> Columns:
    def best(role: Role) -> Column | None:
        found = [(m.confidence, -i) for i, m in enumerate(said) if m and m.role == role]
        if not found:
            return None
        confidence, index = max(found)
        return Column(-index, confidence)

    return Columns(
        student_id=best("student_id"),
        name=best("name"),
        first_name=best("first_name"),
        last_name=best("last_name"),
        class_name=best("class_name"),
        reference_photo_url=best("reference_photo_url"),
    )


def _split_name(columns: Columns, said: Sequence[Meaning | None], table: Table) -> Columns:
    """Decide between a name in one column and one in two."""
    name, first, last = columns.name, columns.first_name, columns.last_name
    if name and (told := said[name.index]):
        if last and not first and told.language in _GIVEN_WHEN_SPLIT:
            name, first = None, name
        elif first and not last and not _contains(table, name, first):
            name, last = None, name
    if name:
        first = last = None
    elif first and not last:
        name, first = first, None
    elif last and not first:
        name, last = last, None
    languages = {_language(said, column) for column in (first, last) if column}
    return replace(
        columns,
        name=name,
        first_name=first,
        last_name=last,
        family_first=bool(languages) and languages <= _FAMILY_FIRST,
    )


def _contains(table: Table, whole: Column, part: Column) -> bool:
    """Whether most cells of a column hold what another does: Ann Lee, beside Ann."""
    pairs = zip(table.column(whole.index), table.column(part.index), strict=True)
    held = [one.casefold() in name.casefold() for name, one in pairs if one]
    return sum(held) > len(held) / 2


def _language(said: Sequence[Meaning | None], column: Column) -> str | None:
    told = said[column.index]
    return told.language if told else None


def _id_by_content(
    columns: Columns, contents: dict[int, _Content], said: Sequence[Meaning | None]
) -> Columns:
    if columns.student_id:
        return columns
    codes = [
        Column(index, 0.3 if content.running else 0.6)
        for index, content in contents.items()
        if content.distinct >= 0.98
        and min(content.filled, content.short) >= 0.9
        and content.digits >= 0.8
        and not content.lesser
    ]
    # a running number tells the rows apart as long as nobody sorts them
    running = [Column(i, 0.3) for i, m in enumerate(said) if m and m.role == "ordinal"]
    return replace(columns, student_id=_surest([*codes, *running]))


def _name_by_content(columns: Columns, contents: dict[int, _Content]) -> Columns:
    if columns.name or columns.first_name:
        return columns
    free = {i: c for i, c in contents.items() if c.digits < 0.05 and c.filled >= 0.5}
    free = {i: c for i, c in free.items() if not c.lesser}
    whole = [Column(i, 0.6) for i, c in free.items() if c.worded >= 0.6 and c.distinct > 0.3]
    if whole:
        return replace(columns, name=_surest(whole))
    single = [i for i, c in free.items() if c.lettered + c.worded >= 0.8 and c.distinct > 0.3]
    if len(single) == 1:
        return replace(columns, name=Column(single[0], 0.4))
    for left, right in pairwise(single):
        if right == left + 1:
            return replace(columns, first_name=Column(left, 0.3), last_name=Column(right, 0.3))
    return columns


def _class_by_content(columns: Columns, contents: dict[int, _Content]) -> Columns:
    if columns.class_name:
        return columns
    named = (columns.student_id, columns.name, columns.first_name, columns.last_name)
    taken = {column.index for column in named if column}
    found = [
        Column(index, 0.6 if content.classlike >= 0.8 else 0.3)
        for index, content in contents.items()
        if index not in taken
        and not content.lesser
        and min(content.filled, max(content.short, content.classlike)) >= 0.5
        and (content.distinct <= 0.5 or (content.classlike >= 0.8 and content.digits >= 0.8))
        and not content.running
    ]
    return replace(columns, class_name=_surest(found))


def _surest(columns: Iterable[Column]) -> Column | None:
    return max(columns, key=lambda column: (column.confidence, -column.index), default=None)


def _content(cells: Sequence[str]) -> _Content:
    texts = [cell for cell in cells if cell]
    count = len(texts)
    if not count:
        return _Content(0, 0, 0, 0, 0, 0, 0, 0, running=False, lesser=True)

    def share(holds: Iterable[bool]) -> float:
        return sum(holds) / count

    dates = share(bool(_DATE.fullmatch(text)) for text in texts)
    addresses = share("@" in text or "://" in text for text in texts)
    words = Counter(text.casefold() for text in texts)
    return _Content(
        filled=count / len(cells),
        count=count,
        distinct=len(words) / count,
        digits=share(any(map(str.isdigit, text)) for text in texts),
        worded=share(_is_words(text) for text in texts),
        lettered=share(_is_letters(text) for text in texts),
        classlike=share(bool(_CLASS.fullmatch(text)) for text in texts),
        short=share(_is_code(text) for text in texts),
        running=texts == [str(number) for number in range(1, count + 1)],
        lesser=max(dates, addresses) > 0.5 or words.keys() <= _ANSWERS,
    )


def _is_code(text: str) -> bool:
    return len(text) <= 20 and " " not in text and any(map(str.isalnum, text))


def _is_words(text: str) -> bool:
    parts = re.split(r"[\s,]+", text)
    if len(parts) > 1:
        return all(map(_is_letters, filter(None, parts)))
    return bool(_WITHOUT_SPACES.fullmatch(text))


def _is_letters(text: str) -> bool:
    # marks of Thai, Arabic and Vietnamese are no letters to str.isalpha
    return any(map(str.isalpha, text)) and not any(map(str.isdigit, text)) and "@" not in text

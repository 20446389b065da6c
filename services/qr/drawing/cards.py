"""What is drawn: a card, how its sheet looks, and what came of it."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["subject", "group", "extra"]
LayoutName: TypeAlias = Literal["4up", "single", "9up"]
Paper: TypeAlias = Literal["a4", "letter"]
SymbolName: TypeAlias = Literal["qr", "datamatrix"]


@dataclass(frozen=True, slots=True)
class Card:
    """One card. Texts may be empty; what is empty takes no room."""

    payload: str
    """What the code holds."""
    name: str
    """Printed large: the subject, the group, or which extra card this is."""
    student_id: str = ""
    """Printed in plain letters, for when the code cannot be read."""
    class_name: str = ""
    lines: tuple[str, ...] = ()
    """Printed below the rest, in this order."""
    kind: Kind = "subject"


@dataclass(frozen=True, slots=True)
class Words:
    """What the cards say on their own, in the language of the sheet."""

    group_photo: str = "Group photo"
    name: str = "Name"
    class_name: str = "Class"


@dataclass(frozen=True, slots=True)
class SheetOptions:
    """How all cards of one PDF look."""

    layout: LayoutName = "4up"
    paper: Paper = "a4"
    symbol: SymbolName = "qr"
    school_name: str = ""
    logo: bytes | None = None
    """A PNG that our own code wrote."""
    dividers: bool = False
    """A page with the name of the class before its first card."""
    page_break_per_group: bool = False
    """A new page wherever the class changes."""
    language: str = "en"
    """Of the document and of `words`: a BCP 47 tag."""
    title: str = ""
    """Of the document; the school's name if it is empty."""
    words: Words = Words()


@dataclass(frozen=True, slots=True)
class Drawn:
    """What became of a roster."""

    pages: int
    missing: tuple[tuple[str, str], ...] = ()
    """Student id (or name, where there is none) and the characters of its texts that no font has.

    They are left out of what is printed. An empty id stands for the school's name and the title.
    """

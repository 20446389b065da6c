"""Drawing a sheet and its preview: the part that runs in a process of its own."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO

from proto.errors import InvalidRequest
from services.qr.drawing.cards import Card, SheetOptions
from services.qr.drawing.errors import LogoUnreadable, PayloadUnfit
from services.qr.drawing.fonts import installed
from services.qr.drawing.preview import preview
from services.qr.drawing.sheet import draw


@dataclass(frozen=True, slots=True)
class Files:
    """A sheet as it is delivered."""

    pdf: bytes
    preview: bytes
    """The first page as PNG."""
    pages: int
    missing: tuple[tuple[str, str], ...]
    """As in `drawing.cards.Drawn`."""


def get_ready() -> None:
    """Load what drawing takes. Raises FontsMissing."""
    installed()


def files(cards: Sequence[Card], options: SheetOptions) -> Files:
    """Draw cards. Raises InvalidRequest for a code that cannot be printed and for the logo."""
    at = _Place(cards)
    pdf = BytesIO()
    try:
        drawn = draw(at, options, pdf)
    except PayloadUnfit as error:
        whose = at.card.student_id or at.card.name
        raise InvalidRequest(
            f"the code for {whose} cannot be printed in the layout {options.layout}: {error}"
        ) from error
    except LogoUnreadable as error:
        raise InvalidRequest(str(error)) from error
    return Files(pdf.getvalue(), preview(pdf.getvalue()), drawn.pages, drawn.missing)


class _Place:
    """Goes through cards and knows which one it has come to."""

    def __init__(self, cards: Sequence[Card]) -> None:
        self._cards = cards
        self.card = cards[0]

    def __iter__(self) -> Iterator[Card]:
        for card in self._cards:
            self.card = card
            yield card

"""Everything that can go wrong while cards are drawn.

DrawingError
├── NoCards             there is nothing to draw
├── PayloadUnfit        a code cannot hold its payload
│   └── PayloadTooLong      not with modules that a print lab can print
├── LogoUnreadable      the logo is not a picture that can be placed
└── FontsMissing        our side is at fault: the fonts are not installed
"""


class DrawingError(Exception):
    """Anything this package raises on purpose."""


class NoCards(DrawingError):
    """No card was given, and a PDF has at least one page. Ask for a roster."""

    def __init__(self) -> None:
        super().__init__("There are no cards to draw.")


class PayloadUnfit(DrawingError):
    """The payload is empty or cannot be encoded. Ask for another one."""


class PayloadTooLong(PayloadUnfit):
    """The modules of the code would be too small to print. Shorten it or choose a larger layout."""

    def __init__(self) -> None:
        super().__init__("This text is too long for a code of this size.")


class LogoUnreadable(DrawingError):
    """The logo is not a PNG that can be read. Decode it again before it comes here."""

    def __init__(self) -> None:
        super().__init__("The logo cannot be placed on the cards.")


class FontsMissing(DrawingError):
    """The fonts that every card needs are not there. Install the package that is named."""

    def __init__(self, package: str) -> None:
        super().__init__(f"The fonts of the package {package} are not installed.")
        self.package = package

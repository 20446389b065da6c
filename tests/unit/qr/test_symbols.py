import numpy as np
import pytest
import qrcode
import zxingcpp
from numpy.typing import NDArray

from services.qr.drawing.cards import SymbolName
from services.qr.drawing.errors import PayloadTooLong, PayloadUnfit
from services.qr.drawing.layouts import LAYOUTS, Layout
from services.qr.drawing.symbols import Correction, Symbol, encoded, painted

PAYLOADS = ("DR1:JOB-1:STU-001:AB12", "0", "https://cards.example/c/é/王小明", "x" * 200)


def modules(symbol: Symbol) -> NDArray[np.bool_]:
    """Return where a symbol is black, without its quiet zone."""
    rows = np.frombuffer(symbol.stencil, np.uint8).reshape(symbol.side, -1)
    return np.unpackbits(rows, axis=1)[:, : symbol.side] == 0


def seen(symbol: Symbol) -> str:
    """Read a symbol as a scanner would, four pixels a module."""
    black = np.pad(modules(symbol), symbol.quiet)
    picture = np.where(black, np.uint8(0), np.uint8(255)).repeat(4, 0).repeat(4, 1)
    found = zxingcpp.read_barcode(picture)
    assert found is not None
    return found.text


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize("symbol", ["qr", "datamatrix"])
def test_what_goes_in_is_read_again(payload: str, symbol: SymbolName) -> None:
    assert seen(encoded(payload, symbol, "M", 80)) == payload


@pytest.mark.parametrize("correction", ["L", "M", "Q", "H"])
@pytest.mark.parametrize("payload", PAYLOADS[:2])
def test_the_reference_makes_a_code_of_the_same_size_and_content(
    payload: str, correction: Correction
) -> None:
    level = getattr(qrcode.constants, f"ERROR_CORRECT_{correction}")
    reference = qrcode.QRCode(error_correction=level, border=4, box_size=4)
    reference.add_data(payload)
    reference.make()

    ours = encoded(payload, "qr", correction, 80)

    assert ours.side == len(reference.modules)
    picture = reference.make_image().get_image().convert("L")
    assert seen(ours) == zxingcpp.read_barcode(picture).text


@pytest.mark.parametrize("mask", range(8))
def test_with_the_same_mask_the_reference_agrees_in_every_module(mask: int) -> None:
    payload = next(
        text
        for text in (f"DR1:J:{number}" for number in range(2000))
        if mask_of(modules(encoded(text, "qr", "M", 80))) == mask
    )
    reference = qrcode.QRCode(error_correction=qrcode.ERROR_CORRECT_M, mask_pattern=mask)
    reference.add_data(payload, optimize=0)
    reference.make()

    assert np.array_equal(modules(encoded(payload, "qr", "M", 80)), np.array(reference.modules))


def mask_of(black: NDArray[np.bool_]) -> int:
    """Read the mask from the format information beside the upper left finder (ISO/IEC 18004)."""
    bits = [bool(black[8, column]) for column in (2, 3, 4)]
    return sum(bit << place for bit, place in zip(bits, (2, 1, 0), strict=True)) ^ 0b101


@pytest.mark.parametrize("payload", ["A", "A" * 19, "x" * 40, "x" * 120])
def test_a_data_matrix_is_square_even_where_a_rectangle_would_do(payload: str) -> None:
    symbol = encoded(payload, "datamatrix", "M", 80)
    assert len(symbol.stencil) == symbol.side * ((symbol.side + 7) // 8)
    assert seen(symbol) == payload


def test_quiet_zones_are_four_modules_wide() -> None:
    assert encoded("A", "qr", "M", 80).quiet == 4
    assert encoded("A", "datamatrix", "M", 80).quiet == 4


def test_a_small_card_corrects_more() -> None:
    corrections = {name: layout.correction for name, layout in LAYOUTS.items()}
    assert corrections == {"4up": "M", "single": "M", "9up": "Q"}


@pytest.mark.parametrize("layout", LAYOUTS.values())
def test_modules_are_never_smaller_than_half_a_millimetre(layout: Layout) -> None:
    fitting = 0
    for length in range(10, 2000, 10):
        try:
            symbol = encoded("x" * length, "qr", layout.correction, layout.code_mm)
        except PayloadTooLong:
            break
        assert layout.code_mm / (symbol.side + 8) >= 0.5
        fitting = length
    assert fitting >= 300


def test_more_than_any_code_holds_is_too_long_and_nothing_is_unfit() -> None:
    with pytest.raises(PayloadTooLong):
        encoded("x" * 5000, "qr", "M", 1000)
    with pytest.raises(PayloadTooLong):
        encoded("x" * 5000, "datamatrix", "M", 1000)
    with pytest.raises(PayloadUnfit):
        encoded("", "qr", "M", 80)


def test_a_symbol_is_painted_as_a_stencil_inside_white() -> None:
    symbol = encoded("A", "qr", "M", 80)
    operators = painted(symbol, 10, 20, 29)
    assert operators.startswith("1 g 10.00 20.00 29.00 29.00 re f 0 g")
    assert "21.000 0 0 21.000 14.000 24.000 cm" in operators
    assert f"/IM true /BPC 1 /F /AHx ID {symbol.stencil.hex()}>" in operators

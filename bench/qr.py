"""QR cards: our PDF of 2000 cards against the way that comes to mind first, same roster.

The other way makes a picture of each code with qrcode, and places it with reportlab's drawImage.
Each side runs in a process of its own, which is timed from its start to its end, imports and all.
After it, in the same run, reading cards back is measured next to the symbol reader alone.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from services.qr.drawing.cards import Card, SheetOptions
from services.qr.drawing.layouts import PAPERS, cells

CARDS = 2000
FEW = 200
"""To see that memory does not grow with the cards."""
ROUNDS = 2
"""Both sides in turn; the better time of each counts."""
SCHOOL = "Trường Tiểu học Springfield"
_GIVEN = ("An", "Bình", "Chloé", "Đạt", "Eva", "Filip", "Gül", "Hương", "Inès", "Jürgen", "Khánh")
_FAMILY = ("Nguyễn", "Müller", "Trần", "O’Neill", "García", "Šimůnek", "Phạm", "Åberg", "Yıldız")


def roster(count: int) -> Iterator[Card]:
    """Yield subjects of a school with codes of 43 characters."""
    for number in range(count):
        name = f"{_FAMILY[number % len(_FAMILY)]} {_GIVEN[number % len(_GIVEN)]} {number}"
        payload = f"DR1:JOB-2026-001:STU-{number:05d}:K7QX-2M9P-4TZB"
        room = number // 25
        yield Card(payload, name, f"STU-{number:05d}", f"{room // 4 + 1}{'ABCD'[room % 4]}")


def ours(count: int, into: Path) -> None:
    """Draw the roster as the service does."""
    from services.qr.drawing.sheet import draw

    draw(roster(count), SheetOptions(school_name=SCHOOL), into)


def naive(count: int, into: Path) -> None:
    """Draw the same texts and codes of the same size at the same places."""
    import qrcode
    from reportlab.lib.utils import ImageReader
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont
    from reportlab.pdfgen.canvas import Canvas

    pdfmetrics.registerFont(TTFont("Sans", "DejaVuSans.ttf"))
    canvas = Canvas(str(into), PAPERS["a4"])
    page = cells("4up", "a4")
    for number, card in enumerate(roster(count)):
        cell = page[number % len(page)]
        if number and cell is page[0]:
            canvas.showPage()
        code = qrcode.QRCode(error_correction=qrcode.ERROR_CORRECT_M)
        code.add_data(card.payload)
        picture = ImageReader(code.make_image().get_image())
        canvas.drawImage(picture, cell.code.x, cell.code.y, cell.code.width, cell.code.height)
        middle, y = cell.box.x + cell.box.width / 2, cell.texts.top
        canvas.setFont("Sans", 13)
        canvas.drawCentredString(middle, cell.header.y, SCHOOL)
        canvas.drawCentredString(middle, y - 45, card.class_name)
        canvas.drawCentredString(middle, y - 60, card.student_id)
        canvas.setFont("Sans", 24)
        canvas.drawCentredString(middle, y - 24, card.name)
    canvas.save()


SIDES = {"ours": ours, "naive": naive}


def measured(side: str, count: int) -> tuple[float, float, int]:
    """Run one side in a process of its own; return seconds, peak megabytes and bytes of the PDF."""
    with tempfile.TemporaryDirectory() as folder:
        pdf = Path(folder) / "cards.pdf"
        started = time.perf_counter()
        told = subprocess.run(
            [sys.executable, "-m", "bench.qr", side, str(count), str(pdf)],
            check=True,
            capture_output=True,
            text=True,
        )
        seconds = time.perf_counter() - started
        megabytes, size = float(told.stdout), pdf.stat().st_size
    print(f"{side:6} {count:5} cards {seconds:7.2f} s {megabytes:6.1f} MB {size / 1e6:6.2f} MB PDF")
    return seconds, megabytes, size


def sorting() -> dict[str, float]:
    """Run the benchmark of reading cards back; return what it says."""
    told = subprocess.run(
        [sys.executable, "-m", "bench.qr_sort"], check=True, capture_output=True, text=True
    )
    print(told.stdout, end="")
    said: dict[str, float] = json.loads(told.stdout.splitlines()[-1])
    return said


def main() -> None:
    """Measure and print; the last line is one JSON object."""
    if len(sys.argv) > 1:
        side, count, pdf = sys.argv[1:]
        SIDES[side](int(count), Path(pdf))
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6)
        return
    _, few_megabytes, _ = measured("ours", FEW)
    pairs = [(measured("ours", CARDS), measured("naive", CARDS)) for _ in range(ROUNDS)]
    seconds, megabytes, size = min(ours for ours, _ in pairs)
    naive_seconds, _, _ = min(naive for _, naive in pairs)
    result: dict[str, object] = {
        "seconds": round(seconds, 3),
        "naive_seconds": round(naive_seconds, 3),
        "ratio": round(naive_seconds / seconds, 1),
        "bytes": size,
        "peak_rss_mb": round(megabytes, 1),
        "peak_rss_mb_of_200": round(few_megabytes, 1),
        "sort": sorting(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()

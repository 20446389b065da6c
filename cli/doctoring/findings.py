"""What was found, one line for each thing that was looked at, and how it is shown."""

import textwrap
from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

Verdict = Literal["ok", "warning", "fix", "skipped"]
"""`fix`: does not work, or loses something, until somebody mends it. `warning`: works, and is not
as it should be. `skipped`: could not be looked at from here."""

_WIDTH = 100
_MARKS: dict[Verdict, str] = {"ok": "ok", "warning": "warning", "fix": "FIX", "skipped": "-"}


class Finding(msgspec.Struct, frozen=True):
    """How one thing stands. No value of a secret is ever in it."""

    area: str
    """settings, connections, versions, migrations, models, clock, disk, machine."""
    what: str
    verdict: Verdict
    said: str
    """One sentence, or a few facts."""
    fix: str = ""
    """What mends it, as something to do."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was found."""

    ok: bool
    """Whether nothing must be fixed."""
    looked_at: str
    findings: list[Finding]


def report(looked_at: str, findings: Sequence[Finding]) -> Report:
    """Return everything that was found in one."""
    ok = all(finding.verdict != "fix" for finding in findings)
    return Report(ok=ok, looked_at=looked_at, findings=list(findings))


def as_json(report: Report) -> str:
    """Return a report for programs."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2).decode()


def as_table(report: Report) -> str:
    """Return a report for people: a line for each thing, and beneath it what is to be done."""
    return "\n".join(_lines(report))


def _lines(report: Report) -> Iterator[str]:
    yield f"Looking at {report.looked_at}"
    area_width = max([len(finding.area) for finding in report.findings], default=0)
    what_width = max([len(finding.what) for finding in report.findings], default=0)
    area = ""
    for finding in report.findings:
        shown = finding.area if finding.area != area else ""
        area = finding.area
        head = f"{shown:<{area_width}}  {finding.what:<{what_width}}  "
        head += f"{_MARKS[finding.verdict]:<7}  "
        yield from _wrapped(head, finding.said)
        if finding.fix:
            yield from _wrapped(" " * len(head), f"-> {finding.fix}")
    counts = {
        verdict: sum(finding.verdict == verdict for finding in report.findings)
        for verdict in ("fix", "warning", "ok", "skipped")
    }
    yield (
        f"{counts['fix']} to fix, {counts['warning']} warnings, {counts['ok']} in order,"
        f" {counts['skipped']} not looked at"
    )


def _wrapped(head: str, text: str) -> list[str]:
    width = max(_WIDTH, len(head) + 40)
    return textwrap.wrap(
        text,
        width,
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_long_words=False,
        break_on_hyphens=False,
    ) or [head.rstrip()]

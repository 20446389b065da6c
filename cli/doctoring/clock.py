"""Clocks: tokens, links and leases are good until a time of day, on whichever machine."""

from datetime import datetime

from cli.doctoring.findings import Finding, Verdict

_ODD_SECONDS = 2.0
_WRONG_SECONDS = 30.0
_FIX = "Keep the clocks of all machines in step (chrony, systemd-timesyncd)."


def skew(server: str, before: datetime, theirs: datetime, after: datetime) -> Finding:
    """Compare a server's clock with ours, read before and after it was asked."""
    middle = before + (after - before) / 2
    slack = (after - before).total_seconds() / 2
    seconds = (theirs - middle).total_seconds()
    off = max(0.0, abs(seconds) - slack)
    way = "ahead" if seconds > 0 else "behind"
    if off < _ODD_SECONDS:
        return Finding("clock", server, "ok", f"within {max(off, slack):.3f} s of ours")
    verdict: Verdict = "fix" if off >= _WRONG_SECONDS else "warning"
    return Finding("clock", server, verdict, f"{off:.1f} s {way} of ours", _FIX)

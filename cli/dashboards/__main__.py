"""`python -m cli.dashboards write|check`: make deploy/grafana/dashboards, or compare."""

import sys
from pathlib import Path

import msgspec

from cli.dashboards.models import MODELS
from cli.dashboards.money import MONEY
from cli.dashboards.overview import OVERVIEW
from cli.dashboards.panels import Dashboard, written
from cli.dashboards.queues import QUEUES
from cli.dashboards.service import SERVICE
from cli.home import PROJECT

ALL: tuple[Dashboard, ...] = (OVERVIEW, MONEY, QUEUES, MODELS, SERVICE)
FOLDER = PROJECT / "deploy" / "grafana" / "dashboards"


def files() -> dict[Path, bytes]:
    """Return every file as it should be."""
    return {
        FOLDER / f"{dashboard.uid.removeprefix('darkroom-')}.json": _text(dashboard)
        for dashboard in ALL
    }


def stale() -> list[Path]:
    """Return the files that are not as they should be, or should not be there."""
    wanted = files()
    there = {path: path.read_bytes() for path in FOLDER.glob("*.json")}
    return sorted(path for path in wanted | there if wanted.get(path) != there.get(path))


def main(words: list[str]) -> int:
    """Write or check. Returns the exit code."""
    if words == ["write"]:
        FOLDER.mkdir(parents=True, exist_ok=True)
        for path in stale():
            path.unlink(missing_ok=True)
        for path, content in files().items():
            path.write_bytes(content)
        return 0
    if words == ["check"]:
        for path in stale():
            print(f"{path.relative_to(PROJECT)} is stale; run python -m cli.dashboards write")
        return 1 if stale() else 0
    print(__doc__)
    return 2


def _text(dashboard: Dashboard) -> bytes:
    return msgspec.json.format(msgspec.json.encode(written(dashboard)), indent=2) + b"\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

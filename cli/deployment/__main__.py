"""`python -m cli.deployment write|check|images`: make manifests; look at them, at images."""

import sys
from collections.abc import Iterable

from cli.deployment import check, generated
from cli.errors import CommandFailed
from cli.home import PROJECT


def main(words: list[str]) -> int:
    """Carry out one step. Returns the exit code."""
    match words:
        case ["write"]:
            for path in generated.write():
                print(f"wrote {path.relative_to(PROJECT)}")
            return 0
        case ["check"]:
            return _told(check.everything())
        case ["images"]:
            return _told(check.images())
        case _:
            print(__doc__, file=sys.stderr)
            return 2


def _told(findings: Iterable[str]) -> int:
    """Print what was found. Returns the exit code."""
    try:
        found = list(findings)
    except CommandFailed as error:
        found = [str(error)]
    print(*found, sep="\n", end="\n" if found else "", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""docs/openapi.json and docs/asyncapi.json: written from the code, and checked against it in CI."""

import json
from pathlib import Path

from cli import asyncapi
from kit.discovery import VERSION
from services.gateway import openapi
from services.gateway.app import operations

FOLDER = Path(__file__).parent.parent / "docs"


def documents() -> dict[Path, str]:
    """Return the text of each generated document by its path."""
    made = {
        "openapi.json": openapi.document(operations(), VERSION),
        "asyncapi.json": asyncapi.document(),
    }
    return {
        FOLDER / name: json.dumps(document, indent=1, sort_keys=True) + "\n"
        for name, document in made.items()
    }


def write() -> list[Path]:
    """Write the documents and return those that changed."""
    changed = outdated()
    for path in changed:
        path.write_text(documents()[path])
    return changed


def outdated() -> list[Path]:
    """Return the documents that no longer say what the code says."""
    return [
        path for path, text in documents().items() if not path.exists() or path.read_text() != text
    ]

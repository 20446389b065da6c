"""The four ICPs, read from presets.toml, where each number's source stands beside it."""

from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from proto.presets import Preset, PresetName


@cache
def icps() -> dict[PresetName, Preset]:
    """Return the ICPs by name, in the order of the file."""
    text = (Path(__file__).parent / "presets.toml").read_bytes()
    tables = msgspec.toml.decode(text, type=dict[PresetName, dict[str, Any]])
    return {
        name: msgspec.convert({**table, "name": name}, Preset) for name, table in tables.items()
    }

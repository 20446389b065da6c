"""`darkroom config`: every setting of every service, with its meaning and its default."""

import textwrap
from collections.abc import Iterator

from cli import services
from kit.settings import Setting

_WIDTH = 100


def text() -> str:
    """Return the page to print."""
    return "\n".join(line for name in services.NAMES for line in _page(name))


def _page(service: str) -> Iterator[str]:
    yield f"{service}  (python -m services.{service})"
    for setting in services.settings_of(service):
        yield from _entry(setting)
    yield ""


def _entry(setting: Setting) -> Iterator[str]:
    value = "must be set" if setting.default is None else f"default: {setting.default or 'empty'}"
    yield f"  {setting.name}  ({value})"
    if setting.meaning:
        yield from textwrap.wrap(
            setting.meaning, _WIDTH, initial_indent="      ", subsequent_indent="      "
        )

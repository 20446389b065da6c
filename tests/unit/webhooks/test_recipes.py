"""The recipes of docs/webhooks.md, carried out as they stand there."""

import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from proto.webhooks import EVENT_TYPES
from services.gateway.telling import BODIES
from services.webhooks import signing

PAGE = (Path(__file__).parents[3] / "docs" / "webhooks.md").read_text()
SECRETS = [b"1" * 32, b"2" * 32]
BODY = b'{"type": "job.failed"}'


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def is_ours() -> Callable[[str, dict[str, str], bytes], bool]:
    names: dict[str, Any] = {}
    (recipe,) = blocks("python")
    exec(recipe, names)  # noqa: S102 - our own page
    found: Callable[[str, dict[str, str], bytes], bool] = names["is_ours"]
    return found


def test_the_recipe_in_python_takes_what_any_secret_signed(
    is_ours: Callable[[str, dict[str, str], bytes], bool],
) -> None:
    headers = signing.headers(SECRETS, "event", int(time.time()), BODY)
    assert all(is_ours(signing.shown(secret), headers, BODY) for secret in SECRETS)
    assert not is_ours(signing.shown(b"3" * 32), headers, BODY)
    assert not is_ours(signing.shown(SECRETS[0]), headers, BODY + b" ")
    assert not is_ours(signing.shown(SECRETS[0]), headers | {"webhook-id": "other"}, BODY)
    assert not is_ours(signing.shown(SECRETS[0]), headers | {"webhook-signature": "ü"}, BODY)


def test_the_recipe_in_python_refuses_what_was_sent_long_ago(
    is_ours: Callable[[str, dict[str, str], bytes], bool],
) -> None:
    headers = signing.headers(SECRETS, "event", int(time.time()) - 600, BODY)
    assert not is_ours(signing.shown(SECRETS[0]), headers, BODY)


def test_the_recipe_for_a_shell_prints_what_the_page_says(tmp_path: Path) -> None:
    (recipe,) = blocks("sh")
    done = subprocess.run(
        ["/bin/sh", "-ec", recipe], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    (promised,) = re.findall(r"`(v1,[^`]+)`\)", PAGE)
    assert done.stdout.strip() == promised


@pytest.mark.parametrize("example", blocks("json"))
def test_an_example_is_what_is_posted(example: str) -> None:
    told = msgspec.json.decode(example)
    body = msgspec.json.decode(example, type=BODIES[told["type"]])
    assert msgspec.to_builtins(body) == told


def test_every_event_is_told_of() -> None:
    assert set(re.findall(r"^\| `(\w+\.\w+)` \|", PAGE, re.MULTILINE)) == set(EVENT_TYPES)

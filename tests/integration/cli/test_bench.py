"""`darkroom bench`: what it measures, what it costs, and that it never costs more."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.running import RunningStack, run, temporary_home


def balance(stack: RunningStack) -> int:
    """Return the tokens of the demo account, by topping it up with one."""
    said = stack.run("wallet", "topup", stack.card.email, "1").stdout
    return int(said.split()[-2])


def measured(stack: RunningStack, *words: str) -> tuple[dict[str, Any], str]:
    done = stack.run("bench", *words)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    return json.loads(done.stdout.splitlines()[-1]), done.stdout


def test_photographs_are_sent_timed_and_paid(stack: RunningStack) -> None:
    before = balance(stack)
    result, said = measured(
        stack, "--photos=4", "--callers=2", "--megapixels=0.5", "--most-tokens=8"
    )
    assert (result["photos"], result["callers"], result["errors"]) == (4, 2, {})
    assert result["tokens"] == 8
    assert balance(stack) == before - 8 + 1
    assert 0 < result["p50_ms"] <= result["p90_ms"] <= result["p99_ms"] <= result["max_ms"]
    assert result["images_per_s"] > 0
    assert stack.card.password not in said


def test_nothing_is_sent_that_could_cost_more_than_is_allowed(stack: RunningStack) -> None:
    before = balance(stack)
    refused = stack.run("bench", "--photos=4", "--megapixels=0.5", "--most-tokens=7")
    assert refused.returncode == 1
    assert refused.stderr.startswith("4 photographs may cost 8 tokens, and 7 are allowed")
    assert balance(stack) == before + 1


def test_a_photograph_without_a_face_is_an_error_and_costs_nothing(
    stack: RunningStack, tmp_path: Path
) -> None:
    file = tmp_path / "wall.jpg"
    Image.new("RGB", (400, 300), "#808080").save(file)
    done = stack.run("bench", "--photos=2", f"--file={file}", "--most-tokens=4")
    assert done.returncode == 1
    result = json.loads(done.stdout.splitlines()[-1])
    assert (result["errors"], result["tokens"]) == ({"422 NO_FACE": 2}, 0)


def test_a_key_that_is_none_is_said(stack: RunningStack, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("mk_live_nobody.nothing\n")
    refused = stack.run("bench", f"--key={key}", "--photos=1", "--most-tokens=4")
    assert refused.returncode == 1
    assert "was answered with 401" in refused.stderr
    assert "mk_live_nobody" not in refused.stderr


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--url=http://127.0.0.1:9",), "Whose tokens are they?"),
        (("--key=/nowhere",), "/nowhere cannot be read"),
        ((), "Darkroom is not running in"),
    ],
)
def test_what_is_missing_is_said(words: tuple[str, ...], sentence: str) -> None:
    with temporary_home() as home:
        refused = run("bench", "--most-tokens=4", *words, home=home, DARKROOM_KEY="")
    assert refused.returncode == 1
    assert refused.stderr.startswith(sentence)

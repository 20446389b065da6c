import json
import subprocess

import pytest

from cli import arguments, commands
from cli.home import PROJECT


def complete_words() -> list[list[str]]:
    """A command line of every command, with what it must be given."""
    needed = {
        "bench": ["--most-tokens=10"],
        "account create": ["a@b.example"],
        "account plan": ["a@b.example", "pro"],
        "account limit": ["a@b.example", "none"],
        "account keys": ["a@b.example"],
        "wallet topup": ["a@b.example", "5"],
        "wallet grant": ["a@b.example", "5"],
        "wallet statement": ["a@b.example"],
        "jobs list": ["a@b.example"],
        "jobs cancel": ["a@b.example", "c1a2b3d4-0000-4000-8000-000000000000"],
        "issuer add": ["https://b.example", "https://b.example/jwks", "darkroom", "a@b.example"],
        "issuer remove": ["https://b.example"],
        "service issue-key": ["printcart"],
        "service set-outbound": ["headshot", "nats://headshot", "key"],
        "repository publish": ["file:///models"],
        "repository fetch": ["file:///models", "models"],
        "backup take": ["backup"],
        "backup store": ["backup", "postgresql"],
        "backup fetch": ["backup", "postgresql"],
        "backup drill": ["backup"],
    }
    return [[*words.split(), *needed.get(words, [])] for words in commands.COMMANDS]


@pytest.mark.parametrize("words", complete_words(), ids=" ".join)
def test_every_command_can_be_called(words: list[str]) -> None:
    options = arguments.parser().parse_args(words)
    assert options.words in commands.COMMANDS


@pytest.mark.parametrize("words", complete_words(), ids=" ".join)
def test_every_command_explains_itself(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ending:
        arguments.parser().parse_args([*words, "--help"])
    assert ending.value.code == 0
    assert ". " in capsys.readouterr().out.replace("\n", " ")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("up --port 65536", "a number from 0 to 65535"),
        ("up --port http", "a number from 0 to 65535"),
        ("account create nobody", "a name, an @ and a domain"),
        ("account create a@b.example --password short", "10 to 200 characters"),
        ("account create a@b.example --tokens -1", "counted from 1"),
        ("wallet topup a@b.example 0", "counted from 1"),
        ("wallet topup a@b.example 1000000001", "counted from 1"),
        ("wallet grant a@b.example 5 --days 0", "counted from 1"),
        ("wallet statement a@b.example --limit 1001", "counted from 1"),
        ("jobs list a@b.example --limit 201", "counted from 1"),
        ("jobs cancel a@b.example TX-00001", "invalid UUID"),
        ("account plan a@b.example gold", "invalid choice"),
        ("account limit a@b.example 0", "from 1 to 1000000"),
        ("account limit a@b.example many", "`plan` or `none`"),
        ("account limit a@b.example 5 --api-key x", "invalid UUID"),
    ],
)
def test_what_makes_no_sense_is_said_before_anything_is_done(
    words: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ending:
        arguments.parser().parse_args(words.split())
    assert ending.value.code == 2
    assert sentence in capsys.readouterr().err


def test_a_command_without_a_running_stack_says_how_to_start_one(
    tmp_path: object, capsys: pytest.CaptureFixture[str]
) -> None:
    assert commands.main(["wallet", "reconcile", f"--home={tmp_path}"]) == 1
    assert "start it with ./just up" in capsys.readouterr().err


def test_every_recipe_is_explained() -> None:
    dump = [PROJECT / "just", "--dump", "--dump-format=json"]
    recipes = json.loads(subprocess.check_output(dump))["recipes"]
    assert {"setup", "models", "demo", "up", "test", "lint", "check", "bench", "docs", "lock"} <= (
        recipes.keys()
    )
    unexplained = [name for name, recipe in recipes.items() if not recipe["doc"]]
    assert unexplained == []


def test_darkroom_runs_from_any_folder(tmp_path: object) -> None:
    said = subprocess.check_output([PROJECT / "darkroom", "--help"], cwd=str(tmp_path), text=True)
    assert "Run Darkroom on one machine" in said

"""Rules as people meet them: what each alert says, its runbook, and that it is tried both ways."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli import services
from cli.commands import COMMANDS
from cli.home import PROJECT
from cli.services import settings_of

FOLDER = PROJECT / "deploy" / "prometheus"
RUNBOOKS = PROJECT / "docs" / "runbooks"
HEADINGS = ["## What it means", "## How to look", "## What to do"]


def read(folder: str) -> dict[str, Any]:
    return {path.stem: yaml.safe_load(path.read_text()) for path in (FOLDER / folder).glob("*.yml")}


RULES = [rule for file in read("rules").values() for g in file["groups"] for rule in g["rules"]]
ALERTS = [rule for rule in RULES if "alert" in rule]
TESTS = [test for file in read("tests").values() for test in file["tests"]]


NAMES = {alert["alert"] for alert in ALERTS}
NO_ALERTS = {"JetStream", "SchemaConflict", "StreamMismatch", "SlowDown"}
SOURCE = "".join(
    path.read_text()
    for part in ("kit", "services", "vision")
    for path in (PROJECT / part).rglob("*.py")
)
KNOWN = {setting.name for service in services.NAMES for setting in settings_of(service)} | {
    "ANALYZE",
    "EVENTS",
}


def there(document: str) -> bool:
    return (PROJECT / document).is_file()


def asked(test: dict[str, Any], alert: str) -> list[bool]:
    """Return, for each time that a test asks for an alert, whether it is to fire."""
    by_name = [
        bool(each["exp_alerts"])
        for each in test.get("alert_rule_test", ())
        if each["alertname"] == alert
    ]
    by_query = [
        any("firing" in sample["labels"] and f'"{alert}"' in sample["labels"] for sample in samples)
        for each in test.get("promql_expr_test", ())
        for samples in [each.get("exp_samples") or []]
        if f'"{alert}"' in each["expr"] or each["expr"] == "ALERTS"
    ]
    return by_name + by_query


def test_names_are_used_once() -> None:
    for kind in ("alert", "record"):
        names = [rule[kind] for rule in RULES if kind in rule]
        assert len(names) == len(set(names))


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_says_how_urgent_it_is_and_what_to_do(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in ("page", "ticket")
    said = alert["annotations"]
    assert said.keys() == {"summary", "description", "runbook"}
    text = (PROJECT / said["runbook"]).read_text()
    assert [line for line in text.splitlines() if line.startswith("## ")] == HEADINGS
    assert alert["alert"] in text


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_is_tried_and_stays_silent_about_what_is_well(alert: dict[str, Any]) -> None:
    """A test that makes it fire expects one set of labels and no other that it fed, or asks for
    silence at another time or of other series."""
    fires = [test for test in TESTS if True in asked(test, alert["alert"])]
    assert fires
    assert any(False in asked(test, alert["alert"]) for test in TESTS) or any(
        len(test["input_series"]) > 1 for test in fires
    )


@pytest.mark.parametrize("runbook", sorted(RUNBOOKS.glob("*.md")), ids=lambda path: path.stem)
def test_a_runbook_names_what_there_is(runbook: Path) -> None:
    """Lines of logs, settings and codes, commands, documents and other alerts, as they are."""
    text = runbook.read_text()
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    logged = re.findall(r'`"([^"]+)"`', prose)
    assert [line for line in logged if f'"{line}"' not in SOURCE] == []
    shouted = re.findall(r"`([A-Z][A-Z_]{3,})(?:=[^`]*)?`", prose)
    assert [name for name in shouted if name not in KNOWN and f'"{name}"' not in SOURCE] == []
    assert set(re.findall(r"\./darkroom (\w+ \w+)", prose)) <= COMMANDS.keys()
    assert [name for name in re.findall(r"`(docs/[^`]+\.md)`", prose) if not there(name)] == []
    mentioned = set(re.findall(r"\b[A-Z][a-z]+(?:[A-Z][a-z]+)+\b", prose))
    assert mentioned - NAMES - NO_ALERTS - {path.stem for path in RUNBOOKS.glob("*.md")} == set()


def test_every_runbook_belongs_to_an_alert() -> None:
    told = {alert["annotations"]["runbook"] for alert in ALERTS}
    there = {str(Path("docs/runbooks") / path.name) for path in RUNBOOKS.glob("*.md")}
    assert there - {"docs/runbooks/README.md"} == told

"""Rules and queries as promtool reads them."""

from pathlib import Path

import pytest
import yaml

from cli.dashboards.__main__ import ALL
from tests.integration.metrics.test_prometheus import forms
from tests.prometheus import GET, RULE_TESTS, RULES, program, promtool

pytestmark = pytest.mark.skipif(
    program("promtool") is None, reason=f"there is no promtool here; {GET}"
)


def test_the_rules_are_rules() -> None:
    found = promtool("check", "rules", *sorted(RULES.glob("*.yml")))
    assert found.returncode == 0, found.stdout + found.stderr


def test_the_configuration_is_one() -> None:
    found = promtool("check", "config", RULES.parent / "prometheus.yml")
    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.parametrize("tests", sorted(RULE_TESTS.glob("*.yml")), ids=lambda path: path.stem)
def test_rules_do_what_their_tests_say(tests: Path) -> None:
    found = promtool("test", "rules", tests)
    assert found.returncode == 0, found.stdout + found.stderr


def test_every_query_of_a_panel_can_be_read(tmp_path: Path) -> None:
    """As recording rules, which promtool parses without a server."""
    exprs = [
        forms(query.expr)[0]
        for dashboard in ALL
        for panel in dashboard.panels
        for query in panel.queries
    ]
    rules = [{"record": f"panel:{number}", "expr": expr} for number, expr in enumerate(exprs)]
    file = tmp_path / "panels.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    found = promtool("check", "rules", file)
    assert found.returncode == 0, found.stdout + found.stderr
    broken = yaml.safe_load(file.read_text())
    broken["groups"][0]["rules"][0]["expr"] += ")"
    file.write_text(yaml.safe_dump(broken))
    assert promtool("check", "rules", file).returncode != 0

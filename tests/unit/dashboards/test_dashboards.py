"""Dashboards as files: what the code makes, laid out without overlaps, every panel explained."""

from itertools import pairwise

import pytest

from cli.dashboards.__main__ import ALL, files, stale
from cli.dashboards.panels import WIDTH, Dashboard, written


def test_the_files_are_what_the_code_makes() -> None:
    assert stale() == []
    assert len(files()) == len(ALL)


@pytest.mark.parametrize("dashboard", ALL, ids=lambda dashboard: dashboard.uid)
def test_panels_fill_the_grid_without_overlapping(dashboard: Dashboard) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in written(dashboard)["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= WIDTH
        cells = {
            (place["x"] + column, place["y"] + line)
            for column in range(place["w"])
            for line in range(place["h"])
        }
        assert not cells & taken
        taken |= cells


@pytest.mark.parametrize("dashboard", ALL, ids=lambda dashboard: dashboard.uid)
def test_every_panel_says_what_is_seen(dashboard: Dashboard) -> None:
    for panel in dashboard.panels:
        assert panel.says.endswith((".", "%."))
        assert panel.queries
        assert all(low <= high for low, high in pairwise(panel.thresholds))
        # several lines in one panel are told apart
        assert len(panel.queries) == 1 or all(query.legend for query in panel.queries)


def test_ids_and_variables_are_known() -> None:
    assert len({dashboard.uid for dashboard in ALL}) == len(ALL)
    for dashboard in ALL:
        numbers = [panel["id"] for panel in written(dashboard)["panels"]]
        assert len(numbers) == len(set(numbers))
        chosen = {variable.name for variable in dashboard.variables} | {"__rate_interval"}
        for panel in dashboard.panels:
            for query in panel.queries:
                used = {part.split('"')[0].split("]")[0] for part in query.expr.split("$")[1:]}
                assert used <= chosen, query.expr

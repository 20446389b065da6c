"""What dashboards are made of: panels with queries, in rows, as Grafana's JSON has it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Json: TypeAlias = dict[str, Any]
Unit = Literal["reqps", "s", "percentunit", "short", "bytes", "Bps", "ops", "none", "bool_on_off"]

WIDTH = 24
"""Columns of Grafana's grid."""

_SCHEMA = 39
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked of Prometheus, and how its lines are called."""

    expr: str
    legend: str = ""
    exemplars: bool = False
    """Whether points lead to traces; of histograms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Some queries and how they are shown."""

    title: str
    queries: tuple[Query, ...]
    unit: Unit
    says: str
    """One sentence on what is seen here, and what is good."""
    kind: Literal["timeseries", "stat", "table"] = "timeseries"
    width: int = 8
    height: int = 8
    stacked: bool = False
    thresholds: tuple[float, ...] = ()
    """From which values on it is orange, then red; the lowest is green."""


@dataclass(frozen=True, slots=True)
class Row:
    """A heading, and the panels under it."""

    title: str
    panels: tuple[Panel, ...]
    repeat: str = ""
    """A variable: the row is there once for each of its values."""


@dataclass(frozen=True, slots=True)
class Variable:
    """Something to choose at the top."""

    name: str
    label: str
    query: str
    many: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """One page."""

    uid: str
    title: str
    says: str
    rows: tuple[Row, ...]
    variables: tuple[Variable, ...] = field(default=())

    @property
    def panels(self) -> list[Panel]:
        """All of them, from top to bottom."""
        return [panel for row in self.rows for panel in row.panels]


def written(dashboard: Dashboard) -> Json:
    """Return a dashboard as Grafana imports it."""
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "description": dashboard.says,
        "tags": ["darkroom"],
        "schemaVersion": _SCHEMA,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "",
        "templating": {"list": [_datasource(), *map(_variable, dashboard.variables)]},
        "annotations": {"list": [_restarts()]},
        "links": [
            {
                "title": "Darkroom",
                "type": "dashboards",
                "tags": ["darkroom"],
                "asDropdown": True,
                "includeVars": False,
                "keepTime": True,
            }
        ],
        "panels": _laid_out(dashboard.rows),
    }


def _laid_out(rows: Sequence[Row]) -> list[Json]:
    """Return rows and panels with their places, filling each line from the left."""
    found: list[Json] = []
    top = 0
    for row in rows:
        found.append(_row(row, len(found) + 1, top))
        top += 1
        left = height = 0
        for panel in row.panels:
            if left + panel.width > WIDTH:
                top, left, height = top + height, 0, 0
            place = {"x": left, "y": top, "w": panel.width, "h": panel.height}
            found.append(_panel(panel, len(found) + 1, place))
            left, height = left + panel.width, max(height, panel.height)
        top += height
    return found


def _row(row: Row, number: int, top: int) -> Json:
    heading: Json = {
        "id": number,
        "type": "row",
        "title": row.title,
        "collapsed": False,
        "gridPos": {"x": 0, "y": top, "w": WIDTH, "h": 1},
        "panels": [],
    }
    return {**heading, "repeat": row.repeat} if row.repeat else heading


def _panel(panel: Panel, number: int, place: Json) -> Json:
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.says,
        "datasource": _SOURCE,
        "gridPos": place,
        "targets": [
            _target(query, name, panel.kind)
            for query, name in zip(panel.queries, "ABCDEFGH", strict=False)
        ],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": _options(panel),
    }


def _target(query: Query, name: str, kind: str) -> Json:
    instant = kind != "timeseries"
    return {
        "refId": name,
        "datasource": _SOURCE,
        "editorMode": "code",
        "expr": query.expr,
        "legendFormat": query.legend or "__auto",
        "instant": instant,
        "range": not instant,
        "exemplar": query.exemplars,
        "format": "table" if kind == "table" else "time_series",
    }


def _defaults(panel: Panel) -> Json:
    colours = ("green", "orange", "red")
    bounds = (None, *panel.thresholds)
    steps = [
        {"color": colour, "value": bound} for colour, bound in zip(colours, bounds, strict=False)
    ]
    defaults: Json = {"unit": panel.unit, "thresholds": {"mode": "absolute", "steps": steps}}
    if panel.unit != "none":
        defaults["min"] = 0
    if panel.kind == "timeseries":
        defaults["custom"] = {
            "lineWidth": 1,
            "fillOpacity": 30 if panel.stacked else 8,
            "showPoints": "never",
            "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
        }
    return defaults


def _options(panel: Panel) -> Json:
    match panel.kind:
        case "timeseries":
            return {
                "legend": {"displayMode": "table", "placement": "bottom", "calcs": ["lastNotNull"]},
                "tooltip": {"mode": "multi", "sort": "desc"},
            }
        case "stat":
            return {
                "colorMode": "background" if panel.thresholds else "value",
                "graphMode": "none",
                "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            }
        case "table":
            return {"showHeader": True, "cellHeight": "sm"}


def _datasource() -> Json:
    return {
        "name": "datasource",
        "label": "Prometheus",
        "type": "datasource",
        "query": "prometheus",
    }


def _variable(variable: Variable) -> Json:
    return {
        "name": variable.name,
        "label": variable.label,
        "type": "query",
        "datasource": _SOURCE,
        "definition": variable.query,
        "query": {"query": variable.query, "refId": variable.name},
        "refresh": 2,
        "sort": 1,
        "multi": variable.many,
        "includeAll": variable.many,
        "current": {"text": "All", "value": "$__all"} if variable.many else {},
    }


def _restarts() -> Json:
    """Mark when processes started."""
    return {
        "name": "Starts",
        "datasource": _SOURCE,
        "enable": True,
        "iconColor": "blue",
        "expr": "changes(process_start_time_seconds[1m]) > 0 and on (instance) darkroom_build_info",
        "titleFormat": "{{service}} started",
    }

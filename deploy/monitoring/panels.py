"""Makes dashboards of Grafana: every panel has a unit, says what it shows, and leads to the runbooks of its
alerts.
"""

from collections.abc import Mapping, Sequence
from string import ascii_uppercase
from typing import NamedTuple

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.models.common import LegendPlacement
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    DataSourceRef,
    VariableRefresh,
)

DOCS = "https://github.com/OWNER/REPOSITORY/blob/main/docs"
TAG = "tonebridge"
_SOURCE = DataSourceRef(type_val="prometheus", uid="${source}")
_WIDTH, _HEIGHT = 8, 7  # of 24 columns


class Panel(NamedTuple):
    """A panel: expressions of Prometheus by their legend, and the alerts that look at the same."""

    title: str
    unit: str
    description: str
    expressions: Mapping[str, str]
    alerts: Sequence[str] = ()
    is_number: bool = False  # the newest value, and no curve


class Page(NamedTuple):
    """A dashboard. Where it has a `job`, the instances of that job can be chosen."""

    name: str
    title: str
    description: str
    job: str | None
    panels: Sequence[Panel]


def build(page: Page) -> dashboard.Dashboard:
    """The dashboard of a page."""
    board = (
        dashboard.Dashboard(f"ToneBridge: {page.title}")
        .uid(f"tonebridge-{page.name}")
        .description(page.description)
        .tags([TAG])
        .refresh("30s")
        .time("now-3h", "now")
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .link(
            dashboard.DashboardLink("The other dashboards")
            .type(DashboardLinkType.DASHBOARDS)
            .tags([TAG])
            .as_dropdown(True)
            .keep_time(True)
        )
        .with_variable(dashboard.DatasourceVariable("source").label("Prometheus").type("prometheus"))
    )
    if page.job is not None:
        board = board.with_variable(
            dashboard.QueryVariable("instance")
            .label("Instance")
            .datasource(_SOURCE)
            .query(f'label_values(up{{job="{page.job}"}}, instance)')
            .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
            .multi(True)
            .include_all(True)
            .all_value(".*")
        )
    for panel in page.panels:
        board = board.with_panel(_build_panel(panel))
    return board


def _build_panel(panel: Panel) -> stat.Panel | timeseries.Panel:
    drawn: stat.Panel | timeseries.Panel
    if panel.is_number:
        drawn = stat.Panel()
    else:
        drawn = (
            timeseries.Panel()
            .min(0)
            .fill_opacity(8)
            .line_width(1)
            .legend(common.VizLegendOptions().show_legend(True).placement(LegendPlacement.BOTTOM))
        )
    drawn = (
        drawn.title(panel.title)
        .description(panel.description)
        .unit(panel.unit)
        .datasource(_SOURCE)
        .span(_WIDTH)
        .height(_HEIGHT)
        .links(
            [
                dashboard.DashboardLink(f"Runbook: {alert}").url(f"{DOCS}/runbooks.md#{alert.lower()}")
                for alert in panel.alerts
            ]
        )
    )
    for name, (legend, expression) in zip(ascii_uppercase, panel.expressions.items(), strict=False):
        drawn = drawn.with_target(prometheus.Dataquery().ref_id(name).expr(expression).legend_format(legend))
    return drawn

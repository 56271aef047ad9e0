"""Charts outside of the dashboard."""

import re
from datetime import timedelta
from xml.etree import ElementTree as ET

from experiments.evidence import Point
from serving.dashboard import charts
from tests.trials import START

POINTS = [Point(START + timedelta(days=day), 0.1, 0.0, 0.2) for day in range(5)]


def test_a_chart_has_its_own_colours_where_there_is_no_style_sheet() -> None:
    chart = charts.draw_effect(POINTS, "An effect <over> time", "difference")
    assert "var(--one)" in chart
    alone = charts.with_colours(chart)
    assert "var(" not in alone
    assert "#2756c5" in alone
    root = ET.fromstring(alone)
    assert root.get("aria-label") == "An effect <over> time"
    width = re.search(r"max-width: ([0-9.]+)in", root.get("style") or "")
    assert width is not None
    assert float(width[1]) == 6.4


def test_a_chart_without_points_is_empty() -> None:
    assert "difference" in charts.draw_effect([], "Nothing yet", "difference")

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
    alone = charts.with_light_colours(chart)
    assert "var(" not in alone
    assert "#2756c5" in alone
    root = ET.fromstring(alone)
    assert root.get("aria-label") == "An effect <over> time"
    assert root.get("width") == "460.8pt"
    assert root.get("height") == "208.8pt"


def test_a_chart_without_points_is_empty() -> None:
    assert "difference" in charts.draw_effect([], "Nothing yet", "difference")


def test_a_plot_for_a_notebook_is_a_file_with_colours_of_its_own() -> None:
    plot = charts.draw_stacked(
        [point.at for point in POINTS[:3]], {"thumb": [1, 2, 3], "edit": [0, 1, 0]}, 'Votes "a day"', "votes"
    )
    assert "var(--one)" in plot
    svg = charts.with_light_colours(plot)
    root = ET.fromstring(svg)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root.get("aria-label") == 'Votes "a day"'
    assert "var(" not in svg
    colours = set(re.findall(r"#[0-9a-f]{6}", svg))
    assert {"#2756c5", "#8a5a00", "#1b2330"} <= colours, "one, other and ink of the light style"
    assert "thumb" in [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]

"""Plots outside of the dashboard's pages."""

import re
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

from serving.dashboard import charts

DAYS = [datetime(2026, 11, 1, tzinfo=UTC) + timedelta(days=n) for n in range(3)]


def test_a_plot_for_a_notebook_is_a_file_with_colours_of_its_own() -> None:
    plot = charts.draw_stacked(DAYS, {"thumb": [1, 2, 3], "edit": [0, 1, 0]}, 'Votes "a day"', "votes")
    assert "var(--one)" in plot
    svg = charts.with_light_colours(plot)
    root = ElementTree.fromstring(svg)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root.get("aria-label") == 'Votes "a day"'
    assert "var(" not in svg
    colours = set(re.findall(r"#[0-9a-f]{6}", svg))
    assert {"#2756c5", "#8a5a00", "#1b2330"} <= colours, "one, other and ink of the light style"
    assert "thumb" in [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]


def test_a_chart_without_points_is_empty() -> None:
    assert "difference" in charts.draw_effect([], "Nothing yet", "difference")

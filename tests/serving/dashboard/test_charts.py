"""Charts outside of the pages."""

from xml.etree import ElementTree

from serving.dashboard.charts import Ranged, draw_ranges, with_colours


def test_a_chart_without_the_style_sheet_has_the_colours_of_the_light_pages() -> None:
    chart = draw_ranges({"": [Ranged("a & b", 0.5, 0.1, 0.9)]}, "a & b", "share", limits=[0.0])
    assert "var(--one)" in chart
    assert "var(--faint)" in chart
    svg = with_colours(chart)
    assert "var(" not in svg
    assert "#2756c5" in svg, "--one of static/style.css"
    assert "#566173" in svg, "--faint"
    root = ElementTree.fromstring(svg)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root.get("style") == "background: #ffffff"
    assert root.get("aria-label") == "a & b"

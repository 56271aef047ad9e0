"""HTML pages that are one file each: an autoescaped template with its plots inside. They need no network."""

import base64
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from matplotlib.figure import Figure


def write(page: Path, template: Path, **values: Any) -> None:
    """Render a template with `values` and write the page. The template may extend `single_page.html.j2`."""
    folders = [template.parent, Path(__file__).parent]
    environment = Environment(loader=FileSystemLoader(folders), autoescape=True)
    page.write_text(environment.get_template(template.name).render(**values), encoding="utf-8")


def make_figure() -> Figure:
    """An empty figure of 11 by 3.6 inches."""
    return Figure(figsize=(11, 3.6), layout="constrained")


def render_figure(draw: Callable[[Figure], None]) -> str:
    """Draw a figure of 11 by 3.6 inches. Returns it as a data URL of a PNG."""
    figure = make_figure()
    draw(figure)
    return embed(figure)


def embed(figure: Figure) -> str:
    """A figure as a data URL of a PNG."""
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=110)
    return "data:image/png;base64," + base64.b64encode(png.getvalue()).decode()

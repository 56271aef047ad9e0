"""Draws the icons of the web app, of the browser extension and of the Teams app from the sites' icon.svg:

    python docs/icons.py

A maskable icon fills its square, and the drawing stays within the circle that every system shows. Teams
wants one such icon, and a white outline.
"""

import re
import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parent.parent
DRAWING = ROOT / "serving" / "sites" / "static" / "icon.svg"
WEB, EXTENSION = ROOT / "serving" / "web" / "static" / "icons", ROOT / "extension" / "icons"
TEAMS = ROOT / "docs" / "channels" / "teams"


def maskable(svg: str) -> str:
    """The drawing at four fifths of its size, on a ground without rounded corners."""
    svg = svg.replace('viewBox="0 0 32 32"', 'viewBox="-4 -4 40 40"')
    return re.sub(r'<rect width="32" height="32" rx="8"', '<rect x="-4" y="-4" width="40" height="40"', svg)


def outline(svg: str) -> str:
    """The drawing without its ground: white lines."""
    return re.sub(r"<rect [^>]*/>", "", svg)


FILES = (
    (WEB / "icon-192.png", 192, str),
    (WEB / "icon-512.png", 512, str),
    (WEB / "icon-maskable-512.png", 512, maskable),
    *((EXTENSION / f"{size}.png", size, str) for size in (16, 32, 48, 128)),
    (TEAMS / "color.png", 192, maskable),
    (TEAMS / "outline.png", 32, outline),
)


def main() -> None:
    """Write all files."""
    svg = DRAWING.read_text(encoding="utf-8")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for file, size, change in FILES:
            page = browser.new_page(viewport={"width": size, "height": size})
            page.set_content(f"<style>body {{ margin: 0 }}</style>{change(svg)}")
            page.add_style_tag(content=f"svg {{ display: block; width: {size}px; height: {size}px }}")
            file.parent.mkdir(parents=True, exist_ok=True)
            page.screenshot(path=file, omit_background=True)
        browser.close()


if __name__ == "__main__":
    main()

"""Pages show pictures that are there, and docs/people has no picture that no page shows."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
_SHOWN = re.compile(r'(?:\]\(|src="|srcset=")([^)"#:]+\.(?:jpg|png|svg))')


def shown() -> set[Path]:
    """The files of this repository that pages show or link to."""
    return {
        (page.parent / path).resolve()
        for page in PAGES
        for path in _SHOWN.findall(page.read_text(encoding="utf-8"))
    }


def test_every_picture_that_a_page_shows_is_there() -> None:
    pictures = shown()
    assert len(pictures) > 30
    assert [picture for picture in sorted(pictures) if not picture.is_file()] == []


def test_every_picture_of_the_web_app_is_shown() -> None:
    pictures = {picture.resolve() for picture in (ROOT / "docs" / "people").iterdir()}
    assert sorted(pictures - shown()) == []

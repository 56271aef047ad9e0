"""The text of a message as people read it, from the HTML in which Teams gives it."""

import re
from html.parser import HTMLParser

from serving.channels.teams.activities import Body

_BLOCKS = frozenset({"p", "div", "li", "ul", "ol", "blockquote", "pre", "codeblock", "tr", "table", "hr",
                     "h1", "h2", "h3", "h4", "h5", "h6"})  # fmt: skip
_SECTION = re.compile(r"<!\[[^>]*>?")  # of office programs; HTMLParser fails on some
_UNSEEN = frozenset({"style", "script", "attachment"})


def read(body: Body) -> str:
    """The text as it is read."""
    if body.content_type != "html":
        return body.content.strip()
    reader = _Reader()
    reader.feed(_SECTION.sub("", body.content))
    reader.close()
    return reader.text


class _Reader(HTMLParser):
    """Collects the lines of a document."""

    def __init__(self) -> None:
        super().__init__()
        self._lines, self._unseen, self._link, self._linked = [""], 0, "", 0

    @property
    def text(self) -> str:
        """The lines so far, with at most one empty line between two of them."""
        kept: list[str] = []
        for line in (line.replace("\xa0", " ").strip() for line in self._lines):
            if line or (kept and kept[-1]):
                kept.append(line)
        return "\n".join(kept).strip()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A tag begins."""
        values = dict(attrs)
        if tag in _UNSEEN:
            self._unseen += 1
        elif tag == "br":
            self._lines.append("")
        elif tag in _BLOCKS:
            self._begin_line()
            if tag == "li":
                self._lines[-1] = "- "
        elif tag in ("img", "emoji"):  # an emoji is an image with a name
            self._lines[-1] += values.get("alt") or ""
        elif tag == "at":
            self._lines[-1] += "@"
        elif tag == "a":
            self._link, self._linked = values.get("href") or "", len(self._lines[-1])

    def handle_endtag(self, tag: str) -> None:
        """A tag ends."""
        if tag in _UNSEEN:
            self._unseen = max(0, self._unseen - 1)
        elif tag in _BLOCKS:
            self._begin_line()
        elif tag == "a" and self._link:
            label = self._lines[-1][self._linked :]
            if label not in self._link:
                self._lines[-1] += f" ({self._link})"
            self._link = ""

    def handle_data(self, data: str) -> None:
        """The text between tags; its line breaks are those of the source."""
        if not self._unseen:
            self._lines[-1] += data.replace("\r", "").replace("\n", " ")

    def _begin_line(self) -> None:
        if self._lines[-1].strip(" "):  # a space that does not break is a line that somebody left empty
            self._lines.append("")

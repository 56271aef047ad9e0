"""Pages of the dashboard as people read them."""

import html
import re

import httpx


def text_at(client: httpx.Client, address: str, status: int = 200) -> str:
    """The text of a page that is answered with a status."""
    response = client.get(address)
    assert response.status_code == status, response.text[:2000]
    return text_of(response.text)


def text_of(page: str) -> str:
    """The main part of a page without tags. White space is one blank, and | follows each cell of a table."""
    body = page[page.index("<main") :]
    body = re.sub(r"</t[dh]>", " | ", body)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", body)))

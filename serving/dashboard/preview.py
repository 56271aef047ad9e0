"""A page as a viewer sees it, without the dashboard's process, a session or the gateway: for notebooks."""

import re
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import cast

import redis
from fastapi import Request, Response
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from configs.settings import Settings
from data.reasons import Language
from data.redis_meter import Meter
from serving.dashboard.attention import Attention
from serving.dashboard.charts import BASE_STYLE, with_light_colours
from serving.dashboard.parts import Parts
from serving.dashboard.visit import Visit
from serving.sites.api import GatewayClient
from serving.sites.parts import SiteParts, templates
from serving.sites.session import Sessions
from serving.sites.visit import Me

_STYLE = Path(__file__).parent / "static" / "style.css"


def render(
    handler: Callable[[Visit], Response],
    settings: Settings,
    session: Session,
    organisation_id: uuid.UUID,
    language: Language = "en",
) -> str:
    """The page of a handler that only reads, such as `lambda here: experiments.show(here, id)`, as one file
    of HTML without links and scripts. It reads in the transaction of `session`, so also what that wrote.

    The reader is a viewer of the organisation that runs the installation, and sees no texts of others.
    """
    # Nobody signs in, so nothing connects to these.
    gateway, client = GatewayClient(settings.gateway_url), redis.Redis()
    engine = cast(Engine, session.connection())  # pages only open sessions on it
    sessions = Sessions(client, gateway)
    site = SiteParts(settings, gateway, client, Meter(), sessions, templates("serving.dashboard"))
    parts = Parts(site, engine, Attention())
    request = Request(
        {
            "type": "http",
            "method": "GET",
            "path": "/",
            "query_string": b"",
            "headers": [(b"accept-language", language.encode())],
        }
    )
    here = Visit(request, parts)
    here.me = Me("preview", None, str(organisation_id), settings.organisation, "viewer", runs_this=True)
    try:
        page = bytes(handler(here).body).decode()
    finally:
        site.close()
    return _make_one_file(page)


def cut(page: str, title: str) -> str:
    """The section of a page whose heading has the id `title`, such as `ways` of a metric's page.

    Raises ValueError with the known ids when there is none.
    """
    matches = re.finditer(r'<section[^>]* aria-labelledby="([^"]+)".*?</section>', page, re.DOTALL)
    sections = {match[1]: match[0] for match in matches}
    if title not in sections:
        raise ValueError(f"the page has no section {title!r}; it has {', '.join(sections)}")
    return sections[title]


def list_charts(page: str) -> list[str]:
    """The plots of a page as SVG files of their own."""
    return [with_light_colours(svg) for svg in re.findall(r'(?s)<svg class="chart".*?</svg>', page)]


def _make_one_file(page: str) -> str:
    """The page with its style inside. What leads elsewhere is left out."""
    page = re.sub(r"<script.*?</script>\n?|<header.*?</header>\n?", "", page, flags=re.DOTALL)
    page = re.sub(r'<link rel="icon"[^>]*>\n?|<a class="skip".*?</a>\n?|(?<=<a) href="[^"]*"', "", page)
    links = {"/static/shared/base.css": BASE_STYLE, "/static/style.css": _STYLE}
    for address, file in links.items():
        style = f"<style>\n{file.read_text(encoding='utf-8')}</style>"
        page = page.replace(f'<link rel="stylesheet" href="{address}">', style, 1)
    return page

"""One request to a site: the person, and the page that they get."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from fastapi.routing import iter_route_contexts

from data.people.identities import Role
from serving.sites import session
from serving.sites.api import Page
from serving.sites.parts import SiteParts
from serving.sites.session import Stored
from serving.sites.words import LANGUAGES, Words, chosen

_PAGE = 200  # rows, the most of one request


@dataclass(frozen=True, slots=True)
class Me:
    """The signed-in person, as the gateway knows them now."""

    name: str
    user_id: str | None
    organisation_id: str
    organisation: str
    role: str
    runs_this: bool

    def may_act_as(self, role: Role) -> bool:
        """Whether they have the rights of a role."""
        return role in Role(self.role).included


class SiteVisit:
    """A request, and the parts that its handler needs. `stored` and `me` exist only for signed-in people."""

    def __init__(self, request: Request, parts: SiteParts) -> None:
        self.request = request
        self.settings, self.sessions, self.gateway = parts.settings, parts.sessions, parts.gateway
        self.words = Words(chosen(request))
        self.stored: Stored | None = None
        self._templates = parts.templates

    def sign_in_by_cookie(self) -> None:
        """Find the session of the browser; SignedOutError when there is none."""
        self.stored = self.sessions.find(self.request.cookies.get(session.COOKIE))

    def ask(self, method: str, path: str, body: Any = None, idempotency_key: str | None = None) -> Any:
        """The gateway's answer to a request of this person; errors as `GatewayClient.ask`."""
        assert self.stored is not None, "only signed-in people have a token for the gateway"
        return self.gateway.ask(self.stored.access_token, method, path, body, idempotency_key)

    def ask_page(self, path: str, **query: Any) -> Page:
        """A page of a list at the gateway, the newest row first."""
        assert self.stored is not None, "only signed-in people have a token for the gateway"
        return self.gateway.ask_page(self.stored.access_token, path, query)

    def ask_all(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """All rows of a list at the gateway, the newest first, read page by page."""
        page = self.ask_page(path, limit=_PAGE, **query)
        rows = page.rows
        while page.before is not None:
            page = self.ask_page(path, limit=_PAGE, **query, before=page.before)
            rows += page.rows
        return rows

    @cached_property
    def me(self) -> Me:
        """The signed-in person, read now, since their role may have changed."""
        return Me(**self.ask("GET", "/auth/me"))

    def check(self, csrf: str) -> None:
        """ForgedError unless a form was sent from a page of this session."""
        assert self.stored is not None
        session.check_form(self.request, self.stored, csrf)

    def shared_values(self) -> Mapping[str, Any]:
        """What all pages of a site need: `pages`, the address and name of those in the navigation, and
        `marks`, by address, how many things need attention on a page.
        """
        return {"pages": [], "marks": {}}

    def render(self, template: str, **values: Any) -> str:
        """A template with these values, and those that every page needs."""
        theme = self.request.cookies.get("theme", "auto")
        return self._templates.get_template(template).render(
            {
                "_": self.words.say,
                "words": self.words,
                "languages": LANGUAGES,
                "theme": theme if theme in ("light", "dark") else "auto",
                "here": self._find_address(),
                "path": self.request.url.path,
                "stored": self.stored,
                **self.shared_values(),
                **values,
            }
        )

    def page(self, template: str, status: int = 200, /, **values: Any) -> HTMLResponse:
        """The page of a template. `here` is where the form for language and theme returns to, if that is not
        the address of the request or, where that has no GET, of the page above it.
        """
        return HTMLResponse(self.render(template, **values), status)

    def _find_address(self) -> str:
        """The address of the request, or of the next one above it that has a page. Templates are compared,
        since the address of a form may look like that of a thing: `/rewrite/two`, and `/rewrite/{answer_id}`.
        """
        url = self.request.url
        if self.request.method in ("GET", "HEAD"):
            return url.path + (f"?{url.query}" if url.query else "")
        routes = iter_route_contexts(self.request.app.routes)
        pages = {route.path for route in routes if "GET" in (route.methods or ())}
        template = getattr(self.request.scope.get("route"), "path", None)
        if template is None:
            return "/"
        path = url.path
        while template not in pages and template != "/":
            template, path = _parent(template), _parent(path)
        return path


def _parent(path: str) -> str:
    return path.rpartition("/")[0] or "/"

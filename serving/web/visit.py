"""One request to the web app."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request

from serving.sites.api import GatewayError, SignedOutError
from serving.sites.parts import SiteParts
from serving.sites.visit import SiteVisit
from serving.web.health import Health

PAGES = (  # address, name
    ("/rewrite", "Rewrite"),
    ("/history", "History"),
    ("/dictionary", "Dictionary"),
    ("/rules", "Rules"),
    ("/profile", "Profile"),
    ("/help", "Help"),
)


def parts_of(app: FastAPI) -> SiteParts:
    """The parts of a web app's application."""
    parts: SiteParts = app.state.parts
    return parts


async def _parts(request: Request) -> SiteParts:
    return parts_of(request.app)


class Visit(SiteVisit):
    """A request to the web app, and the parts that its handler needs."""

    def __init__(self, request: Request, parts: Annotated[SiteParts, Depends(_parts)]) -> None:
        super().__init__(request, parts)
        self.health: Health = request.app.state.health

    def prefer(self, **changes: Any) -> None:
        """Change some preferences of the person. The gateway replaces all of them at once."""
        self.ask("PUT", "/preferences", {**self.ask("GET", "/preferences"), **changes})

    def shared_values(self) -> Mapping[str, Any]:
        """The navigation, and what is known to be down."""
        return {"pages": PAGES if self.stored else (), "marks": {}, "down": self.health.list_down()}


def _visit(request: Request, parts: Annotated[SiteParts, Depends(_parts)]) -> Visit:
    here = Visit(request, parts)
    here.sign_in_by_cookie()
    return here


def signed_in_if_possible(request: Request) -> Visit:
    """A visit for a page that works while the gateway or Redis is unavailable, then as if not signed in."""
    parts = parts_of(request.app)
    try:
        return _visit(request, parts)
    except (SignedOutError, GatewayError):
        return Visit(request, parts)


def first_page(_: Visit) -> str:
    """The path of a signed-in person's first page."""
    return PAGES[0][0]


plain_visit = Depends(Visit)  # for anybody
open_visit = Depends(signed_in_if_possible)  # for anybody, whatever is unavailable
visit = Depends(_visit)  # for signed-in people

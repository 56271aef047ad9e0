"""One request to the dashboard: who asks, what they may see, and the page that they get."""

from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from data.people.identities import Role
from serving.dashboard import session
from serving.dashboard.api import GatewayError, SignedOutError
from serving.dashboard.parts import InjectedParts, parts_of
from serving.dashboard.session import Stored
from serving.dashboard.words import LANGUAGES, Words, chosen, contained, isolated

PAGES = (  # address, name, whether it is for those who may see experiments
    ("/experiments", "Experiments", True),
    ("/models", "Models", True),
    ("/data", "Data", True),
    ("/calibration", "Calibration", True),
    ("/operations", "Operations", True),
    ("/compare", "Compare", False),
)


class NotAllowedError(Exception):
    """The account may not see a page; says who may."""


@dataclass(frozen=True, slots=True)
class Me:
    """Who asks, as the gateway knows them now."""

    name: str
    organisation_id: str
    organisation: str
    role: str
    runs_this: bool

    def may_act_as(self, role: Role) -> bool:
        """Whether they may do what a role may."""
        return role in Role(self.role).included


class Visit:
    """A request, with what its page is made of. `stored` and `me` are there for who has signed in."""

    def __init__(self, request: Request, parts: InjectedParts) -> None:
        self.request = request
        self.settings, self.engine = parts.settings, parts.engine
        self.sessions, self.gateway = parts.sessions, parts.gateway
        self.words = Words(chosen(request))
        self.stored: Stored | None = None

    def ask(self, method: str, path: str, body: Any = None, idempotency_key: str | None = None) -> Any:
        """What the gateway answers this person; errors as `GatewayClient.ask`."""
        assert self.stored is not None, "only who has signed in asks the gateway"
        return self.gateway.ask(self.stored.access_token, method, path, body, idempotency_key)

    @cached_property
    def me(self) -> Me:
        """Who asks: looked up now, since a role may have changed."""
        return Me(**self.ask("GET", "/auth/me"))

    @property
    def may_see_experiments(self) -> bool:
        """Whether they are a viewer or above of the organisation that runs this."""
        return self.me.runs_this and self.me.may_act_as(Role.VIEWER)

    @property
    def may_decide(self) -> bool:
        """Whether they may draft experiments and decide on them."""
        return self.me.runs_this and self.me.may_act_as(Role.EXPERIMENTER)

    def check(self, csrf: str) -> None:
        """ForgedError unless a form is one of this session's pages."""
        assert self.stored is not None
        session.check_form(self.request, self.stored, csrf)

    def page(self, template: str, status: int = 200, /, **values: Any) -> HTMLResponse:
        """A page of a template."""
        theme = self.request.cookies.get("theme", "auto")
        shown = _templates().get_template(template)
        path = self.request.url.path
        content = shown.render(
            _=self.words.say,
            words=self.words,
            languages=LANGUAGES,
            theme=theme if theme in ("light", "dark") else "auto",
            here=path + (f"?{self.request.url.query}" if self.request.url.query else ""),
            path=path,
            pages=[one for one in PAGES if self.stored and (self.may_see_experiments or not one[2])],
            stored=self.stored,
            **values,
        )
        return HTMLResponse(content, status)


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("serving.dashboard"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: contained(value) if type(value) is str else value,  # Markup is HTML of ours
    )
    environment.filters["isolated"] = isolated
    return environment


def _visit(request: Request, parts: InjectedParts) -> Visit:
    here = Visit(request, parts)
    here.stored = here.sessions.find(request.cookies.get(session.COOKIE))
    return here


def signed_in_if_possible(request: Request) -> Visit:
    """A visit for a page that is shown whatever is away: it leads on where it can."""
    parts = parts_of(request.app)
    try:
        here = _visit(request, parts)
        _ = here.me
    except (SignedOutError, GatewayError):
        return Visit(request, parts)
    return here


def _viewer(request: Request, parts: InjectedParts) -> Visit:
    here = _visit(request, parts)
    if not here.may_see_experiments:
        raise NotAllowedError(
            here.words.say(
                "This page is for viewers and above of the organisation that runs this installation;"
                " you are a %(role)s of %(organisation)s.",
                role=here.me.role,
                organisation=here.me.organisation,
            )
        )
    return here


plain_visit = Depends(Visit)  # nobody needs to have signed in
visit = Depends(_visit)  # who has signed in
viewer_visit = Depends(_viewer)  # and may see experiments

"""One request to the dashboard: the person, what they may see, and the response."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from functools import cache, cached_property
from typing import Any

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from pydantic import TypeAdapter, ValidationError

from data.people.identities import Role
from data.webhooks.subscriptions import Webhook
from serving.dashboard import session
from serving.dashboard.api import GatewayError, SignedOutError
from serving.dashboard.parts import InjectedParts, parts_of
from serving.dashboard.session import Stored
from serving.dashboard.words import LANGUAGES, Words, chosen, contained, isolated


class Readers(Enum):
    """Whom a page is for."""

    EVERYBODY = auto()
    VIEWERS = auto()  # and above, of the organisation that runs this installation
    ADMINS = auto()  # and owners, of any organisation


WEBHOOKS = "/webhooks"  # also at the gateway
PAGES = (  # address, name, readers
    ("/experiments", "Experiments", Readers.VIEWERS),
    ("/models", "Models", Readers.VIEWERS),
    ("/data", "Data", Readers.VIEWERS),
    ("/calibration", "Calibration", Readers.VIEWERS),
    ("/operations", "Operations", Readers.VIEWERS),
    ("/compare", "Compare", Readers.EVERYBODY),
    (WEBHOOKS, "Webhooks", Readers.ADMINS),
    ("/accounts", "Accounts", Readers.EVERYBODY),
)
_LISTED = TypeAdapter(list[Webhook])


class NotAllowedError(Exception):
    """The account may not see a page; the message says who may."""


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


class Visit:
    """A request, and the parts that its handler needs. `stored` and `me` exist only for signed-in people."""

    def __init__(self, request: Request, parts: InjectedParts) -> None:
        self.request = request
        self.settings, self.engine = parts.settings, parts.engine
        self.sessions, self.gateway = parts.sessions, parts.gateway
        self.attention = parts.attention
        self.words = Words(chosen(request))
        self.stored: Stored | None = None

    def ask(self, method: str, path: str, body: Any = None, idempotency_key: str | None = None) -> Any:
        """The gateway's answer to a request of this person; errors as `GatewayClient.ask`."""
        assert self.stored is not None, "only signed-in people have a token for the gateway"
        return self.gateway.ask(self.stored.access_token, method, path, body, idempotency_key)

    @cached_property
    def me(self) -> Me:
        """The signed-in person, read now, since their role may have changed."""
        return Me(**self.ask("GET", "/auth/me"))

    @property
    def may_see_experiments(self) -> bool:
        """Whether they are a viewer or above in the organisation that runs this installation."""
        return self.me.runs_this and self.me.may_act_as(Role.VIEWER)

    @property
    def may_decide(self) -> bool:
        """Whether they may draft experiments and decide on them."""
        return self.me.runs_this and self.me.may_act_as(Role.EXPERIMENTER)

    @property
    def may_administer(self) -> bool:
        """Whether they are an admin or owner of their organisation."""
        return self.me.may_act_as(Role.ADMIN)

    def may_open(self, readers: Readers) -> bool:
        """Whether a page for these readers is for them."""
        if readers is Readers.VIEWERS:
            return self.may_see_experiments
        return readers is Readers.EVERYBODY or self.may_administer

    def list_webhooks(self) -> list[Webhook]:
        """The webhooks of their organisation, the oldest first; the gateway refuses whoever is no admin."""
        webhooks = self._read_webhooks()
        self.attention.remember(self.me.organisation_id, webhooks)
        return webhooks

    def _read_webhooks(self) -> list[Webhook]:
        return _LISTED.validate_python(self.ask("GET", WEBHOOKS))

    def _count_marks(self) -> Mapping[str, int]:
        """How many things need attention on the pages that the navigation marks, by address."""
        if self.stored is None or not self.may_administer:
            return {}
        try:
            count = self.attention.count(self.me.organisation_id, self._read_webhooks)
        except (GatewayError, SignedOutError, ValidationError):  # a page is more than a mark
            return {}
        return {WEBHOOKS: count} if count else {}

    def require_decider(self) -> None:
        """NotAllowedError unless they may draft experiments and decide on them."""
        if not self.may_decide:
            raise NotAllowedError(
                self.words.say(
                    "Only the role experimenter or above can decide on experiments. Your role is %(role)s.",
                    role=self.words.say(self.me.role),
                )
            )

    def check(self, csrf: str) -> None:
        """ForgedError unless a form was sent from a page of this session."""
        assert self.stored is not None
        session.check_form(self.request, self.stored, csrf)

    def page(self, template: str, status: int = 200, /, **values: Any) -> HTMLResponse:
        """The page of a template with these values, and those that every page needs. `here` is where the form
        for language and theme returns to; a page at an address without GET has to name another one.
        """
        theme = self.request.cookies.get("theme", "auto")
        path = self.request.url.path
        content = (
            _templates()
            .get_template(template)
            .render(
                {
                    "_": self.words.say,
                    "words": self.words,
                    "languages": LANGUAGES,
                    "theme": theme if theme in ("light", "dark") else "auto",
                    "here": path + (f"?{self.request.url.query}" if self.request.url.query else ""),
                    "path": path,
                    "pages": [page for page in PAGES if self.stored and self.may_open(page[2])],
                    "marks": self._count_marks(),
                    "stored": self.stored,
                    **values,
                }
            )
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
        finalize=lambda value: contained(value) if type(value) is str else value,  # Markup is our own HTML
    )
    environment.filters["isolated"] = isolated
    return environment


def _visit(request: Request, parts: InjectedParts) -> Visit:
    here = Visit(request, parts)
    here.stored = here.sessions.find(request.cookies.get(session.COOKIE))
    return here


def signed_in_if_possible(request: Request) -> Visit:
    """A visit for a page that works while the gateway or Redis is unavailable, then as if not signed in."""
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
                role=here.words.say(here.me.role),
                organisation=here.me.organisation,
            )
        )
    return here


def _admin(request: Request, parts: InjectedParts) -> Visit:
    here = _visit(request, parts)
    if not here.may_administer:
        raise NotAllowedError(
            here.words.say(
                "This page is for admins and owners of an organisation;"
                " you are a %(role)s of %(organisation)s.",
                role=here.words.say(here.me.role),
                organisation=here.me.organisation,
            )
        )
    return here


plain_visit = Depends(Visit)  # for anybody
visit = Depends(_visit)  # for signed-in people
viewer_visit = Depends(_viewer)  # for people who may see experiments
admin_visit = Depends(_admin)  # for people who may administer their organisation

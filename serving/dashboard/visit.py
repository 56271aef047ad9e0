"""One request to the dashboard: the person, and what they may see."""

from collections.abc import Mapping
from enum import Enum, auto
from typing import Any

from fastapi import Depends, Request
from pydantic import TypeAdapter, ValidationError

from data.people.identities import Role
from data.webhooks.subscriptions import Webhook
from serving.dashboard.attention import count_new, count_webhooks
from serving.dashboard.parts import InjectedParts, parts_of
from serving.sites.api import GatewayError, SignedOutError
from serving.sites.visit import SiteVisit


class Readers(Enum):
    """Whom a page is for."""

    EVERYBODY = auto()
    VIEWERS = auto()  # and above, of the organisation that runs this installation
    ADMINS = auto()  # and owners, of any organisation


WEBHOOKS, APP_FEEDBACK = "/webhooks", "/app-feedback"  # also at the gateway
_NEWEST = 200  # of the feedback on the app, of which the new ones are counted
PAGES = (  # address, name, readers
    ("/experiments", "Experiments", Readers.VIEWERS),
    ("/models", "Models", Readers.VIEWERS),
    ("/data", "Data", Readers.VIEWERS),
    ("/calibration", "Calibration", Readers.VIEWERS),
    ("/operations", "Operations", Readers.VIEWERS),
    ("/compare", "Compare", Readers.EVERYBODY),
    (WEBHOOKS, "Webhooks", Readers.ADMINS),
    (APP_FEEDBACK, "App feedback", Readers.ADMINS),
    ("/accounts", "Accounts", Readers.EVERYBODY),
)
_LISTED = TypeAdapter(list[Webhook])


class NotAllowedError(Exception):
    """The account may not see a page; the message says who may."""


class Visit(SiteVisit):
    """A request to the dashboard, and the parts that its handler needs."""

    def __init__(self, request: Request, parts: InjectedParts) -> None:
        super().__init__(request, parts.site)
        self.engine, self.attention = parts.engine, parts.attention

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
        self.attention.remember(self.me.organisation_id, WEBHOOKS, count_webhooks(webhooks))
        return webhooks

    def _read_webhooks(self) -> list[Webhook]:
        return _LISTED.validate_python(self.ask_all(WEBHOOKS)[::-1])

    def _count_marks(self) -> Mapping[str, int]:
        """How many things need attention on the pages that the navigation marks, by address."""
        if self.stored is None or not self.may_administer:
            return {}
        counts = {
            WEBHOOKS: lambda: count_webhooks(self._read_webhooks()),
            APP_FEEDBACK: lambda: count_new(self.ask_page(APP_FEEDBACK, limit=_NEWEST).rows),
        }
        marks = {}
        for page, ask in counts.items():
            try:
                marks[page] = self.attention.count(self.me.organisation_id, page, ask)
            except (GatewayError, SignedOutError, ValidationError):  # a page is more than a mark
                continue
        return {page: count for page, count in marks.items() if count}

    def forget_mark(self, page: str) -> None:
        """Count anew what needs attention on a page, since the person has changed it."""
        self.attention.forget(self.me.organisation_id, page)

    def require_decider(self) -> None:
        """NotAllowedError unless they may draft experiments and decide on them."""
        if not self.may_decide:
            raise NotAllowedError(
                self.words.say(
                    "Only the role experimenter or above can decide on experiments. Your role is %(role)s.",
                    role=self.words.say(self.me.role),
                )
            )

    def shared_values(self) -> Mapping[str, Any]:
        """The navigation."""
        pages = [
            (address, name) for address, name, readers in PAGES if self.stored and self.may_open(readers)
        ]
        return {"pages": pages, "marks": self._count_marks()}


def _visit(request: Request, parts: InjectedParts) -> Visit:
    here = Visit(request, parts)
    here.sign_in_by_cookie()
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


def first_page(here: Visit) -> str:
    """The path of a signed-in person's first page."""
    return "/experiments" if here.may_see_experiments else "/compare"


plain_visit = Depends(Visit)  # for anybody
visit = Depends(_visit)  # for signed-in people
viewer_visit = Depends(_viewer)  # for people who may see experiments
admin_visit = Depends(_admin)  # for people who may administer their organisation

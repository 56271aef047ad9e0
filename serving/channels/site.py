"""The page on which admins connect workspaces by a click, and the way to a platform and back (OAuth 2.0).

A platform is shown a `state`, which it brings back. It is of one session of a browser, is used once, and
lives for ten minutes, so nobody can have an admin finish what somebody else began. The redirect brings the
cookie.
"""

import asyncio
import hmac
import secrets
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, FastAPI, Form, HTTPException, Request
from fastapi.responses import RedirectResponse
from redis.exceptions import RedisError
from starlette.responses import Response

from configs.settings import Settings
from data.channels.installations import TakenWorkspaceError
from data.people.identities import RefusedKeyError, Role
from data.reasons import Reason, reason
from data.redis_meter import Meter
from serving.channels.connecting import NAMES, Connector, RefusedInstallError, refused
from serving.channels.workspaces import Workspaces
from serving.sites import entry, problems, session
from serving.sites import parts as site_parts
from serving.sites.api import GatewayError, SignedOutError, unavailable
from serving.sites.front import Front, make_app
from serving.sites.parts import SiteParts
from serving.sites.visit import SiteVisit

_FIRST = "/workspaces"
_STATE_S = 600
_STATIC = Path(__file__).parent / "static"


def _parts(request: Request) -> SiteParts:
    made: SiteParts = request.app.state.parts
    return made


class Visit(SiteVisit):
    """A request to the page."""

    def __init__(self, request: Request, parts: Annotated[SiteParts, Depends(_parts)]) -> None:
        super().__init__(request, parts)
        self._redis = parts.redis

    def shared_values(self) -> Mapping[str, Any]:
        """No navigation: there is one page."""
        return {"pages": (), "marks": {}}

    def _state_key(self, platform: str) -> str:
        return f"{session.key(self.request.cookies[session.COOKIE])}:{platform}"

    def make_state(self, platform: str) -> str:
        """A new state for a platform, of this session."""
        state = secrets.token_urlsafe(32)
        try:
            self._redis.set(self._state_key(platform), sha256(state.encode()).digest(), ex=_STATE_S)
        except RedisError as error:
            raise unavailable("sessions_unreadable") from error
        return state

    def use_state(self, platform: str, state: str) -> bool:
        """Whether a state is that of this session for a platform; afterwards it is not."""
        try:
            stored = self._redis.getdel(self._state_key(platform))
        except RedisError as error:
            raise unavailable("sessions_unreadable") from error
        return isinstance(stored, bytes) and hmac.compare_digest(stored, sha256(state.encode()).digest())


def _visit(request: Request, parts: Annotated[SiteParts, Depends(_parts)]) -> Visit:
    here = Visit(request, parts)
    here.sign_in_by_cookie()
    return here


def _admin(here: Annotated[Visit, Depends(_visit)]) -> Visit:
    if not here.me.may_act_as(Role.ADMIN):
        raise HTTPException(403, reason("workspaces_admin_needed"))
    return here


def _signed_in_if_possible(request: Request) -> Visit:
    parts = _parts(request)
    try:
        return _visit(request, parts)
    except (SignedOutError, GatewayError):
        return Visit(request, parts)


Admin = Annotated[Visit, Depends(_admin)]


def create_site(
    settings: Settings,
    workspaces: Workspaces,
    connectors: Sequence[Connector],
    meter: Meter | None = None,
) -> Front:
    """The site; who runs it closes its parts at the end. `meter` counts its commands to Redis, a new one if
    None. ValueError when a setting is missing.
    """
    made = site_parts.make(settings, "serving.channels", meter)
    app = make_app("ToneBridge channels", settings, _STATIC, made.close)
    app.state.parts = made
    app.include_router(_make_router(workspaces, connectors))
    app.include_router(entry.make_router(Depends(Visit), Depends(_visit), lambda _: _FIRST))
    problems.install(app, _signed_in_if_possible, lambda error, here: None)
    return Front(app, settings)


def parts_of(site: Front) -> SiteParts:
    """The parts of a site."""
    app: FastAPI = site.behind
    parts: SiteParts = app.state.parts
    return parts


def _make_router(workspaces: Workspaces, connectors: Sequence[Connector]) -> APIRouter:
    router = APIRouter()

    async def show(here: Visit, status: int = 200, problem: Reason | None = None, done: str = "") -> Response:
        connected = await workspaces.list_of(UUID(here.me.organisation_id))
        sentence = None if problem is None else here.words.reasons([problem])
        return await asyncio.to_thread(
            here.page,
            "workspaces.html",
            status,
            organisation=here.me.organisation,
            connected=connected,
            connectors=connectors,
            names=NAMES,
            problem=sentence,
            done=done,
        )

    @router.get(_FIRST)
    async def list_workspaces(here: Admin) -> Response:
        """The connected workspaces of the organisation."""
        return await show(here)

    @router.post("/workspaces/remove")
    async def remove(
        here: Admin,
        csrf: Annotated[str, Form(max_length=200)],
        platform: Annotated[str, Form(max_length=200)],
        workspace: Annotated[str, Form(max_length=200)],
    ) -> Response:
        """Disconnect a workspace of the organisation."""
        here.check(csrf)
        connected = await workspaces.list_of(UUID(here.me.organisation_id))
        if any((known.platform, known.workspace) == (platform, workspace) for known in connected):
            await workspaces.disconnect(platform, workspace, here.me.name)
        return RedirectResponse(_FIRST, 303)

    def add(connector: Connector) -> None:
        platform = connector.platform

        @router.get(f"/{platform}/install")
        def install(here: Admin) -> Response:
            """Go to the platform, where the person chooses a workspace and sees what the app may do."""
            return RedirectResponse(connector.make_url(here.make_state(platform)), 303)

        @router.get(f"/{platform}/installed")
        async def installed(here: Admin, state: str = "", code: str = "", error: str = "") -> Response:
            """The platform brings the person back, with a code for the token."""
            if not await asyncio.to_thread(here.use_state, platform, state):
                return await show(here, 403, reason("workspace_state_unknown"))
            try:
                if error or not code:
                    raise refused(connector.name, error or "no code")
                granted = await connector.exchange(code)
                tenant = UUID(here.me.organisation_id)
                made = await workspaces.connect(tenant, platform, granted, here.me.name)
            except RefusedInstallError as refusal:
                return await show(here, refusal.status, refusal.why)
            except (TakenWorkspaceError, RefusedKeyError) as refusal:
                return await show(here, 409, refusal.reasons[0])
            return await show(here, done=made.name)

    for connector in connectors:
        add(connector)
    return router

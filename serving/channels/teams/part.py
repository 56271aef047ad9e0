"""The parts of Teams, put together. Importing this takes 40 MB, so only a process with Teams does it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from configs.settings import Settings
from serving.channels.intake import Intake
from serving.channels.pace import Pace, SharedBuckets
from serving.channels.parts import Part
from serving.channels.teams import door
from serving.channels.teams.calls import BURST, PER_S, Teams
from serving.channels.teams.connector import PLATFORM, Addresses
from serving.channels.teams.listeners import Listeners
from serving.channels.teams.tokens import EVERY_TENANT, Tokens
from serving.channels.teams.verifier import Verifier


def make(settings: Settings, addresses: Addresses, intake: Intake, shared: SharedBuckets | None) -> Part:
    """Teams for the app in the settings. ValueError when a setting is missing."""
    app_id, secret = settings.teams_app_id, settings.teams_client_secret
    if app_id is None or secret is None:
        raise ValueError(
            "Microsoft Teams needs both TONEBRIDGE_TEAMS_APP_ID and TONEBRIDGE_TEAMS_CLIENT_SECRET"
        )
    tenant = settings.teams_app_tenant or EVERY_TENANT
    tokens = Tokens(f"{addresses.login}/{tenant}/oauth2/v2.0/token", app_id, secret.get_secret_value())
    teams = Teams(Pace(PER_S, BURST, shared), tokens, app_id)
    verifier = Verifier(app_id, addresses)

    @asynccontextmanager
    async def opened() -> AsyncIterator[None]:
        async with teams.opened():
            try:
                yield
            finally:
                verifier.close()

    router = door.make_router(Listeners(intake, teams), verifier)
    return Part(PLATFORM, teams, router, opened=opened)

"""The parts of Discord, put together."""

from configs.settings import Settings
from serving.channels.discord import door
from serving.channels.discord.calls import PLATFORM, Discord, make_pace
from serving.channels.discord.connector import read_connector
from serving.channels.discord.listeners import Listeners
from serving.channels.discord.presence import Presence
from serving.channels.intake import Intake
from serving.channels.pace import SharedBuckets
from serving.channels.parts import Part
from serving.channels.workspaces import Workspaces


def make(
    settings: Settings, api: str, intake: Intake, workspaces: Workspaces, shared: SharedBuckets | None
) -> Part:
    """Discord, whose API is at `api`; off without a public key."""
    discord, public_keys = Discord(make_pace(shared), api), settings.discord_public_keys
    bot_token = settings.discord_bot_token
    clear = None if bot_token is None else bot_token.get_secret_value()
    presence = Presence(workspaces, discord, clear, public_keys)
    router = None
    if public_keys:
        router = door.make_router(public_keys, Listeners(intake).answer, presence.check_soon)
    return Part(PLATFORM, discord, router, read_connector(settings, discord), presence.checking)

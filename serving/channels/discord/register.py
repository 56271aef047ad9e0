"""Registers the commands of your app at Discord, in place of those that it has:

    .venv/bin/python -m serving.channels.discord.register < token

The token of the bot is `TONEBRIDGE_DISCORD_BOT_TOKEN`, or comes by standard input. Run it again after an
update of ToneBridge; registering the same commands again changes nothing.
"""

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from configs.settings import Settings
from serving.channels.discord.calls import Discord, RefusedError, UnreachableError
from serving.channels.pace import Pace

COMMANDS = Path(__file__).parents[3] / "docs" / "channels" / "discord.json"


class App(NamedTuple):
    """An app of Discord, with the key with which Discord signs what it sends to it."""

    id: str
    name: str
    public_key: str


async def register(discord: Discord, bot_token: str) -> tuple[App, Sequence[str]]:
    """Register the commands; the app, and their names. ValueError when Discord refuses."""
    try:
        document = await discord.request("GET", "/applications/@me", bot_token)
        app = App(document["id"], document["name"], document["verify_key"])
        commands = json.loads(COMMANDS.read_text(encoding="utf-8"))
        stored = await discord.request("PUT", f"/applications/{app.id}/commands", bot_token, json=commands)
    except RefusedError as error:
        raise ValueError(f"Discord refuses: {error}; copy the token from the page Bot of your app") from error
    except UnreachableError as error:
        raise ValueError("Discord does not answer; try again later") from error
    return app, [command["name"] for command in stored]


def main() -> None:
    """The command."""
    settings = Settings()
    token = settings.discord_bot_token
    clear = sys.stdin.read().strip() if token is None else token.get_secret_value()
    app, names = asyncio.run(register(Discord(Pace()), clear))
    print(f"registered for {app.name} ({app.id}): {', '.join(names)}")
    if app.public_key not in settings.discord_public_keys:
        print(f"start ToneBridge with TONEBRIDGE_DISCORD_PUBLIC_KEYS='[\"{app.public_key}\"]'")


if __name__ == "__main__":
    main()

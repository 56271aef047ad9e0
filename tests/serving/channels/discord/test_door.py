"""Only Discord's requests are taken: signed with the key of an app, within five minutes."""

import json
from collections.abc import Callable

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from configs.settings import Settings
from pipelines.local import running
from serving.channels.app import create_app
from tests import ports
from tests.discords import KEY, OTHER_KEY, Server, public, sign

PING = json.dumps({"type": 1, "application_id": "1"})
PING_OF_EVENTS = json.dumps({"version": 1, "application_id": "1", "type": 0})


@pytest.mark.parametrize("key", [KEY, OTHER_KEY], ids=["one app", "the other app"])
async def test_discord_verifies_both_addresses(server: Server, key: Ed25519PrivateKey) -> None:
    answer = await server.post(PING, sign(PING, key))
    assert (answer.status_code, answer.json()) == (200, {"type": 1})
    answer = await server.post(PING_OF_EVENTS, sign(PING_OF_EVENTS, key), "/discord/events")
    assert (answer.status_code, answer.content) == (204, b"")


@pytest.mark.parametrize("path", ["/discord", "/discord/events"])
@pytest.mark.parametrize(
    "make_headers",
    [  # made when the test runs, since they hold the time
        lambda: {},
        lambda: sign(PING, Ed25519PrivateKey.generate()),
        lambda: sign(PING + " "),
        lambda: sign(PING, age_s=400),
        lambda: sign(PING, age_s=-400),
        lambda: {**sign(PING), "X-Signature-Timestamp": "now"},
        lambda: {**sign(PING), "X-Signature-Ed25519": "ü"},
        lambda: {**sign(PING), "X-Signature-Ed25519": "00"},
    ],
    ids=["none", "wrong key", "other body", "old", "of the future", "no number", "not ASCII", "short"],
)
async def test_everything_else_is_refused(
    server: Server, make_headers: Callable[[], dict[str, str]], path: str
) -> None:
    encoded = {name.encode(): value.encode() for name, value in make_headers().items()}
    answer = await server.chat.client.post(path, content=PING, headers=list(encoded.items()))
    assert answer.status_code == 401


async def test_a_long_body_is_refused(server: Server) -> None:
    assert (await server.post("{" + " " * 1_000_001)).status_code == 413


def test_the_process_verifies_discords_requests(local: Settings) -> None:
    changes = {"discord_public_keys": (public(KEY),)}
    own = ports.with_own_ports(local).model_copy(update=changes)
    url = f"http://127.0.0.1:{own.channels_port}"
    with running(own, "channels") as processes:
        processes["channels"].wait_until_ready(f"{url}/livez")
        for key, status in ((KEY, 200), (OTHER_KEY, 401)):
            answer = httpx.post(f"{url}/discord", content=PING, headers=sign(PING, key))
            assert answer.status_code == status


async def test_discord_is_off_without_a_public_key(local: Settings) -> None:
    app = create_app(local)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://channels") as client:
        assert (await client.post("/discord", content=PING, headers=sign(PING))).status_code == 404


@pytest.mark.parametrize("keys", [["ab"], ["g" * 64], ["ab" * 32] * 3], ids=["short", "no key", "too many"])
def test_a_key_that_is_none_is_refused_at_the_start(keys: list[str]) -> None:
    with pytest.raises(ValueError, match="discord_public_keys"):
        Settings(discord_public_keys=keys)  # type: ignore[arg-type]

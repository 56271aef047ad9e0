"""Only Slack's requests are taken: signed with one of two secrets, within five minutes."""

import json
from collections.abc import Callable

import pytest

from tests.chats import FORMER_SECRET, Chat
from tests.slacks import SECRET, sign

CHALLENGE = json.dumps({"type": "url_verification", "challenge": "c0ffee", "token": "t"})


@pytest.mark.parametrize("secret", [SECRET, FORMER_SECRET])
async def test_slack_verifies_the_address_with_either_secret(chat: Chat, secret: str) -> None:
    answer = await chat.send(CHALLENGE, sign(CHALLENGE, secret))
    assert (answer.status_code, answer.json()) == (200, {"challenge": "c0ffee"})


@pytest.mark.parametrize(
    "make_headers",
    [  # made when the test runs, since they hold the time
        lambda: {},
        lambda: sign(CHALLENGE, "another secret"),
        lambda: sign(CHALLENGE + " "),
        lambda: sign(CHALLENGE, age_s=400),
        lambda: sign(CHALLENGE, age_s=-400),
        lambda: {**sign(CHALLENGE), "X-Slack-Request-Timestamp": "now"},
        lambda: {**sign(CHALLENGE), "X-Slack-Signature": "v0=ü"},
    ],
    ids=["none", "wrong secret", "other body", "old", "of the future", "no number", "not ASCII"],
)
async def test_everything_else_is_refused(chat: Chat, make_headers: Callable[[], dict[str, str]]) -> None:
    encoded = {name.encode(): value.encode() for name, value in make_headers().items()}
    answer = await chat.client.post("/slack", content=CHALLENGE, headers=list(encoded.items()))
    assert answer.status_code == 401


async def test_a_body_that_is_no_text_is_refused(chat: Chat) -> None:
    answer = await chat.client.post("/slack", content=b"\xff", headers=sign("x"))
    assert answer.status_code == 401


async def test_a_long_body_is_refused(chat: Chat) -> None:
    body = "{" + " " * 1_000_001
    assert (await chat.send(body)).status_code == 413

"""Webhooks, against the library of Standard Webhooks."""

import base64
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from tonebridge import WebhookError, webhooks

SECRET, OTHER = (f"whsec_{base64.b64encode(bytes([n]) * 24).decode()}" for n in (1, 2))
NOW = 1_795_900_000
BODY = json.dumps({"type": "batch.done", "data": {"text": "修正しました"}}, ensure_ascii=False)


def sent(body: str = BODY, secret: str = SECRET, at: int = NOW) -> dict[str, str]:
    time = datetime.fromtimestamp(at, UTC)
    return {
        "Webhook-Id": "msg_1",
        "Webhook-Timestamp": str(at),
        "Webhook-Signature": Webhook(secret).sign("msg_1", time, body),
    }


@given(st.dictionaries(st.text(), st.text()))
def test_what_the_library_signs_is_trusted(document: dict[str, str]) -> None:
    body = json.dumps(document)
    assert webhooks.verify(body.encode(), sent(body), SECRET, now=NOW) == document


def test_two_secrets_are_accepted_while_one_replaces_the_other() -> None:
    headers = sent()
    assert webhooks.verify(BODY.encode(), headers, [OTHER, SECRET], now=NOW)
    signatures = [sent(secret=secret)["Webhook-Signature"] for secret in (OTHER, SECRET)]
    headers["Webhook-Signature"] = " ".join(["v1a,x", *signatures])
    assert webhooks.verify(BODY.encode(), headers, SECRET, now=NOW)


@pytest.mark.parametrize(
    ("body", "changes", "says"),
    [
        (BODY + " ", {}, "no signature of this webhook fits"),
        (BODY, {"Webhook-Id": "msg_2"}, "no signature of this webhook fits"),
        (BODY, sent(secret=OTHER), "no signature of this webhook fits"),
        (BODY, {"Webhook-Signature": "nonsense v1 v1, v1,ä"}, "no signature of this webhook fits"),
        (BODY, {"Webhook-Timestamp": "soon"}, "no number of seconds"),
        (BODY, sent(at=NOW - 301), "was sent 301 s ago"),
        (BODY, sent(at=NOW + 301), "was sent -301 s ago"),
    ],
)
def test_what_is_not_as_it_was_sent_is_refused(body: str, changes: dict[str, str], says: str) -> None:
    with pytest.raises(WebhookError, match=says):
        webhooks.verify(body.encode(), sent() | changes, SECRET, now=NOW)


@pytest.mark.parametrize("name", ["Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"])
def test_each_header_is_needed(name: str) -> None:
    headers = sent()
    del headers[name]
    with pytest.raises(WebhookError, match=f"no header {name.lower()}"):
        webhooks.verify(BODY.encode(), headers, SECRET, now=NOW)


@pytest.mark.slow
@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_ä", []])
def test_a_secret_that_is_none_is_a_mistake_of_the_receiver(secret: str | list[str]) -> None:
    with pytest.raises(ValueError, match="a secret of webhooks is whsec_ and base64"):
        webhooks.verify(BODY.encode(), sent(), secret, now=NOW)

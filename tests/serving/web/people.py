"""What people of tests have done: asked the gateway themselves, and got answers at chosen moments."""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from data.tables import Account, User
from serving.sites import session
from serving.web.visit import parts_of
from tests.traffic import Traffic
from tests.webs import Site

UNKNOWN = "0d25c0ac-ddcd-429d-8e38-559d200bdb6e"  # an id of nothing; in names of tests, so always the same


def ask(client: TestClient, method: str, path: str, body: Any = None) -> Any:
    """The gateway's answer to the person who has signed in to a web app."""
    parts = parts_of(client.app.behind)  # type: ignore[attr-defined]
    token = parts.sessions.find(client.cookies[session.COOKIE]).access_token
    return parts.gateway.ask(token, method, path, body)


def rewrite(client: TestClient, message: str) -> dict[str, Any]:
    """The answer to a message."""
    body = {"text": message, "transform_type": "soften", "intensity": 2}
    answer: dict[str, Any] = ask(client, "POST", "/transform", body)
    return answer


def until(claim: Callable[[], bool]) -> None:
    """Wait until a claim holds; it fails after half a minute."""
    deadline = time.monotonic() + 30
    while not claim():
        assert time.monotonic() < deadline, "it does not become true"
        time.sleep(0.05)


def give(
    site: Site,
    person: Account,
    messages: Sequence[str],
    moment: datetime | None = None,
    votes: Sequence[tuple[str, dict[str, Any]]] = (),
    **output: Any,
) -> None:
    """Answers of a person, of one moment and in this order, with their votes on each: kinds and values."""
    at = moment or datetime.now(UTC)
    with Session(site.installation.engine) as owner, owner.begin():
        if owner.get(User, person.user_id) is None:
            owner.add(User(id=person.user_id, organisation_id=person.organisation_id))
            owner.flush()
        owner.execute(text("SELECT ensure_answer_partitions(:day, 1)"), {"day": at.date()})
        traffic = Traffic(owner, person.organisation_id)
        for message in messages:
            written = traffic.add_output(at, message, **output)
            traffic.answer(at, person.user_id, written)
            for kind, value in votes:
                traffic.vote(at, person.user_id, written, kind, **value)

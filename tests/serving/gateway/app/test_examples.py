"""The examples of the API's description are true: a live gateway answers each of them as it is described."""

import json
import re
import time
import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx
import jwt
import pytest

from tests import described
from tests.sdks import METRICS_TOKEN, Installation

DOCUMENT = described.read()
OPERATIONS = {
    operation["operationId"]: (method.upper(), path, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}
# What makes a thing comes before what needs it, and what ends things comes last.
FIRST = (
    "transform", "compare", "create_key", "create_request_secret", "add_signing_key", "register_account",
    "login", "refresh_session", "list_sessions", "add_dictionary_term", "add_rule", "create_webhook",
    "send_test_event", "give_app_feedback", "create_inbound_webhook", "create_batch", "create_export",
    "draft_experiment", "get_next_comparison",
)  # fmt: skip
LAST = (
    "delete_answer",
    "request_erasure",  # the person's receipts take no vote any more
    "delete_dictionary_term",
    "delete_rule",
    "delete_app_feedback",
    "delete_webhook",
    "delete_inbound_webhook",
    "delete_request_secret",
    "delete_key",
    "delete_signing_key",
    "end_session",
    "logout",
    "remove_account",
)
# Where the answer of an operation has what others need, by the name that they have for it.
LEARNED = {
    "transform": {"receipt": "receipt", "answer_id": "answer_id"},
    "add_dictionary_term": {"term_id": "id"},
    "add_rule": {"rule_id": "id"},
    "give_app_feedback": {"feedback_id": "id"},
    "compare": {"comparison_receipt": "receipt"},
    "create_key": {"key_id": "id"},
    "create_request_secret": {"secret_id": "id"},
    "register_account": {"account_id": "id"},
    "login": {"refresh_token": "refresh_token"},
    "refresh_session": {"refresh_token": "refresh_token", "access_token": "access_token"},
    "list_sessions": {"session_id": "0.id"},
    "create_webhook": {"webhook_id": "id"},
    "create_inbound_webhook": {"inbound_webhook_id": "id"},
    "send_test_event": {"delivery_id": "deliveries.0"},
    "create_batch": {"batch_id": "id"},
    "create_export": {"job_id": "id"},
    "draft_experiment": {"experiment_id": "id"},
    "get_next_comparison": {"comparison_id": "comparison_id"},
}
# For people who have signed in; all others are sent with an API key.
SIGNED_IN = {"list_sessions", "end_session", "end_other_sessions"}
SOMETIMES = {"Retry-After", "Link"}  # headers of some responses of a status
# What cannot succeed by itself, with the statuses that are right, and why.
REFUSED = {
    "get_answer": {200, 404},  # answers are stored within a second
    "delete_answer": {202, 404},
    "open_socket": {426},  # plain HTTP opens no WebSocket
    "change_password": {403},  # a key has no password
    "put_key_quota": {409},  # the key that was made is for programs
    "get_export_file": {200, 404},  # the worker may not have written it yet
    "replay_job": {404},  # the export is not dead
    "replay_delivery": {202, 404},  # the worker may not have sent it yet
    "drop_challenger": {409},  # the last challenger cannot be withdrawn
    "pause_experiment": {409},  # drafts are not running
    "ramp_experiment": {409},
    "ship_challenger": {409},
    "roll_back_experiment": {409},
    "discard_experiment": {202, 409},  # its start was requested
    "start_experiment": {202, 409},
}


def order() -> list[str]:
    others = [id for id in OPERATIONS if id not in FIRST and id not in LAST]
    return [*FIRST, *others, *LAST]


def find(document: Any, path: str) -> Any:
    for part in path.split("."):
        document = document[int(part)] if part.isdigit() else document[part]
    return document


class Caller:
    """Sends the examples of operations to a gateway, with what earlier answers named in their places."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self.known: dict[str, Any] = {
            "authorization": f"Bearer {METRICS_TOKEN}",
            "If-Match": "*",  # a tag is of one state
        }
        self.statuses: dict[str, list[int]] = {}

    def call(self, id: str) -> None:
        """Send each example of an operation, and check each answer."""
        method, path, operation = OPERATIONS[id]
        bodies = operation.get("requestBody", {}).get("content", {}) or {"": {}}
        for kind, media in bodies.items():
            for body in described.examples_of(media) or [None]:
                response = self._send(id, method, path, operation, kind, body)
                self._check(id, operation, response)
                self._learn(id, response)

    def _send(
        self, id: str, method: str, path: str, operation: Mapping[str, Any], kind: str, body: Any
    ) -> httpx.Response:
        headers, query = {}, {}
        for parameter in operation.get("parameters", ()):
            name, examples = parameter["name"], described.examples_of(parameter)
            examples += parameter["schema"].get("examples", [])
            value = self.known.get(name, examples[0] if examples else None)
            match parameter["in"]:
                case "path":
                    path = path.replace(f"{{{name}}}", quote(str(value)))
                case "query" if value is not None and name != "before":
                    query[name] = value
                case "header":
                    is_key = name.lower() == "idempotency-key"
                    headers[name] = f"{value}-{uuid.uuid4()}" if is_key else str(value)
        if id in SIGNED_IN:
            headers["X-API-Key"] = self.known["access_token"]
        content = None
        if body is not None:
            headers["Content-Type"] = kind
            content = body if isinstance(body, str) else json.dumps(self._fill(body))
        return self._client.request(method, path, params=query, headers=headers, content=content)

    def _fill(self, body: Any) -> Any:
        filled = {name: self.known.get(name, value) for name, value in body.items()}
        if filled.get("kind") == "comparison":
            filled["receipt"] = self.known["comparison_receipt"]
        return filled

    def _check(self, id: str, operation: Mapping[str, Any], response: httpx.Response) -> None:
        status, sent = str(response.status_code), response.request
        answered = f"{sent.method} {sent.url} {sent.content!r}: {status} {response.text[:500]}"
        declared = operation["responses"]
        assert status in declared, f"{id} answers a status that it does not declare: {answered}"
        assert status not in ("400", "422"), f"an example of {id} is wrong: {answered}"
        answer = declared[status]
        if "$ref" in answer:
            answer = DOCUMENT["components"]["responses"][answer["$ref"].rpartition("/")[2]]
        missing = answer.get("headers", {}).keys() - SOMETIMES - set(_titled(response.headers))
        assert missing == set(), f"{id} has no header {missing}: {answered}"
        if "content" not in answer:
            assert response.content == b"", answered
            return
        kind = response.headers["content-type"].partition(";")[0]
        assert kind in answer["content"], f"{id} answers a type that it does not declare: {kind}"
        if kind.endswith(("/json", "+json")):
            schema = answer["content"][kind]["schema"]
            assert described.find_faults(DOCUMENT, schema, response.json()) == [], answered

    def _learn(self, id: str, response: httpx.Response) -> None:
        self.statuses.setdefault(id, []).append(response.status_code)
        if response.is_success:
            for name, path in LEARNED.get(id, {}).items():
                self.known[name] = find(response.json(), path)
        if id == "add_signing_key":
            key, claims = b"01234567890123456789012345678901", {"sub": "ann", "exp": int(time.time()) + 3600}
            self.known["token"] = jwt.encode(claims, key, "HS256", {"kid": "2026-11"})


def _titled(headers: httpx.Headers) -> list[str]:
    """The names of headers as the description writes them."""
    known = DOCUMENT["components"]["headers"]
    return [name for name in known if name in headers] + [
        name for name in ("X-ToneBridge-Receipt",) if name in headers
    ]


@pytest.mark.timeout(120)
def test_a_live_gateway_answers_each_example_as_described(live: Installation) -> None:
    with httpx.Client(base_url=live.url, headers={"X-API-Key": live.key}, timeout=30) as client:
        caller = Caller(client)
        for id in order():
            caller.call(id)
    wrong = {
        id: statuses
        for id, statuses in caller.statuses.items()
        if not set(statuses) <= REFUSED.get(id, set(range(200, 300)))
    }
    assert wrong == {}
    assert caller.statuses.keys() == OPERATIONS.keys()


def test_each_operation_that_the_tests_name_exists() -> None:
    assert {*FIRST, *LAST, *LEARNED, *REFUSED, *SIGNED_IN} <= OPERATIONS.keys()
    parameters = {name for _, path, _ in OPERATIONS.values() for name in re.findall(r"{(\w+)}", path)}
    learned = {name for names in LEARNED.values() for name in names}
    assert parameters - {"model", "kid"} <= learned, "say where the answer has it (LEARNED)"

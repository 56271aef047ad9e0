"""Errors that are sent by Sentry's protocol: what they have, and what they never have."""

import json
import logging
from typing import Any

from serving.observability.sentry import Rewriter
from tests.collectors import receiving_errors
from tests.failing import KEY, PASSWORD, PROMPT, TEXT, VALUE, fail, run

SECRET = "0123456789abcdef0123456789abcdef"


def test_events_have_types_and_places_and_nothing_that_was_planted() -> None:
    with receiving_errors(SECRET) as receiver:
        ended = fail(receiver.dsn)
        events = receiver.events
        everything = b"\n".join(receiver.envelopes).decode() + ended.stdout + ended.stderr
    assert ended.returncode == 1, ended.stderr
    types = [event["exception"]["values"][-1]["type"] for event in events if "exception" in event]
    assert types == ["RuntimeError"] * 3, "logged, of a thread, and of the process"
    assert len(events) == 5
    for event in events:
        assert (event["release"], event["environment"]) == ("1.2.3", "staging")
        assert (event["tags"], event["server_name"]) == ({"process": "worker"}, "worker")
    last = events[0]["exception"]["values"][-1]["stacktrace"]["frames"][-1]
    assert last == {"filename": "<string>", "lineno": 11, "function": "rewrite", "in_app": False}
    assert VALUE in ended.stderr, "the log has what the code writes"
    assert VALUE not in b"\n".join(receiver.envelopes).decode()
    # The sender names itself by the key, in the header of the request alone.
    for planted in (TEXT, KEY, PASSWORD, SECRET, PROMPT):
        assert planted not in everything, planted
    lines = [json.loads(line) for line in ended.stderr.splitlines()]
    assert {line["process"] for line in lines} == {"worker"}
    assert lines[-1]["message"] == "the process ends"


def test_without_an_address_nothing_is_imported() -> None:
    ended = run(
        "import sys\n"
        "from configs.settings import Settings\n"
        "from serving.observability.start import start\n"
        "start(Settings(), 'worker')\n"
        "print([name for name in sys.modules if name.startswith(('sentry_sdk', 'opentelemetry.sdk'))])\n"
    )
    assert ended.stdout == "[]\n", ended.stderr


def test_the_same_failure_all_the_time_is_sent_a_few_times_a_minute() -> None:
    now = 0.0
    rewrite = Rewriter("worker", "1", "local", most=2, clock=lambda: now)
    event: Any = {"event_id": "1", "timestamp": "t"}
    assert [rewrite(event, {}) is not None for _ in range(4)] == [True, True, False, False]
    now = 61.0
    assert rewrite(event, {}) is not None


def test_what_the_library_or_an_application_adds_is_not_sent() -> None:
    added: Any = {
        "event_id": "1", "timestamp": "t", "level": "error", "request": {"data": TEXT}, "extra": {"x": TEXT},
        "breadcrumbs": {"values": [{"message": TEXT}]}, "user": {"email": TEXT}, "contexts": {"x": TEXT},
        "logentry": {"message": TEXT, "params": [TEXT]}, "modules": {TEXT: "1"}, "transaction": TEXT,
    }  # fmt: skip
    record = logging.LogRecord("slack_bolt", logging.ERROR, "f", 7, TEXT, (), None, "handle")
    sent = Rewriter("channels", "1", "local")(added, {"log_record": record})
    assert sent is not None
    assert TEXT not in json.dumps(sent)
    assert sent["logentry"] == {"message": "slack_bolt: handle, line 7"}

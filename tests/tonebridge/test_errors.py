"""Errors made from answers."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from tonebridge import InvalidRequestError, ToneBridgeError, UnavailableError, errors


def test_a_problem_keeps_all_that_it_says() -> None:
    body = (
        b'{"title": "Not valid", "status": 422, "detail": "text: too long", "reasons": [{"code": "c"}],'
        b' "errors": [{"field": "text", "message": "too long"}]}'
    )
    error = errors.from_response(422, {"x-request-id": "theirs"}, body, "ours")
    assert isinstance(error, InvalidRequestError)
    assert (str(error), error.request_id) == ("422: text: too long", "theirs")
    assert (error.reasons, error.fields) == ([{"code": "c"}], {"text": "too long"})


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"\xff"])
def test_a_proxy_answers_without_a_problem(body: bytes) -> None:
    error = errors.from_response(502, {}, body, "ours")
    assert isinstance(error, UnavailableError)
    assert (str(error), error.request_id) == ("502: the answer says no more", "ours")


def test_an_unknown_status_is_an_error_nevertheless() -> None:
    assert type(errors.from_response(418, {}, b"{}", "ours")) is ToneBridgeError


@pytest.mark.parametrize(("header", "seconds"), [("3", 3), ("soon", None), (None, None)])
def test_retry_after_in_seconds(header: str | None, seconds: float | None) -> None:
    headers = {} if header is None else {"retry-after": header}
    assert errors.from_response(503, headers, b"", "").retry_after_s == seconds


@pytest.mark.parametrize(("ahead_s", "least", "most"), [(36_000, 3_600, 36_000), (-3600, 0, 0)])
def test_retry_after_as_a_date(ahead_s: int, least: float, most: float) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=ahead_s), usegmt=True)
    wait_s = errors.from_response(503, {"retry-after": date}, b"", "").retry_after_s
    assert wait_s is not None
    assert least <= wait_s <= most

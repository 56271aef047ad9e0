"""A program hears of a call that is to be removed, at the line that makes it."""

import warnings

import httpx
import pytest

from tonebridge import AsyncToneBridge, ToneBridge, ToneBridgeError, deprecations

HEADERS = {
    "deprecation": "@1796083200",
    "sunset": "Thu, 01 Jul 2027 00:00:00 GMT",
    "link": '</docs#/jobs/list_jobs>; rel="deprecation"',
}


def test_a_deprecated_call_warns_where_it_is_made() -> None:
    with pytest.warns(
        DeprecationWarning, match=r"^GET /api/v1/jobs is deprecated, and is removed on Thu"
    ) as seen:
        deprecations.warn("GET", "/api/v1/jobs?state=dead", HEADERS)
    assert seen[0].filename == __file__
    assert "/docs#/jobs/list_jobs" in str(seen[0].message)


def test_other_calls_say_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        deprecations.warn("GET", "/api/v1/jobs", {"content-type": "application/json"})


def answer(request: httpx.Request) -> httpx.Response:
    """What a gateway answers on a route that is to be removed."""
    status = 404 if request.url.path.endswith("/0") else 200
    return httpx.Response(
        status, headers=HEADERS, json={"title": "x", "detail": "x"} if status == 404 else []
    )


def test_the_synchronous_client_warns_at_the_line_of_the_program() -> None:
    with httpx.Client(transport=httpx.MockTransport(answer)) as http:
        client = ToneBridge("http://gateway", api_key="k", http=http)
        with pytest.warns(DeprecationWarning, match=r"^GET /api/v1/accounts is deprecated") as seen:
            client.list_accounts()
    assert seen[0].filename == __file__


async def test_the_asynchronous_client_warns_at_the_line_of_the_program() -> None:
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        client = AsyncToneBridge("http://gateway", api_key="k", http=http)
        with pytest.warns(DeprecationWarning, match=r"^GET /api/v1/accounts is deprecated") as seen:
            await client.list_accounts()
    assert seen[0].filename == __file__


def test_an_error_of_a_deprecated_call_warns_too() -> None:
    with httpx.Client(transport=httpx.MockTransport(answer)) as http:
        client = ToneBridge("http://gateway", api_key="k", http=http)
        with pytest.warns(DeprecationWarning, match="GET /api/v1/jobs/0"), pytest.raises(ToneBridgeError):
            client.get_job("0")

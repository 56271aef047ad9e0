"""The clients, asynchronous and synchronous, against a live gateway: every operation, and what happens when
answers are lost.
"""

import asyncio
import gzip
import inspect
import json
import uuid
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import jwt
import pytest

from tests import gateways, sdks
from tests.sdks import Fault, Installation
from tests.waiting import until_async as until
from tonebridge import (
    AsyncToneBridge,
    ForbiddenError,
    InvalidRequestError,
    NotFoundError,
    Retries,
    ToneBridge,
    ToneBridgeError,
    TooManyRequestsError,
    UnauthorizedError,
    UnavailableError,
    UnreachableError,
)
from tonebridge.exchange import Request

SOON = Retries(base_s=0.001, total_s=600)  # Retry-After still holds


class Awaited:
    """The synchronous client, with methods that are awaited: each runs in a thread."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self._client = ToneBridge(*arguments, **named)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        if name.startswith(("stream", "iterate", "get_batch_results", "download", "get_export_file")):
            return method
        return partial(asyncio.to_thread, method)

    async def __aenter__(self) -> "Awaited":
        return self

    async def __aexit__(self, *_: object) -> None:
        self._client.close()


Kind = Callable[..., Any]


@pytest.fixture(params=[AsyncToneBridge, Awaited])
def kind(request: pytest.FixtureRequest) -> Kind:
    made: Kind = request.param
    return made


@pytest.fixture
async def client(kind: Kind, live: Installation) -> AsyncIterator[Any]:
    """A client of the proxy, with the owner's key."""
    async with kind(live.proxy.url, api_key=live.key, retries=SOON) as client:
        yield client


async def read(stream: Any) -> list[Any]:
    """All items of a stream."""
    if hasattr(stream, "__aiter__"):
        return [item async for item in stream]
    return await asyncio.to_thread(list, stream)


def message() -> str:
    return f"Fix it. {uuid.uuid4()}"


async def test_every_operation_is_called(client: Any, kind: Kind, live: Installation) -> None:
    live.proxy.requests.clear()
    await rewrite_and_vote(client)
    await compare(client)
    await do_jobs(client, live)
    await experiment(client, live)
    await manage_people(client, kind, live)
    await manage_keys(client)
    await sign_requests(client, kind, live)
    await use_webhooks(client)
    await consent(client)
    await use_other_forms(client, kind)
    assert sdks.called(live.proxy.requests) == set(sdks.operations().values())


async def rewrite_and_vote(client: Any) -> None:
    answer = await client.transform(
        message(), "soften", 2, user_id="ann", locale="en-GB", channel="chat", idempotency_key=message()
    )
    assert answer["transformed_text"].startswith("Please wait.")
    stored = await client.give_feedback({"receipt": answer["receipt"], "kind": "thumb", "up": True})
    again = await client.give_feedback({"receipt": answer["receipt"], "kind": "thumb", "up": False})
    assert stored == again
    items = [{"text": message(), "transform_type": "clarify", "intensity": n} for n in (1, 3)]
    assert [entry["status"] for entry in (await client.transform_many(items))["items"]] == [200, 200]


async def compare(client: Any) -> None:
    compared = await client.compare(message(), "soften", 2, policy="two_samples", user_id="ann")
    await client.give_feedback({"receipt": compared["receipt"], "kind": "comparison", "preferred": "first"})
    person = message()
    comparison = await client.get_next_comparison(user_id=person)
    again = await client.get_next_comparison(user_id=person)
    assert again["comparison_id"] == comparison["comparison_id"]
    await client.skip_comparison(comparison["comparison_id"], user_id=person)
    assert (await client.get_comparison_progress(user_id=person))["skipped"] == 1
    own = await client.get_next_comparison(text=person, transform_type="soften", intensity=2, user_id=person)
    assert own["message"] == person


async def do_jobs(client: Any, live: Installation) -> None:
    items = [{"text": message(), "transform_type": "soften", "intensity": 1} for _ in range(3)]
    batch = await client.create_batch(items)
    seen: list[Any] = []
    ended = await client.wait_for_batch(batch["id"], on_progress=seen.append, poll_s=0.05)
    assert (ended["done"], seen[-1]) == (3, ended)
    results = await read(client.get_batch_results(batch["id"]))
    assert [(result["place"], result["state"]) for result in results] == [(n, "done") for n in range(3)]
    table = b"".join(await read(client.download_batch_results(batch["id"], format="csv"))).decode()
    assert results[0]["answer"]["transformed_text"] in table

    later = await client.create_batch(items, run_at=datetime.now(UTC) + timedelta(days=1))
    assert await client.cancel_batch(later["id"]) == {"cancelled": 3}
    killed = await client.create_batch(items, run_at=datetime.now(UTC) + timedelta(days=1))
    live.kill(killed["id"])
    dead = await client.list_jobs(state=["dead"], batch_id=killed["id"], limit=2)
    assert [job["state"] for job in dead] == ["dead", "dead"]
    (new,) = (await client.replay_job(dead[0]["id"]))["jobs"]
    assert (await client.get_job(new))["replayed_from"] == dead[0]["id"]
    assert len((await client.replay_jobs("rewrite"))["jobs"]) >= 2

    newest = await client.list_batches(limit=2)
    assert [one["id"] for one in newest] == [killed["id"], later["id"]]
    assert (await client.get_batch(later["id"]))["cancelled"] == 3
    everything = await read(client.iterate_batches())
    assert [one["id"] for one in everything[:2]] == [killed["id"], later["id"]]
    assert len(await read(client.iterate_jobs(batch_id=batch["id"]))) == 3

    export = await client.create_export(since=datetime.now(UTC) - timedelta(days=1), until=datetime.now(UTC))
    assert (await client.wait_for_job(export["id"], poll_s=0.05))["state"] == "done"
    votes = gzip.decompress(b"".join(await read(client.get_export_file(export["id"])))).decode()
    assert "thumb" in votes


async def experiment(client: Any, live: Installation) -> None:
    outlook = await client.forecast_experiment(users_a_day=100, challengers=2)
    assert outlook
    assert (await client.list_metrics())["metrics"]

    async def draft(status: str) -> str:
        name = message()
        made = await client.draft_experiment(
            name, "People prefer it.", ["v2", "v3"], plan={}, target={"channels": ["chat"]}
        )
        live.set_status(made["id"], status)
        found = await client.get_experiment(made["id"])
        assert (found["name"], found["status"]) == (name, status)
        return str(made["id"])

    decisions = [
        await client.start_experiment(await draft("draft")),
        await client.ramp_experiment(await draft("running"), 0.5, reason="It goes well."),
        await client.pause_experiment(await draft("running")),
        await client.drop_challenger(await draft("running"), "v3", "It is worse."),
        await client.ship_challenger(await draft("running"), "It is better.", challenger="v2"),
        await client.roll_back_experiment(await draft("running"), "It is worse."),
        await client.discard_experiment(await draft("draft")),
    ]
    assert all(decision["happens"] for decision in decisions)
    assert len(await client.list_experiments(limit=7)) == 7


async def manage_people(client: Any, kind: Kind, live: Installation) -> None:
    email, password = f"{uuid.uuid4()}@example.com", "correct horse battery"
    account = await client.register_account(email, password, name="Ann", role="viewer")
    await client.change_role(account["id"], "experimenter")
    listed = {one["id"]: one for one in await client.list_accounts()}
    assert listed[account["id"]]["role"] == "experimenter"
    tokens = await client.login(email, password)
    tokens = await client.refresh_session(tokens["refresh_token"])
    async with kind(live.proxy.url, token=tokens["access_token"], retries=SOON) as person:
        assert (await person.get_me())["role"] == "experimenter"
        await person.change_password(password, f"{password} staple")
    tokens = await client.login(email, f"{password} staple")
    await client.logout(tokens["refresh_token"])
    await client.remove_account(account["id"])


async def manage_keys(client: Any) -> None:
    made = await client.create_key("for a test", role="viewer")
    assert made["id"] in [key["id"] for key in await client.list_keys()]
    await client.delete_key(made["id"])
    kid, secret = f"kid-{uuid.uuid4()}", jwt.utils.base64url_encode(gateways.SECRET).decode()
    assert await client.add_signing_key(kid, "HS256", secret) == {"kid": kid}
    token = gateways.sign_token(kid, "ann")

    async def is_revoked() -> bool:
        try:
            await client.revoke_token(token)
        except InvalidRequestError:  # the gateway reads the new key by its next heartbeat
            return False
        return True

    await until(is_revoked)
    await client.delete_signing_key(kid)


async def sign_requests(client: Any, kind: Kind, live: Installation) -> None:
    """A key that requires signatures is of no use without its secret."""
    made = await client.create_key("signs", role="viewer")
    secret = await client.create_request_secret(made["id"])
    await client.require_signatures(made["id"], True)
    async with kind(live.proxy.url, api_key=made["key"], retries=SOON) as thief:
        with pytest.raises(UnauthorizedError):
            await thief.get_me()
    signing = (secret["id"], secret["secret"])
    async with kind(live.proxy.url, api_key=made["key"], signing=signing, retries=SOON) as signer:
        assert (await signer.get_me())["role"] == "viewer"
        assert (await signer.transform(message(), "soften", 2, user_id="ann"))["receipt"]
    await client.require_signatures(made["id"], False)
    await client.delete_request_secret(made["id"], secret["id"])
    (listed,) = await client.list_request_secrets(made["id"])
    assert (listed["id"], listed["revoked_at"] is None) == (secret["id"], False)


async def use_webhooks(client: Any) -> None:
    """The address is one that the worker refuses, so its deliveries are dead at once."""
    made = await client.create_webhook("https://127.0.0.1/", ["job.done"], description="a test")
    assert made["secret"].startswith("whsec_")
    id = made["id"]
    assert id in [webhook["id"] for webhook in await client.list_webhooks()]
    assert (await client.rotate_webhook_secret(id))["secret"] != made["secret"]
    changed = await client.change_webhook(id, events=["quota.near"], description="")
    assert (changed["url"], changed["events"]) == ("https://127.0.0.1/", ["quota.near"])
    (first,) = (await client.send_test_event(id))["deliveries"]
    await wait_for_dead(client, id, 1)
    (second,) = (await client.replay_delivery(id, first))["deliveries"]
    await wait_for_dead(client, id, 1)
    assert len((await client.replay_dead_deliveries(id))["deliveries"]) == 1
    await wait_for_dead(client, id, 1)
    log = await read(client.iterate_deliveries(id))
    assert [delivery["id"] for delivery in log][1:] == [second, first]
    assert log[0]["errors"][0]["reason"].startswith("the address leads to 127.0.0.1")
    assert (await client.change_webhook(id, enabled=False))["disabled_at"] is not None
    assert (await client.get_webhook(id))["waiting"] == 0
    await client.delete_webhook(id)


async def wait_for_dead(client: Any, webhook_id: str, number: int) -> None:
    dead: list[Any] = []

    async def are_dead() -> bool:
        webhook = await client.get_webhook(webhook_id)
        dead[:] = await client.list_deliveries(webhook_id, state=["dead"])
        return webhook["waiting"] == 0 and len(dead) == number

    await until(are_dead, lambda: f"{dead} are dead, and not {number}")


async def consent(client: Any) -> None:
    person = message()
    assert (await client.get_consent(user_id=person))["said_by"] == "organisation"
    assert await client.put_consent(True, user_id=person) == {"training": True, "said_by": "person"}
    terms = await client.get_organisation()
    assert await client.put_organisation(trains_across=terms["trains_across"]) == terms


async def use_other_forms(client: Any, kind: Kind) -> None:
    assert (await client.graphql("{ me { role } }"))["data"] == {"me": {"role": "OWNER"}}
    assert len((await client.list_models())["data"]) == 28
    assert (await client.get_model("tonebridge/soften-2"))["id"] == "tonebridge/soften-2"
    completion = await client.create_chat_completion(
        "tonebridge/soften-2", [{"role": "user", "content": message()}], user="ann"
    )
    assert completion["choices"][0]["message"]["content"].startswith("Please wait.")
    assert await client.check_live() == {"status": "alive"}
    assert (await client.check_ready())["ready"]
    assert "tonebridge_" in await client.get_gateway_metrics(sdks.METRICS_TOKEN)
    if kind is AsyncToneBridge:
        async with client.open_socket() as socket:
            await socket.subscribe("jobs")
    else:
        await asyncio.to_thread(open_and_subscribe, client._client)


def open_and_subscribe(client: ToneBridge) -> None:
    with client.open_socket() as socket:
        socket.subscribe("jobs")


def test_each_operation_has_a_method_of_its_name() -> None:
    for kind in (AsyncToneBridge, ToneBridge):
        names = {name for name, _ in inspect.getmembers(kind, inspect.isfunction)}
        assert set(sdks.operations().values()) <= names


async def test_a_stream_shows_each_draft_and_ends_with_the_answer(client: Any) -> None:
    events = await read(client.stream(message(), "soften", 2))
    *drafts, last = events  # a slow reader gets fewer and longer pieces
    assert drafts
    assert {event.kind for event in drafts} == {"delta"}
    assert "".join(event.text for event in drafts) == drafts[-1].draft == "Please wait."
    assert (last.kind, last.text, last.draft) == ("answer", "Please wait.", "Please wait.")
    assert last.answer["receipt"]


@pytest.mark.parametrize("fault", ["drop", "unavailable"])
async def test_a_rewrite_whose_answer_is_lost_is_repeated_with_one_effect(
    client: Any, live: Installation, fault: Fault
) -> None:
    text = message()
    keys = live.count_keys()
    live.proxy.faults[:] = [fault]
    assert (await client.transform(text, "soften", 2))["transformed_text"].startswith("Please wait.")
    assert live.proxy.faults == []
    assert live.count_outputs(text) == 1
    assert live.count_keys() == keys + 1


@pytest.mark.parametrize("fault", ["drop", "unavailable"])
async def test_a_vote_whose_answer_is_lost_is_repeated_with_one_effect(
    client: Any, live: Installation, fault: Fault
) -> None:
    answer = await client.transform(message(), "soften", 2)
    live.proxy.faults[:] = [fault]
    votes = live.count("SELECT count(*) FROM feedback")
    await client.give_feedback({"receipt": answer["receipt"], "kind": "rating", "stars": 4})
    assert live.proxy.faults == []
    assert live.count("SELECT count(*) FROM feedback") == votes + 1


@pytest.mark.parametrize("fault", ["drop", "unavailable"])
async def test_a_batch_whose_answer_is_lost_is_stored_once(
    client: Any, live: Installation, fault: Fault, tmp_path: Path
) -> None:
    file = tmp_path / "messages.jsonl"
    file.write_text(json.dumps({"text": message(), "transform_type": "soften", "intensity": 2}))
    live.proxy.faults[:] = [fault, fault]
    before = live.count("SELECT count(*) FROM job_batches")
    await client.create_batch(file)
    assert live.proxy.faults == []
    assert live.count("SELECT count(*) FROM job_batches") == before + 1


async def test_a_stream_is_repeated_before_its_first_event_and_not_after_it(
    client: Any, live: Installation
) -> None:
    text = message()
    live.proxy.faults[:] = ["drop"]
    events = await read(client.stream(text, "soften", 2))
    assert events[-1].kind == "answer"
    assert live.proxy.faults == []
    live.proxy.faults[:] = ["cut"]
    with pytest.raises(UnreachableError):
        await read(client.stream(message(), "soften", 2))


async def test_what_has_no_key_is_not_repeated_once_it_may_be_done(client: Any, live: Installation) -> None:
    name = message()
    live.proxy.faults[:] = ["drop"]
    with pytest.raises(UnreachableError) as caught:
        await client.create_key(name)
    assert caught.value.was_sent
    assert [key["name"] for key in await client.list_keys()].count(name) == 1
    live.proxy.faults[:] = ["unavailable"]
    with pytest.raises(UnavailableError):
        await client.create_key(name)


async def test_what_is_removed_already_by_a_lost_attempt_is_removed(client: Any, live: Installation) -> None:
    made = await client.create_key(message())
    live.proxy.faults[:] = ["drop"]
    await client.delete_key(made["id"])
    with pytest.raises(NotFoundError):
        await client.delete_key(made["id"])


async def test_a_gateway_that_does_not_run_is_named(kind: Kind) -> None:
    async with kind("http://127.0.0.1:1", api_key="k", retries=Retries(attempts=2, base_s=0)) as client:
        with pytest.raises(UnreachableError, match=r"no answer from http://127.0.0.1:1 ") as caught:
            await client.compare("x", "soften", 1)
        assert not caught.value.was_sent


async def test_errors_say_what_is_wrong(client: Any, kind: Kind, live: Installation) -> None:
    with pytest.raises(InvalidRequestError, match="422: intensity: ") as caught:
        await client.transform("Fix it.", "soften", 7)
    assert caught.value.fields.keys() == {"intensity"}
    assert caught.value.reasons[0]["code"]
    assert (caught.value.status, bool(caught.value.request_id)) == (422, True)
    with pytest.raises(InvalidRequestError):
        await read(client.stream("Fix it.", "soften", 7))
    with pytest.raises(NotFoundError):
        await client.get_job(str(uuid.uuid4()))
    async with kind(live.url, api_key="wrong", retries=SOON) as stranger:
        with pytest.raises(UnauthorizedError):
            await stranger.get_me()
        with pytest.raises(ToneBridgeError, match="401: ") as shaped:
            await stranger.create_chat_completion("tonebridge/soften-2", [{"role": "user", "content": "x"}])
        assert shaped.value.status == 401
    member = await client.create_key("a member")
    async with kind(live.url, api_key=member["key"], retries=SOON) as poor:
        with pytest.raises(ForbiddenError):
            await poor.list_keys()


async def test_a_wait_that_is_too_long_is_not_begun(client: Any, live: Installation) -> None:
    live.proxy.faults[:] = ["unavailable"] * 2
    retries = Retries(attempts=2, base_s=0)
    attempts = retries.begin(True)
    error = TooManyRequestsError("later", status=429, retry_after_s=3600)
    with pytest.raises(TooManyRequestsError):
        attempts.wait_s(error)
    async with AsyncToneBridge(live.proxy.url, api_key="k", retries=retries) as impatient:
        with pytest.raises(UnavailableError):
            await impatient.get_me()
    assert live.proxy.faults == []


@pytest.mark.parametrize("kind", [AsyncToneBridge, ToneBridge])
def test_a_client_needs_an_address_and_one_caller(
    kind: type[AsyncToneBridge] | type[ToneBridge], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match="give the gateway's address"):
        kind()
    with pytest.raises(ValueError, match="not both"):
        kind("http://x", api_key="k", token="t")
    with pytest.raises(ValueError, match="no secret to sign with"):
        kind("http://x", token="t", signing=("id", "secret"))
    monkeypatch.setenv("TONEBRIDGE_API_KEY", "from the environment")
    shown = kind("http://x")._transport.credentials
    assert (shown.shown, kind("http://x", token="t")._transport.credentials.shown) == (
        "from the environment",
        "t",
    )


def test_a_request_has_the_same_key_and_id_however_often_it_is_sent() -> None:
    request = Request("POST", "/x", idempotency_key="k")
    assert request.headers() == request.headers()

import asyncio
import json
import subprocess
import sys

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from data.records import Spec, TransformType
from serving.inference.client import (
    InferenceClient,
    InferenceUnavailable,
    Item,
    VersionUnknown,
)
from tests.serving.inference.conftest import patient

SPEC = Spec(version="v1")
ITEM = Item(text="Fix it.", transform_type=TransformType.SOFTEN, intensity=2)
REWRITE = {"text": "Please fix it.", "facts_missing": [], "tokens": 4, "finished": True}
GOOD = {"items": [REWRITE], "version": "v1"}


@pytest.fixture
async def upstream():
    """Starts servers that answer every /rewrite in one way and count the requests."""
    servers = []

    async def start(answer):
        async def handle(request):
            server.calls += 1
            return await answer(request)

        app = web.Application()
        app.router.add_post("/rewrite", handle)
        app.router.add_post("/stream", handle)
        server = TestServer(app)
        server.calls = 0
        await server.start_server()
        servers.append(server)
        return server

    yield start
    for server in servers:
        await server.close()


@pytest.fixture
async def client_of():
    clients = []

    def make(*servers, clock=lambda: 0.0, kind=InferenceClient):
        """A client whose breakers stay open, unless the clock moves."""
        urls = [str(server.make_url("/")) for server in servers]
        clients.append(patient(kind(urls, "token", clock)))
        return clients[-1]

    yield make
    for client in clients:
        await client.close()


def says(body=b"", status=200, headers=None):
    async def answer(request):
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return web.Response(body=content, status=status, headers=headers)

    return answer


good = says(GOOD)


async def hang(request):
    await asyncio.Event().wait()


async def hang_up(request):
    request.transport.close()
    return web.Response()


async def test_the_token_and_the_shapes_go_over_the_wire(upstream, client_of):
    seen = {}

    async def look(request):
        seen.update(await request.json(), authorization=request.headers["Authorization"])
        return web.json_response(GOOD)

    [rewrite] = await client_of(await upstream(look)).rewrite(SPEC, [ITEM])
    assert rewrite.text == "Please fix it."
    assert seen["authorization"] == "Bearer token"
    assert Spec.model_validate(seen["spec"]) == SPEC
    assert [Item.model_validate(item) for item in seen["items"]] == [ITEM]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (says(b"<html>oops</html>"), "not a reply"),
        (says(b"\xff\xfe\x00"), "not a reply"),
        (says([GOOD]), "not a reply"),
        (says(GOOD | {"items": [REWRITE | {"tokens": "many"}]}), "not a reply"),
        (says(GOOD | {"items": []}), "0 rewrites by v1"),
        (says(GOOD | {"version": "v2"}), "1 rewrites by v2"),
        (says(b"boom", 500), "500 boom"),
        (says(status=302, headers={"Location": "http://example.com"}), "302"),
        (hang_up, "Disconnected"),
    ],
)
async def test_garbage_is_unavailable(upstream, client_of, answer, reason):
    with pytest.raises(InferenceUnavailable, match=reason) as caught:
        await client_of(await upstream(answer)).rewrite(SPEC, [ITEM])
    assert reason in caught.value.reason


async def test_nobody_listening_is_unavailable(client_of, upstream):
    server = await upstream(good)
    client = client_of(server)
    await server.close()
    with pytest.raises(InferenceUnavailable, match="ClientConnectorError"):
        await client.rewrite(SPEC, [ITEM])


async def test_the_next_replica_answers_for_one_that_fails(upstream, client_of):
    broken, sound = await upstream(says(status=503)), await upstream(good)
    client = client_of(broken, sound)
    for _ in range(4):
        assert (await client.rewrite(SPEC, [ITEM]))[0].text == "Please fix it."
    assert sound.calls == 4


async def test_a_connection_that_ends_as_it_is_used_is_replaced(upstream, client_of):
    async def hang_up_first(request):
        return await (hang_up if server.calls == 1 else good)(request)

    server = await upstream(hang_up_first)
    client = client_of(server)
    assert await client.rewrite(SPEC, [ITEM])
    assert (server.calls, client.open_breakers) == (2, 0)


async def test_replicas_take_turns(upstream, client_of):
    servers = [await upstream(good), await upstream(good)]
    client = client_of(*servers)
    for _ in range(6):
        await client.rewrite(SPEC, [ITEM])
    assert [server.calls for server in servers] == [3, 3]


async def test_a_replica_that_fails_is_spared(upstream, client_of):
    broken, sound = await upstream(says(status=503)), await upstream(good)
    client = client_of(broken, sound)
    for _ in range(12):
        await client.rewrite(SPEC, [ITEM])
    assert (broken.calls, sound.calls) == (3, 12)
    assert client.open_breakers == 1


async def test_one_call_finds_out_whether_it_is_well_again(upstream, client_of):
    ill = True

    async def answer(request):
        return await (says(status=503) if ill else good)(request)

    server = await upstream(answer)
    skipped_s = 0
    client = client_of(server, clock=lambda: skipped_s)
    for _ in range(5):
        with pytest.raises(InferenceUnavailable):
            await client.rewrite(SPEC, [ITEM])
    assert server.calls == 3
    ill = False
    with pytest.raises(InferenceUnavailable, match="not called") as caught:
        await client.rewrite(SPEC, [ITEM])
    assert not caught.value.was_called
    skipped_s = 60
    assert await client.rewrite(SPEC, [ITEM])
    assert client.open_breakers == 0


async def test_an_unknown_version_is_no_fault_of_a_replica(upstream, client_of):
    client = client_of(await upstream(says(status=404)))
    for _ in range(5):
        with pytest.raises(VersionUnknown):
            await client.rewrite(SPEC, [ITEM])
    assert client.open_breakers == 0


@pytest.mark.parametrize("status", [500, 422])
async def test_a_version_that_breaks_is_no_fault_of_a_replica(upstream, client_of, status):
    async def answer(request):
        spec = (await request.json())["spec"]
        return await (says(b"boom", status) if spec["version"] == "v2" else good)(request)

    client = client_of(await upstream(answer))
    for _ in range(5):
        with pytest.raises(InferenceUnavailable, match=f"{status} boom") as caught:
            await client.rewrite(Spec(version="v2"), [ITEM])
        assert caught.value.was_called
    assert await client.rewrite(SPEC, [ITEM])
    assert client.open_breakers == 0


class Sharing(InferenceClient):
    """Records the share of the time that each replica gets; the first one is given up after a moment."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.shares_s = []

    async def _post(self, url, body, version, timeout_s, read):
        self.shares_s.append(timeout_s)
        limit_s = timeout_s if len(self.shares_s) > 1 else min(timeout_s, 0.1)
        return await super()._post(url, body, version, limit_s, read)


async def test_a_silent_replica_leaves_time_for_the_next(upstream, client_of):
    client = client_of(await upstream(hang), await upstream(good), kind=Sharing)
    assert await client.rewrite(SPEC, [ITEM], timeout_s=7200)
    first_s, second_s = client.shares_s
    assert first_s <= 3600 < second_s < 7200


async def test_the_timeout_is_for_all_replicas_together(upstream, client_of):
    client = client_of(await upstream(hang), await upstream(hang), kind=Sharing)
    with pytest.raises(InferenceUnavailable, match=r"no answer.*; .*no answer"):
        await client.rewrite(SPEC, [ITEM], timeout_s=0.2)
    assert client.shares_s[0] <= 0.1
    assert sum(client.shares_s) <= 0.2 + 1e-3  # a timer may end a moment early


async def test_a_version_that_no_replica_has_is_unknown(upstream, client_of):
    missing, sound = await upstream(says(status=404)), await upstream(good)
    with pytest.raises(VersionUnknown, match="'v1' is not published"):
        await client_of(missing).rewrite(SPEC, [ITEM])
    assert await client_of(missing, sound).rewrite(SPEC, [ITEM])


def test_no_address_is_refused():
    with pytest.raises(ValueError, match="TONEBRIDGE_INFERENCE_URLS"):
        InferenceClient([], "token")


def test_importing_the_client_stays_light():
    heavy = "{'torch', 'transformers', 'bentoml', 'ctranslate2', 'tokenizers'}"
    code = f"import sys, serving.inference.client; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- streams -----------------------------------------------------------------------------------------------

ANSWER = b"event: answer\ndata: " + json.dumps(GOOD).encode() + b"\n\n"


def delta(text, kind="delta"):
    return f"event: {kind}\ndata: {json.dumps({'text': text})}\n\n".encode()


def sends(*pieces, then=None):
    """A stream of pieces, each in a packet of its own; `then` says what follows."""

    async def answer(request):
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
            await asyncio.sleep(0.005)
        if then is not None:
            await then(request)
        return response

    return answer


async def read(client, **more):
    seen = []
    return await client.stream(SPEC, ITEM, seen.append, **more), seen


async def test_a_stream_is_shown_as_text_so_far_and_ends_with_the_rewrite(upstream, client_of):
    pieces = (b": heartbeat\n\n", delta("Ple"), delta("ase"), delta("Pl", "replace"), ANSWER)
    rewritten, seen = await read(client_of(await upstream(sends(*pieces))))
    assert rewritten.text == "Please fix it."
    assert seen == ["Ple", "Please", "Pl", "Please fix it."]


async def test_a_text_that_came_at_once_is_not_shown(upstream, client_of):
    rewritten, seen = await read(client_of(await upstream(sends(ANSWER))))
    assert (rewritten.text, seen) == ("Please fix it.", [])


async def test_events_are_found_wherever_they_are_cut(upstream, client_of):
    whole = delta("直す") + ANSWER
    cut = sends(*(whole[i : i + 7] for i in range(0, len(whole), 7)))
    _, seen = await read(client_of(await upstream(cut)))
    assert seen == ["直す", "Please fix it."]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (sends(delta("a"), b"<html>oops</html>"), "not an answer: <html>"),
        (sends(delta("a")), "not an answer"),
        (sends(), "not an answer"),
        (sends(b"event: delta\ndata: {\n\n"), "not an event"),
        (sends(b'event: delta\ndata: {"text": "a\\u0000"}\n\n'), "not an event"),
        (sends(b'event: delta\ndata: "\xff"\n\n'), "not an event"),
        (sends(b'event: answer\ndata: {"items": []}\n\n'), "not a reply"),
        (sends(b"x" * 300_000), "an event without an end"),
        (sends(*[delta("x" * 9_999)] * 6), "more than 50,000"),
        (sends(b"event: error\ndata: boom\n\n"), "boom"),
        (says(b"boom", 500), "500 boom"),
        (says(status=302, headers={"Location": "http://example.com"}), "302"),
        (sends(delta("a"), then=hang_up), "Error|Disconnected|not an answer"),
        (hang_up, "Disconnected"),
    ],
)
async def test_a_garbled_stream_is_unavailable(upstream, client_of, answer, reason):
    with pytest.raises(InferenceUnavailable, match=reason) as caught:
        await read(client_of(await upstream(answer)))
    assert caught.value.was_called


async def test_the_next_replica_begins_again_for_one_that_fails_in_the_middle(upstream, client_of):
    client = client_of(await upstream(sends(delta("Fix"))), await upstream(sends(delta("Please"), ANSWER)))
    rewritten, seen = await read(client)
    assert rewritten.text == "Please fix it."
    assert seen == ["Fix", "Please", "Please fix it."]


async def test_readers_who_leave_are_no_fault_of_a_replica(upstream, client_of):
    server = await upstream(sends(delta("a"), then=hang))
    client = client_of(server)
    for number in range(5):
        begun = asyncio.Event()
        asking = asyncio.ensure_future(client.stream(SPEC, ITEM, lambda _, begun=begun: begun.set()))
        await begun.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert server.calls == number + 1
    assert client.open_breakers == 0


async def test_an_endless_stream_ends_in_time(upstream, client_of):
    with pytest.raises(InferenceUnavailable, match=r"no answer within -?\d+\.\d s"):
        await read(client_of(await upstream(sends(delta("a"), then=hang))), timeout_s=0.3)


async def test_an_unknown_version_is_unknown_to_a_stream(upstream, client_of):
    with pytest.raises(VersionUnknown):
        await read(client_of(await upstream(says(status=404))))

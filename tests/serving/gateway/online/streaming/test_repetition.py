"""Streams with an Idempotency-Key."""

import uuid

from sqlalchemy import Engine

from tests.streams import Gate, Gateway, Service, events_of, fresh, read, rows, until


async def test_a_repeated_stream_is_the_first_answer(
    gateway: Gateway, service: Service, engine: Engine
) -> None:
    gate = service.scripts["v1"] = Gate()
    body, key = fresh(), str(uuid.uuid4())
    async with gateway.post(body, Idempotency_Key=key) as response:
        await anext(events_of(response))
        async with gateway.post(body, Idempotency_Key=key) as refused:
            assert refused.status == 409
        gate.opened.set()
        first = (await read(response))[-1]
    for accept in ("text/event-stream", "application/json"):
        async with gateway.post(body, Accept=accept, Idempotency_Key=key) as response:
            again = await (read(response) if accept.startswith("text") else response.json())
        assert again in ([first], first[1])
    query = "SELECT count(*) FROM answers WHERE id = CAST(:id AS uuid)"
    assert await rows(engine, gateway, query, id=first[1]["answer_id"]) == [(1,)]


async def test_a_stream_that_was_left_may_be_tried_again(gateway: Gateway, service: Service) -> None:
    gate = service.scripts["v1"] = Gate()
    body, key = fresh(), str(uuid.uuid4())
    async with gateway.post(body, Idempotency_Key=key) as response:
        await anext(events_of(response))
        response.close()
    await until(lambda: gateway.metric("tonebridge_streams_open") == 0)
    gate.opened.set()
    async with gateway.post(body, Idempotency_Key=key) as response:
        assert (await read(response))[-1][0] == "answer"

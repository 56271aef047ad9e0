"""A straightforward implementation of the transform endpoint, for comparison: `python -m benchmarks.obvious`.

It uses FastAPI and pydantic, redis-py with a GET for each request, httpx to the service, and an INSERT for
each answer.
"""

import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import blake2b
from typing import Annotated

import httpx
import uvicorn
from cachetools import TTLCache
from fastapi import FastAPI, Header, HTTPException, Request, Response
from prometheus_client import Counter, Histogram, generate_latest
from psycopg_pool import AsyncConnectionPool
from pydantic import BaseModel, ConfigDict, Field
from redis.asyncio import BlockingConnectionPool, Redis

from configs.settings import Settings
from data.people import identities
from data.people.identities import Identity
from data.records import Intensity, Spec, TransformType
from data.tables import new_id
from data.traffic import receipts, routing
from data.traffic.receipts import Receipt
from data.traffic.routing import Routing
from experiments.assignment import assign
from serving.inference.client import RewriteReply

_REQUESTS_PER_S = 100_000
_DAY_S = 24 * 3600

REQUESTS = Counter("obvious_requests", "Answers", ["cache"])
SECONDS = Histogram("obvious_request_seconds", "Time to answer", ["cache"])


class TransformRequest(BaseModel):
    """A message to rewrite."""

    model_config = ConfigDict(extra="forbid")

    text: Annotated[str, Field(min_length=1, max_length=8000, pattern=r"^[^\x00]*[^\x00\s][^\x00]*$")]
    transform_type: TransformType
    intensity: Intensity
    user_id: Annotated[str | None, Field(min_length=1, max_length=200)] = None


class CachedOutput(BaseModel):
    """A cached rewrite."""

    output_id: uuid.UUID
    text: str
    version: str
    facts_missing: list[str]


class Answer(BaseModel):
    """An answer to one person."""

    answer_id: uuid.UUID
    receipt: str
    transformed_text: str
    variant: str
    version: str
    cache: str
    fallback: bool
    facts_missing: list[str]


def create_app(settings: Settings) -> FastAPI:
    """Create the application."""
    assert settings.database_url is not None
    assert settings.redis_url is not None
    pool = AsyncConnectionPool(
        settings.database_url, min_size=2, max_size=20, open=False, kwargs={"autocommit": True}
    )
    # The default pool raises an error at 101 connections; this one waits.
    redis = Redis.from_pool(BlockingConnectionPool.from_url(settings.redis_url, max_connections=50))
    service = httpx.AsyncClient(base_url=settings.inference_urls[0], timeout=20)
    secret = settings.secret("receipt_secret").encode()
    keys: TTLCache[str, Identity] = TTLCache(10_000, ttl=1)
    in_force: TTLCache[str, tuple[int, Routing]] = TTLCache(1, ttl=1)
    exposed: set[tuple[uuid.UUID, int]] = set()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await pool.open()
        yield
        await service.aclose()
        await redis.aclose()
        await pool.close()

    app = FastAPI(lifespan=lifespan)

    async def authenticate(key: str | None) -> Identity:
        parsed = identities.parse_key(key or "")
        if parsed is None:
            raise HTTPException(401, "send an API key in X-API-Key")
        identity = keys.get(parsed[0])
        if identity is None:
            async with pool.connection() as connection:
                identity = (await identities.find_keys(connection, [parsed[0]])).get(parsed[0])
        if identity is None or not identity.opens_with(parsed[1]):
            raise HTTPException(401, "this API key is unknown or revoked")
        keys[parsed[0]] = identity
        return identity

    async def limit(identity: Identity) -> None:
        name = f"obvious:limit:{identity.key_id}:{int(time.time())}"
        async with redis.pipeline(transaction=False) as pipeline:
            pipeline.incr(name)
            pipeline.expire(name, 2)
            count, _ = await pipeline.execute()
        if count > _REQUESTS_PER_S:
            raise HTTPException(429, "too many requests", {"Retry-After": "1"})

    async def current() -> tuple[int, Routing]:
        live = in_force.get("routing")
        if live is None:
            async with pool.connection() as connection:
                live = await routing.fetch(connection)
            if live is None:
                raise HTTPException(503, "no version has been released yet")
            in_force["routing"] = live
        return live

    async def rewrite(identity: Identity, spec: Spec, message: TransformRequest) -> CachedOutput:
        began = time.perf_counter()
        item = message.model_dump(mode="json", exclude={"user_id"})
        response = await service.post(
            "/rewrite", json={"spec": spec.model_dump(mode="json"), "items": [item]}
        )
        response.raise_for_status()
        reply = RewriteReply.model_validate_json(response.content)
        output = CachedOutput(
            output_id=new_id(),
            text=reply.items[0].text,
            version=reply.version,
            facts_missing=reply.items[0].facts_missing,
        )
        async with pool.connection() as connection:
            await connection.execute(
                "INSERT INTO outputs (id, organisation_id, message, transform_type, intensity, text,"
                " facts_missing, spec_digest, version, upstream_ms)"
                " VALUES (%s, %s, %s, %s, %s, %s, '[]', %s, %s, %s)",
                (
                    output.output_id,
                    identity.organisation_id,
                    message.text,
                    message.transform_type.value,
                    message.intensity,
                    output.text,
                    spec.digest,
                    output.version,
                    (time.perf_counter() - began) * 1000,
                ),
            )
        return output

    @app.post("/api/v1/transform")
    async def transform(
        message: TransformRequest, x_api_key: Annotated[str | None, Header()] = None
    ) -> Answer:
        began = time.perf_counter()
        identity = await authenticate(x_api_key)
        await limit(identity)
        epoch, routed = await current()
        name = message.user_id or "-"
        user_id = identity.user(name)
        variant, spec, experiment_id = "champion", routed.champion, None
        for split in routed.experiments:
            weights = [(arm.name, arm.weight) for arm in split.arms]
            variant = assign(split.salt, user_id, weights)
            spec = next(arm.spec for arm in split.arms if arm.name == variant)
            experiment_id, epoch = split.experiment_id, split.epoch
        cache_key = blake2b(
            "\0".join(
                (
                    str(identity.organisation_id),
                    spec.digest,
                    message.transform_type,
                    str(message.intensity),
                    message.text,
                )
            ).encode()
        ).hexdigest()
        stored = await redis.get(f"obvious:output:{cache_key}")
        if stored is not None:
            output, level = CachedOutput.model_validate_json(stored), "l2"
        else:
            output, level = await rewrite(identity, spec, message), "miss"
            await redis.set(f"obvious:output:{cache_key}", output.model_dump_json(), ex=_DAY_S)
        answer_id = new_id()
        async with pool.connection() as connection:
            if (user_id, epoch) not in exposed:
                exposed.add((user_id, epoch))
                await connection.execute(
                    "INSERT INTO users (id, organisation_id, key_id, external_id) VALUES (%s, %s, %s, %s)"
                    " ON CONFLICT DO NOTHING",
                    (user_id, identity.organisation_id, identity.key_id, name),
                )
                if experiment_id is not None:
                    await connection.execute(
                        "INSERT INTO exposures (experiment_id, user_id, variant, epoch, organisation_id,"
                        " answer_id, exposed_at) VALUES (%s, %s, %s, %s, %s, %s, now())"
                        " ON CONFLICT DO NOTHING",
                        (experiment_id, user_id, variant, epoch, identity.organisation_id, answer_id),
                    )
            await connection.execute(
                "INSERT INTO answers (id, output_id, organisation_id, user_id, experiment_id, variant, epoch,"
                " cache, fell_back, total_ms) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, false, %s)",
                (
                    answer_id,
                    output.output_id,
                    identity.organisation_id,
                    user_id,
                    experiment_id,
                    variant,
                    epoch,
                    level,
                    (time.perf_counter() - began) * 1000,
                ),
            )
        receipt = Receipt(
            output_id=output.output_id,
            organisation_id=identity.organisation_id,
            user_id=user_id,
            experiment_id=experiment_id,
            comparison_id=None,
            variant=variant,
            version=output.version,
            epoch=epoch,
            issued_at=int(time.time()),
        )
        REQUESTS.labels(level).inc()
        SECONDS.labels(level).observe(time.perf_counter() - began)
        return Answer(
            answer_id=answer_id,
            receipt=receipts.sign(receipt, secret),
            transformed_text=output.text,
            variant=variant,
            version=output.version,
            cache=level,
            fallback=False,
            facts_missing=output.facts_missing,
        )

    @app.get("/livez")
    async def livez() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/metrics")
    async def metrics(_: Request) -> Response:
        return Response(generate_latest(), media_type="text/plain")

    return app


if __name__ == "__main__":
    settings = Settings()
    uvicorn.run(
        create_app(settings),
        host="127.0.0.1",
        port=settings.gateway_port,
        loop="uvloop",
        http="httptools",
        access_log=False,
        timeout_keep_alive=75,
        backlog=4096,
    )

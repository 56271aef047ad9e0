"""The gateway's process: REST routes over the online path. `python -m serving.gateway.app` serves it with
uvicorn.
"""

import logging
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import uvicorn
from fastapi import Depends, FastAPI, Header, Request, Response
from psycopg_pool import AsyncConnectionPool
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from configs.settings import Settings
from data import database, feedback, receipts
from data.answers import AnswerWriter
from data.feedback import Vote
from data.identities import Identity
from data.records import Intensity, TransformType
from serving.gateway import problems
from serving.gateway.cache import Cache
from serving.gateway.online import Answer, Compared, Message, Online, Policy
from serving.gateway.routing import Directory
from serving.inference.client import InferenceClient

_ALONE = "-"  # the user of a key that names none

Text = Annotated[
    str, StringConstraints(min_length=1, max_length=8000, pattern=r"^[^\x00]*[^\x00\s][^\x00]*$")
]
UserId = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]


class TransformRequest(BaseModel):
    """A message to rewrite."""

    model_config = ConfigDict(extra="forbid")

    text: Text
    transform_type: TransformType
    intensity: Intensity
    user_id: Annotated[UserId | None, Field(description="your name for the person, scoped to your key")] = (
        None
    )

    def message(self) -> Message:
        """The message for the online path."""
        return Message(self.text, self.transform_type, self.intensity, self.user_id or _ALONE)


class CompareRequest(TransformRequest):
    """A message to rewrite twice."""

    policy: Policy | None = None


class FeedbackStored(BaseModel):
    """Where a vote was stored; voting again keeps the id."""

    feedback_id: uuid.UUID


class Ready(BaseModel):
    """Whether this gateway can answer, and by which epoch."""

    ready: bool
    detail: str


async def _identity(
    request: Request,
    x_api_key: Annotated[str | None, Header()] = None,
    authorization: Annotated[str | None, Header()] = None,
) -> Identity:
    key = x_api_key
    if key is None and authorization is not None:
        scheme, _, value = authorization.partition(" ")
        key = value.strip() if scheme.lower() == "bearer" else None
    directory: Directory = request.app.state.directory
    return await directory.identify(key)


Caller = Annotated[Identity, Depends(_identity)]


def create_app(settings: Settings) -> FastAPI:
    """The application; it starts and heals whether Postgres, Redis and the service are there or not."""
    if settings.database_url is None:
        raise ValueError("TONEBRIDGE_DATABASE_URL is not set; `make up` starts everything with local servers")
    url = settings.database_url
    secret = settings.receipt_secret.get_secret_value().encode()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        pool: AsyncConnectionPool = database.online_pool(url)
        await pool.open(wait=False)
        directory, cache, answers = Directory(pool), Cache(settings.redis_url), AnswerWriter(pool, url)
        inference = InferenceClient(settings.inference_urls, settings.service_token.get_secret_value())
        app.state.pool, app.state.directory = pool, directory
        app.state.online = Online(pool, directory, cache, inference, answers, secret)
        directory.start()
        answers.start()
        yield
        await directory.stop()
        await answers.stop()
        await inference.close()
        await cache.close()
        await pool.close()

    app = FastAPI(
        title="ToneBridge",
        description="Rewrites workplace messages, and learns from what people think of the rewrites.",
        version="0.1.0",
        lifespan=lifespan,
    )
    problems.install(app)

    @app.post("/api/v1/transform")
    async def transform(request: Request, body: TransformRequest, caller: Caller) -> Answer:
        """Rewrite a message."""
        online: Online = request.app.state.online
        return await online.transform(caller, body.message())

    @app.post("/api/v1/compare")
    async def compare(request: Request, body: CompareRequest, caller: Caller) -> Compared:
        """Rewrite a message twice, for a person to choose."""
        online: Online = request.app.state.online
        return await online.compare(caller, body.message(), body.policy)

    @app.post("/api/v1/feedback", status_code=201)
    async def give_feedback(
        request: Request, body: Annotated[Vote, Field(discriminator="kind")], caller: Caller
    ) -> FeedbackStored:
        """Say what an output is worth. A second vote of a kind replaces the first."""
        receipt = receipts.read(body.receipt, secret)
        if receipt.organisation_id != caller.organisation_id:
            raise problems.ForeignReceiptError("the receipt was issued to another organisation")
        async with request.app.state.pool.connection() as connection:
            return FeedbackStored(feedback_id=await feedback.record(connection, receipt, body))

    @app.get("/livez")
    async def livez() -> dict[str, str]:
        """The process runs."""
        return {"status": "alive"}

    @app.get("/readyz", responses={503: {"model": Ready}})
    async def readyz(request: Request, response: Response) -> Ready:
        """A version is released, and the newest routing is known to be in force here."""
        directory: Directory = request.app.state.directory
        if directory.is_ready:
            return Ready(ready=True, detail=f"epoch {directory.current()[0]}")
        response.status_code = 503
        away = (
            f"Postgres was last heard {directory.age_s:.0f} s ago"
            if directory.age_s < 1e6
            else "no Postgres yet"
        )
        return Ready(ready=False, detail=away if directory.age_s > 5 else "no version has been released yet")

    return app


def main() -> None:
    """Serve until SIGTERM; requests in flight are finished."""
    settings = Settings()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    uvicorn.run(
        create_app(settings),
        host="127.0.0.1",
        port=settings.gateway_port,
        loop="uvloop",
        http="httptools",
        access_log=False,
        server_header=False,
        timeout_keep_alive=75,
        backlog=4096,
        timeout_graceful_shutdown=20,
    )


if __name__ == "__main__":
    main()

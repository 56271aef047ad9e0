"""The online path: assign -> cache -> service -> output row -> answer, and the same for a comparison of two.

Assignment comes before the cache: a hit served before it would show one arm's output to the other, and credit
its feedback wrongly. An output is committed before it is answered; an answer is a narrow row that follows in
a second.
"""

import asyncio
import random
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout
from pydantic import BaseModel

from data import outputs, receipts
from data.answers import AnswerWriter, FullError, NewAnswer
from data.identities import Identity
from data.outputs import NewOutput
from data.receipts import Receipt
from data.records import Spec, TransformType
from data.routing import Routing
from data.tables import new_id
from experiments.assignment import assign
from serving.gateway.breaker import Breaker
from serving.gateway.cache import Cache, CachedOutput, Level, key
from serving.gateway.problems import NoChallengerError, UnavailableError
from serving.gateway.routing import Directory
from serving.inference.client import InferenceClient, InferenceUnavailable, Item, VersionUnknown

CHAMPION = "champion"  # the variant of whoever is in no experiment
_NO_DICTIONARY = ""
_SERVICE_TIMEOUT_S = 20.0

Policy = Literal["two_samples", "champion_against_challenger"]


@dataclass(frozen=True, slots=True)
class Message:
    """What to rewrite, and for whom."""

    text: str
    transform_type: TransformType
    intensity: int
    external_id: str


class Answer(BaseModel):
    """One reply to one person."""

    answer_id: uuid.UUID
    receipt: str
    transformed_text: str
    variant: str
    version: str
    cache: Level
    fallback: bool
    facts_missing: list[str]


class Side(BaseModel):
    """One of the two outputs of a comparison."""

    transformed_text: str
    facts_missing: list[str]


class Compared(BaseModel):
    """Two outputs for one message, in random order; the receipt takes the vote."""

    comparison_id: uuid.UUID
    receipt: str
    policy: Policy
    first: Side
    second: Side


class Online:
    """What a request passes through."""

    def __init__(
        self,
        pool: AsyncConnectionPool,
        directory: Directory,
        cache: Cache,
        inference: InferenceClient,
        answers: AnswerWriter,
        receipt_secret: bytes,
    ) -> None:
        self._pool, self._directory, self._cache = pool, directory, cache
        self._inference, self._answers, self._secret = inference, answers, receipt_secret
        self._service = Breaker(failures=3, open_s=2.0)

    async def transform(self, identity: Identity, message: Message) -> Answer:
        """Answer one message. Raises UnavailableError when neither the arm nor the champion can answer."""
        began = time.perf_counter()
        if self._answers.is_full:
            raise FullError("too many answers wait for Postgres")
        epoch, routing = self._directory.current()
        user_id = identity.user(message.external_id)
        experiment_id, variant, spec = _arm(routing, user_id)
        try:
            output, level = await self._output(identity, message, spec)
            fell_back = False
        except UnavailableError:
            if spec == routing.champion:
                raise
            output, level = await self._output(identity, message, routing.champion)
            fell_back = True
        answer_id = new_id()
        self._answers.add(
            NewAnswer(
                id=answer_id,
                output_id=output.output_id,
                organisation_id=identity.organisation_id,
                key_id=identity.key_id,
                external_id=message.external_id,
                user_id=user_id,
                experiment_id=experiment_id,
                variant=variant,
                epoch=epoch,
                cache=level,
                fell_back=fell_back,
                total_ms=(time.perf_counter() - began) * 1000,
            )
        )
        return Answer(
            answer_id=answer_id,
            receipt=self._receipt(
                identity,
                user_id,
                epoch,
                output.output_id,
                variant,
                output.version,
                experiment_id=experiment_id,
            ),
            transformed_text=output.text,
            variant=variant,
            version=output.version,
            cache=level,
            fallback=fell_back,
            facts_missing=output.facts_missing,
        )

    async def compare(self, identity: Identity, message: Message, policy: Policy | None) -> Compared:
        """Two outputs for one message, uncached and sampled, in random order.

        Without a policy: champion against challenger when there is a challenger, else two samples of the
        champion.
        """
        epoch, routing = self._directory.current()
        challenger = routing.challenger
        chosen: Policy = policy or ("champion_against_challenger" if challenger else "two_samples")
        if chosen == "champion_against_challenger":
            if challenger is None:
                raise NoChallengerError("there is no challenger at the moment; use two_samples")
            greedy = (self._make(identity, message, spec, [None]) for spec in (routing.champion, challenger))
            made = [output for outputs_ in await asyncio.gather(*greedy) for output in outputs_]
        else:
            # One seed: the service draws both together, in half the time of two. Ids are in order of drawing.
            made = await self._make(identity, message, routing.sampled, [random.randrange(2**31)] * 2)
        first, second = random.sample(made, 2)
        comparison_id, user_id = new_id(), identity.user(message.external_id)
        try:
            async with self._pool.connection() as connection:
                await outputs.store_comparison(connection, comparison_id, user_id, chosen, first, second)
        except (psycopg.OperationalError, PoolTimeout) as error:
            raise UnavailableError("the comparison could not be stored") from error
        return Compared(
            comparison_id=comparison_id,
            receipt=self._receipt(
                identity, user_id, epoch, first.id, chosen, first.version, comparison_id=comparison_id
            ),
            policy=chosen,
            first=Side(transformed_text=first.text, facts_missing=first.facts_missing),
            second=Side(transformed_text=second.text, facts_missing=second.facts_missing),
        )

    def _receipt(
        self,
        identity: Identity,
        user_id: uuid.UUID,
        epoch: int,
        output_id: uuid.UUID,
        variant: str,
        version: str,
        experiment_id: uuid.UUID | None = None,
        comparison_id: uuid.UUID | None = None,
    ) -> str:
        """The signed token of what is answered now."""
        receipt = Receipt(
            output_id=output_id,
            organisation_id=identity.organisation_id,
            user_id=user_id,
            experiment_id=experiment_id,
            comparison_id=comparison_id,
            variant=variant,
            version=version,
            epoch=epoch,
            issued_at=int(time.time()),
        )
        return receipts.sign(receipt, self._secret)

    async def _output(self, identity: Identity, message: Message, spec: Spec) -> tuple[CachedOutput, Level]:
        name = key(
            identity.organisation_id,
            spec.digest,
            _NO_DICTIONARY,
            message.transform_type,
            message.intensity,
            message.text,
        )

        async def make() -> CachedOutput:
            (output,) = await self._make(identity, message, spec, [None])
            try:
                async with self._pool.connection() as connection:
                    await outputs.store(connection, output)
            except (psycopg.OperationalError, PoolTimeout) as error:
                raise UnavailableError("the output could not be stored") from error
            return CachedOutput(output.id, output.text, output.facts_missing, output.version)

        return await self._cache.get_or_make(name, make)

    async def _make(
        self, identity: Identity, message: Message, spec: Spec, seeds: Sequence[int | None]
    ) -> list[NewOutput]:
        """Have the service write a text a seed; nothing is stored yet."""
        if not self._directory.is_ready:
            raise UnavailableError("what is written now could not be stored")
        asked = {
            "text": message.text,
            "transform_type": message.transform_type,
            "intensity": message.intensity,
        }
        items = [Item.model_validate({**asked, "seed": seed}) for seed in seeds]
        if not self._service.allows():
            raise UnavailableError("the inference service is away")
        began = time.perf_counter()
        try:
            rewritten = await self._inference.rewrite(spec, items, _SERVICE_TIMEOUT_S)
        except VersionUnknown as error:
            self._service.succeeded()  # the service is well; it lacks this version
            raise UnavailableError(f"version {spec.version} is not published") from error
        except InferenceUnavailable as error:
            self._service.failed()
            raise UnavailableError(f"version {spec.version} cannot answer at the moment") from error
        except asyncio.CancelledError:
            self._service.failed()  # it may have been the probe that decides
            raise
        self._service.succeeded()
        upstream_ms = (time.perf_counter() - began) * 1000
        return [
            NewOutput(
                id=new_id(),
                organisation_id=identity.organisation_id,
                message=message.text,
                transform_type=message.transform_type,
                intensity=message.intensity,
                text=said.text,
                facts_missing=said.facts_missing,
                spec_digest=spec.digest,
                version=spec.version,
                seed=seed,
                upstream_ms=upstream_ms,
            )
            for said, seed in zip(rewritten, seeds, strict=True)
        ]


def _arm(routing: Routing, user_id: uuid.UUID) -> tuple[uuid.UUID | None, str, Spec]:
    """Experiment, variant and spec of a user."""
    split = routing.experiment
    if split is not None:
        name = assign(split.salt, user_id, ((arm.name, arm.weight) for arm in split.arms))
        for arm in split.arms:
            if arm.name == name:
                return split.experiment_id, arm.name, arm.spec
    return None, CHAMPION, routing.champion

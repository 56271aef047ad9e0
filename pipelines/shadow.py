"""Shadow: before anybody meets a challenger, it answers messages that the champion has answered already.

Nobody sees these answers, and nothing of them is stored but numbers. The messages are those of people whose
words may be learned from (as in `data.snapshots.votes`): who has not consented is not replayed either. What
is found is coarse on purpose: it refuses what is broken, and leaves what people like to the experiment.
"""

import asyncio
import logging
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Engine, text

from configs.settings import Settings
from data.reasons import Reason, Value, reason
from data.records import Spec, TransformType
from data.traffic.answers import floor
from data.traffic.routing import Target
from experiments.lifecycle import RefusedError
from models import scoring, tone
from models.gate import Margins
from models.scoreboard import Estimate, estimate
from serving.inference.client import InferenceClient, InferenceUnavailable, Item, VersionUnknown

log = logging.getLogger(__name__)

FEWEST = 10  # messages, below which nothing is concluded
_MOST_FAILED = 0.1
_AT_ONCE = 16
_ANSWER_S = 15.0
_ALL_S = 60.0
_AGAIN_S = 2.5  # after which a replica that was left alone for its failures is asked again
_LOOKED_THROUGH = 40  # outputs a message wanted: the search for those of people who consent is bounded

_ASIDE = timedelta(minutes=5)  # clocks of two gateways may differ

_SCORES = ("facts_kept", "tone", "chatter", "refusal", "insult", "length_ratio")

_RECENT = """
    WITH recent AS (
        SELECT o.* FROM outputs o
        WHERE o.version = :version
          AND (:any_type OR o.transform_type = ANY(:types))
          AND (:any_organisation OR o.organisation_id = ANY(:organisations))
        ORDER BY o.id DESC LIMIT :looked_through
    )
"""
_SINCE = "{recent} SELECT uuid_extract_timestamp(min(id::text)::uuid) FROM recent"
# One output may have been an answer to several people: it is used when all of them consent. Answers have no
# index by output; `first` spares those of the days before.
_USABLE = """{recent}, usable AS (
        SELECT r.id
        FROM recent r
        JOIN organisations g ON g.id = r.organisation_id AND (g.name = :own OR g.trains_across)
        JOIN answers a ON a.output_id = r.id AND a.id >= :first
        LEFT JOIN users u ON u.id = a.user_id
        GROUP BY r.id
        HAVING bool_and(
            u.id IS NOT NULL AND coalesce(u.consents_to_training, g.trains_by_default)
            AND NOT EXISTS (SELECT FROM erasures e WHERE e.user_id = a.user_id)
        )
    ), different AS (
        SELECT DISTINCT ON (message) recent.* FROM recent JOIN usable USING (id) ORDER BY message, id DESC
    )
    SELECT message, transform_type, intensity, text, upstream_ms FROM different ORDER BY id DESC LIMIT :most
"""


class Replayed(NamedTuple):
    """A message, and what the champion made of it."""

    message: str
    transform_type: TransformType
    intensity: int
    champion: str
    champion_ms: float


class Answered(NamedTuple):
    """What the challenger made of a message; None when it failed."""

    text: str | None
    ms: float


class Score(BaseModel):
    """Means over the messages that both have answered, and their paired difference."""

    model_config = ConfigDict(frozen=True)

    champion: float
    challenger: float
    difference: Estimate = Field(description="challenger minus champion")


class Shadow(BaseModel):
    """What the shadow run found: numbers only. `tone` is `models.tone.move`."""

    model_config = ConfigDict(frozen=True)

    messages: int = Field(description="that were asked and came to an end in time")
    failed: int
    scores: dict[str, Score] = Field(description="nothing where all have failed")
    median_ms: float
    p95_ms: float
    champion_median_ms: float
    champion_p95_ms: float
    reasons: tuple[Reason, ...] = Field(description="why the challenger is unsound; empty when it is sound")


class UnsoundError(RefusedError):
    """The challenger is not fit to answer people; `reasons` say why, `shadow` has the numbers."""

    def __init__(self, challenger: str, shadow: Shadow) -> None:
        super().__init__("shadow_unsound", details=shadow.reasons, version=challenger)
        self.shadow = shadow


def run(
    settings: Settings, engine: Engine, champion: Spec, challenger: Spec, target: Target, most: int
) -> Shadow | None:
    """What the challenger makes of up to `most` recent messages; None when there are too few to say anything.

    Raises UnsoundError when it is not fit to be met, and InferenceUnavailable when the service answers for
    nobody, which says nothing about a challenger.
    """
    if most == 0:
        return None
    replayed = messages(engine, champion.version, settings.organisation, target, most)
    if len(replayed) >= FEWEST:
        answered = asyncio.run(_ask(settings, champion, challenger, replayed))
        replayed = [one for one, answer in zip(replayed, answered, strict=True) if answer is not None]
        answers = [answer for answer in answered if answer is not None]
    if len(replayed) < FEWEST:
        log.info(
            "%s starts without a shadow run that tells: of %d recent messages of people who consent, %d are"
            " needed.",
            *(challenger.version, len(replayed), FEWEST),
        )
        return None
    found = compare(replayed, answers)
    log.info("In shadow, %s: %s", challenger.version, found.model_dump_json())
    if found.reasons:
        raise UnsoundError(challenger.version, found)
    return found


def messages(engine: Engine, version: str, organisation: str, target: Target, most: int) -> list[Replayed]:
    """Recent different messages that a version has answered, the newest first, of people whose words may be
    learned from. `organisation` runs the installation; others' messages are used where they train across.
    """
    about: dict[str, object] = {
        "version": version,
        "own": organisation,
        "any_type": not target.transform_types,
        "types": [kind.value for kind in target.transform_types],
        "any_organisation": not target.organisations,
        "organisations": list(target.organisations),
        "looked_through": _LOOKED_THROUGH * most,
        "most": most,
    }
    with engine.connect() as connection:
        since = connection.execute(text(_SINCE.format(recent=_RECENT)), about).scalar_one()
        if since is None:
            return []
        about["first"] = floor(since - _ASIDE)
        rows = connection.execute(text(_USABLE.format(recent=_RECENT)), about).all()
    return [Replayed(message, TransformType(kind), *rest) for message, kind, *rest in rows]


def compare(replayed: Sequence[Replayed], answers: Sequence[Answered]) -> Shadow:
    """Both versions beside each other on the same messages, and what speaks against the challenger.

    Only what is clear does: a difference counts when all of its 95 % interval is on the wrong side and its
    mean is beyond the margin that the gate allows.
    """
    both = [
        (_scores(one, one.champion), _scores(one, answer.text))
        for one, answer in zip(replayed, answers, strict=True)
        if answer.text is not None
    ]
    scores = {
        name: Score(
            champion=float(np.mean([a[name] for a, _ in both])),
            challenger=float(np.mean([b[name] for _, b in both])),
            difference=estimate([b[name] - a[name] for a, b in both]),
        )
        for name in (_SCORES if both else ())
    }
    failed = len(answers) - len(both)
    ms, champion_ms = [one.ms for one in answers], [one.champion_ms for one in replayed]
    return Shadow(
        messages=len(answers),
        failed=failed,
        scores=scores,
        median_ms=float(np.median(ms)),
        p95_ms=float(np.quantile(ms, 0.95)),
        champion_median_ms=float(np.median(champion_ms)),
        champion_p95_ms=float(np.quantile(champion_ms, 0.95)),
        reasons=tuple(_faults(len(answers), failed, scores)),
    )


def _faults(messages: int, failed: int, scores: dict[str, Score]) -> Iterator[Reason]:
    margins = Margins()
    if failed > _MOST_FAILED * messages:
        yield reason("shadow_failed", failed=failed, messages=messages, limit=_MOST_FAILED)
    if scores:
        facts = scores["facts_kept"]
        if facts.difference.high < 0 and facts.difference.mean < -margins.max_facts_loss:
            yield reason(
                "shadow_facts", **_numbers(facts), messages=messages - failed, margin=margins.max_facts_loss
            )
    for name, margin in (("chatter", margins.max_chatter_rise), ("insult", margins.max_insult_rise)):
        score = scores.get(name)
        if score and score.difference.low > 0 and score.difference.mean > margin:
            yield reason(f"shadow_{name}", **_numbers(score), margin=margin)


def _numbers(score: Score) -> dict[str, Value]:
    return {
        "challenger": score.challenger,
        "champion": score.champion,
        "mean": score.difference.mean,
        "low": score.difference.low,
        "high": score.difference.high,
    }


def _scores(asked: Replayed, rewrite: str) -> dict[str, float]:
    return {
        "facts_kept": scoring.facts_kept(asked.message, rewrite),
        "tone": tone.move(asked.message, rewrite, asked.transform_type),
        "chatter": float(scoring.chatter(asked.message, rewrite)),
        "refusal": float(scoring.refusal(asked.message, rewrite)),
        "insult": float(scoring.insult(asked.message, rewrite)),
        "length_ratio": scoring.length_ratio(asked.message, rewrite),
    }


async def _ask(
    settings: Settings, champion: Spec, challenger: Spec, replayed: Sequence[Replayed]
) -> list[Answered | None]:
    """The challenger's answers, in order; None for those that the time was not enough for. The service puts
    what comes at once into one batch.
    """
    client = InferenceClient(settings.inference_urls, settings.secret("service_token"))
    may_ask = asyncio.Semaphore(_AT_ONCE)

    async def answer(one: Replayed) -> Answered:
        async with may_ask:
            began = time.monotonic()
            found = await _rewrite(client, challenger, one)
            if found is None:  # once more: the fault may be the network's, or another message's
                await asyncio.sleep(_AGAIN_S)
                began = time.monotonic()
                found = await _rewrite(client, challenger, one)
            return Answered(found, (time.monotonic() - began) * 1000)

    tasks = [asyncio.create_task(answer(one)) for one in replayed]
    try:
        await asyncio.wait(tasks, timeout=_ALL_S)
        answers = [task.result() if task.done() else None for task in tasks]
        told = [one for one in answers if one is not None]
        is_dead = bool(told) and all(one.text is None for one in told)
        if is_dead and await _rewrite(client, champion, replayed[0]) is None:
            raise InferenceUnavailable("the inference service answers neither for challenger nor champion")
        return answers
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await client.close()


async def _rewrite(client: InferenceClient, spec: Spec, one: Replayed) -> str | None:
    item = Item(text=one.message, transform_type=one.transform_type, intensity=one.intensity)
    try:
        [found] = await client.rewrite(spec, [item], _ANSWER_S)
    except (InferenceUnavailable, VersionUnknown):
        return None
    return None if found.refusal is not None else found.text

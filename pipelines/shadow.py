"""The shadow run: before its experiment starts, a challenger rewrites messages that the champion has
rewritten.

The messages are a sample of recent traffic, stratified by transform type, intensity, organisation and
language. No person sees the rewrites, and only numbers are stored. Only messages of people whose texts may be
used for training are replayed (the rule of `data.snapshots.votes`), and only those without terms of a
dictionary, since the challenger would not get them. The check is coarse on purpose: it rejects a broken
challenger. Whether people like a sound one is for the experiment to measure.
"""

import asyncio
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
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
from models import languages, scoring, tone
from models.gate import Margins
from models.results import Estimate
from models.scoreboard import estimate, estimate_share
from serving.inference.client import InferenceClient, InferenceUnavailable, Item, Rewritten, VersionUnknown

log = logging.getLogger(__name__)

MIN_MESSAGES = 10  # with fewer messages nothing is concluded
ANSWER_TIMEOUT_S = 15.0  # a slower answer counts as failed
_MAX_FAILED_SHARE = 0.1
_CONCURRENCY = 16
_RUN_TIMEOUT_S = 60.0
_RETRY_WAIT_S = 2.5  # after this time the client sends requests to a failing replica again
_OUTPUTS_PER_MESSAGE = 40  # bounds the search for outputs of people who consent

_CLOCK_TOLERANCE = timedelta(minutes=5)  # the clocks of two gateways may differ

_SCORES = ("facts_kept", "tone", "chatter", "refusal", "insult", "length_ratio", "unchanged")
_FEWEST_A_STRATUM = 2  # of each stratum, if the run has room for all strata

_RECENT = """
    WITH recent AS (
        SELECT o.* FROM outputs o
        WHERE o.version = :version AND o.dictionary_digest = ''
          AND (:any_type OR o.transform_type = ANY(:types))
          AND (:any_organisation OR o.organisation_id = ANY(:organisations))
        ORDER BY o.id DESC LIMIT :searched
    )
"""
_SINCE = "{recent} SELECT uuid_extract_timestamp(min(id::text)::uuid) FROM recent"
# One output may have answered several people. It is used only when all of them consent. Answers have no index
# by output, so `first` limits the scan to the days since the oldest of these outputs.
_USABLE = """{recent}, usable AS (
        SELECT r.id, g.name AS organisation
        FROM recent r
        JOIN organisations g ON g.id = r.organisation_id AND (g.name = :own OR g.trains_across)
        JOIN answers a ON a.output_id = r.id AND a.id >= :first
        LEFT JOIN users u ON u.id = a.user_id
        GROUP BY r.id, g.name
        HAVING bool_and(
            u.id IS NOT NULL AND coalesce(u.consents_to_training, g.trains_by_default)
            AND NOT EXISTS (SELECT FROM erasures e WHERE e.user_id = a.user_id)
        )
    ), different AS (
        SELECT DISTINCT ON (message) recent.*, organisation
        FROM recent JOIN usable USING (id) ORDER BY message, id DESC
    )
    SELECT message, transform_type, intensity, text, upstream_ms, organisation FROM different ORDER BY id DESC
"""


class Stratum(NamedTuple):
    """A part of the traffic. `organisation` is a name, `language` an ISO 639-1 code."""

    transform_type: TransformType
    intensity: int
    organisation: str
    language: str


class ReplayedMessage(NamedTuple):
    """A message, with the champion's rewrite and its duration, which are empty and 0 until it has answered.
    `share` is that of its stratum in the recent traffic.
    """

    message: str
    transform_type: TransformType
    intensity: int
    champion: str = ""
    champion_ms: float = 0.0
    organisation: str = ""
    language: str = "en"
    share: float = 1.0

    @property
    def stratum(self) -> Stratum:
        """The part of the traffic that the message is in."""
        return Stratum(self.transform_type, self.intensity, self.organisation, self.language)

    @property
    def item(self) -> Item:
        """The request for its rewrite."""
        return Item(text=self.message, transform_type=self.transform_type, intensity=self.intensity)


class ChallengerAnswer(NamedTuple):
    """The challenger's rewrite of a message and its duration; `text` is None when the request failed."""

    text: str | None
    ms: float


class Score(BaseModel):
    """The means over the messages that both versions answered, and their paired difference."""

    model_config = ConfigDict(frozen=True)

    champion: float
    challenger: float
    difference: Estimate = Field(description="challenger minus champion")


class StratumResult(BaseModel):
    """A part of the traffic in a shadow run: means over its messages that both versions answered."""

    model_config = ConfigDict(frozen=True)

    transform_type: TransformType
    intensity: int
    organisation: str
    language: str
    share: float = Field(description="of the recent messages that may be used")
    messages: int
    identical: float = Field(description="share of the messages for which both versions write the same text")
    facts_kept: float = Field(description="challenger minus champion")
    length_ratio: float = Field(description="challenger minus champion")


class Shadow(BaseModel):
    """The result of a shadow run: numbers only. The score `tone` is `models.tone.move`; `unchanged` is the
    share of rewrites that are the message itself.
    """

    model_config = ConfigDict(frozen=True)

    messages: int = Field(description="messages whose request ended in time")
    failed: int
    scores: dict[str, Score] = Field(description="empty when all requests failed")
    identical: Estimate | None = Field(
        None,
        description="share of the traffic for which both versions write the same text, where the effect is 0:"
        " strata are weighted by their share of the traffic; None when all requests failed",
    )
    covered: float = Field(1.0, description="share of the recent traffic in the strata of the sample")
    strata: tuple[StratumResult, ...] = Field((), description="the largest first")
    median_ms: float
    p95_ms: float
    champion_median_ms: float
    champion_p95_ms: float
    reasons: tuple[Reason, ...] = Field(description="why the challenger is rejected; empty when it is sound")

    def describe(self) -> dict[str, dict[str, str]]:
        """The columns of a table of all scores: both versions, and the difference with its 95 % interval."""
        return {
            "champion": {name: f"{score.champion:.3f}" for name, score in self.scores.items()},
            "challenger": {name: f"{score.challenger:.3f}" for name, score in self.scores.items()},
            "difference": {name: str(score.difference) for name, score in self.scores.items()},
        }


class UnsoundError(RefusedError):
    """The challenger is not fit to answer people. `reasons` say why, and `shadow` has the numbers."""

    def __init__(self, challenger: str, shadow: Shadow) -> None:
        super().__init__("shadow_unsound", details=shadow.reasons, version=challenger)
        self.shadow = shadow


def run(
    settings: Settings,
    engine: Engine,
    champion: Spec,
    challenger: Spec,
    target: Target,
    most: int,
    answer_timeout_s: float = ANSWER_TIMEOUT_S,
    retry_wait_s: float = _RETRY_WAIT_S,
) -> Shadow | None:
    """Replay up to `most` recent messages through the challenger and compare both versions. None with fewer
    than `MIN_MESSAGES` messages, which allow no conclusion. A request may take `answer_timeout_s`, and one
    that fails is sent again after `retry_wait_s`.

    UnsoundError when the challenger is not fit to answer people; InferenceUnavailable when the service
    answers neither for the challenger nor for the champion, which is no fault of the challenger.
    """
    if most == 0:
        return None
    messages = fetch_messages(engine, champion.version, settings.organisation, target, most)
    if len(messages) >= MIN_MESSAGES:
        results = asyncio.run(
            _request_rewrites(settings, champion, challenger, messages, answer_timeout_s, retry_wait_s)
        )
        messages = [message for message, result in zip(messages, results, strict=True) if result is not None]
        answers = [result for result in results if result is not None]
    if len(messages) < MIN_MESSAGES:
        log.info(
            "%s starts without a shadow run: it needs %d recent messages of people who consent, and there are"
            " %d.",
            *(challenger.version, MIN_MESSAGES, len(messages)),
        )
        return None
    comparison = compare(messages, answers)
    log.info("Shadow run of %s: %s", challenger.version, comparison.model_dump_json())
    if comparison.reasons:
        raise UnsoundError(challenger.version, comparison)
    return comparison


def fetch_messages(
    engine: Engine, version: str, organisation: str, target: Target, most: int
) -> list[ReplayedMessage]:
    """Recent different messages that a version has answered, of people whose texts may be used for training:
    at most `most`, stratified by `sample`.

    `organisation` is the name of the one that runs the installation. Messages of another organisation are
    used if it allows training across organisations.
    """
    parameters: dict[str, object] = {
        "version": version,
        "own": organisation,
        "any_type": not target.transform_types,
        "types": [kind.value for kind in target.transform_types],
        "any_organisation": not target.organisations,
        "organisations": list(target.organisations),
        "searched": _OUTPUTS_PER_MESSAGE * most,
        "most": most,
    }
    with engine.connect() as connection:
        since = connection.execute(text(_SINCE.format(recent=_RECENT)), parameters).scalar_one()
        if since is None:
            return []
        parameters["first"] = floor(since - _CLOCK_TOLERANCE)
        rows = connection.execute(text(_USABLE.format(recent=_RECENT)), parameters).all()
    return sample(
        [
            ReplayedMessage(
                row.message,
                TransformType(row.transform_type),
                row.intensity,
                row.text,
                row.upstream_ms,
                row.organisation,
                languages.identify(row.message),
            )
            for row in rows
        ],
        most,
    )


def sample(messages: Sequence[ReplayedMessage], most: int) -> list[ReplayedMessage]:
    """A stratified sample of messages, each with the share of its stratum. The first messages of each stratum
    are taken, in proportion to its size, at least two if there are as many.

    When the strata are too many for that, the smallest are left out.
    """
    strata: dict[Stratum, list[ReplayedMessage]] = {}
    for message in messages:
        strata.setdefault(message.stratum, []).append(message)
    sizes = {stratum: len(members) for stratum, members in strata.items()}
    taken = allocate(sizes, most)
    return [
        message._replace(share=sizes[stratum] / len(messages))
        for stratum, number in taken.items()
        for message in strata[stratum][:number]
    ]


def allocate(sizes: Mapping[Stratum, int], most: int) -> dict[Stratum, int]:
    """How many of each stratum are taken: the minimum of the largest strata first, then in proportion to the
    sizes, by largest remainders.
    """
    taken: dict[Stratum, int] = {}
    left = most
    for stratum in sorted(sizes, key=lambda each: -sizes[each]):
        least = min(_FEWEST_A_STRATUM, sizes[stratum], left)
        if least:
            taken[stratum], left = least, left - least
    total = sum(sizes[stratum] for stratum in taken)
    while left and any(number < sizes[stratum] for stratum, number in taken.items()):
        # The stratum that lacks most for its proportion.
        lacking = max(
            (stratum for stratum, number in taken.items() if number < sizes[stratum]),
            key=lambda each: sizes[each] * most / total - taken[each],
        )
        taken[lacking] += 1
        left -= 1
    return taken


def compare(messages: Sequence[ReplayedMessage], answers: Sequence[ChallengerAnswer]) -> Shadow:
    """Compare both versions on the same messages, and list the reasons to reject the challenger.

    Only a clear difference is a reason: all of its 95 % interval is on the wrong side of 0, and its mean
    exceeds the margin that the gate allows.
    """
    answered = [
        (message, answer.text)
        for message, answer in zip(messages, answers, strict=True)
        if answer.text is not None
    ]
    pairs = [(_score(message, message.champion), _score(message, text)) for message, text in answered]
    strata = _summarise_strata(
        [message for message, _ in answered], [rewrite for _, rewrite in answered], pairs
    )
    scores = {
        name: Score(
            champion=float(np.mean([champion[name] for champion, _ in pairs])),
            challenger=float(np.mean([challenger[name] for _, challenger in pairs])),
            difference=estimate([challenger[name] - champion[name] for champion, challenger in pairs]),
        )
        for name in (_SCORES if pairs else ())
    }
    failed = len(answers) - len(pairs)
    ms, champion_ms = [answer.ms for answer in answers], [message.champion_ms for message in messages]
    return Shadow(
        messages=len(answers),
        failed=failed,
        scores=scores,
        identical=_estimate_identical(strata) if strata else None,
        covered=sum(stratum.share for stratum in strata),
        strata=strata,
        median_ms=float(np.median(ms)),
        p95_ms=float(np.quantile(ms, 0.95)),
        champion_median_ms=float(np.median(champion_ms)),
        champion_p95_ms=float(np.quantile(champion_ms, 0.95)),
        reasons=tuple(_find_faults(len(answers), failed, scores)),
    )


def _summarise_strata(
    messages: Sequence[ReplayedMessage],
    rewrites: Sequence[str],
    scores: Sequence[tuple[dict[str, float], dict[str, float]]],
) -> tuple[StratumResult, ...]:
    members: dict[Stratum, list[int]] = {}
    for index, message in enumerate(messages):
        members.setdefault(message.stratum, []).append(index)

    def average(name: str, indices: Sequence[int]) -> float:
        return float(np.mean([scores[i][1][name] - scores[i][0][name] for i in indices]))

    results = [
        StratumResult(
            **stratum._asdict(),
            share=messages[indices[0]].share,
            messages=len(indices),
            identical=float(np.mean([rewrites[i] == messages[i].champion for i in indices])),
            facts_kept=average("facts_kept", indices),
            length_ratio=average("length_ratio", indices),
        )
        for stratum, indices in members.items()
    ]
    return tuple(sorted(results, key=lambda stratum: -stratum.share))


def _estimate_identical(strata: Sequence[StratumResult]) -> Estimate:
    """The share of identical rewrites, each stratum weighted by its share of the traffic.

    The interval is that of a plain sample with Kish's effective number of messages ("Survey sampling", 1965).
    """
    weights = np.array([stratum.share for stratum in strata])
    weights /= weights.sum()
    mean = float(weights @ [stratum.identical for stratum in strata])
    effective = 1 / float(sum(weights**2 / [stratum.messages for stratum in strata]))
    events = round(mean * effective)
    interval = estimate_share(events, max(events, round(effective)))
    return Estimate(mean=mean, low=min(interval.low, mean), high=max(interval.high, mean))


def _find_faults(messages: int, failed: int, scores: dict[str, Score]) -> Iterator[Reason]:
    margins = Margins()
    if failed > _MAX_FAILED_SHARE * messages:
        yield reason("shadow_failed", failed=failed, messages=messages, limit=_MAX_FAILED_SHARE)
    if scores:
        facts = scores["facts_kept"]
        if facts.difference.high < 0 and facts.difference.mean < -margins.max_facts_loss:
            yield reason(
                "shadow_facts",
                **_list_values(facts),
                messages=messages - failed,
                margin=margins.max_facts_loss,
            )
    for name, margin in (("chatter", margins.max_chatter_rise), ("insult", margins.max_insult_rise)):
        score = scores.get(name)
        if score and score.difference.low > 0 and score.difference.mean > margin:
            yield reason(f"shadow_{name}", **_list_values(score), margin=margin)


def _list_values(score: Score) -> dict[str, Value]:
    return {
        "challenger": score.challenger,
        "champion": score.champion,
        "mean": score.difference.mean,
        "low": score.difference.low,
        "high": score.difference.high,
    }


def _score(replayed: ReplayedMessage, rewrite: str) -> dict[str, float]:
    return {
        "facts_kept": scoring.facts_kept(replayed.message, rewrite),
        "tone": tone.move(replayed.message, rewrite, replayed.transform_type),
        "chatter": float(scoring.chatter(replayed.message, rewrite)),
        "refusal": float(scoring.refusal(replayed.message, rewrite)),
        "insult": float(scoring.insult(replayed.message, rewrite)),
        "length_ratio": scoring.length_ratio(replayed.message, rewrite),
        "unchanged": float(rewrite == replayed.message),
    }


async def _request_rewrites(
    settings: Settings,
    champion: Spec,
    challenger: Spec,
    messages: Sequence[ReplayedMessage],
    answer_timeout_s: float,
    retry_wait_s: float,
) -> list[ChallengerAnswer | None]:
    """The challenger's answers, in the order of the messages; None for a request that ran out of time.
    Requests are concurrent, so that the service batches them.
    """
    client = InferenceClient(settings.inference_urls, settings.secret("service_token"))
    semaphore = asyncio.Semaphore(_CONCURRENCY)

    async def answer(message: ReplayedMessage) -> ChallengerAnswer:
        async with semaphore:
            began = time.monotonic()
            rewrite = await _rewrite(client, challenger, message, answer_timeout_s)
            if rewrite is None:  # retried once: the network or another message of the batch may have failed
                await asyncio.sleep(retry_wait_s)
                began = time.monotonic()
                rewrite = await _rewrite(client, challenger, message, answer_timeout_s)
            return ChallengerAnswer(rewrite, (time.monotonic() - began) * 1000)

    tasks = [asyncio.create_task(answer(message)) for message in messages]
    try:
        await asyncio.wait(tasks, timeout=_RUN_TIMEOUT_S)
        answers = [task.result() if task.done() else None for task in tasks]
        finished = [answer for answer in answers if answer is not None]
        all_failed = bool(finished) and all(answer.text is None for answer in finished)
        if all_failed and await _rewrite(client, champion, messages[0], answer_timeout_s) is None:
            raise InferenceUnavailable("the inference service answers neither for challenger nor champion")
        return answers
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await client.close()


async def _rewrite(
    client: InferenceClient, spec: Spec, replayed: ReplayedMessage, timeout_s: float
) -> str | None:
    try:
        [result] = await client.rewrite(spec, [replayed.item], timeout_s)
    except (InferenceUnavailable, VersionUnknown):
        return None
    return read_text(result)


def read_text(result: Rewritten) -> str | None:
    """The text of a rewrite; None when the version refused the message or failed on it."""
    return None if result.refusal is not None or result.failure is not None else result.text

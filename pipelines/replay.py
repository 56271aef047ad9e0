"""Replays messages through an engine in this process, with the time, the tokens and the price of each answer.

The shadow run (`pipelines.shadow`) does the same through the inference service, before an experiment. Here a
person looks at a model before it is registered: both compare two versions by `shadow.compare`.
"""

import time
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from sqlalchemy.orm import Session
from tqdm import tqdm

from configs.settings import Settings
from data import database
from data.corpus import Original
from data.records import Spec, TransformType
from data.traffic import routing, volume
from data.traffic.routing import Target
from data.traffic.volume import Volume
from models import fidelity, languages, shipped
from models.costs import Use
from models.edits import writer
from pipelines import shadow
from pipelines.shadow import ChallengerAnswer, ReplayedMessage
from serving.inference.client import Rewritten
from serving.inference.edits_engine import EditsEngine
from serving.inference.engines import AnyEngine

_FIRST = 3  # messages after which a version that failed on all of them is given up


class NoAnswerError(Exception):
    """The version answered none of the first messages."""


class Replayed(NamedTuple):
    """An answer, its duration, and the CPU seconds that this process took meanwhile."""

    rewritten: Rewritten
    ms: float
    cpu_s: float

    @property
    def text(self) -> str | None:
        """The rewrite; None for an answer that failed, was refused, or came too late for a shadow run."""
        return None if self.ms > 1000 * shadow.ANSWER_TIMEOUT_S else shadow.read_text(self.rewritten)

    @property
    def answer(self) -> ChallengerAnswer:
        """The answer, as `shadow.compare` reads it."""
        return ChallengerAnswer(self.text, self.ms)

    @property
    def use(self) -> Use:
        """What the answer took."""
        return Use(self.rewritten.prompt_tokens, self.rewritten.tokens, self.cpu_s)

    @property
    def outcome(self) -> str:
        """What became of the message: rewritten, or unchanged, refused or failed and why."""
        why = self.rewritten.refusal or self.rewritten.unchanged or self.rewritten.failure
        if self.text is None:
            return f"failed: {why or f'no answer within {shadow.ANSWER_TIMEOUT_S:g} s'}"
        return f"unchanged: {why}" if why else "rewritten"


class Pair(NamedTuple):
    """Two rewrites of a message, the champion's first (`serving.differences.tabulate` shows such pairs). The
    last three are of the second one: what became of it, the faults that `models.fidelity` finds, and the
    facts that it lacks.
    """

    message: str
    transform_type: TransformType
    intensity: int
    first: str
    second: str
    outcome: str
    faults: str
    facts_lost: str


class Traffic(NamedTuple):
    """Recent messages that the champion has answered, and the volume of all answers."""

    messages: list[ReplayedMessage]
    volume: Volume


class TooFewMessagesError(Exception):
    """There is too little traffic to replay."""


def read_traffic(settings: Settings, most: int) -> Traffic:
    """At most `most` messages that a shadow run would replay (`shadow.fetch_messages`), and the volume.

    Raises TooFewMessagesError with fewer messages than a shadow run needs.
    """
    engine = database.engine_of(settings)
    try:
        with Session(engine) as session:
            live = routing.current(session)
            counted = volume.read(session)
        messages = (
            shadow.fetch_messages(
                engine, live.routing.champion.version, settings.organisation, Target(), most
            )
            if live
            else []
        )
    finally:
        engine.dispose()
    if len(messages) < shadow.MIN_MESSAGES:
        raise TooFewMessagesError(
            f"the champion has answered {len(messages)} different messages of people whose texts may be used,"
            f" and a comparison needs {shadow.MIN_MESSAGES}: wait for traffic, or take messages of the seed"
            " corpus (`replay.sample_corpus`)"
        )
    return Traffic(messages, counted)


def sample_corpus(originals: Sequence[Original], most: int) -> list[ReplayedMessage]:
    """At most `most` messages of the seed corpus with the requests of their reference rewrites, stratified as
    for a shadow run. No version has answered them.
    """
    messages = [
        ReplayedMessage(
            original.text,
            reference.transform_type,
            reference.intensity,
            language=languages.identify(original.text),
        )
        for original in originals
        for reference in original.rewrites
    ]
    return shadow.sample(messages, most)


def open_shipped(settings: Settings) -> tuple[EditsEngine, Spec]:
    """The engine of the version in the folder `champion/`, with its spec.

    Raises ValueError when the folder is no complete version.
    """
    spec = Spec(version="shipped", form="edits", rules=writer.rules_digest())
    return EditsEngine(shipped.export_once(settings)), spec


def run(engine: AnyEngine, spec: Spec, messages: Sequence[ReplayedMessage]) -> list[Replayed]:
    """The answers of a version, in the order of the messages: one after the other, so that each duration is
    that of one message.

    Raises NoAnswerError when the version fails on the first three, with what it says of the last one: an
    endpoint that refuses or hangs is not asked for the others.
    """
    replayed: list[Replayed] = []
    for message in tqdm(messages, desc=f"rewriting with {spec.version}", unit="message"):
        began, cpu = time.monotonic(), time.process_time()
        [rewritten] = engine.generate(spec, [message.item])
        cpu_s, ms = time.process_time() - cpu, 1000 * (time.monotonic() - began)
        replayed.append(Replayed(rewritten, ms, cpu_s))
        if len(replayed) == _FIRST and all(answer.rewritten.failure for answer in replayed):
            raise NoAnswerError(f"{spec.version} answered none of {_FIRST} messages: {rewritten.failure}")
    return replayed


def by_champion(messages: Sequence[ReplayedMessage], replayed: Sequence[Replayed]) -> list[ReplayedMessage]:
    """The messages with these answers as the champion's."""
    return [
        message._replace(champion=answer.rewritten.text, champion_ms=answer.ms)
        for message, answer in zip(messages, replayed, strict=True)
    ]


def list_pairs(
    messages: Sequence[ReplayedMessage], champion: Sequence[Replayed], challenger: Sequence[Replayed]
) -> list[Pair]:
    """The rewrites of both versions, those with the most faults of the challenger first."""
    counted = []
    for message, old, new in zip(messages, champion, challenger, strict=True):
        faults = _find_faults(message, new)
        pair = Pair(
            message.message,
            message.transform_type,
            message.intensity,
            old.text or "",
            new.text or "",
            new.outcome,
            "; ".join(f"{fault.kind}: {fault.words}" for fault in faults),
            ", ".join(new.rewritten.facts_missing),
        )
        counted.append((len(faults), pair))
    return [pair for _, pair in sorted(counted, key=lambda row: -row[0])]


def summarise(messages: Sequence[ReplayedMessage], replayed: Sequence[Replayed]) -> dict[str, float]:
    """Numbers of all messages, for a column of a table: outcomes, faults, times, tokens, and the vendor's
    price.
    """
    answered = [answer for answer in replayed if answer.text is not None]
    faults = Counter(
        kind
        for message, answer in zip(messages, replayed, strict=True)
        for kind in {fault.kind for fault in _find_faults(message, answer)}
    )
    seconds = [answer.ms / 1000 for answer in replayed]
    return {
        "messages": len(replayed),
        "failed or too late": len(replayed) - len(answered),
        "unchanged": sum(answer.rewritten.unchanged is not None for answer in answered),
        **{f"with the fault: {kind}": faults[kind] for kind in fidelity.KINDS},
        "facts lost": sum(len(answer.rewritten.facts_missing) for answer in answered),
        "seconds, p50": round(float(np.median(seconds)), 3),
        "seconds, p95": round(float(np.quantile(seconds, 0.95)), 3),
        "tokens read": sum(answer.rewritten.prompt_tokens for answer in replayed),
        "tokens written": sum(answer.rewritten.tokens for answer in replayed),
        "vendor, USD": sum(answer.rewritten.cost_usd for answer in replayed),
    }


def _find_faults(message: ReplayedMessage, replayed: Replayed) -> tuple[fidelity.Fault, ...]:
    if replayed.text is None:
        return ()
    return fidelity.check(message.message, replayed.text, message.transform_type, message.intensity)

"""Lets a judge compare the rewrites of champion and challenger on the messages for evidence, a batch in each
run of the flow `prepare`, until all are judged.

The judge is an LLM (`models.judge`) or a reward model. Votes correct it (`experiments.surrogate`), so it need
not be right. An LLM costs money: the plan's `judged_pairs` limits the pairs.
"""

import asyncio
import logging
import uuid
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from configs.settings import Settings
from data.records import Demonstration, Spec
from data.traffic import comparisons, evidence_messages, routing
from data.traffic.routing import Arm
from experiments import judgements
from experiments.judgements import NewJudgement, Task
from experiments.plan import Plan
from models import judge
from models.endpoint import ChatError
from models.judge import Pair
from serving.inference.client import InferenceClient, InferenceUnavailable, Item, Rewritten, VersionUnknown

log = logging.getLogger(__name__)

_BATCH = 32
_BATCHES = 4  # in a run of the flow
_TIMEOUT_S = 60.0


def judge_some(settings: Settings, engine: Engine, experiment_id: uuid.UUID, plan: Plan) -> int:
    """Judge some of the pairs that the plan's judge has not read yet, those that people saw first. Returns
    their number. None of them when the plan has no judge.

    Each batch is stored at once, so a run that is ended continues where it stopped. When the service or the
    judge does not answer, it logs a warning and stops: the votes go on without the judge.
    """
    if not plan.judge:
        return 0
    with Session(engine) as session:
        live = routing.current(session)
    split = live.routing.split(experiment_id) if live else None
    if live is None or split is None:
        return 0
    champion = live.routing.champion
    judged = (
        _judge_challenger(settings, engine, experiment_id, plan, champion, arm)
        for arm in split.arms
        if arm.spec != champion
    )
    return sum(judged)


def _judge_challenger(
    settings: Settings, engine: Engine, experiment_id: uuid.UUID, plan: Plan, champion: Spec, challenger: Arm
) -> int:
    shipped = evidence_messages.list_shipped(comparisons.load().evidence_share, for_evidence=True)
    with Session(engine) as session:
        todo = judgements.list_open(session, experiment_id, challenger.name, plan, shipped)
    judged = 0
    for start in range(0, min(len(todo), _BATCH * _BATCHES), _BATCH):
        batch = todo[start : start + _BATCH]
        try:
            preferences = _judge(settings, champion, challenger.spec, plan.judge, [task for task, _ in batch])
        except (InferenceUnavailable, VersionUnknown, ChatError, ValueError) as error:
            log.warning("%s has judged %d pairs, and stops: %s", plan.judge, judged, error)
            break
        new = [
            NewJudgement(task, is_sampled, preference)
            for (task, is_sampled), preference in zip(batch, preferences, strict=True)
        ]
        with Session(engine) as session, session.begin():
            judgements.store(session, experiment_id, challenger.name, plan.judge, new)
        judged += len(new)
    return judged


def _judge(
    settings: Settings, champion: Spec, challenger: Spec, name: str, tasks: Sequence[Task]
) -> list[float | None]:
    """The judge's preference for the challenger by task; None where both rewrites are the same, or a version
    wrote none: people do not see such a pair.
    """
    rewrites = asyncio.run(_rewrite_by_both(settings, champion, challenger, tasks))
    pairs = [
        Pair(task.message, task.transform_type, task.intensity, first=ours.text, second=theirs.text)
        for task, ours, theirs in zip(tasks, *rewrites, strict=True)
    ]
    are_shown = [bool(pair.first and pair.second) and pair.first != pair.second for pair in pairs]
    shown = [pair for pair, is_shown in zip(pairs, are_shown, strict=True) if is_shown]
    shares = iter(prefer(settings.artifacts, name, shown))
    return [next(shares) if is_shown else None for is_shown in are_shown]


def prefer(artifacts: Path, name: str, pairs: Sequence[Pair]) -> list[float]:
    """The judge's preference for the first rewrite of each pair, 0 to 1, whatever the order.

    `name` is a folder of a reward model within the artifacts, or else a model at OPENAI_BASE_URL.
    """
    if not pairs:
        return []
    folder = (artifacts / name).resolve()
    if folder.is_relative_to(artifacts.resolve()) and (folder / "config.json").is_file():
        from models import reward  # loads torch, which an LLM as judge does not need

        model = reward.load(folder)
        cases = [
            Demonstration(
                text=pair.message,
                transform_type=pair.transform_type,
                intensity=pair.intensity,
                rewrite=pair.first,
            )
            for pair in pairs
        ]
        first, second = ([getattr(pair, side) for pair in pairs] for side in ("first", "second"))
        return reward.preferred(model, cases, first, second)
    return [preference.share for preference in judge.prefer(name, pairs)]


async def _rewrite_by_both(
    settings: Settings, champion: Spec, challenger: Spec, tasks: Sequence[Task]
) -> tuple[list[Rewritten], list[Rewritten]]:
    """The rewrites of the challenger, then those of the champion. A text is empty where a version wrote
    none.
    """
    items = [
        Item(text=task.message, transform_type=task.transform_type, intensity=task.intensity)
        for task in tasks
    ]
    client = InferenceClient(settings.inference_urls, settings.secret("service_token"))
    try:
        ours = await client.rewrite(challenger, items, _TIMEOUT_S)
        theirs = await client.rewrite(champion, items, _TIMEOUT_S)
    finally:
        await client.close()
    return ours, theirs

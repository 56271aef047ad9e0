"""Judgements of a judge in an experiment, and the pairs that its counted people saw, in the database.

`experiments.surrogate` computes the win rate from them, and `pipelines.judging` asks the judge.
"""

import uuid
from collections.abc import Sequence
from hashlib import blake2b, md5
from typing import NamedTuple

from sqlalchemy import ColumnElement, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from data.records import TransformType
from data.tables import CountedVoter, Experiment, Judgement, Variant
from experiments import surrogate
from experiments.analysis import ComparisonResult
from experiments.plan import Plan
from experiments.surrogate import JudgedVoter, Rating, SurrogateResult

# Selects the first pairs that the page showed a counted person, by the same rules as `experiments.votes`. A
# pair that somebody else was shown first, and a message that an app or the person chose, were not drawn at
# random for this person.
_SHOWN = text("""
    SELECT md5(a.message)::uuid AS message_id, a.transform_type || ' ' || a.intensity AS task
    FROM comparisons c
    JOIN outputs a ON a.id = c.first_output_id
    JOIN outputs b ON b.id = c.second_output_id
    WHERE c.user_id = :user_id AND c.policy = 'champion_against_challenger'
      AND c.pair_id = c.id AND NOT c.is_own AND a.text <> b.text
      AND ((a.version = :champion AND b.version = :challenger)
           OR (a.version = :challenger AND b.version = :champion))
      AND c.created_at >= :start AND c.created_at <= :until
    ORDER BY c.id LIMIT :most
""")


class Task(NamedTuple):
    """What both versions do with a message, so that a judge compares the rewrites."""

    message: str
    transform_type: TransformType
    intensity: int

    @property
    def name(self) -> str:
        """The transform type and the intensity, as they are stored."""
        return f"{self.transform_type.value} {self.intensity}"

    @property
    def message_id(self) -> uuid.UUID:
        """The digest of the message, as in `counted_voters`."""
        return uuid.UUID(md5(self.message.encode(), usedforsecurity=False).hexdigest())


class NewJudgement(NamedTuple):
    """A judgement to store: see `data.tables.Judgement`."""

    task: Task
    is_sampled: bool
    preference: float | None


def record_shown(
    session: Session, experiment_id: uuid.UUID, champion: str, challenger: str, plan: Plan
) -> None:
    """Store with each newly counted person which pairs the page showed them, up to their last counted vote.
    It never changes later, also when the person is erased. The caller commits.
    """
    started_at = session.get_one(Experiment, experiment_id).started_at
    new = select(CountedVoter).where(
        *_are_between(experiment_id, challenger),
        CountedVoter.shown_tasks.is_(None),
        CountedVoter.user_id.is_not(None),
    )
    for voter in session.scalars(new):
        pairs = session.execute(
            _SHOWN,
            {
                "user_id": voter.user_id,
                "champion": champion,
                "challenger": challenger,
                "start": started_at,
                "until": voter.complete_at,
                "most": plan.votes_a_person,
            },
        ).all()
        voter.shown_message_ids = [row.message_id for row in pairs]
        voter.shown_tasks = [row.task for row in pairs]
    session.flush()


def _are_between(experiment_id: uuid.UUID, challenger: str) -> tuple[ColumnElement[bool], ...]:
    """The conditions on counted people whose votes are between a challenger and the baseline."""
    baseline = select(Variant.name).where(Variant.experiment_id == experiment_id, Variant.is_baseline)
    return (
        CountedVoter.experiment_id == experiment_id,
        CountedVoter.challenger == challenger,
        CountedVoter.opponent.in_(baseline),
    )


def draw_sample(experiment_id: uuid.UUID, messages: Sequence[str], pairs: int) -> list[Task]:
    """Draw about `pairs` tasks at random, the same number on each message, in a random order.

    Hashes draw them, so each call returns the same tasks. With fewer pairs than messages, each is on another
    message.
    """

    def order(task: Task) -> bytes:
        return blake2b(
            f"{task.name} {task.message}".encode(), digest_size=8, key=experiment_id.bytes
        ).digest()

    def list_tasks(message: str) -> list[Task]:
        tasks = [Task(message, kind, intensity) for kind in TransformType for intensity in range(4)]
        return sorted(tasks, key=order)

    a_message = max(1, pairs // max(1, len(messages)))
    drawn = [task for message in messages for task in list_tasks(message)[:a_message]]
    return sorted(drawn, key=order)[:pairs]


def list_open(
    session: Session, experiment_id: uuid.UUID, challenger: str, plan: Plan, messages: Sequence[str]
) -> list[tuple[Task, bool]]:
    """The tasks that the plan's judge has not read yet, and whether each is of the sample: those that counted
    people saw, and those of the sample.
    """
    judged = {
        (message_id, task)
        for message_id, task in session.execute(
            select(Judgement.message_id, Judgement.task).where(
                Judgement.experiment_id == experiment_id,
                Judgement.challenger == challenger,
                Judgement.judge == plan.judge,
            )
        )
    }
    sample = draw_sample(experiment_id, messages, plan.judged_pairs)
    by_id = {Task(message, TransformType.SOFTEN, 0).message_id: message for message in messages}
    seen = session.execute(
        select(CountedVoter.shown_message_ids, CountedVoter.shown_tasks).where(
            *_are_between(experiment_id, challenger), CountedVoter.shown_tasks.is_not(None)
        )
    )
    shown_tasks = {
        Task(by_id[message_id], TransformType(name.split()[0]), int(name.split()[1]))
        for message_ids, names in seen
        for message_id, name in zip(message_ids or [], names or [], strict=True)
        if message_id in by_id
    }
    tasks = [(task, False) for task in sorted(shown_tasks - set(sample))] + [(task, True) for task in sample]
    return [(task, is_sampled) for task, is_sampled in tasks if (task.message_id, task.name) not in judged]


def store(
    session: Session,
    experiment_id: uuid.UUID,
    challenger: str,
    judge: str,
    judgements: Sequence[NewJudgement],
) -> None:
    """Store judgements; one that is stored already stays as it is. The caller commits."""
    if not judgements:
        return
    rows = [
        {
            "experiment_id": experiment_id,
            "challenger": challenger,
            "judge": judge,
            "message_id": each.task.message_id,
            "task": each.task.name,
            "is_sampled": each.is_sampled,
            "preference": each.preference,
        }
        for each in judgements
    ]
    session.execute(insert(Judgement).on_conflict_do_nothing(), rows)


def compare(
    session: Session, experiment_id: uuid.UUID, challenger: str, plan: Plan
) -> SurrogateResult | None:
    """The win rate by counted votes and the plan's judge. None without a judge, or with too few judgements
    (`surrogate.compare`).
    """
    if not plan.judge:
        return None
    judgements = session.execute(
        select(Judgement.message_id, Judgement.task, Judgement.is_sampled, Judgement.preference).where(
            Judgement.experiment_id == experiment_id,
            Judgement.challenger == challenger,
            Judgement.judge == plan.judge,
        )
    ).all()
    preferences = {(row.message_id, row.task): row.preference for row in judgements}
    sample = [Rating(row.message_id, row.preference) for row in judgements if row.is_sampled]
    # Ids of rows have the order in which people were counted.
    voters = session.execute(
        select(
            CountedVoter.message_ids,
            CountedVoter.wins,
            CountedVoter.shown_message_ids,
            CountedVoter.shown_tasks,
        )
        .where(*_are_between(experiment_id, challenger))
        .order_by(CountedVoter.id)
    )
    return surrogate.compare(
        [
            JudgedVoter(
                list(zip(message_ids, wins, strict=True)),
                [
                    Rating(message_id, preferences.get((message_id, task)))
                    for message_id, task in zip(shown or [], tasks or [], strict=True)
                ],
            )
            for message_ids, wins, shown, tasks in voters
        ],
        sample,
        plan,
    )


def decide(votes: ComparisonResult, judged: SurrogateResult | None, plan: Plan) -> ComparisonResult:
    """The comparison that decides: that of votes and judge if the plan says so, there is one, and the judge
    has not changed; else that of the votes alone. How many votes it takes with a judge is not known.
    """
    if not plan.surrogate or judged is None or not judged.is_judge_steady:
        return votes
    kept = ("win_rate", "interval", "lowest_to_ship", "decision")
    return votes.model_copy(update={name: getattr(judged, name) for name in kept} | {"progress": None})

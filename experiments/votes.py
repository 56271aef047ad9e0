"""Counts the votes of blind comparisons between two versions, by person and by message.

A person enters the evidence on two versions once, with the votes cast by then. What is counted is stored and
never changes: otherwise the interval would not be valid at every analysis. Votes on other versions do not
affect it. No rule here looks at which text was preferred.
"""

import uuid
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import combinations, groupby
from math import ceil
from typing import NamedTuple

from sqlalchemy import TextClause, select, text
from sqlalchemy.orm import Session

from data.tables import CountedVoter, Experiment
from experiments.analysis import Tally
from experiments.plan import Plan
from experiments.ranking import PairVote
from experiments.sequential import Clusters

# Selects the votes on two versions. Votes from before the experiment do not count. A changed vote was cast
# when it was changed. Of a pair that several people judge, only the first person's vote counts, because votes
# on the same two texts are not independent. A message that a person wrote is a message of its own. A key of
# the organisation that runs the installation is trusted: it has no key_id here.
_SELECT_VOTES = """
    SELECT f.user_id, f.created_at, f.updated_at AS cast_at,
           CASE WHEN organisation.name IS DISTINCT FROM :operator THEN users.key_id END AS key_id,
           CASE WHEN a.text <> b.text THEN preferred.version = :challenger END AS is_win,
           CASE WHEN c.pair_id IS NULL OR c.is_own THEN c.id ELSE md5(a.message)::uuid END AS message_id
    FROM comparisons c
    JOIN feedback f ON f.comparison_id = c.id AND f.kind = 'comparison'
    JOIN outputs a ON a.id = c.first_output_id
    JOIN outputs b ON b.id = c.second_output_id
    LEFT JOIN outputs preferred ON preferred.id = f.preferred_output_id
    LEFT JOIN users ON users.id = f.user_id
    LEFT JOIN organisations organisation ON organisation.id = f.organisation_id
    WHERE c.policy <> 'two_samples' AND (c.pair_id IS NULL OR c.pair_id = c.id)
      AND ((a.version = :opponent AND b.version = :challenger)
           OR (a.version = :challenger AND b.version = :opponent))
      AND f.created_at >= :start AND {which}
    ORDER BY f.user_id, f.updated_at, f.id
"""
_ALL_VOTES = text(_SELECT_VOTES.format(which="f.created_at <= :until"))
# Those of people who are not counted for these versions yet.
_NEW_VOTES = text(
    _SELECT_VOTES.format(
        which="""f.updated_at <= :until AND NOT EXISTS (
          SELECT FROM counted_voters v
          WHERE v.experiment_id = :experiment_id AND v.challenger = :challenger AND v.opponent = :opponent
            AND v.user_id = f.user_id
      )"""
    )
)


class Vote(NamedTuple):
    """A person's vote on two texts. `is_win` is None for a tie."""

    user_id: uuid.UUID
    created_at: datetime
    cast_at: datetime
    key_id: str | None
    is_win: bool | None
    message_id: uuid.UUID


class Voter(NamedTuple):
    """A person whose votes are complete. `key_id` is the API key that names the person, unless it is trusted.
    `decided` has the votes that may count, in order.
    """

    user_id: uuid.UUID
    key_id: str | None
    complete_at: datetime
    decided: tuple[Vote, ...]
    ties: int


def count_votes(
    session: Session,
    experiment_id: uuid.UUID,
    champion_version: str,
    challenger_version: str,
    plan: Plan,
    operator: str,
    now: datetime | None = None,
) -> Tally:
    """Count the people whose votes on these two versions are complete by `now`, and return all counted votes
    on them. The caller commits.

    `operator` is the name of the organisation that runs the installation: the plan's `key_share` does not
    limit its keys. Raises ValueError when the experiment has not started.
    """
    experiment = session.get_one(Experiment, experiment_id, with_for_update={"key_share": True})
    until = _end_of_votes(experiment, now)
    versions = champion_version, challenger_version
    by_person = _read_votes(session, _NEW_VOTES, experiment, *versions, operator, until)
    complete = filter(None, (complete_voter(person_votes, plan, until) for person_votes in by_person))
    counted = _read_counted(session, experiment_id, *versions)
    before = len(counted)
    for voter, kept in _limit(complete, counted, plan):
        row = CountedVoter(
            experiment_id=experiment_id,
            challenger=challenger_version,
            opponent=champion_version,
            user_id=voter.user_id,
            key_id=voter.key_id,
            complete_at=voter.complete_at,
            message_ids=[vote.message_id for vote in kept],
            wins=[bool(vote.is_win) for vote in kept],
            ties=voter.ties,
        )
        session.add(row)
        counted.append(row)
    session.flush()
    return _tally(counted, waiting=len(by_person) - (len(counted) - before))


def recount(
    session: Session,
    experiment_id: uuid.UUID,
    champion_version: str,
    challenger_version: str,
    plan: Plan,
    operator: str,
    now: datetime,
) -> Tally:
    """The tally that `count_votes` gives at a time, from all votes at once. Nothing is stored.

    Of a person who changed a vote after being counted, what was counted stands: the vote's earlier value is
    known from there only. Raises ValueError when the experiment has not started.
    """
    experiment = session.get_one(Experiment, experiment_id)
    until = _end_of_votes(experiment, now)
    versions = champion_version, challenger_version
    stored = {row.user_id: row for row in _read_counted(session, experiment_id, *versions)}
    complete, waiting = [], 0
    for all_votes in _read_votes(session, _ALL_VOTES, experiment, *versions, operator, until):
        row = stored.get(all_votes[0].user_id)
        if row is not None and any(vote.created_at <= row.complete_at < vote.cast_at for vote in all_votes):
            complete.append(_restore(row, all_votes[0]))
        elif in_time := [vote for vote in all_votes if vote.cast_at <= until]:
            voter = complete_voter(in_time, plan, until)
            complete += [voter] if voter else []
            waiting += voter is None
    counted = [
        CountedVoter(
            message_ids=[vote.message_id for vote in kept],
            wins=[bool(vote.is_win) for vote in kept],
            ties=voter.ties,
        )
        for voter, kept in _limit(complete, [], plan)
    ]
    return _tally(counted, waiting=waiting + len(complete) - len(counted))


def _restore(row: CountedVoter, vote: Vote) -> Voter:
    """A person as counted; `vote` is any vote of theirs."""
    decided = tuple(
        vote._replace(cast_at=row.complete_at, is_win=is_win, message_id=message_id)
        for message_id, is_win in zip(row.message_ids, row.wins, strict=True)
    )
    return Voter(vote.user_id, row.key_id, row.complete_at, decided, row.ties)


def _end_of_votes(experiment: Experiment, now: datetime | None) -> datetime:
    """The time until which votes count: now, or the end of the experiment."""
    if experiment.started_at is None:
        raise ValueError(f"experiment {experiment.id} has not started; start it before counting votes")
    return min(filter(None, (now or datetime.now(UTC), experiment.ended_at)))


def _read_votes(
    session: Session,
    query: TextClause,
    experiment: Experiment,
    champion_version: str,
    challenger_version: str,
    operator: str,
    until: datetime,
) -> list[list[Vote]]:
    """The votes on two versions, by person."""
    parameters = {
        "experiment_id": experiment.id,
        "challenger": challenger_version,
        "opponent": champion_version,
        "operator": operator,
        "start": experiment.started_at,
        "until": until,
    }
    votes = [Vote(**row) for row in session.execute(query, parameters).mappings()]
    return [list(group) for _, group in groupby(votes, key=lambda vote: vote.user_id)]


def _read_counted(
    session: Session, experiment_id: uuid.UUID, champion_version: str, challenger_version: str
) -> list[CountedVoter]:
    is_of_both = (
        CountedVoter.experiment_id == experiment_id,
        CountedVoter.challenger == challenger_version,
        CountedVoter.opponent == champion_version,
    )
    return list(session.scalars(select(CountedVoter).where(*is_of_both)))


def _limit(
    complete: Iterable[Voter], counted: Sequence[CountedVoter], plan: Plan
) -> Iterator[tuple[Voter, list[Vote]]]:
    """The people who may be counted besides those that are, in order, each with the decided votes within the
    limit of their messages.
    """
    on_message = Counter(message for row in counted for message in row.message_ids)
    by_key = Counter(row.key_id for row in counted)
    for voter in admit(complete, by_key, plan.key_share):
        kept = []
        for vote in voter.decided:
            if on_message[vote.message_id] < plan.votes_a_message:
                on_message[vote.message_id] += 1
                kept.append(vote)
        yield voter, kept


def count_between_challengers(
    session: Session,
    experiment_id: uuid.UUID,
    challengers: Iterable[str],
    plan: Plan,
    operator: str,
    now: datetime | None = None,
) -> None:
    """Count the votes on each two challengers by the same rules. They are for the ranking only. The caller
    commits.
    """
    for first, second in combinations(sorted(challengers), 2):
        count_votes(session, experiment_id, first, second, plan, operator, now)


def read_pair_votes(session: Session, experiment_id: uuid.UUID) -> list[PairVote]:
    """All counted votes between versions of an experiment. Of an erased person, the votes on each two
    versions are those of a person of their own.
    """
    rows = select(CountedVoter).where(CountedVoter.experiment_id == experiment_id).order_by(CountedVoter.id)
    return [
        PairVote(
            *((row.challenger, row.opponent) if is_win else (row.opponent, row.challenger)),
            person=row.user_id or row.id,
            message=message_id,
        )
        for row in session.scalars(rows)
        for message_id, is_win in zip(row.message_ids, row.wins, strict=True)
    ]


def complete_voter(votes: Sequence[Vote], plan: Plan, until: datetime) -> Voter | None:
    """A person with the votes that may count, or None while they may still vote.

    `votes` are all votes of one person by `until`, in the order in which they were cast. A person is complete
    with `votes_a_person` decided votes, or `hours_a_person` after the first vote.
    """
    closes_at = min(vote.created_at for vote in votes) + timedelta(hours=plan.hours_a_person)
    in_time = [vote for vote in votes if vote.cast_at <= closes_at]
    decided = [vote for vote in in_time if vote.is_win is not None][: plan.votes_a_person]
    if len(decided) == plan.votes_a_person:
        complete_at = decided[-1].cast_at
    elif closes_at <= until:
        complete_at = closes_at
    else:
        return None
    ties = sum(vote.is_win is None and vote.cast_at <= complete_at for vote in in_time)
    return Voter(votes[0].user_id, votes[0].key_id, complete_at, tuple(decided), ties)


def admit(voters: Iterable[Voter], counted: Counter[str | None], key_share: float) -> Iterator[Voter]:
    """The people who may be counted, in order. The others wait until more people of other keys are counted.

    `counted` is the number of people that are counted already, by API key. Of all counted people, at most
    `key_share`, rounded up, come from one key. So the order alone decides, and the first person of a key
    always finds room.
    """
    number = Counter(counted)
    waiting: dict[str, deque[Voter]] = defaultdict(deque)
    for voter in sorted(voters, key=lambda voter: (voter.complete_at, voter.user_id)):
        if voter.key_id is not None:
            waiting[voter.key_id].append(voter)
        else:
            number[None] += 1
            yield voter
        while heads := [
            queue[0]
            for key, queue in waiting.items()
            if queue and number[key] < ceil(key_share * (number.total() + 1))
        ]:
            first = min(heads, key=lambda voter: (voter.complete_at, voter.user_id))
            waiting[str(first.key_id)].popleft()
            number[first.key_id] += 1
            yield first


def _tally(counted: Iterable[CountedVoter], waiting: int) -> Tally:
    rows = list(counted)
    votes = [vote for row in rows for vote in zip(row.message_ids, row.wins, strict=True)]
    on_message: dict[uuid.UUID, list[bool]] = defaultdict(list)
    for message_id, is_win in votes:
        on_message[message_id].append(is_win)
    wins = sum(is_win for _, is_win in votes)
    return Tally(
        wins=wins,
        losses=len(votes) - wins,
        ties=sum(row.ties for row in rows),
        people=len(rows),
        waiting=waiting,
        by_person=_cluster(row.wins for row in rows),
        by_message=_cluster(on_message.values()),
    )


def _cluster(votes: Iterable[Sequence[bool]]) -> tuple[Clusters, ...]:
    """The number of clusters by their wins and losses. Clusters without a vote carry no information."""
    kinds = Counter((sum(wins), len(wins) - sum(wins)) for wins in votes if wins)
    return tuple(Clusters(*kind, number) for kind, number in sorted(kinds.items()))

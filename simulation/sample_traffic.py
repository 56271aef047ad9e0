"""The traffic of the sample: who writes what, and when. The same config and end give the same visits."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import Field

import configs
from data import corpus
from simulation import simulated_people
from simulation.simulated_people import PeopleConfig, Person

# Shares of the messages by weekday, from Monday, and the usual hours (UTC) with their spread.
_WEEKDAYS = (1.0, 1.1, 1.05, 1.0, 0.8, 0.12, 0.08)
_HOURS = ((9.8, 1.1), (14.6, 1.5))
_ACTIVE, _FROM_THE_START = 0.65, 0.6  # shares of the weeks of a person, and of the people
_SHORT = 80  # characters
_SHIFTED = ("incidents", "support")  # what people also write about at the end


class SampleConfig(configs.StageConfig):
    """The people of the sample, their messages, and the experiment."""

    people: Annotated[int, Field(ge=1)] = 600
    weeks: Annotated[int, Field(ge=1, le=52)] = 6
    seed: int = 0
    teams: Annotated[int, Field(ge=1, description="people of a team write about the same matters")] = 12
    messages: Annotated[int, Field(ge=52, description="ordinary ones that they write")] = 260
    messages_a_week: Annotated[int, Field(ge=1, description="of one person, at most")] = 12
    comparisons_share: Annotated[
        simulated_people.Share, Field(description="of the visits: to the page of comparisons")
    ] = 0.15
    shifted_weeks: Annotated[int, Field(ge=0, description="at the end, with other matters")] = 2
    shifted_share: Annotated[simulated_people.Share, Field(description="of their messages")] = 0.8
    experiment_week: Annotated[int, Field(ge=0, description="whole weeks before the experiment")] = 2
    plan: Annotated[
        tuple[str, ...], Field(description="overrides of configs/experiment.yaml, as key=value")
    ] = ()

    def start(self, until: datetime) -> datetime:
        """The midnight at which the traffic begins."""
        return until - timedelta(weeks=self.weeks)


@dataclass(frozen=True, slots=True)
class Visit:
    """What a person does at a moment: the request of a `number`, about one of the `messages` of the team's
    week; or some comparisons, about those that are `to_compare`, of all its weeks.
    """

    at: datetime
    person: Person
    number: int
    messages: Sequence[corpus.Message]
    to_compare: Sequence[corpus.Message]


def load_people(config: SampleConfig) -> PeopleConfig:
    """The habits of configs/people.yaml with the numbers of the sample."""
    numbers = {
        "people": config.people,
        "seed": config.seed,
        "max_messages": config.messages_a_week,
        "comparisons_share": config.comparisons_share,
    }
    overrides = [f"{name}={value}" for name, value in numbers.items()]
    return configs.load(PeopleConfig, configs.ROOT / "configs" / "people.yaml", overrides)


def plan_visits(config: SampleConfig, people: PeopleConfig, until: datetime) -> list[Visit]:
    """All visits of all people until a midnight, in the order of time.

    A person belongs to a team and comes from the start or later. In most weeks the person writes as many
    messages as `make_people` has drawn, in sittings that are mostly on working days.
    """
    usual, others = _read_messages(config)
    of_team = [[message for week in usual.values() for message in week[team]] for team in range(config.teams)]
    start = config.start(until)
    visits = []
    for place, person in enumerate(simulated_people.make_people(people)):
        rng = random.Random(f"{person.name}:visits")
        is_early = rng.random() < _FROM_THE_START
        first = start + timedelta(days=0.0 if is_early else rng.uniform(0, 7 * config.weeks))
        number, team = 0, place % config.teams
        for week in range(config.weeks):
            for moment in _draw_moments(rng, person, start + timedelta(weeks=week)):
                is_other = rng.random() < config.shifted_share and week in others
                messages = (others if is_other else usual)[week][team]
                if moment >= first:
                    visits.append(Visit(moment, person, number, messages, of_team[team]))
                number += 1
    return sorted(visits, key=lambda visit: (visit.at, visit.person.name))


def _draw_moments(rng: random.Random, person: Person, begin: datetime) -> Iterator[datetime]:
    """The moments of a person's messages in the seven days from a midnight."""
    left = person.messages if rng.random() < _ACTIVE else 0
    weights = [_WEEKDAYS[(begin + timedelta(days=day)).weekday()] for day in range(7)]
    while left > 0:
        (day,) = rng.choices(range(7), weights)
        mean, spread = rng.choice(_HOURS)
        moment = begin + timedelta(days=day, hours=min(max(rng.gauss(mean, spread), 0.0), 22.0))
        for _ in range(min(left, rng.randint(1, 3))):  # a sitting
            yield moment
            moment += timedelta(seconds=rng.uniform(60, 900))
            left -= 1


# The messages of each week and team.
_Matters = Mapping[int, Sequence[Sequence[corpus.Message]]]


def _read_messages(config: SampleConfig) -> tuple[_Matters, _Matters]:
    """The ordinary messages of all weeks, and the messages about other matters of the last ones."""
    folder, rng = corpus.SEED / "messages", random.Random(f"{config.seed}:messages")
    # Short ones are rare, so their share would differ between weeks by chance.
    ordinary = [
        row for row in corpus.read_lines(folder / "ordinary", corpus.Message) if len(row.text) > _SHORT
    ]
    usual = rng.sample(ordinary, min(config.messages, len(ordinary)))
    others = [row for row in corpus.read_lines(folder, corpus.Message) if row.domain in _SHIFTED]
    weeks = range(config.weeks)
    shifted = weeks[max(0, config.weeks - config.shifted_weeks) :]
    return _divide(usual, weeks, config.teams, rng), _divide(others, shifted, config.teams, rng)


def _divide(messages: Sequence[corpus.Message], weeks: range, teams: int, rng: random.Random) -> _Matters:
    """Each message is of one week and team. All weeks have messages of the same styles, lengths and letters,
    so that these do not drift by chance.
    """
    if not weeks:
        return {}
    of_week: dict[int, list[corpus.Message]] = {week: [] for week in weeks}
    alike = sorted(messages, key=lambda row: (row.text.isascii(), row.style, len(row.text), row.id))
    for begin in range(0, len(alike), len(weeks)):
        block = alike[begin : begin + len(weeks)]
        for week, message in zip(rng.sample(weeks, len(block)), block, strict=True):
            of_week[week].append(message)
    for rows in of_week.values():
        rows.sort(key=lambda message: (message.style, message.id))
    return {
        week: [rows[team::teams] or [rows[team % len(rows)]] for team in range(teams)]
        for week, rows in of_week.items()
    }


def midnight(moment: datetime) -> datetime:
    """The last midnight (UTC) before a moment."""
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)

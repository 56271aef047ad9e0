"""Whole experiments that are simulated: what their users live through, and what people choose side by side.

Users are drawn with replacement from a finite population, whose outcomes in both arms are known. So the true
effects are exact numbers. Both arms have the same people: an arm differs only where its `Experience` does.
"""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from experiments.calibration.populations import Array
from experiments.metrics import BINS_MS
from experiments.plan import Allocation

_PEOPLE = 2**15
_HOURS_A_DAY = 24
_FAILING_SUM = 20.0  # of both parameters of the beta distribution of the users' failure rates
_LATENCY_MS = 900.0  # median
_LATENCY_SPREADS = (0.3, 0.6)  # of the logarithm: between users, and between the messages of one


class Experience(NamedTuple):
    """What the users of an arm do and meet after their first exposure."""

    satisfaction: float = 0.8  # share of thumbs up among the votes
    voting: float = (
        0.53  # share of the users who ever vote, once each; half of all users vote within 72 hours
    )
    vote_hours: float = 24.0  # mean time to the vote, which is exponential
    late_discontent: float = 0.0  # fall of the share of thumbs up from the earliest voters to the latest
    failing: float = 0.02  # share of the requests that fail; users differ in it
    slowness: float = 1.0  # factor of all latencies
    most_messages: int = 20  # a user writes 1 to this many messages in 72 hours, by a power law


class Rival(NamedTuple):
    """A further challenger of the same experiment, against the champion."""

    experience: Experience
    wins: float = 0.45  # share of the votes side by side for it
    losses: float = 0.45  # for the champion; the other votes are ties


class Scenario(NamedTuple):
    """An installation and its challengers."""

    description: str
    baseline: Experience = Experience()
    challenger: Experience = Experience()
    weekend: tuple[Experience, Experience] | None = None  # of users who come on a Saturday or a Sunday
    users: int = 5_000
    rivals: tuple[Rival, ...] = ()  # with any, all arms get equal shares of the users
    share: float = 0.5  # of the users in the experiment who get the challenger, when it is the only one
    wins: float = 0.45  # share of the votes side by side for the challenger
    losses: float = 0.45  # for the champion; the other votes are ties
    taste_sum: float = math.inf  # of both parameters of the beta distribution of people's win rates
    fewest_votes: int = 1  # of a person who compares
    messages: int | None = None  # that people compare; None: each vote is on a message of its own
    allocation: Allocation = "fixed"
    earlier: int = 0  # launches before this one, of which none shipped: each leaves the next a smaller level
    # Mean number of new users a day, with the whole ramp; None: each day half of those who have not come yet.
    users_a_day: float | None = None

    @property
    def challengers(self) -> tuple[Rival, ...]:
        """All challengers, the first one first."""
        return Rival(self.challenger, self.wins, self.losses), *self.rivals

    @property
    def weights(self) -> tuple[float, ...]:
        """The shares of the users in the arms, the baseline's first."""
        arms = 1 + len(self.challengers)
        return (1 / arms,) * arms if self.rivals else (1 - self.share, self.share)

    def select_arms(self, is_weekend: bool) -> tuple[Experience, ...]:
        """The experience in each arm of users who come on a day, the baseline's first."""
        if self.weekend and is_weekend:
            return self.weekend
        return self.baseline, *(challenger.experience for challenger in self.challengers)


_USUAL = Experience()
_PREFERRED = Scenario("", wins=0.62, losses=0.28)


def _make_complaining(share: float) -> Experience:
    """Half of the users vote within the window, and a thumb down is a complaint."""
    return _USUAL._replace(satisfaction=1 - 2 * share)


_FEWER_COMPLAINTS = _make_complaining(0.08)
_RARE = _make_complaining(0.005)
_HEAVY = _USUAL._replace(most_messages=500)
_LATE = Experience(satisfaction=0.65, late_discontent=0.6)
_WEEKEND = _USUAL._replace(satisfaction=0.6, failing=0.04)
_BETTER_WEEKEND = _WEEKEND._replace(satisfaction=0.64)

SCENARIOS = {
    "equal": Scenario("Both versions are equal."),
    "better": _PREFERRED._replace(
        description="Preferred side by side; complaints fall from 10 to 8 % of the users.",
        challenger=_FEWER_COMPLAINTS,
    ),
    **{
        f"complaints_{to}_of_{users}": _PREFERRED._replace(
            description=f"Preferred side by side; complaints rise from 10 to {to} % of {users:,} users.",
            challenger=_make_complaining(to / 100),
            users=users,
        )
        for to in (12, 20, 30)
        for users in (500, 5_000, 50_000)
    },
    "just_harmful": _PREFERRED._replace(
        description="Preferred; satisfaction falls by 6 points, a little more than its margin.",
        challenger=_USUAL._replace(satisfaction=0.74),
    ),
    "just_failing": _PREFERRED._replace(
        description="Preferred; failures rise from 2 to 4.5 % of the requests, a little beyond their margin.",
        challenger=_USUAL._replace(failing=0.045),
    ),
    "better_but_slow": _PREFERRED._replace(
        description="Preferred, with fewer complaints, and 1.6 times as slow: p95 rises beyond its margin.",
        challenger=_FEWER_COMPLAINTS._replace(slowness=1.6),
    ),
    "differing_tastes": Scenario(
        "Equal; each person has a win rate of their own, Beta(1, 1), and votes three times or more.",
        taste_sum=2.0,
        fewest_votes=3,
    ),
    "one_sided_people": Scenario(
        "Equal; each person always picks the same version, and votes three times or more.",
        taste_sum=0.0,
        fewest_votes=3,
    ),
    "50_messages": Scenario("Equal; people compare 50 messages, whose win rates differ.", messages=50),
    "400_messages": Scenario("Equal; people compare 400 messages, whose win rates differ.", messages=400),
    "heavy_users_100": _PREFERRED._replace(
        description="As `better`; users write 1 to 100 messages.",
        baseline=_USUAL._replace(most_messages=100),
        challenger=_FEWER_COMPLAINTS._replace(most_messages=100),
    ),
    "heavy_users_500": _PREFERRED._replace(
        description="As `better`; 50,000 users write 1 to 500 messages.",
        baseline=_HEAVY,
        challenger=_FEWER_COMPLAINTS._replace(most_messages=500),
        users=50_000,
    ),
    "heavy_users_failing": _PREFERRED._replace(
        description="Preferred; failures rise from 2 to 6 % of the requests; users write 1 to 500 messages.",
        baseline=_HEAVY,
        challenger=_HEAVY._replace(failing=0.06),
    ),
    "uneven_arms": _PREFERRED._replace(
        description="As `better`; 5 % of 50,000 users get the challenger.",
        challenger=_FEWER_COMPLAINTS,
        users=50_000,
        share=0.05,
    ),
    "uneven_arms_failing": _PREFERRED._replace(
        description="Preferred; failures rise from 2 to 6 %; 5 % of 5,000 users get the challenger.",
        challenger=_USUAL._replace(failing=0.06),
        share=0.05,
    ),
    "rare_complaints": _PREFERRED._replace(
        description="Preferred, no other effect; 0.5 % of the users complain.",
        baseline=_RARE,
        challenger=_RARE,
    ),
    "late_voters": _PREFERRED._replace(
        description="Preferred; satisfaction falls by 8 points. The challenger's users vote twice as late, "
        "and the latest voters are the least content.",
        baseline=_LATE,
        challenger=_LATE._replace(satisfaction=0.57, vote_hours=48.0),
    ),
    "daily_weights": _PREFERRED._replace(
        description="As `better`; the weights change every day (top_two).",
        challenger=_FEWER_COMPLAINTS,
        allocation="top_two",
    ),
    "weekly_rhythm": _PREFERRED._replace(
        description="As `better`; users who come at a weekend complain twice as often, and twice as many of "
        "their requests fail.",
        challenger=_FEWER_COMPLAINTS,
        weekend=(_WEEKEND, _BETTER_WEEKEND),
    ),
    "three_equal": Scenario(
        "Three challengers, all equal to the champion.",
        users=10_000,
        rivals=(Rival(_USUAL), Rival(_USUAL)),
    ),
    "three_harmful": _PREFERRED._replace(
        description="Three challengers, all preferred: complaints rise from 10 to 20 %, failures from 2 to "
        "6 %, and latencies by 60 %.",
        challenger=_make_complaining(0.2),
        users=10_000,
        rivals=(
            Rival(_USUAL._replace(failing=0.06), 0.62, 0.28),
            Rival(_USUAL._replace(slowness=1.6), 0.62, 0.28),
        ),
    ),
    "best_of_three": _PREFERRED._replace(
        description="Three challengers: one as in `better`, one equal, one preferred with 20 % complaints.",
        challenger=_FEWER_COMPLAINTS,
        users=10_000,
        rivals=(Rival(_USUAL), Rival(_make_complaining(0.2), 0.62, 0.28)),
    ),
    **{
        f"only_preferred_of_{users}": _PREFERRED._replace(
            description=f"Preferred side by side; nothing else changes for {users:,} users.", users=users
        )
        for users in (5_000, 50_000)
    },
    **{
        f"better_after_{earlier}": _PREFERRED._replace(
            description=f"As `better`, after {earlier} launches that did not ship.",
            challenger=_FEWER_COMPLAINTS,
            earlier=earlier,
        )
        for earlier in (4, 19)
    },
    "equal_after_19": Scenario("As `equal`, after 19 launches that did not ship.", earlier=19),
    "complaints_after_19": _PREFERRED._replace(
        description="Preferred; complaints rise from 10 to 20 %, after 19 launches that did not ship.",
        challenger=_make_complaining(0.2),
        earlier=19,
    ),
}


class _People(NamedTuple):
    """The population in one arm. Arrays have the shape (people,) or (requests,); times are in hours after the
    first exposure.
    """

    came: Array  # hour of the day of the first exposure
    voted: NDArray[np.bool_]  # ever
    voted_at: Array
    is_up: NDArray[np.bool_]
    owner: NDArray[np.int64]  # of each request
    requested_at: Array
    has_failed: NDArray[np.bool_]
    latency_ms: Array


@lru_cache(maxsize=4)
def _generate_people(experience: Experience, seed: int, window_hours: float) -> _People:
    # A generator for each quantity: a change of one leaves the others as they are.
    rngs = iter(np.random.default_rng(seed).spawn(10))
    came = _HOURS_A_DAY * next(rngs).random(_PEOPLE)
    voted = next(rngs).random(_PEOPLE) < experience.voting
    lateness = next(rngs).random(_PEOPLE)
    is_up = next(rngs).random(_PEOPLE) < experience.satisfaction + experience.late_discontent * (
        0.5 - lateness
    )
    messages = np.minimum(experience.most_messages, next(rngs).random(_PEOPLE) ** (-1 / 1.1)).astype(int)
    owner = np.repeat(np.arange(_PEOPLE), messages)
    requested_at = window_hours * next(rngs).random(len(owner))
    requested_at[messages.cumsum() - messages] = 0  # the first request is the first exposure
    failure_rates = next(rngs).beta(
        _FAILING_SUM * experience.failing, _FAILING_SUM * (1 - experience.failing), _PEOPLE
    )
    between, within = _LATENCY_SPREADS
    exponent = between * next(rngs).standard_normal(_PEOPLE)[owner]
    exponent += within * next(rngs).standard_normal(len(owner))
    return _People(
        came=came,
        voted=voted,
        voted_at=-experience.vote_hours * np.log1p(-lateness),
        is_up=is_up,
        owner=owner,
        requested_at=requested_at,
        has_failed=next(rngs).random(len(owner)) < failure_rates[owner],
        latency_ms=experience.slowness * _LATENCY_MS * np.exp(exponent),
    )


def compute_values(experience: Experience, seed: int, window_hours: float) -> dict[str, float]:
    """The true value of each metric in an arm.

    Satisfaction has all votes, however late: otherwise the window selects the voters, and arms whose users
    vote at different times are compared by different people. The other metrics are about the window.
    """
    people = _generate_people(experience, seed, window_hours)
    is_complaint = people.voted & ~people.is_up & (people.voted_at <= window_hours)
    return {
        "satisfaction": float(people.is_up[people.voted].mean()),
        "complained": float(is_complaint.mean()),
        "failed": float(people.has_failed.mean()),
        "latency_p95": float(np.quantile(people.latency_ms[~people.has_failed], 0.95)),
    }


# Columns of `sum_by_person`. f is the failures of a person, r the requests, m the misses. Each of the last
# three has a column for each latency bin.
COLUMNS = (
    "users",
    "voters",
    "ups",
    "complaints",
    "hours",
    "hours2",
    "f",
    "ff",
    "r",
    "rr",
    "fr",
    "with_misses",
    "m",
    "mm",
)
BIN_COLUMNS = ("c", "kk", "cm")
BINS = len(BINS_MS) + 1


@lru_cache(maxsize=16)
def sum_by_person(
    experience: Experience, seed: int, window_hours: float, days: int | None = None
) -> sparse.csr_array:
    """What each person adds to the sums of an arm, of shape (people, columns).

    The columns are `COLUMNS`, then `BIN_COLUMNS` for all bins, with the sums of `experiments.outcomes`. The
    window ends after this many midnights, if that is earlier than after `window_hours`.
    """
    people = _generate_people(experience, seed, window_hours)
    length = np.full(_PEOPLE, window_hours)
    if days is not None:
        length = np.minimum(length, _HOURS_A_DAY * days - people.came)
    votes = people.voted & (people.voted_at <= length)
    is_counted = people.requested_at <= length[people.owner]
    requests, failures, misses = (
        np.bincount(people.owner[is_counted & kind], minlength=_PEOPLE)
        for kind in (True, people.has_failed, ~people.has_failed)
    )
    f, r, m = failures, requests, misses
    hours = np.where(votes, people.voted_at, 0.0)
    up, down = votes & people.is_up, votes & ~people.is_up
    dense = np.stack(
        [np.ones(_PEOPLE), votes, up, down, hours, hours * hours, f, f * f, r, r * r, f * r, m > 0, m, m * m],
        axis=1,
    )
    is_miss = is_counted & ~people.has_failed
    owner, bin_ = people.owner[is_miss], np.searchsorted(BINS_MS, people.latency_ms[is_miss], side="right")
    keys, c = np.unique(owner * BINS + bin_, return_counts=True)
    owner, bin_ = keys // BINS, keys % BINS
    before = m.cumsum() - m  # misses of all earlier people, (people,)
    k = c.cumsum() - before[owner]  # misses of the person up to the end of the bin
    numbers = np.stack([c, k * k - (k - c) * (k - c), c * m[owner]])
    columns = np.arange(3)[:, None] * BINS + bin_
    shape = (_PEOPLE, 3 * BINS)
    bins = sparse.coo_array((numbers.ravel(), (np.tile(owner, 3), columns.ravel())), shape=shape)
    return sparse.hstack([sparse.csr_array(dense), bins], format="csr").astype(float)


def draw_sums(rng: np.random.Generator, users: int, by_person: sparse.csr_array) -> Array:
    """The sums over users who are drawn from the population, of shape (columns,)."""
    return np.asarray(by_person[rng.integers(_PEOPLE, size=users)].sum(axis=0)).ravel()

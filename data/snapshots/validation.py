"""Whether a snapshot's feedback is fit to learn from: measured in one report, judged by limits, each with a
reason.

Shares of votes come with a 95 % interval that resamples people, not votes: forty votes of one person are one
opinion of how to click. The share itself is of votes, because votes become the rows that a model learns from.
Pure: no database, no model.
"""

from array import array
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any, Literal
from uuid import UUID

import krippendorff
import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy.stats import bootstrap

import configs
from data.reasons import Reason, reason
from data.records import PreferencePair
from data.snapshots.counting import LeftOut
from data.snapshots.shards import Row
from data.snapshots.votes import Usable

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]

_RESAMPLES = 1000
_BINS = 40  # of the similarity of messages, between 0 and 1


class Limits(configs.StageConfig):
    """What a snapshot must not be; the reasons for the values are in `configs/collect.yaml`."""

    same_meaning: Share = Field(0.8, description="cosine from which two messages are nearly the same")
    position_bias: Share = Field(0.15, description="distance from a half, of choosing what is shown first")
    length_bias: Share = Field(0.35, description="distance from a half, of choosing the longer one")
    least_people: Count = Field(20, description="with a vote, before a bias can be called one")
    least_agreement: float = Field(0.1, ge=-1, le=1, description="Krippendorff's alpha of comparisons")
    least_units: int = Field(30, ge=2, description="judged by two people or more, before alpha is asked")
    least_rows: Count = Field(50, description="before a share of them says anything")
    most_of_one_type: Share = 0.7
    most_duplicates: Share = 0.3
    most_off_policy: Share = 0.9
    enough_on_policy: Count = Field(100, description="pairs, with which the share no longer matters")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Bias(_Part):
    """How often people chose a thing that should not matter, with a 95 % interval over people."""

    share: float | None
    low: float
    high: float
    votes: int
    people: int


class Agreement(_Part):
    """Krippendorff's alpha with a 95 % interval over units: 1 is always alike, 0 as by chance."""

    alpha: float | None
    low: float | None
    high: float | None
    units: int = Field(description="rated by two people or more")
    unknown_because: Reason | None


class Quality(_Part):
    """All that is measured of a snapshot's feedback: numbers only, no text, nobody's name."""

    champion: str | None
    votes: dict[str, int] = Field(description="that count, by kind")
    left_out: dict[Literal["person", "key", "number", "phrase", "own_phrase", "tied"], int] = Field(
        description="votes beyond the cap of a person or key; edits that bring in a number or a phrase;"
        " votes on a phrase of one person's own; votes that tie what is held out to the rest"
    )
    people_by_votes: dict[int, int] = Field(description="how many people have so many votes that count")
    position: Bias = Field(description="share that chose the one shown first")
    length: Bias = Field(description="share that chose the longer one, where they differ")
    agreement: dict[Literal["thumbs", "ratings", "comparisons"], Agreement]
    types: dict[str, dict[str, int]] = Field(description="rows by file and transform type")
    intensities: dict[str, dict[int, int]] = Field(description="rows by file and intensity")
    validation: dict[str, int] = Field(description="rows that are held out, by file")
    rejected_versions: dict[str, int] = Field(description="pairs by the version whose text was rejected")
    duplicates: int = Field(description="rows that say what an earlier one says")
    similarities: list[int] = Field(
        description="different messages by cosine to their nearest other, in equal bins from 0 to 1"
    )
    near_duplicates: int = Field(description="of these: nearly the same as another")
    losing_facts: dict[str, float] = Field(description="share of what is learned that loses a fact, by file")

    @property
    def rows(self) -> dict[str, int]:
        """How many there are, by file."""
        return {name: sum(types.values()) for name, types in self.types.items()}

    @property
    def largest_type(self) -> tuple[str, float]:
        """The transform type with most rows, and its share of all rows."""
        totals: Counter[str] = Counter()
        for types in self.types.values():
            totals.update(types)
        name, most = max(totals.items(), key=lambda found: found[1], default=("", 0))
        return name, most / max(1, totals.total())

    @property
    def off_policy(self) -> float | None:
        """Share of pairs whose rejected text the champion did not write; None without champion or pairs."""
        pairs = sum(self.rejected_versions.values())
        if self.champion is None or not pairs:
            return None
        return 1 - self.rejected_versions.get(self.champion, 0) / pairs


def assess(
    votes: Iterable[Usable],
    left_out: LeftOut,
    rows: Mapping[str, Iterable[Row]],
    champion: str | None,
    limits: Limits,
    nearest: Sequence[float] = (),
    losing_facts: Mapping[str, float] | None = None,
) -> Quality:
    """Measure the votes that count and the rows made of them, by file.

    Both are read once: what is kept of millions is a few numbers each. `nearest` is each different message's
    cosine to its nearest other. The measures that need a model or the rules of facts are passed in: this room
    has neither.
    """
    kinds, people = Counter[str](), Counter[UUID]()
    first, shown, longer, unequal = Counter[UUID](), Counter[UUID](), Counter[UUID](), Counter[UUID]()
    thumbs, ratings, comparisons = _Judged(), _Judged(), _Judged()
    for vote in votes:
        person = vote.user_id
        kinds[vote.kind] += 1
        people[person] += 1
        if vote.thumb_up is not None:
            thumbs.add(vote.output_id, person, int(vote.thumb_up))
        if vote.rating is not None:
            ratings.add(vote.output_id, person, vote.rating - 1)
        if vote.kind == "comparison" and vote.other is not None and vote.other != vote.output:  # else no pair
            is_first = bool(vote.first_is_preferred)
            shown[person] += 1
            first[person] += is_first
            if len(vote.output) != len(vote.other):
                unequal[person] += 1
                longer[person] += is_first == (len(vote.output) > len(vote.other))
            # One thing to judge, in whichever order and by whomever the two texts were generated.
            texts = sorted((vote.output, vote.other))
            unit = (vote.message, vote.transform_type, vote.intensity, *texts)
            comparisons.add(unit, person, int(is_first == (vote.output == texts[1])))

    by_type = {name: Counter[str]() for name in rows}
    by_intensity = {name: Counter[int]() for name in rows}
    held_out, rejected = dict.fromkeys(rows, 0), Counter[str]()
    said = array("q")
    for name, made in rows.items():
        for row in made:
            by_type[name][row.transform_type.value] += 1
            by_intensity[name][row.intensity] += 1
            held_out[name] += row.split == "validation"
            said.append(hash(_said(row)))
            if isinstance(row, PreferencePair):
                rejected[row.rejected_version] += 1
    similarities, _ = np.histogram(np.clip(nearest, 0, 1), bins=_BINS, range=(0, 1))
    return Quality(
        champion=champion,
        votes=_in_order(kinds),
        left_out=asdict(left_out),
        people_by_votes=_in_order(Counter(people.values())),
        position=bias(first, shown),
        length=bias(longer, unequal),
        agreement={
            "thumbs": agreement(thumbs, 2, "nominal", limits.least_units),
            "ratings": agreement(ratings, 5, "ordinal", limits.least_units),
            "comparisons": agreement(comparisons, 2, "nominal", limits.least_units),
        },
        types={name: _in_order(counts) for name, counts in by_type.items()},
        intensities={name: _in_order(counts) for name, counts in by_intensity.items()},
        validation=held_out,
        rejected_versions=_in_order(rejected),
        duplicates=len(said) - len(np.unique(said)),
        similarities=similarities.tolist(),
        near_duplicates=sum(cosine >= limits.same_meaning for cosine in nearest),
        losing_facts=dict(losing_facts or {}),
    )


def _said(row: Row) -> tuple[object, ...]:
    """What a row says, whoever wrote and judged it."""
    values = (value for name, value in row if name != "split" and not name.endswith("version"))
    return type(row).__name__, *values


def bias(chose: Mapping[UUID, int], cast: Mapping[UUID, int]) -> Bias:
    """The share of the choices that people cast which chose it, with its interval; 0 to 1 where one person
    chose all.

    A cluster bootstrap: whole people are drawn with replacement, and the ratio of their sums is taken.
    """
    people = sorted(cast)
    if not people:
        return Bias(share=None, low=0, high=1, votes=0, people=0)
    of_people = np.array([chose.get(person, 0) for person in people]), np.array([cast[one] for one in people])
    low, high = 0.0, 1.0
    if len(people) > 1:
        found = bootstrap(
            of_people,
            lambda chose, cast, axis: chose.sum(axis=axis) / cast.sum(axis=axis),
            paired=True,
            vectorized=True,
            batch=100,  # resamples held in memory at once
            n_resamples=_RESAMPLES,
            method="percentile",
            rng=np.random.default_rng(0),
        ).confidence_interval
        low, high = float(found.low), float(found.high)
    chosen, votes = (int(counts.sum()) for counts in of_people)
    return Bias(share=chosen / votes, low=low, high=high, votes=votes, people=len(people))


class _Judged:
    """What people said (a place on a scale) about things that others may have judged too, as hashes."""

    def __init__(self) -> None:
        self._flat = array("q")

    def add(self, unit: Hashable, person: UUID, said: int) -> None:
        self._flat.extend((hash(unit), hash(person), said))

    def __iter__(self) -> Iterator[tuple[int, int, int]]:
        numbers = iter(self._flat)
        return zip(numbers, numbers, numbers, strict=True)


def agreement(
    votes: Iterable[tuple[Hashable, Hashable, int]],
    values: int,
    level: Literal["nominal", "ordinal"],
    least_units: int,
) -> Agreement:
    """Krippendorff's alpha of (unit, person, value from 0) where two people or more rated a unit.

    Source: Krippendorff, "Content Analysis", 2nd edition, 2004, chapter 11. A person's last vote on a unit
    stands. The interval resamples units.
    """
    flat = (number for unit, person, said in votes for number in (hash(unit), hash(person), said))
    judged = np.fromiter(flat, dtype=np.int64).reshape(-1, 3)
    _, firsts, units = np.unique(judged[:, 0], return_index=True, return_inverse=True)
    _, latest = np.unique(judged[::-1, :2], axis=0, return_index=True)
    latest = len(judged) - 1 - latest
    counts = np.zeros((len(firsts), values), dtype=np.int64)  # how many people said what
    np.add.at(counts, (units[latest], judged[latest, 2]), 1)
    counts = counts[np.argsort(firsts)]  # hashes differ from run to run, the order of votes does not
    counts = counts[counts.sum(axis=1) > 1]
    why = None
    if len(counts) < least_units:
        why = reason("agreement_few", units=len(counts), needed=least_units)
    elif np.count_nonzero(counts.sum(axis=0)) < 2:
        why = reason("agreement_unanimous")
    if why is not None:
        return Agreement(alpha=None, low=None, high=None, units=len(counts), unknown_because=why)

    def alpha(drawn: Any) -> float:
        if np.count_nonzero(counts[drawn].sum(axis=0)) < 2:
            return 1.0  # undefined; as 1 it speaks against a refusal
        return float(krippendorff.alpha(value_counts=counts[drawn], level_of_measurement=level))

    every = np.arange(len(counts))
    found = bootstrap(
        (every,),
        alpha,
        vectorized=False,
        n_resamples=_RESAMPLES,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return Agreement(
        alpha=alpha(every),
        low=float(found.low),
        high=float(found.high),
        units=len(counts),
        unknown_because=None,
    )


def refusals(quality: Quality, limits: Limits) -> tuple[Reason, ...]:
    """Why the snapshot may not be trained on: for each limit that it breaks, what is wrong and what to do.

    A bias or a lack of agreement counts when the whole interval lies beyond the limit; a share counts when
    there are enough rows for one.
    """
    rows = sum(quality.rows.values())
    return (
        *_biases(quality, limits),
        *_disagreements(quality, limits),
        *(_shares(quality, limits, rows) if rows >= limits.least_rows else ()),
    )


def _biases(quality: Quality, limits: Limits) -> Iterator[Reason]:
    for code, bias, limit in (
        ("position_bias", quality.position, limits.position_bias),
        ("length_bias", quality.length, limits.length_bias),
    ):
        lowest, highest = 0.5 - limit, 0.5 + limit
        is_within = bias.low <= highest and bias.high >= lowest
        if bias.share is not None and bias.people >= limits.least_people and not is_within:
            yield reason(
                code,
                people=bias.people,
                share=bias.share,
                votes=bias.votes,
                low=bias.low,
                high=bias.high,
                lowest=lowest,
                highest=highest,
            )


def _disagreements(quality: Quality, limits: Limits) -> Iterator[Reason]:
    """Of comparisons only. Where nearly all thumbs are up, as they should be, alpha is near 0 although people
    agree (it corrects for what is frequent), and only pairs are learned from now.
    """
    agreement = quality.agreement["comparisons"]
    if agreement.alpha is None or agreement.low is None or agreement.high is None:
        return
    if agreement.high < limits.least_agreement:
        yield reason(
            "little_agreement",
            units=agreement.units,
            alpha=agreement.alpha,
            low=agreement.low,
            high=agreement.high,
            limit=limits.least_agreement,
        )


def _shares(quality: Quality, limits: Limits, rows: int) -> Iterator[Reason]:
    kind, share = quality.largest_type
    if share > limits.most_of_one_type:
        yield reason("mostly_one_type", share=share, rows=rows, type=kind, limit=limits.most_of_one_type)
    if quality.duplicates > limits.most_duplicates * rows:
        yield reason(
            "many_duplicates", duplicates=quality.duplicates, rows=rows, limit=limits.most_duplicates
        )
    off_policy = quality.off_policy
    if off_policy is not None and off_policy > limits.most_off_policy:
        champion = quality.champion or ""
        on_policy = quality.rejected_versions.get(champion, 0)
        if on_policy < limits.enough_on_policy:
            yield reason(
                "off_policy",
                share=off_policy,
                pairs=quality.rows["pairs"],
                champion=champion,
                limit=limits.most_off_policy,
                enough=limits.enough_on_policy,
                on_policy=on_policy,
            )
    learned = ("demonstrations", "pairs")
    if any(quality.rows[name] for name in learned) and not any(quality.validation[n] for n in learned):
        yield reason("nothing_held_out")


def _in_order(counts: Counter[Any]) -> dict[Any, int]:
    return dict(sorted(counts.items()))

"""Measures the quality of a snapshot's feedback, and decides by limits whether it may be trained on.

Each limit that the feedback breaks gives a reason. Shares of votes have a 95 % interval that resamples
people, not votes, because the votes of one person depend on each other. The share itself is over votes,
because votes become the rows that a model learns from. Pure: no database, no model.
"""

from array import array
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

import krippendorff
import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy.stats import bootstrap

import configs
from data.reasons import Reason, reason
from data.records import PreferencePair

if TYPE_CHECKING:  # their libraries are large, and the dashboard, which reads a `Quality`, does without them
    from data.snapshots.counting import LeftOut
    from data.snapshots.shards import Row, Source

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
WhyLeftOut = Literal["evidence", "person", "key", "number", "phrase", "own_phrase", "tied"]

NOT_IN_FILES = ("left_out", "similarities", "near_duplicates")  # of `Quality`: the files do not tell

_RESAMPLES = 1000
_BINS = 40  # bins of the similarity of messages, between 0 and 1


class Limits(configs.StageConfig):
    """Limits for a snapshot's feedback; the reasons for the values are in `configs/collect.yaml`."""

    same_meaning: Share = Field(0.8, description="cosine from which two messages are nearly the same")
    position_bias: Share = Field(0.15, description="distance from 0.5 of the share that chose the first text")
    length_bias: Share = Field(0.35, description="distance from 0.5 of the share that chose the longer text")
    least_people: Count = Field(20, description="people with a vote that a bias needs to count")
    least_agreement: float = Field(0.1, ge=-1, le=1, description="Krippendorff's alpha of comparisons")
    least_units: int = Field(30, ge=2, description="units with two people or more that alpha needs to count")
    least_rows: Count = Field(50, description="rows that a share of rows needs to count")
    most_of_one_type: Share = 0.7
    most_duplicates: Share = 0.3
    most_off_policy: Share = 0.9
    enough_on_policy: Count = Field(100, description="pairs by the champion that lift most_off_policy")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Bias(_Part):
    """The share of choices by a property that should not matter, with a 95 % interval over people."""

    share: float | None
    low: float
    high: float
    votes: int
    people: int


class Agreement(_Part):
    """Krippendorff's alpha with a 95 % interval over units: 1 is full agreement, 0 is chance."""

    alpha: float | None
    low: float | None
    high: float | None
    units: int = Field(description="rated by two people or more")
    unknown_because: Reason | None


class Quality(_Part):
    """All measures of a snapshot's feedback: numbers only, no texts and no names."""

    champion: str | None
    votes: dict[str, int] = Field(description="votes that count, by kind")
    left_out: dict[WhyLeftOut, int] = Field(
        description="votes on messages for evidence only; votes beyond the cap of a person or key; edits that"
        " bring in a number or a phrase; votes on a phrase that mostly one person votes on; votes that tie"
        " held-out votes to the rest"
    )
    people_by_votes: dict[int, int] = Field(description="number of people by number of votes that count")
    position: Bias = Field(description="share that chose the one shown first")
    length: Bias = Field(description="share that chose the longer one, where they differ")
    agreement: dict[Literal["thumbs", "ratings", "comparisons"], Agreement]
    types: dict[str, dict[str, int]] = Field(description="rows by file and transform type")
    intensities: dict[str, dict[int, int]] = Field(description="rows by file and intensity")
    validation: dict[str, int] = Field(description="rows that are held out, by file")
    rejected_versions: dict[str, int] = Field(description="pairs by the version whose text was rejected")
    duplicates: int = Field(description="rows with the same content as an earlier one")
    similarities: list[int] = Field(
        description="number of messages by cosine to the nearest other, in equal bins from 0 to 1"
    )
    near_duplicates: int = Field(description="number of these messages that are nearly the same as another")
    losing_facts: dict[str, float] = Field(description="share of rows whose rewrite loses a fact, by file")

    @property
    def rows(self) -> dict[str, int]:
        """The number of rows, by file."""
        return {name: sum(types.values()) for name, types in self.types.items()}

    @property
    def largest_type(self) -> tuple[str, float]:
        """The transform type with most rows, and its share of all rows."""
        totals: Counter[str] = Counter()
        for types in self.types.values():
            totals.update(types)
        name, most = max(totals.items(), key=lambda item: item[1], default=("", 0))
        return name, most / max(1, totals.total())

    @property
    def off_policy(self) -> float | None:
        """Share of pairs whose rejected text is not by the champion; None without champion or pairs."""
        pairs = sum(self.rejected_versions.values())
        if self.champion is None or not pairs:
            return None
        return 1 - self.rejected_versions.get(self.champion, 0) / pairs


def assess(
    sources: "Iterable[Source]",
    left_out: "LeftOut",
    rows: "Mapping[str, Iterable[Row]]",
    champion: str | None,
    limits: Limits,
    nearest: Sequence[float] = (),
    losing_facts: Mapping[str, float] | None = None,
) -> Quality:
    """Measure the votes that count, as sources, and the rows made of them by file.

    They come from Postgres (`Counted.make_sources`) or from the files of a snapshot (`shards.read_sources`).
    Both are read once, and only a few numbers of each are kept in memory. `nearest` has the cosine of each
    different message to its nearest other. The caller computes `nearest` and `losing_facts`, which need a
    model and the rules for facts.
    """
    kinds, people = Counter[str](), Counter[UUID]()
    first, compared, longer, unequal = Counter[UUID](), Counter[UUID](), Counter[UUID](), Counter[UUID]()
    judged = {"thumb": _Ratings(), "rating": _Ratings(), "comparison": _Ratings()}
    for source in sources:
        person = source.user
        kinds[source.kind] += 1
        people[person] += 1
        if source.unit is not None and source.value is not None:
            judged[source.kind].add(source.unit, person, source.value)
        if source.first is not None:
            compared[person] += 1
            first[person] += source.first
        if source.longer is not None:
            unequal[person] += 1
            longer[person] += source.longer

    by_type = {name: Counter[str]() for name in rows}
    by_intensity = {name: Counter[int]() for name in rows}
    held_out, rejected = dict.fromkeys(rows, 0), Counter[str]()
    contents = array("q")
    for name, file_rows in rows.items():
        for row in file_rows:
            by_type[name][row.transform_type.value] += 1
            by_intensity[name][row.intensity] += 1
            held_out[name] += row.split == "validation"
            contents.append(hash(_select_content(row)))
            if isinstance(row, PreferencePair):
                rejected[row.rejected_version] += 1
    similarities, _ = np.histogram(np.clip(nearest, 0, 1), bins=_BINS, range=(0, 1))
    return Quality(
        champion=champion,
        votes=_sort(kinds),
        left_out=asdict(left_out),
        people_by_votes=_sort(Counter(people.values())),
        position=measure_bias(first, compared),
        length=measure_bias(longer, unequal),
        agreement={
            "thumbs": measure_agreement(judged["thumb"], 2, "nominal", limits.least_units),
            # Nobody gives 0 stars.
            "ratings": measure_agreement(judged["rating"], 6, "ordinal", limits.least_units),
            "comparisons": measure_agreement(judged["comparison"], 2, "nominal", limits.least_units),
        },
        types={name: _sort(counts) for name, counts in by_type.items()},
        intensities={name: _sort(counts) for name, counts in by_intensity.items()},
        validation=held_out,
        rejected_versions=_sort(rejected),
        duplicates=len(contents) - len(np.unique(contents)),
        similarities=similarities.tolist(),
        near_duplicates=sum(cosine >= limits.same_meaning for cosine in nearest),
        losing_facts=dict(losing_facts or {}),
    )


def _select_content(row: "Row") -> tuple[object, ...]:
    """The values of a row without its split and its versions."""
    values = (value for name, value in row if name != "split" and not name.endswith("version"))
    return type(row).__name__, *values


def measure_bias(chose: Mapping[UUID, int], cast: Mapping[UUID, int]) -> Bias:
    """The share of choices with a property, with its interval; 0 to 1 if all choices are by one person.

    `chose` has each person's number of choices with the property, `cast` the number of all their choices. A
    cluster bootstrap resamples people with replacement and takes the ratio of their sums.
    """
    people = sorted(cast)
    if not people:
        return Bias(share=None, low=0, high=1, votes=0, people=0)
    counts = (
        np.array([chose.get(person, 0) for person in people]),
        np.array([cast[person] for person in people]),
    )
    low, high = 0.0, 1.0
    if len(people) > 1:
        interval = bootstrap(
            counts,
            lambda chose, cast, axis: chose.sum(axis=axis) / cast.sum(axis=axis),
            paired=True,
            vectorized=True,
            batch=100,  # resamples held in memory at once
            n_resamples=_RESAMPLES,
            method="percentile",
            rng=np.random.default_rng(0),
        ).confidence_interval
        low, high = float(interval.low), float(interval.high)
    chosen, votes = (int(column.sum()) for column in counts)
    return Bias(share=chosen / votes, low=low, high=high, votes=votes, people=len(people))


class _Ratings:
    """Ratings as (hash of the unit, hash of the person, value from 0): several people may rate a unit."""

    def __init__(self) -> None:
        self._flat = array("q")

    def add(self, unit: Hashable, person: UUID, value: int) -> None:
        self._flat.extend((hash(unit), hash(person), value))

    def __iter__(self) -> Iterator[tuple[int, int, int]]:
        numbers = iter(self._flat)
        return zip(numbers, numbers, numbers, strict=True)


def measure_agreement(
    votes: Iterable[tuple[Hashable, Hashable, int]],
    values: int,
    level: Literal["nominal", "ordinal"],
    least_units: int,
) -> Agreement:
    """Krippendorff's alpha over the units that two people or more rated.

    `votes` are (unit, person, value), where a value is in 0 ... `values` - 1. A person's last vote on a unit
    counts. The interval resamples units. Without `least_units` such units, or without any difference between
    the votes, alpha is None. Source: Krippendorff, "Content Analysis", 2nd edition, 2004, chapter 11.
    """
    flat = (number for unit, person, value in votes for number in (hash(unit), hash(person), value))
    ratings = np.fromiter(flat, dtype=np.int64).reshape(-1, 3)
    _, firsts, units = np.unique(ratings[:, 0], return_index=True, return_inverse=True)
    _, latest = np.unique(ratings[::-1, :2], axis=0, return_index=True)
    latest = len(ratings) - 1 - latest
    counts = np.zeros((len(firsts), values), dtype=np.int64)  # people by unit and value
    np.add.at(counts, (units[latest], ratings[latest, 2]), 1)
    counts = counts[np.argsort(firsts)]  # in the order of votes: hashes differ from run to run
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
            return 1.0  # alpha is undefined; 1 avoids a refusal
        return float(krippendorff.alpha(value_counts=counts[drawn], level_of_measurement=level))

    indices = np.arange(len(counts))
    interval = bootstrap(
        (indices,),
        alpha,
        vectorized=False,
        n_resamples=_RESAMPLES,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return Agreement(
        alpha=alpha(indices),
        low=float(interval.low),
        high=float(interval.high),
        units=len(counts),
        unknown_because=None,
    )


def refusals(quality: Quality, limits: Limits) -> tuple[Reason, ...]:
    """Why the snapshot may not be trained on: for each broken limit, what is wrong and what to do.

    A bias or a lack of agreement counts if the whole interval is beyond the limit; a share counts if there
    are at least `least_rows` rows.
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
    """Only comparisons are checked. If nearly all thumbs are up, as they should be, alpha is near 0 although
    people agree, because it corrects for frequent values; and models learn mainly from pairs.
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


def _sort(counts: Counter[Any]) -> dict[Any, int]:
    return dict(sorted(counts.items()))

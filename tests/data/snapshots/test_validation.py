"""The quality of feedback: measures with known truths, and a refusal for each fault, with its numbers."""

import random
import uuid
from collections import Counter
from collections.abc import Callable, Iterable

import numpy as np
import pytest
from scipy.stats import binomtest

from data.reasons import reason
from data.records import Label, PreferencePair, TransformType
from data.snapshots import shards, snapshot, splits, validation
from data.snapshots.counting import LeftOut
from data.snapshots.shards import Row
from data.snapshots.validation import Limits, Quality
from data.snapshots.votes import Usable
from data.tables import new_id
from tests.snapshots import count_votes

LIMITS = Limits()
KINDS = list(TransformType)
SUBJECTS = (
    "invoice",
    "build",
    "release",
    "contract",
    "login page",
    "report",
    "budget",
    "interview",
    "server",
)


def person(number: int) -> uuid.UUID:
    return uuid.UUID(int=number)


def comparison(
    who: int, number: int, first_is_preferred: bool, texts: tuple[str, str], version: str = "v2"
) -> Usable:
    return Usable(
        feedback_id=new_id(),
        user_id=person(who),
        key_id=None,
        kind="comparison",
        thumb_up=None,
        rating=None,
        edit=None,
        output_id=new_id(),
        message=f"Person {who} asks for {SUBJECTS[number % 9]} {who * 31 + number * 7} again",
        transform_type=KINDS[(who + number) % 7],
        intensity=number % 4,
        output=texts[0],
        version=version,
        other_id=new_id(),
        other=texts[1],
        other_version=version,
        first_is_preferred=first_is_preferred,
    )


def thumb(who: int, number: int, up: bool) -> Usable:
    return comparison(who, number, True, ("", "")).model_copy(
        update={
            "kind": "thumb",
            "thumb_up": up,
            "output": f"Could you {who} {number}?",
            "first_is_preferred": None,
        }
        | dict.fromkeys(("other_id", "other", "other_version"))
    )


def edit(who: int, number: int) -> Usable:
    return thumb(who, number, True).model_copy(
        update={"kind": "edit", "thumb_up": None, "edit": f"Would you {who} {number}?"}
    )


def crowd(
    chooses_first: Callable[[random.Random, tuple[str, str]], bool], version: str = "v2"
) -> list[Usable]:
    """Sixty people: three comparisons each, of texts that differ in length, a thumb and an edit."""
    rng = random.Random(0)
    rows = []
    for who in range(60):
        for number in range(3):
            texts = f"Could you {who} {number}?", f"Would you kindly {who} {number}, please?"
            shown = rng.sample(texts, 2)
            rows.append(
                comparison(
                    who, number, chooses_first(rng, (shown[0], shown[1])), (shown[0], shown[1]), version
                )
            )
        rows += [thumb(who, 3, rng.random() < 0.5), edit(who, 4)]
    return rows


def a_coin(rng: random.Random, _: tuple[str, str]) -> bool:
    return rng.random() < 0.5


def assess(rows: list[Usable], champion: str | None = "v2", limits: Limits = LIMITS) -> Quality:
    with count_votes(rows) as counted:
        made = [row for row, _ in snapshot.make_rows(counted, splits.hold_out(counted))]
        return validation.assess(counted.make_sources(), counted.left_out, by_file(made), champion, limits)


def by_file(rows: Iterable[Row]) -> dict[str, list[Row]]:
    all_rows = list(rows)
    return {name: [row for row in all_rows if isinstance(row, kind)] for name, kind in shards.KINDS.items()}


def assess_rows(rows: Iterable[Row], champion: str | None, limits: Limits = LIMITS) -> Quality:
    return validation.assess([], LeftOut(), by_file(rows), champion, limits)


def test_fair_voters_are_accepted() -> None:
    quality = assess(crowd(a_coin))
    assert validation.refusals(quality, LIMITS) == ()
    for bias in (quality.position, quality.length):
        assert (bias.votes, bias.people) == (180, 60)
        assert bias.low < 0.5 < bias.high
        assert 0.1 < bias.high - bias.low < 0.2
    assert quality.votes == {"comparison": 180, "edit": 60, "thumb": 60}
    assert quality.rows == {"demonstrations": 60, "pairs": 240, "labels": 60}
    assert quality.people_by_votes == {5: 60}
    assert quality.duplicates == 0
    assert 24 <= quality.validation["pairs"] <= 40
    assert Quality.model_validate_json(quality.model_dump_json()) == quality


def test_people_who_click_the_first_are_refused() -> None:
    quality = assess(crowd(lambda *_: True))
    assert (quality.position.share, quality.position.low, quality.position.high) == (1, 1, 1)
    (why,) = validation.refusals(quality, LIMITS)
    assert why == reason(
        "position_bias", people=60, share=1.0, votes=180, low=1.0, high=1.0, lowest=0.35, highest=0.65
    )
    assert why.render() == (
        "60 people chose the text shown first in 100% of 180 comparisons, between 100% and 100% at 95%"
        " confidence; 35% to 65% is allowed. People chose the place, not the text: check that the pages"
        " shuffle, and who votes without reading."
    )
    assert why.render("ja").startswith(
        "60 人が 180 回の比較の 100%（信頼水準 95% で 100% から 100%）で、先に"
    )
    assert validation.refusals(quality, Limits(position_bias=0.5)) == ()


@pytest.mark.parametrize(("best", "share"), [(max, 1), (min, 0)])
def test_people_who_judge_by_length_alone_are_refused(best: Callable[..., str], share: int) -> None:
    quality = assess(crowd(lambda _, texts: texts[0] == best(texts, key=len)))
    assert quality.length.share == share
    assert quality.position.low < 0.5 < quality.position.high, "the place is random, so it is not the place"
    (why,) = validation.refusals(quality, LIMITS)
    assert why == reason(
        "length_bias",
        people=60,
        share=float(share),
        votes=180,
        low=float(share),
        high=float(share),
        lowest=0.5 - LIMITS.length_bias,
        highest=0.85,
    )
    assert f"chose the longer text in {share:.0%} of 180 comparisons" in str(why)


def test_few_people_are_no_evidence_of_a_bias_and_one_is_none_at_all() -> None:
    rows = [comparison(1, n, True, (f"a {n}", f"bb {n}")) for n in range(40)]
    bias = assess(rows).position
    assert (bias.share, bias.low, bias.high, bias.people) == (1, 0, 1, 1)
    few = [comparison(n, n, True, (f"a {n}", f"bb {n}")) for n in range(19)]
    assert validation.refusals(assess(few), LIMITS) == ()
    assert len(validation.refusals(assess(few), Limits(least_people=19))) == 2, "place and length"


def test_equal_texts_are_no_choice() -> None:
    rows = [comparison(n, n, True, ("the same", "the same")) for n in range(30)]
    quality = assess(rows)
    assert (quality.position.share, quality.position.votes, quality.rows["pairs"]) == (None, 0, 0)


def test_intervals_hold_although_votes_of_one_person_are_alike() -> None:
    """Each person leans to the first by a Beta(1.5, 1) of their own, 0.6 on average. A quarter of them vote
    twenty times. An interval that takes all votes for independent misses the truth far too often.
    """
    rng = np.random.default_rng(0)
    covered = held_naively = 0
    for _ in range(60):
        choices = [
            (person(user), bool(rng.random() < lean))
            for user, lean in enumerate(rng.beta(1.5, 1, size=80))
            for _ in range(20 if user % 4 == 0 else 1 + user % 3)
        ]
        bias = validation.measure_bias(
            Counter(user for user, value in choices if value), Counter(user for user, _ in choices)
        )
        covered += bias.low <= 0.6 <= bias.high
        naive = binomtest(sum(value for _, value in choices), len(choices)).proportion_ci(method="wilson")
        held_naively += naive.low <= 0.6 <= naive.high
    assert covered >= 50  # 57 would be 95 %
    assert held_naively <= 45


# Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011): two observers of ten units (example A)
# and four observers of twelve with gaps (example C).
TWO = ["0100000010", "1110010000"]
FOUR = [
    "1 2 3 3 2 1 4 1 2 . . .",
    "1 2 3 3 2 2 4 1 2 5 . 3",
    ". 3 3 3 2 3 4 2 2 5 1 .",
    "1 2 3 3 2 4 4 1 2 5 1 .",
]


def test_alpha_is_as_worked_out_by_hand() -> None:
    votes = [(unit, person(n), int(value)) for n, row in enumerate(TWO) for unit, value in enumerate(row)]
    agreement = validation.measure_agreement(votes, 2, "nominal", least_units=10)
    # Four disagreements; of twenty values fourteen are 0 and six are 1: 1 - (20 - 1) * 4 / (14 * 6).
    assert agreement.alpha == pytest.approx(1 - 19 * 4 / 84)
    assert agreement.units == 10
    assert agreement.low is not None
    assert agreement.high is not None
    assert agreement.low < 0 < agreement.alpha < agreement.high


@pytest.mark.parametrize(("level", "published"), [("nominal", 0.743), ("ordinal", 0.815)])
def test_alpha_is_as_published_with_more_raters_and_gaps(level: str, published: float) -> None:
    votes = [
        (unit, person(n), int(value) - 1)
        for n, row in enumerate(FOUR)
        for unit, value in enumerate(row.split())
        if value != "."
    ]
    agreement = validation.measure_agreement(votes, 5, level, least_units=2)  # type: ignore[arg-type]
    assert agreement.alpha == pytest.approx(published, abs=5e-4)
    assert agreement.units == 11, "one unit was judged by one observer only"


def test_alpha_is_unknown_with_few_units_or_without_variety() -> None:
    votes = [(unit, person(n), 1) for n in range(3) for unit in range(30)]
    agreement = validation.measure_agreement(votes, 2, "nominal", least_units=31)
    assert (agreement.alpha, agreement.unknown_because) == (
        None,
        reason("agreement_few", units=30, needed=31),
    )
    agreement = validation.measure_agreement(votes, 2, "nominal", least_units=30)
    assert agreement.alpha is None
    assert agreement.unknown_because == reason("agreement_unanimous")
    again = [(1, person(1), 0), (1, person(1), 1)]
    assert validation.measure_agreement(again, 2, "nominal", least_units=2).units == 0, (
        "one person is not two"
    )


def shared(says: Callable[[int, int], int], units: int = 300) -> list[Usable]:
    """Votes of three people on each of some outputs and comparisons; `says(unit, person)` is 0 or 1."""
    rows = []
    for unit in range(units):
        output = thumb(0, unit, True)
        texts = f"Could you {unit}?", f"Would you {unit}?"
        for who in range(3):
            value = bool(says(unit, who))
            rows.append(output.model_copy(update={"user_id": person(who), "thumb_up": value}))
            row = comparison(0, unit, value, texts).model_copy(update={"user_id": person(who)})
            if who == 1:  # who saw them the other way round, in a comparison of their own
                row = row.model_copy(
                    update={"output": texts[1], "other": texts[0], "first_is_preferred": not value}
                )
            rows.append(row)
    return rows


def test_people_who_agree_are_told_from_coins() -> None:
    rng = random.Random(0)
    quality = assess(shared(lambda unit, _: (unit % 2) ^ (rng.random() < 0.1)))
    for kind in ("thumbs", "comparisons"):
        agreement = quality.agreement[kind]  # type: ignore[index]
        assert agreement.units == 300
        assert agreement.alpha == pytest.approx(
            0.64, abs=0.08
        )  # 0.9^2 + 0.1^2 alike, of which a half by chance
    assert not [r for r in validation.refusals(quality, LIMITS) if r.code == "little_agreement"]

    coins = assess(shared(lambda *_: rng.randrange(2)))
    (why,) = (r for r in validation.refusals(coins, LIMITS) if r.code == "little_agreement")
    found = coins.agreement["comparisons"]
    assert None not in (found.alpha, found.low, found.high)
    assert why.values == {
        "units": 300, "alpha": found.alpha, "low": found.low, "high": found.high, "limit": 0.1
    }  # fmt: skip
    assert str(why).startswith("In the 300 comparisons that several people made, they agree hardly more")
    assert "at least 0.10 is needed" in str(why)


def test_thumbs_that_are_nearly_all_up_are_no_disagreement() -> None:
    """Alpha is about 0, and yet 94 of 100 say the same: it is shown, and nothing is refused for it."""
    rng = random.Random(0)
    rows = [row for row in shared(lambda *_: int(rng.random() < 0.97)) if row.kind == "thumb"]
    quality = assess(rows)
    agreement = quality.agreement["thumbs"]
    assert agreement.high is not None
    assert agreement.high < LIMITS.least_agreement
    assert not [r for r in validation.refusals(quality, LIMITS) if r.code == "little_agreement"]


def pairs_by(counts: dict[str, int]) -> list[PreferencePair]:
    task = {"transform_type": TransformType.SOFTEN, "intensity": 1, "split": "validation"}
    return [
        PreferencePair(
            **task,
            text=f"{version} {n}",
            chosen="Could you?",
            rejected="Do it.",
            chosen_version="human",
            rejected_version=version,
        )
        for version, count in counts.items()
        for n in range(count)
    ]


@pytest.mark.parametrize(
    ("counts", "champion", "share", "is_refused"),
    [
        ({"v1": 30, "v2": 70}, "v2", 0.3, False),
        ({"v1": 100}, None, None, False),  # nothing was released yet
        ({"v1": 100}, "v2", 1.0, True),  # right after a promotion that nobody has judged
        ({"v1": 95, "v2": 5}, "v2", 0.95, True),
        ({"v1": 45}, "v2", 1.0, False),  # too few rows to speak of shares
        ({"v1": 1500, "v2": 1500, "v3": 100}, "v3", 3000 / 3100, False),  # snapshots are cumulative
        ({"v1": 1500, "v2": 1500, "v3": 99}, "v3", 3000 / 3099, True),
    ],
)
def test_pairs_that_the_champion_did_not_write(
    counts: dict[str, int], champion: str | None, share: float | None, is_refused: bool
) -> None:
    limits = Limits(most_of_one_type=1)
    quality = assess_rows(pairs_by(counts), champion, limits)
    assert quality.off_policy == (None if share is None else pytest.approx(share))
    assert quality.rejected_versions == counts
    reasons = validation.refusals(quality, limits)
    expected = reason(
        "off_policy",
        share=share or 0.0,
        pairs=sum(counts.values()),
        champion=champion or "",
        limit=limits.most_off_policy,
        enough=limits.enough_on_policy,
        on_policy=counts.get(champion or "", 0),
    )
    assert reasons == ((expected,) if is_refused else ())


def test_one_type_for_all_is_refused_from_fifty_rows_on() -> None:
    limits = Limits(most_off_policy=1)
    few, many = (assess_rows(pairs_by({"v": n}), "v2", limits) for n in (49, 50))
    assert validation.refusals(few, limits) == ()
    (why,) = validation.refusals(many, limits)
    assert why == reason("mostly_one_type", share=1.0, rows=50, type="soften", limit=0.7)
    assert str(why).startswith("100% of 50 rows are of the type soften; at most 70% may be")
    assert why.render("ja").startswith("50 行の 100% が「和らげる」です。上限は 70% で、")


def test_rows_that_repeat_are_counted_whoever_made_them() -> None:
    def label(text: str, good: bool, version: str = "v1", split: str = "train") -> Label:
        task = {
            "text": text,
            "transform_type": TransformType.CLARIFY,
            "intensity": 2,
            "rewrite": "Could you?",
        }
        return Label(**task, good=good, version=version, split=split)  # type: ignore[arg-type]

    first = label("Fix it.", True)
    rows = [
        first,
        label("Fix it.", True, "v2", "validation"),
        label("Fix it.", False),
        label("Do it.", True),
    ]
    assert assess_rows(rows, None).duplicates == 1
    (why,) = validation.refusals(assess_rows(rows * 20, None), Limits(most_of_one_type=1))
    assert why == reason("many_duplicates", duplicates=77, rows=80, limit=0.3)
    assert str(why).startswith("77 of 80 rows repeat another word for word; at most 30% may.")


def test_a_snapshot_that_holds_nothing_out_is_refused() -> None:
    rows = [edit(1, n) for n in range(60)]  # one person's votes are one component
    quality = assess(rows)
    assert quality.validation == {"demonstrations": 0, "pairs": 0, "labels": 0}
    assert validation.refusals(quality, LIMITS) == (reason("nothing_held_out"),)


def test_nothing_is_accepted_but_says_nothing() -> None:
    quality = assess([])
    assert (quality.largest_type, quality.off_policy, quality.position.share) == (("", 0), None, None)
    assert validation.refusals(quality, LIMITS) == ()


def test_what_is_measured_elsewhere_is_passed_on() -> None:
    quality = validation.assess(
        [],
        LeftOut(2, 3, 4, 5, 6, 7, 8),
        {},
        None,
        LIMITS,
        nearest=[-0.1, 0.26, 0.81, 1.0000001],
        losing_facts={"pairs": 0.25},
    )
    assert quality.near_duplicates == 2
    assert (quality.similarities[0], quality.similarities[10], quality.similarities[32]) == (1, 1, 1)
    assert (quality.similarities[-1], sum(quality.similarities)) == (1, 4)
    assert quality.losing_facts == {"pairs": 0.25}
    assert quality.left_out == {
        "evidence": 2,
        "person": 3,
        "key": 4,
        "number": 5,
        "phrase": 6,
        "own_phrase": 7,
        "tied": 8,
    }

"""Whole experiments are simulated with the real analysis, and end as their evidence says."""

import json
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from experiments import metrics
from experiments import plan as plans
from experiments.calibration import procedure
from experiments.calibration.config import CalibrationConfig
from experiments.calibration.procedure import Votes
from experiments.calibration.report import (
    Estimate,
    ProcedureResult,
    Report,
    find_missed_targets,
    find_newly_missed,
    format_missed,
    format_procedure,
)
from experiments.calibration.scenarios import BINS, COLUMNS, SCENARIOS, Experience, Scenario
from experiments.estimators import NOTHING, Sums, estimate
from experiments.lifecycle import Action
from experiments.metrics import BINS_MS
from experiments.sequential import Clusters

PLAN = plans.load()
CONFIG = CalibrationConfig()


def run(name: str, size: int, chunk: int = 0) -> ProcedureResult:
    chunks = [procedure.simulate(CONFIG, PLAN, name, chunk, size)]
    return procedure.summarise(CONFIG, PLAN, name, chunks)


def test_a_harmful_challenger_that_people_prefer_is_not_shipped() -> None:
    result = run("complaints_30_of_500", 10)
    assert result.harmful
    assert result.shipped.value == 0
    assert run("better", 10).shipped.value == 1


def test_the_same_seed_gives_the_same_experiments() -> None:
    first, again, other = (
        procedure.simulate(CONFIG, PLAN, "equal", chunk, 2)["courses"] for chunk in (0, 0, 1)
    )
    assert first == again
    assert first != other


def test_equal_versions_are_compared_until_the_comparisons_are_spent() -> None:
    result = run("equal", 10)
    assert (result.harmful, result.equal, result.better) == (False, True, False)
    assert result.effects == dict.fromkeys(("satisfaction", "complained", "failed", "latency_p95"), 0)
    assert result.inconclusive.value is not None
    assert result.inconclusive.value >= 0.8
    assert result.median_days.value is not None
    assert 10 <= result.median_days.value <= 16  # 400 decided votes, about 32 a day


def test_a_version_that_people_dislike_is_rolled_back() -> None:
    disliked = Scenario("Disliked side by side.", wins=0.1, losses=0.8, users=500)
    course = procedure.run_experiment(disliked, PLAN, CONFIG, np.random.default_rng(0))
    assert course.ending.action is Action.ROLL_BACK
    assert course.ending.days <= 4


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("better", (False, False, True)),
        ("complaints_12_of_500", (False, False, False)),
        ("complaints_20_of_500", (True, False, False)),
        ("just_harmful", (True, False, False)),
        ("just_failing", (True, False, False)),
        ("better_but_slow", (True, False, False)),
        ("late_voters", (True, False, False)),
        ("rare_complaints", (False, False, True)),
        ("one_sided_people", (False, True, False)),
        ("three_equal", (False, True, False)),
        ("three_harmful", (True, False, False)),
        ("best_of_three", (False, False, True)),
    ],
)
def test_a_scenario_is_what_its_description_says(name: str, kind: tuple[bool, bool, bool]) -> None:
    result = run(name, 1)
    assert (result.harmful, result.equal, result.better) == kind


def test_effects_are_those_of_the_scenario() -> None:
    [effects] = procedure.compute_effects(SCENARIOS["complaints_30_of_500"], 0, 72.0)
    assert effects["complained"] == pytest.approx(0.2, abs=0.01)
    assert effects["satisfaction"] == pytest.approx(-0.4, abs=0.01)
    assert effects["failed"] == effects["latency_p95"] == 0
    # Late voters are the least content. The window misses a quarter of them in one arm, and their complaints.
    [late] = procedure.compute_effects(SCENARIOS["late_voters"], 0, 72.0)
    assert late["satisfaction"] == pytest.approx(-0.08, abs=0.01)
    assert late["complained"] < 0


def test_the_arms_are_estimated_by_hand() -> None:
    # Four users; three voted after 1, 2 and 6 hours, two of them up. Failures 1, 0, 0, 2 of requests 2, 1, 1,
    # 4; misses 1, 1, 1, 2.
    columns = dict(
        zip(
            COLUMNS,
            np.array([4, 3, 2, 1, 9, 41, 3, 5, 8, 22, 10, 4, 5, 7]),
            strict=True,
        )
    )
    bins = np.zeros((3, BINS))
    bins[:, 9] = 4, 6, 5  # the first miss of each user is in the tenth bin
    bins[:, 19] = 1, 3, 2  # the last one is ten bins above
    sums = np.concatenate([list(columns.values()), bins.ravel()])
    estimates = procedure.estimate_metrics(sums)
    assert estimates["satisfaction"].users == 3
    assert estimates["satisfaction"].mean == pytest.approx(2 / 3)
    assert estimates["satisfaction"].variance == pytest.approx(1 / 3)
    assert (estimates["complained"].users, estimates["complained"].mean) == (4, 0.25)
    assert estimates["vote_hours"].mean == pytest.approx(3)
    assert estimates["failed"].mean == pytest.approx(3 / 8)
    assert BINS_MS[18] < (estimates["latency_p95"].mean or 0) <= BINS_MS[19]
    zero = Decimal(0)
    assert estimates["failed"] == estimate(
        metrics.load()["failed"], {0: Sums(4, Decimal(3), Decimal(5), Decimal(8), Decimal(22), Decimal(10))}
    )
    assert estimates["complained"] == estimate(
        metrics.load()["complained"], {0: Sums(4, Decimal(1), Decimal(1), zero, zero, zero)}
    )
    assert set(procedure.estimate_metrics(np.zeros(len(COLUMNS) + 3 * BINS)).values()) == {NOTHING}


def test_only_the_first_votes_of_a_person_count() -> None:
    # One person votes five times on the first day, another once on the second.
    votes = Votes(
        day=np.array([0, 0, 0, 0, 0, 1]),
        person=np.array([0, 0, 0, 0, 0, 1]),
        nth=np.array([0, 1, 2, 3, 4, 0]),
        message=np.arange(6),
        choice=np.array([1, 0, -1, 1, 1, 1]),
    )
    first_day, second_day = (procedure.tally_votes(votes, day, PLAN) for day in (1, 2))
    assert (first_day.wins, first_day.losses, first_day.ties, first_day.people) == (2, 1, 1, 1)
    assert second_day == first_day, "the other person may still vote until the day after"
    third_day = procedure.tally_votes(votes, 3, PLAN)
    assert (third_day.wins, third_day.losses, third_day.ties, third_day.people) == (3, 1, 1, 2)
    assert third_day.by_person == (Clusters(1, 0, 1), Clusters(2, 1, 1))
    assert third_day.by_message == (Clusters(0, 1, 1), Clusters(1, 0, 3))
    same_message = procedure.tally_votes(votes._replace(message=np.zeros(6, dtype=int)), 3, PLAN)
    assert same_message.by_message == (Clusters(2, 1, 1),), "three votes on a message count"


def test_votes_have_the_tastes_and_messages_of_their_scenario() -> None:
    rng = np.random.default_rng(0)
    preferred = procedure.draw_votes(rng, SCENARIOS["better"], 100)
    shares = [(preferred.choice == choice).mean() for choice in (1, -1, 0)]
    assert shares == pytest.approx([0.62, 0.28, 0.1], abs=0.02)
    assert len(np.unique(preferred.message)) == len(preferred.message)
    one_sided = procedure.draw_votes(rng, SCENARIOS["one_sided_people"], 100)
    assert np.bincount(one_sided.person).min() == 3
    for person in np.unique(one_sided.person):
        choices = one_sided.choice[one_sided.person == person]
        assert abs(choices.sum()) == np.abs(choices).sum()
    fifty = procedure.draw_votes(rng, SCENARIOS["50_messages"], 100)
    assert len(np.unique(fifty.message)) == 50
    rates = [(fifty.choice[fifty.message == message] > 0).mean() for message in range(50)]
    assert np.std(rates) > 0.1


def open_for_days(days: int, *, is_cut: bool) -> procedure._Installation:
    """An installation whose ramp takes a step a day, after some days."""
    config = CalibrationConfig(cut_windows=is_cut)
    unhappy = Experience(satisfaction=0)
    scenario = Scenario("All who vote complain.", unhappy, unhappy)
    installation = procedure._Installation(scenario, PLAN, config, np.random.default_rng(0))
    for day in range(days):
        if day < len(PLAN.ramp):
            installation.widen(PLAN.ramp[day])
            if day:
                installation.begin_epoch(day, (0.5, 0.5))
        installation.expose(day)
        installation.close(day)
    return installation


def test_users_count_when_their_windows_have_closed() -> None:
    assert timedelta(days=3) == PLAN.window
    epochs = open_for_days(3, is_cut=False).epochs
    assert [sum(epoch.closed) for epoch in epochs] == [0, 0, 0]
    epochs = open_for_days(5, is_cut=False).epochs
    assert [epoch.closed for epoch in epochs[:2]] == [epoch.exposed for epoch in epochs[:2]]
    assert [sum(epoch.closed) for epoch in epochs[2:]] == [0, 0, 0]
    arms = procedure.build_arms(epochs)["complained"]
    assert [arm.users for arm in arms] == [arm.closed for arm in arms]
    epochs = open_for_days(40, is_cut=False).epochs
    assert sum(sum(epoch.closed) for epoch in epochs) == 5000


def test_cut_windows_hide_what_happens_after_the_first_day() -> None:
    whole, cut = (open_for_days(20, is_cut=is_cut).epochs for is_cut in (False, True))
    for is_hidden, epoch in zip([True] * 5 + [False], range(6), strict=True):
        rates = [
            sum(arm[COLUMNS.index("complaints")] for arm in epochs[epoch].sums) / sum(epochs[epoch].closed)
            for epochs in (whole, cut)
        ]
        assert rates[0] == pytest.approx(0.5, abs=0.15)
        assert (rates[1] < 0.7 * rates[0]) == is_hidden


def test_a_scenario_of_one_s_own_is_simulated_like_the_others() -> None:
    result = procedure.simulate_scenario(SCENARIOS["better"], PLAN, 4, progress=False)
    assert result.experiments == 4
    rng = np.random.default_rng(CONFIG.seed)
    courses = [procedure.run_experiment(SCENARIOS["better"], PLAN, CONFIG, rng) for _ in range(4)]
    assert result.median_days.value == sorted(course.ending.days for course in courses)[1]
    assert result.better
    assert result.shipped.low == pytest.approx(0.025 ** (1 / 4)), "Clopper and Pearson's bound for 4 of 4"
    few = procedure.simulate_scenario(SCENARIOS["better"], PLAN, 50, seconds=0, progress=False)
    assert few.experiments == 1
    with pytest.raises(ValueError, match="liked is not simulated"):
        procedure.simulate_scenario(SCENARIOS["better"], PLAN.model_copy(update={"primary": "liked"}), 1)


def test_users_may_come_at_a_constant_rate() -> None:
    scenario = Scenario("A hundred users a day.", users=100_000, users_a_day=100)
    installation = procedure._Installation(scenario, PLAN, CONFIG, np.random.default_rng(0))
    installation.widen(0.5)
    for day in range(40):
        installation.expose(day)
    [epoch] = installation.epochs
    assert sum(epoch.exposed) == pytest.approx(40 * 50, rel=0.1), "half of the users are let in"
    few = procedure._Installation(scenario._replace(users=300), PLAN, CONFIG, np.random.default_rng(0))
    few.widen(1.0)
    for day in range(40):
        few.expose(day)
    assert sum(few.epochs[0].exposed) == 300, "no more come than there are"


def make_result(**changes: object) -> ProcedureResult:
    rate = Estimate(value=0.96, low=0.9, high=0.99)
    fields: dict[str, object] = {
        "description": "",
        "experiments": 100,
        "users": 500,
        "effects": {},
        "harmful": False,
        "equal": False,
        "better": False,
        "median_days": rate,
        "median_closed": rate,
        "coverage_by_metric": {},
        **dict.fromkeys(("shipped", "rolled_back", "inconclusive", "path_coverage"), rate),
    }
    return ProcedureResult.model_validate(fields | changes)


def test_a_wrong_ending_misses_its_target() -> None:
    half = Estimate(value=0.5, low=0.4, high=0.6)
    results = {
        "neither": make_result(),
        "harmful": make_result(harmful=True),
        "equal": make_result(equal=True, shipped=half),
        "better": make_result(better=True, shipped=half),
        "much better": make_result(better=True),
        "miscovered": make_result(path_coverage=half),
    }
    assert list(format_missed(find_missed_targets(results, PLAN))) == [
        "harmful: the share that is shipped is 0.96; the target is at most 0.05",
        "equal: the share that is shipped is 0.5; the target is at most 0.05",
        "better: the share that is shipped is 0.5; the target is at least 0.8",
        "miscovered: coverage of all analyses is 0.5; the target is at least 0.95",
    ]
    published = Report.model_validate_json(Path("docs/results/calibration.json").read_text("utf-8"))
    report = published.model_copy(update={"missed": find_missed_targets(results, PLAN)})
    assert list(find_newly_missed(report, published)) == ["equal", "better"], "it has no other of these"
    reached = published.model_copy(update={"procedure": {"equal": make_result()}})
    assert list(find_newly_missed(report, reached)) == ["equal"]
    assert list(format_procedure({"neither": make_result()}))[2].startswith(
        "| neither | either | 96.0 (90.0 to"
    )


def test_the_page_has_every_scenario_and_what_was_before() -> None:
    page = Path("docs/calibration.md").read_text("utf-8")
    for name, scenario in SCENARIOS.items():
        assert f"| `{name}` | {scenario.description} |" in page
    before = json.loads(Path("docs/results/procedure_before.json").read_text("utf-8"))["procedure"]
    results = {name: ProcedureResult.model_validate(result) for name, result in before.items()}
    assert "\n".join(format_procedure(results)) in page

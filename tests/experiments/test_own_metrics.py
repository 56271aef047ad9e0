"""Metrics and segments of an operator's file: what is refused, and what they measure in a real Postgres."""

import json
import re
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from configs import ConfigError
from data.tables import Feedback, MetricSum, new_id
from experiments import analysis, metrics, outcomes, own_metrics, plan, recommendation, stored_sums
from experiments.analysis import Tally
from experiments.lifecycle import Action
from experiments.metrics import Metric
from experiments.own_metrics import Definitions, OwnMetricError
from experiments.plan import Plan, PlanError
from tests import trials
from tests.trials import CHALLENGER, START, Trial, add_output

FILE = """
metrics:
  unmet: {kind: ratio, of: "failures + repeats", per: requests, better: lower, share: true, says: unmet}
  heavy: {kind: proportion, of: "answers >= 3", better: higher, says: users with three answers}
  balance: {kind: mean, of: "likes - complaints", usual: 0, better: higher, says: balance}
  seconds_a_miss: {kind: mean, of: "service_s / misses", cap: 60, better: lower, says: seconds of a miss}
segments:
  language: "split_part(locale, '-', 1)"
  voted_before: "before_votes > 0"
"""


@pytest.fixture(scope="module")
def engine(new_database: Callable[..., str]) -> Iterator[Engine]:
    with trials.open_engine(new_database()) as engine:
        yield engine


@pytest.fixture
def own(tmp_path: Path) -> Definitions:
    file = tmp_path / "own.yaml"
    file.write_text(FILE)
    return own_metrics.load(file)


def refresh(trial: Trial, planned: Plan, hours: float = 24) -> None:
    trial.session.commit()
    outcomes.refresh(trial.session, trial.id, planned, planned.all_metrics, START + timedelta(hours=hours))
    trial.session.commit()


def sums(session: Session, trial: Trial, metric: str, variant: str = "challenger") -> MetricSum:
    where = (MetricSum.experiment_id == trial.id, MetricSum.metric == metric, MetricSum.variant == variant)
    return session.scalars(select(MetricSum).where(*where, MetricSum.segment == "")).one()


def test_own_metrics_add_to_the_shipped_ones(own: Definitions) -> None:
    planned = plan.load(["primary=heavy", "window_hours=1", "guardrails={unmet: 0.1}"], own)
    assert set(planned.all_metrics) == {*metrics.load(), *own.metrics}
    assert (planned.primary, dict(planned.guardrails)) == ("heavy", {"unmet": 0.1})
    assert own_metrics.load(None) == Definitions()
    assert plan.load() == plan.load(own=Definitions())


@pytest.mark.parametrize(
    ("definitions", "message"),
    [
        (
            "metrics: {liked: {kind: mean, of: score, better: higher, says: x}}",
            "there is a metric liked already",
        ),
        ("metrics: {latency: {kind: mean, of: score, better: higher, says: x}}", "a metric latency already"),
        ("metrics: {x: {kind: mean, of: scores, better: higher, says: x}}", "score is the nearest"),
        ("metrics: {x: {kind: mean, of: answers +, better: higher, says: x}}", "metrics.x.of: .*at “answers"),
        ("metrics: {x: {kind: proportion, of: likes, share: true, better: higher, says: x}}", "has no share"),
        ("metrics: {x: {kind: mean, of: \"'a'\", better: higher, says: x}}", "gives a text"),
        ("segments: {locale: channel}", "there is a segment locale already"),
        ("segments: {x: before_votes}", "gives a number"),
        ("segments: {x: answers > 1}", "there is no column answers"),
        ("segments: {x: \"locale = 'a' OR cost_mills > 0\"}", "there is no column cost_mills"),
        ("columns: {}", "unknown columns; known: metrics, segments"),
    ],
)
def test_a_wrong_file_is_refused_with_the_reason(tmp_path: Path, definitions: str, message: str) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(definitions)
    with pytest.raises(ConfigError, match=message):
        own_metrics.load(file)


def test_postgres_computes_every_definition_at_the_start(engine: Engine, own: Definitions) -> None:
    own_metrics.check(engine, own)
    wrong = Metric.model_construct(kind="mean", of="score", per=None, cap="'x'", better="lower", says="x")
    with pytest.raises(OwnMetricError, match=r"Postgres cannot compute x: .*Change it in the file"):
        own_metrics.check(engine, Definitions.model_construct(metrics={"x": wrong}, segments={}))


def test_a_plan_keeps_the_definitions_of_its_draft(own: Definitions) -> None:
    stored = json.loads(plan.with_changes({"primary": "unmet"}, own).model_dump_json())
    kept = plan.read(stored)
    assert kept.faults == []
    assert kept.plan is not None
    assert kept.plan.all_metrics["unmet"] == own.metrics["unmet"], "without the file"
    assert kept.plan.own_segments == own.segments
    with pytest.raises(PlanError, match="unknown own_metrics"):
        plan.with_changes({"own_metrics": {}}, own)
    with pytest.raises(ValueError, match="there is no metric unmet"):
        plan.with_changes({"primary": "unmet"})


def test_own_metrics_are_summed_like_the_shipped_ones(session: Session, own: Definitions) -> None:
    trial, planned = Trial(session), plan.load(["window_hours=1"], own)
    epoch = trial.epoch(0.5, 0.5)
    often, once, failing = (uuid.uuid4() for _ in range(3))
    for user in (often, once, failing):
        trial.expose(user, "challenger", epoch)
    repeated = new_id()
    for minute in range(1, 5):
        trial.answer(often, "challenger", epoch, minute, output_id=repeated, cache="miss", total_ms=2000)
    trial.answer(once, "challenger", epoch, 1)
    trial.vote(often, "challenger", epoch, True, True, False)
    trial.fail(failing, "challenger", epoch, 1, failures=2)
    refresh(trial, planned)
    unmet = sums(session, trial, "unmet")  # of x = 3, 0, 2 and y = 4, 1, 2
    assert (unmet.n, unmet.x, unmet.y, unmet.xy) == (3, 5, 7, 3 * 4 + 2 * 2)
    assert (sums(session, trial, "heavy").n, sums(session, trial, "heavy").x) == (3, 1)
    assert (
        sums(session, trial, "balance").n,
        sums(session, trial, "balance").x,
    ) == (
        3,
        1,
    )
    seconds = sums(session, trial, "seconds_a_miss")
    assert (seconds.n, float(seconds.x)) == (1, 2.0), "a division by zero is no value"


def test_a_metric_of_votes_uses_the_votes_before_as_covariate(session: Session, own: Definitions) -> None:
    trial, planned = Trial(session), plan.load(["window_hours=1"], own)
    epoch = trial.epoch(0.5, 0.5)
    user = uuid.uuid4()
    trial.expose(user, "challenger", epoch, minute=30)
    trial.vote(user, "challenger", epoch, True, minute=40)
    trial.vote(user, "earlier", epoch, False, False, minute=-60)
    session.execute(text("UPDATE feedback SET experiment_id = NULL WHERE variant = 'earlier'"))
    refresh(trial, planned)
    row = sums(session, trial, "balance")
    assert (row.x, row.y, row.xy) == (1, -2, -2)
    assert sums(session, trial, "heavy").y == 0, "nothing is known of answers before"


def test_the_values_of_a_share_end_at_0_and_1(session: Session) -> None:
    definitions = Definitions.model_validate(
        {
            "metrics": {
                "over": {"kind": "mean", "of": "votes * 2", "share": True, "better": "higher", "says": "x"},
                "under": {"kind": "mean", "of": "0 - votes", "share": True, "better": "higher", "says": "x"},
                "part": {
                    "kind": "ratio", "of": "votes * 9", "per": "answers", "share": True, "better": "higher",
                    "says": "x",
                },
            }
        }
    )  # fmt: skip
    assert all(metric.is_share and metric.largest == 1 for metric in definitions.metrics.values())
    trial, planned = Trial(session), plan.load(["window_hours=1"], definitions)
    epoch = trial.epoch(0.5, 0.5)
    user = uuid.uuid4()
    trial.expose(user, "challenger", epoch)
    trial.answer(user, "challenger", epoch, 1)
    trial.answer(user, "challenger", epoch, 2)
    trial.vote(user, "challenger", epoch, True)
    refresh(trial, planned)
    assert [sums(session, trial, name).x for name in ("over", "under", "part")] == [1, 0, 2]


def test_sums_of_a_plan_never_mix_with_those_of_a_changed_file(session: Session, own: Definitions) -> None:
    trial, planned = Trial(session), plan.load(["window_hours=1"], own)
    epoch = trial.epoch(0.5, 0.5)
    first, second = uuid.uuid4(), uuid.uuid4()
    trial.expose(first, "challenger", epoch)
    trial.answer(first, "challenger", epoch, 1)
    refresh(trial, plan.read(planned.model_dump(mode="json")).plan or planned, hours=2)
    trial.expose(second, "challenger", epoch, minute=180)
    trial.answer(second, "challenger", epoch, 181)
    refresh(trial, plan.read(planned.model_dump(mode="json")).plan or planned)
    assert (sums(session, trial, "unmet").n, sums(session, trial, "unmet").y) == (2, 2)


GUARDRAILS = {
    "unmet": {"kind": "ratio", "of": "failures + repeats", "per": "requests", "share": True},
    "strenuous": {"kind": "proportion", "of": "CASE WHEN requests >= 3 THEN 1 ELSE 0 END"},
    "effort": {"kind": "mean", "of": "requests + 2 * edits", "cap": 50},
}


@pytest.mark.parametrize("guardrail", GUARDRAILS)
def test_an_own_guardrail_of_each_kind_stops_an_experiment(session: Session, guardrail: str) -> None:
    """Half of the challenger's users get no answer to two requests; nothing else differs."""
    definitions = Definitions.model_validate(
        {"metrics": {name: {**fields, "better": "lower", "says": "x"} for name, fields in GUARDRAILS.items()}}
    )
    trial = Trial(session)
    planned = plan.load(["window_hours=1", f"guardrails={{{guardrail}: 0.05}}"], definitions)
    epoch = trial.epoch(0.5, 0.5)
    for number in range(600):
        variant = "challenger" if number % 2 else "champion"
        user = uuid.uuid4()
        trial.expose(user, variant, epoch)
        trial.answer(user, variant, epoch, 1)
        if number % 20 == 0 or (variant == "challenger" and number % 4 == 1):
            trial.fail(user, variant, epoch, 2, failures=2)
    refresh(trial, planned)
    arms = stored_sums.read_arms(session, trial.id, planned.all_metrics)
    users = analysis.between_users(arms, planned, planned.all_metrics)
    assert users.metrics[guardrail].is_harmed
    nobody = analysis.compare(Tally(wins=0, losses=0, ties=0, people=0), planned)
    result = analysis.ChallengerResult(comparison=nobody, between_users=users)
    decision = recommendation.assess(result, planned, timedelta(days=2))
    assert decision.action is Action.ROLL_BACK
    assert guardrail in str(decision.reasons[0])
    others = {name for name in GUARDRAILS if name != guardrail}
    assert not any(users.metrics[name].is_harmed for name in others), "they are no guardrails of this plan"


def test_segments_are_by_what_is_known_at_entry(session: Session, own: Definitions) -> None:
    trial, planned = Trial(session), plan.load(["window_hours=1", "primary=heavy"], own)
    epoch = trial.epoch(0.5, 0.5)
    output = add_output(session, CHALLENGER.version, "x")
    for number, (locale, channel) in enumerate(
        [("ja-JP", "chat"), ("ja", None), ("en-GB", "chat"), (None, None)]
    ):
        user = uuid.uuid4()
        trial.expose(user, "challenger", epoch)
        trial.answer(user, "challenger", epoch, 1, output_id=output, locale=locale, channel=channel)
        trial.answer(user, "challenger", epoch, 2, output_id=output, locale="fr", channel="mail")
        if number == 0:
            trial.vote(user, "earlier", epoch, True, minute=-60)
    unanswered = uuid.uuid4()
    trial.expose(unanswered, "challenger", epoch)
    session.execute(
        Feedback.__table__.update().where(Feedback.variant == "earlier").values(experiment_id=None)
    )
    refresh(trial, planned)
    where = (MetricSum.experiment_id == trial.id, MetricSum.segment != "")
    counts = {row.segment: row.n for row in session.scalars(select(MetricSum).where(*where))}
    organisation = [name for name in counts if name.startswith("organisation=")]
    assert {name: n for name, n in counts.items() if name not in organisation} == {
        "entered=2026-01-01": 5,
        "transform_type=soften": 4,
        "locale=ja-jp": 1, "locale=ja": 1, "locale=en-gb": 1,
        "channel=chat": 2,
        "language=ja": 2, "language=en": 1,
        "voted_before=true": 1, "voted_before=false": 4,
    }  # fmt: skip


def test_twenty_values_of_a_segment_are_kept_and_stay(session: Session, own: Definitions) -> None:
    trial, planned = Trial(session), plan.load(["window_hours=1", "primary=heavy"], own)
    epoch = trial.epoch(0.5, 0.5)

    def add(channel: str, minute: int, users: int) -> None:
        for _ in range(users):
            user = uuid.uuid4()
            trial.expose(user, "challenger", epoch, minute=minute)
            trial.answer(user, "challenger", epoch, minute + 1, channel=channel)

    for number in range(25):
        add(f"c{number:02}", 0, 2 if number < 15 else 1)
    refresh(trial, planned, hours=2)
    add("c24", 180, 9)
    add("c00", 180, 1)
    refresh(trial, planned)
    where = (MetricSum.experiment_id == trial.id, MetricSum.segment.startswith("channel="))
    counts = {row.segment: row.n for row in session.scalars(select(MetricSum).where(*where))}
    assert len(counts) == 21
    assert counts["channel=other"] == 5 + 9, "a value that came later joins the others for good"
    assert counts["channel=c00"] == 3
    assert counts["channel=c19"] == 1


def test_the_holdout_measures_shipped_metrics_only(own: Definitions) -> None:
    planned = plan.load(["primary=heavy", "guardrails={unmet: 0.1, complained: 0.2}"], own)
    of_holdout = planned.without_own_metrics()
    assert Plan.model_validate(of_holdout.model_dump()) == of_holdout
    assert of_holdout.all_metrics == metrics.load()
    assert (of_holdout.primary, dict(of_holdout.guardrails)) == (Plan().primary, {"complained": 0.2})


@pytest.mark.parametrize(
    ("of", "fault"),
    [
        ("complaint + edits", "metrics.x.of: .*there is no column complaint; complaints is the nearest"),
        ("sum(edits)", "metrics.x.of: .*“SUM\\(edits\\)” is not allowed"),
    ],
)
def test_a_fault_is_told_before_there_is_a_file(of: str, fault: str) -> None:
    metric = {"kind": "mean", "of": "complaints + edits", "better": "lower", "says": "x"}
    assert own_metrics.find_fault({"metrics": {"x": metric}}) is None
    found = own_metrics.find_fault({"metrics": {"x": {**metric, "of": of}}})
    assert found is not None
    assert re.search(fault, found)


def test_a_plan_with_more_metrics_keeps_its_own(own: Definitions) -> None:
    first = plan.load(own=own)
    more = Definitions.model_validate(
        {
            "metrics": {"edited": {"kind": "mean", "of": "edits + 0", "better": "lower", "says": "x"}},
            "segments": {"in_chat": "channel = 'chat'"},
        }
    )
    both = first.with_own(more)
    assert set(both.own_metrics) == {*own.metrics, "edited"}
    assert set(both.own_segments) == {*own.segments, "in_chat"}
    assert plan.read(both.model_dump(mode="json")).plan == both
    assert first == plan.load(own=own), "the plan itself does not change"

"""Revision 0018: sentences that are stored become codes and values, and sentences again on the way back."""

import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from data import database
from data.reasons import Reason, Value, catalogue, load, reason, render
from data.snapshots.validation import Quality
from data.tables import Analysis, Decision, Epoch, Experiment, Release, Snapshot, Version
from experiments import evidence
from experiments.evidence import Evidence
from experiments.lifecycle import Action, Status
from tests import migrations

VOTES: dict[str, Value] = {
    "challenger_users": 177,
    "challenger_closed": 243,
    "baseline_users": 155,
    "baseline_closed": 229,
}
BETWEEN: dict[str, Value] = {
    "metric": "satisfaction",
    "difference": -0.011,
    "low": -0.137,
    "high": 0.115,
    "level": 0.95,
}
TOLD = "177 of 243 users of the challenger told, 155 of 229 of the baseline"
DIFFERS = "satisfaction differs by -0.011, between -0.137 and +0.115 at 95% confidence"
SIDE_BY_SIDE = (
    "Side by side, 389 people chose the challenger 96 times of 151: 63.6%, between 51.2% and 74.9% at 95%"
    " confidence"
)
PREFERENCE = {
    "people": 389, "wins": 96, "decided": 151, "rate": 0.636, "low": 0.512, "high": 0.749, "level": 0.95,
    "ties": 444,
}  # fmt: skip
ESTIMATE = {"mean": -0.1, "low": -0.12, "high": -0.08}

# A sentence of each kind as it was stored before, and what it is now.
SENTENCES: list[tuple[str, list[Reason]]] = [
    (
        "People prefer the champion, so the challenger is withdrawn.",
        [reason("people_prefer_champion")],
    ),
    (
        "Assignment or recording is broken: find the fault before shipping.",
        [reason("assignment_broken")],
    ),
    ("Users fare worse by more than the margin of 5%.", [reason("harm_primary", margin=0.05)]),
    (
        "Users fare worse beyond the margin in complained.",
        [reason("harm_in_metrics", metrics=("complained",))],
    ),
    (
        "Users fare worse beyond the margin in complained and latency_p95.",
        [reason("harm_in_metrics", metrics=("complained", "latency_p95"))],
    ),
    (
        "The arms' users do not vote equally often: voters do not speak for all.",
        [reason("response_uneven")],
    ),
    (
        "People prefer the challenger; 2.9 of at least 3 days are over.",
        [reason("not_long_enough", days=2.9, minimum_days=3)],
    ),
    (
        "People prefer the challenger, and its users show no harm beyond the margin.",
        [reason("people_prefer_challenger")],
    ),
    ("400 comparisons, the maximum, settle nothing.", [reason("maximum_comparisons", comparisons=400)]),
    ("28 days, the maximum, settle nothing.", [reason("maximum_days", days=28)]),
    ("The comparisons do not settle it yet.", [reason("not_settled")]),
    ("Side by side: no decided vote yet, 3 ties.", [reason("side_by_side_none", ties=3)]),
    (f"{SIDE_BY_SIDE} (444 ties).", [reason("side_by_side", **PREFERENCE)]),
    (
        f"{SIDE_BY_SIDE} (444 ties; 200 votes are needed).",
        [reason("side_by_side", **PREFERENCE), reason("side_by_side_few", needed=200)],
    ),
    (
        f"{SIDE_BY_SIDE}, and above 50.1% at the 97.8% that shipping asks for (444 ties).",
        [reason("side_by_side", **PREFERENCE), reason("side_by_side_strict", low=0.501, level=0.978)],
    ),
    (
        f"{SIDE_BY_SIDE}, and above 50.1% at the 97.8% that shipping asks for (444 ties; 200 votes are"
        " needed).",
        [
            reason("side_by_side", **PREFERENCE),
            reason("side_by_side_strict", low=0.501, level=0.978),
            reason("side_by_side_few", needed=200),
        ],
    ),
    (f"Between users, nothing to compare yet: {TOLD}.", [reason("between_users_none", **VOTES)]),
    *(
        (
            f"Between users, {verdict}: {DIFFERS} ({TOLD}).",
            [reason(f"between_users_{verdict.replace(' ', '_')}", **BETWEEN, **VOTES)],
        )
        for verdict in ("better", "worse", "no clear difference", "too few users")
    ),
    (
        f"Between users, too few users: {DIFFERS} ({TOLD}; 200 in each arm are needed).",
        [
            reason("between_users_too_few_users", **BETWEEN, **VOTES),
            reason("between_users_few", needed=200),
        ],
    ),
    (
        "The shares of users who voted differ by +5.1%, between -7.7% and +17.9% at 95% confidence; the limit"
        " is 5%.",
        [reason("response_difference", difference=0.051, low=-0.077, high=0.179, level=0.95, limit=0.05)],
    ),
    (
        "latency_p50 differs by +1.2e+03, between -4e-05 and +2.5e+03 at 95% confidence.",
        [
            reason(
                "metric_difference",
                metric="latency_p50",
                difference=1200.0,
                low=-4e-05,
                high=2500.0,
                level=0.95,
            )
        ],
    ),
    (
        "complained differs by +0.3, between +0.1 and +0.5 at 95% confidence; the margin is 0.05.",
        [
            reason(
                "metric_difference_margin",
                metric="complained",
                difference=0.3,
                low=0.1,
                high=0.5,
                level=0.95,
                margin=0.05,
            )
        ],
    ),
    (
        "Users fell on baseline and challenger as planned: 229 to 243, p = 1, limit 0.01.",
        [reason("sample_ratio_sound", baseline=229, challenger=243, p=1, limit=0.01)],
    ),
    (
        "Users fell on baseline and challenger not as planned: 400 to 800, p = 2.1e-09, limit 0.01.",
        [reason("sample_ratio_broken", baseline=400, challenger=800, p=2.1e-09, limit=0.01)],
    ),
    ("2 users later saw the other variant too.", [reason("users_moved", users=2)]),
    (
        "18 users later saw the other variant too, more than is healthy.",
        [reason("users_moved_many", users=18)],
    ),
    (
        "Before they came, the arms' users voted differently: p = 3.2e-08.",
        [reason("unequal_pasts", p=3.2e-08)],
    ),
    ("v2 passed the gate", [reason("passed_gate", version="v2")]),
    (
        "50% of the users for 24 hours or more, and nothing shows harm",
        [reason("ramp_due", share=0.5, hours=24)],
    ),
    ("experiment of v2", [reason("experiment_started", version="v2")]),
    ("a tester was erased", [reason("tester_erased")]),
    ("somebody whom the holdout learned from was erased", [reason("holdout_erased")]),
    (
        "it does not move tone more than a copy of the input does: -0.100 (-0.120 to -0.080); the lower end"
        " must be above 0",
        [reason("gate_tone", **ESTIMATE)],
    ),
    (
        "it may lose too many facts that a copy keeps: facts_kept changes by -0.100 (-0.120 to -0.080); the"
        " lower end must be at least -0.050",
        [reason("gate_facts_against_copy", **ESTIMATE, limit=-0.05)],
    ),
    (
        "it may lose too many facts against the champion: facts_kept changes by -0.100 (-0.120 to -0.080);"
        " the lower end must be at least -0.050",
        [reason("gate_facts", **ESTIMATE, limit=-0.05)],
    ),
    (
        "it may lose too much meaning against the champion: meaning changes by -0.100 (-0.120 to -0.080); the"
        " lower end must be at least -0.050",
        [reason("gate_meaning", **ESTIMATE, limit=-0.05)],
    ),
    (
        "it may chatter more than the champion: the share that does changes by -0.100 (-0.120 to -0.080); the"
        " upper end must be at most 0.030",
        [reason("gate_chatter", **ESTIMATE, limit=0.03)],
    ),
    (
        "it may insult people more than the champion: the share that does changes by -0.100 (-0.120 to"
        " -0.080); the upper end must be at most 0.030",
        [reason("gate_insult", **ESTIMATE, limit=0.03)],
    ),
    (
        "it is worse than the champion beyond noise: the composite changes by -0.100 (-0.120 to -0.080)",
        [reason("gate_composite", **ESTIMATE)],
    ),
    *(
        (
            f"the reward was hacked: it rose from 0.500 to 0.700 while {words} fell from 0.900 to 0.750; a"
            " fall of 0.100 is allowed",
            [
                reason(
                    "gate_hacked",
                    reward_before=0.5,
                    reward_after=0.7,
                    score=score,
                    before=0.9,
                    after=0.75,
                    margin=0.1,
                )
            ],
        )
        for words, score in (
            ("the share of facts kept", "facts_kept"),
            ("agreement with people's pairs", "agreement"),
        )
    ),
]


def as_written(text: str) -> list[Reason]:
    return [reason("as_written", text=text)]


# What a person wrote, in part like a sentence of ours, and a sentence that has no code.
WRITTEN = [
    "It is late.",
    "人々は v2 を好みます。",
    "",
    "the experiment of the year",
    "People prefer the champion, so the challenger is withdrawn",
    "Users fare worse by more than the margin of {x}.",
    "v2 passed the gate, says Ann.",
    "<b>{0}</b> %s 'quoted'\nand a second line",
]


class Old(NamedTuple):
    """A database at revision 0017 with rows, and what is in it."""

    url: str
    experiment_id: uuid.UUID
    decisions: list[uuid.UUID]


@pytest.fixture(scope="module")
def sample() -> dict[str, Any]:
    """Evidence as it was stored before, of a finished experiment, and its reasons as sentences."""
    stored = json.loads((Path(database.__file__).parent / "seed" / "sample.json").read_text(encoding="utf-8"))
    evidence = dict(stored["analyses"][-1]["evidence"]["challengers"]["sample-2"], challenger="sample-2")
    evidence["decision"] = {
        "action": "ship",
        "reasons": [
            "People prefer the challenger, and its users show no harm beyond the margin.",
            f"{SIDE_BY_SIDE}, and above 50.1% at the 97.8% that shipping asks for (444 ties).",
            f"Between users, no clear difference: {DIFFERS} ({TOLD}).",
        ],
    }
    return evidence


QUALITY_BECAUSE = "30 were judged by two people or more, 31 are needed"


TEXTS = [text for text, _ in SENTENCES] + WRITTEN
FAILURES = {
    "failed: the experiment has ended (rolled back); draft another one": as_written(
        "the experiment has ended (rolled back); draft another one"
    ),
    "failed: failed: twice": as_written("failed: twice"),
    "done": None,
    "proposed": None,
    None: None,
}


@pytest.fixture(scope="module")
def old(new_database: Callable[..., str], sample: dict[str, Any]) -> Old:
    """Every text stands in a decision and in an epoch, in the order of TEXTS; versions and snapshots have the
    lists that the gate and the validation made.
    """
    url, experiment_id = new_database("0017"), uuid.uuid4()
    outcomes = list(FAILURES)
    with psycopg.connect(url) as connection:

        def insert(table: str, **row: Any) -> None:
            columns, marks = ", ".join(row), ", ".join(["%s"] * len(row))
            values = [
                json.dumps(value) if isinstance(value, dict | list) else value for value in row.values()
            ]
            connection.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks})", values)

        insert("experiments", id=experiment_id, name="x", hypothesis="x", plan={}, salt="s", status="stopped")
        decisions = [uuid.UUID(int=number + 1) for number in range(len(TEXTS))]
        for number, text in enumerate(TEXTS):
            insert(
                "decisions", id=decisions[number], experiment_id=experiment_id, action="ramp",
                parameters={"share": 0.5}, reason=text, requested_by="flow:experiment",
                idempotency_key=str(number), outcome=outcomes[number % len(outcomes)],
            )  # fmt: skip
            insert("epochs", number=number + 1, routing={"champion": {}}, reason=text)
        insert("specs", digest="0" * 32, spec={})
        gate = [text for text, [why, *_] in SENTENCES if why.code.startswith("gate_")]
        insert("versions", name="v1", run_id="r1", method="sft", metrics={}, accepted=True, reasons=[])
        insert("versions", name="v2", run_id="r2", method="sft", metrics={}, accepted=False, reasons=gate)
        for epoch, text in ((1, TEXTS[0]), (2, "Ann wants to ship.")):
            insert(
                "releases",
                id=uuid.UUID(int=epoch),
                version="v1",
                spec_digest="0" * 32,
                epoch=epoch,
                reason=text,
            )
        agreement = {"alpha": None, "low": None, "high": None, "units": 30}
        quality = old_quality() | {
            "agreement": {
                "thumbs": agreement | {"unknown_because": QUALITY_BECAUSE},
                "comparisons": {"alpha": 0.5, "low": 0.4, "high": 0.6, "units": 30, "unknown_because": None},
            }
        }
        made = {"path": "p", "counts": {}, "high_water": 1}
        insert("snapshots", digest="judged", **made, accepted=True, reasons=[], quality=quality)
        refused = ["40 people chose the one shown first in 90% of 80 comparisons.", "Nothing is held out."]
        insert("snapshots", digest="refused", **made, accepted=False, reasons=refused, quality=None)
        insert("looks", experiment_id=experiment_id, looked_at="2026-01-01T00:00:00Z", evidence=sample)
        without = {name: part for name, part in sample.items() if name != "unbiased"}
        insert("looks", experiment_id=experiment_id, looked_at="2026-01-02T00:00:00Z", evidence=without)
    return Old(url, experiment_id, decisions)


def old_quality() -> dict[str, Any]:
    bias = {"share": None, "low": 0, "high": 1, "votes": 0, "people": 0}
    return {
        "champion": None, "votes": {}, "left_out": {}, "people_by_votes": {}, "position": bias,
        "length": bias, "types": {}, "intensities": {}, "validation": {}, "rejected_versions": {},
        "duplicates": 0, "similarities": [], "near_duplicates": 0, "losing_facts": {},
    }  # fmt: skip


@pytest.fixture(scope="module")
def engine(old: Old) -> Iterator[Engine]:
    """The database after the upgrade."""
    database.migrate(old.url, "head")
    engine = database.engine(old.url)
    yield engine
    engine.dispose()


def expected(text: str) -> list[Reason]:
    return dict(SENTENCES).get(text) or (as_written(text) if text else [])


def same(found: list[Reason], wanted: list[Reason]) -> bool:
    """Whether reasons are the same, but for the rounding of a percentage's last bits."""
    return [why.code for why in found] == [why.code for why in wanted] and all(
        dict(a.values)
        == {
            name: pytest.approx(value, rel=1e-12) if isinstance(value, float) else value
            for name, value in b.values.items()
        }
        for a, b in zip(found, wanted, strict=True)
    )


def test_every_kind_of_sentence_has_a_case() -> None:
    codes = {why.code for _, reasons in SENTENCES for why in reasons}
    of_analysis_and_gate = {
        code
        for code in catalogue()["reasons"]
        if code.startswith(("side_by_side", "between_users", "metric_difference", "sample_ratio", "gate_"))
    }
    # Experiments and versions have had these since the migration only; the last is in reports only.
    later = {"side_by_side_waiting", "between_users_withheld"}
    later |= {"gate_too_low", "gate_too_high", "gate_no_better_than_copy", "gate_refused"}
    later |= {code for code in of_analysis_and_gate if code.startswith("gate_drift_")}
    assert of_analysis_and_gate - codes == later


@pytest.mark.parametrize("text", TEXTS)
def test_a_sentence_becomes_codes_and_values(engine: Engine, old: Old, text: str) -> None:
    number = TEXTS.index(text)
    with Session(engine) as session:
        decision = session.get_one(Decision, old.decisions[number])
        epoch = session.get_one(Epoch, number + 1)
    assert same(decision.reasons, expected(text)), decision.reasons
    assert epoch.reasons == decision.reasons


def test_a_failure_is_a_reason_of_its_own(engine: Engine, old: Old) -> None:
    outcomes = list(FAILURES)
    with Session(engine) as session:
        for number, decision_id in enumerate(old.decisions):
            row, before = session.get_one(Decision, decision_id), outcomes[number % len(outcomes)]
            assert row.outcome == ("failed" if before and before.startswith("failed: ") else before)
            assert row.failure == FAILURES[before]
            assert row.parameters == {"share": 0.5}


def test_releases_versions_and_snapshots(engine: Engine) -> None:
    with Session(engine) as session:
        first, second = (session.get_one(Release, uuid.UUID(int=number)) for number in (1, 2))
        assert first.reasons == [reason("people_prefer_champion")]
        assert second.reasons == as_written("Ann wants to ship.")
        assert session.get_one(Version, "v1").reasons == []
        gate = [why for _, reasons in SENTENCES for why in reasons if why.code.startswith("gate_")]
        assert len(gate) == 9
        assert session.get_one(Version, "v2").reasons == gate
        refused = session.get_one(Snapshot, "refused")
        assert refused.quality is None
        assert refused.reasons == [
            *as_written("40 people chose the one shown first in 90% of 80 comparisons."),
            *as_written("Nothing is held out."),
        ]
        judged = session.get_one(Snapshot, "judged")
        assert judged.reasons == []
        agreement = Quality.model_validate(judged.quality).agreement
    assert [agreement["thumbs"].unknown_because] == as_written(QUALITY_BECAUSE)
    assert agreement["comparisons"].unknown_because is None


def test_what_analyses_found_is_read_as_evidence(engine: Engine, old: Old) -> None:
    with Session(engine) as session:
        newest = evidence.read_newest(session, old.experiment_id)
        assert newest is not None
        assert newest.evidence.decision.action is Action.SHIP
        assert newest.evidence.leading.unbiased is None
        reasons = list(newest.evidence.decision.reasons)
        assert same(
            reasons,
            [
                reason("people_prefer_challenger"),
                reason("side_by_side", **PREFERENCE),
                reason("side_by_side_strict", low=0.501, level=0.978),
                reason("between_users_no_clear_difference", **BETWEEN, **VOTES),
            ],
        ), reasons
        stored = session.query(Analysis.evidence).order_by(Analysis.analysed_at).all()
        assert [Evidence.model_validate(row.evidence) for row in stored] == [newest.evidence] * 2
    assert "96 回チャレンジャーを選びました。割合は 63.6%" in render(reasons, "ja")


def test_the_way_back_gives_sentences_and_the_way_up_the_same_reasons_to_read(
    engine: Engine, old: Old
) -> None:
    queries = {
        "decisions": "SELECT id, {column}, outcome FROM decisions ORDER BY id",
        "epochs": "SELECT number, {column} FROM epochs ORDER BY number",
        "releases": "SELECT id, {column} FROM releases ORDER BY id",
    }
    lists = {
        "versions": "SELECT name, reasons FROM versions ORDER BY name",
        "snapshots": "SELECT digest, reasons FROM snapshots ORDER BY digest",
    }

    def sentences(connection: psycopg.Connection[Any]) -> dict[str, list[str]]:
        """Each row's reasons in English, at head."""
        return {
            table: [render(load(row[1])) for row in connection.execute(query.format(column="reasons"))]
            for table, query in (queries | lists).items()
        }

    with Session(engine) as session, session.begin():
        row = session.get_one(Experiment, old.experiment_id)
        row.status = Status.DISCARDED
    engine.dispose()
    with psycopg.connect(old.url, autocommit=True) as connection:
        before = sentences(connection)
        migrations.downgrade(old.url, "0017")
        for table, query in queries.items():
            rows = connection.execute(query.format(column="reason")).fetchall()
            assert [row[1] for row in rows] == before[table]
        for table, query in lists.items():
            assert [" ".join(row[1]) for row in connection.execute(query)] == before[table]
        outcomes = [row[0] for row in connection.execute("SELECT outcome FROM decisions ORDER BY id")]
        assert outcomes == [list(FAILURES)[number % len(FAILURES)] for number in range(len(TEXTS))]
        looks = connection.execute("SELECT evidence FROM looks ORDER BY looked_at").fetchall()
        assert looks[0][0]["decision"]["reasons"][0] == (
            "People prefer the challenger, and its users show no harm beyond the margin."
        )
        [quality] = connection.execute("SELECT quality FROM snapshots WHERE digest = 'judged'").fetchall()
        assert quality[0]["agreement"]["thumbs"]["unknown_because"] == QUALITY_BECAUSE
        assert quality[0]["agreement"]["comparisons"]["unknown_because"] is None
        assert connection.execute("SELECT status FROM experiments").fetchall() == [("stopped",)]
        with pytest.raises(psycopg.errors.CheckViolation):
            connection.execute("UPDATE experiments SET status = 'discarded'")

        database.migrate(old.url, "head")
        assert sentences(connection) == before
        failures = connection.execute("SELECT outcome, failure FROM decisions ORDER BY id").fetchall()
        assert {(outcome, failure is None) for outcome, failure in failures} == {
            ("failed", False), ("done", True), ("proposed", True), (None, True)
        }  # fmt: skip
    with Session(engine) as session:
        newest = evidence.read_newest(session, old.experiment_id)
        assert newest is not None
        assert newest.evidence.decision.reasons[0] == reason("people_prefer_challenger")

"""Decisions are carried out with a real registry, a real service, and a Postgres of these tests. The flow
runs without Prefect's server, which it does not need; tests/test_loop.py has one.
"""

import asyncio
import functools
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from mlflow import MlflowClient
from prefect.logging import disable_run_logger
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import Engine, delete, func, insert, select, text, update
from sqlalchemy.orm import Session

from configs.settings import Settings
from data import database
from data.reasons import Reason, reason, render, written
from data.records import PROTECTED, Spec
from data.tables import (
    Answer,
    Comparison,
    CountedVoter,
    Decision,
    Epoch,
    Erasure,
    Experiment,
    Exposure,
    Feedback,
    Organisation,
    Output,
    Release,
    User,
    Variant,
    Version,
    VersionOrder,
    new_id,
)
from data.traffic import answers, routing
from data.traffic.routing import Routing, Target
from experiments import decisions, drafts, launches, plan, readings, recount
from experiments.analysis import compare
from experiments.decisions import Request
from experiments.drafts import Draft
from experiments.lifecycle import Action
from experiments.recount import Compared
from models import versions
from pipelines import carry_out, local, shadow, tracking
from pipelines.experiment import Evidence, experiment
from pipelines.promote import make_champion, make_servable
from serving.gateway.online.placement import Message, PlacedPerson, RoutingEpoch
from serving.inference.client import InferenceClient, InferenceUnavailable
from tests.logins import gateway_url
from tests.registry import register

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # mlflow's
]

MESSAGE = Message("Fix it.", "soften", 2, None)  # type: ignore[arg-type]
PEOPLE = [uuid.UUID(int=number * 2**64 + number) for number in range(400)]


@pytest.fixture(scope="module")
def installation(
    stack: Settings, new_database: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Settings]:
    """Three registered versions of one tiny model, and an environment with their addresses for the flow."""
    folder = tmp_path_factory.mktemp("registry")
    settings = stack.model_copy(
        update={"database_url": new_database(), "mlflow_uri": f"sqlite:///{folder / 'mlflow.db'}"}
    )
    register(settings, folder, stack.artifacts / "tiny", ("v1", "v2", "v3"))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in local.environment(settings).items():
            patch.setenv(name, value)
        patch.setattr(carry_out, "make_servable", make_servable.fn)
        patch.setattr(carry_out, "make_champion", make_champion.fn)
        patch.setattr(shadow, "run", functools.partial(shadow.run, answer_timeout_s=60.0))
        yield settings


@pytest.fixture
def engine(installation: Settings) -> Iterator[Engine]:
    """The database as after the first promotion: v1 is champion, v2 and v3 have passed the gate."""
    engine = database.engine_of(installation)
    with Session(engine) as session, session.begin():
        session.execute(text("TRUNCATE organisations, outputs, versions, epochs, specs, experiments CASCADE"))
        for name in ("v1", "v2", "v3"):
            session.add(Version(name=name, run_id=name, method="sft", metrics={}, accepted=True, reasons=[]))
            session.flush()
        session.execute(
            update(Version).where(Version.name == "v2").values(created_at=Version.created_at + timedelta(1))
        )
        champion = Spec(version="v1", protection=PROTECTED)
        routing.publish(session, Routing(champion=champion), "the first")
    yield engine
    engine.dispose()


@pytest.fixture
def ask(installation: Settings) -> Callable[..., Any]:
    """`ask(function, *arguments)` calls a function of the gateway's with one of its connections."""
    assert installation.database_url is not None
    url = installation.database_url

    def call(function: Callable[..., Any], *arguments: Any) -> Any:
        async def do() -> Any:
            pool: AsyncConnectionPool = database.online_pool(gateway_url(url), timeout_s=60)
            await pool.open(wait=True, timeout=60)
            try:
                async with pool.connection() as connection:
                    return await function(connection, *arguments)
            finally:
                await pool.close()

        return asyncio.run(do())

    return call


@pytest.fixture
def click(ask: Callable[..., Any]) -> Callable[..., uuid.UUID]:
    """`click(experiment, action, **parameters)`, by Ann."""

    def do(experiment_id: uuid.UUID, action: str, **parameters: Any) -> uuid.UUID:
        key = str(uuid.uuid4())
        why = written(f"Ann wants to {action}.")
        wanted = Request(experiment_id, Action(action), parameters, why, "token:ann", key)
        return uuid.UUID(str(ask(decisions.ask, wanted)))

    return do


# A share cannot fall by more than 1, so the comparisons alone decide: these tests have no measured users.
SHIPS_BY_VOTES = {"minimum_days": 0, "hours_a_person": 0, "harm_margin": 1.0, "guardrails": {}}


@pytest.fixture
def draft(ask: Callable[..., Any]) -> Callable[..., uuid.UUID]:
    """`draft(*versions, **plan)`, by Ann."""

    def do(*challengers: str, target: Target = Target(), **changes: Any) -> uuid.UUID:  # noqa: B008
        planned = plan.with_changes({**SHIPS_BY_VOTES, "ramp": [0.5, 1.0], **changes}).model_dump(mode="json")
        tested = challengers or ("v2",)
        names = " and ".join(tested)
        wanted = Draft(f"try {names}", f"People like {names}.", tested, planned, target)
        return uuid.UUID(str(ask(drafts.draft, wanted, "token:ann", str(uuid.uuid4()))))

    return do


def run(overrides: tuple[str, ...] = ()) -> Any:
    """The flow `experiment`."""
    with disable_run_logger():
        return experiment.fn(overrides)


def read_routing(engine: Engine) -> Routing:
    with Session(engine) as session:
        current = routing.current(session)
    assert current is not None
    return current.routing


def read_trail(
    engine: Engine, experiment_id: uuid.UUID
) -> tuple[str, list[tuple[str, str, list[Reason], str | None]]]:
    """An experiment's status, and its audit trail: action, requester, reasons, outcome."""
    with Session(engine) as session:
        status = session.get_one(Experiment, experiment_id).status
        rows = session.scalars(
            select(Decision)
            .where(Decision.experiment_id == experiment_id)
            .order_by(Decision.created_at, Decision.id)
        )
        return status, [(row.action, row.requested_by, row.reasons, row.outcome) for row in rows]


def read_outcome(engine: Engine, decision_id: uuid.UUID) -> str | None:
    with Session(engine) as session:
        row = session.get_one(Decision, decision_id)
        assert (row.done_at is None) == (row.outcome is None)
        assert (row.outcome == "failed") == (row.failure is not None)
        return row.outcome


def read_failure(engine: Engine, decision_id: uuid.UUID) -> list[Reason]:
    """Why a decision could not be carried out."""
    assert read_outcome(engine, decision_id) == "failed"
    with Session(engine) as session:
        return session.get_one(Decision, decision_id).failure or []


def read_epoch_reasons(engine: Engine) -> list[list[Reason]]:
    """Why each epoch began, in order."""
    with Session(engine) as session:
        return list(session.scalars(select(Epoch.reasons).order_by(Epoch.number)))


def assign_arms(engine: Engine) -> dict[uuid.UUID, str]:
    """The arm that a gateway assigns to each person in an experiment."""
    epoch, assigned = RoutingEpoch(1, read_routing(engine)), {}
    for id in PEOPLE:
        person = PlacedPerson(id, uuid.UUID(int=1), "k", "x")
        epoch.place(person)
        arm = person.arm(MESSAGE)
        if arm is not None:
            assigned[id] = arm.variant
    return assigned


def test_a_draft_is_started_as_it_was_drafted(
    engine: Engine, draft: Callable[..., uuid.UUID], click: Callable[..., uuid.UUID]
) -> None:
    target = Target.model_validate({"locales": ["ja"], "transform_types": ["soften"]})
    drafted = draft(target=target)
    other = draft("v3")
    assert run().name == "NothingToDo", "a version that has a draft waits for its start"
    started, second = click(drafted, "start"), click(other, "start")
    assert isinstance(run(), Evidence), "it is analysed at once"
    [split] = read_routing(engine).experiments
    assert (split.experiment_id, split.ramp, split.target) == (drafted, 0.5, target)
    assert [arm.spec.version for arm in split.arms] == ["v1", "v2"]
    assert read_routing(engine).challengers == (Spec(version="v2", protection=PROTECTED),)
    assert read_trail(engine, drafted) == (
        "running",
        [
            ("draft", "token:ann", written("People like v2."), "done"),
            ("start", "token:ann", written("Ann wants to start."), "done"),
        ],
    )
    with Session(engine) as session:
        arms = session.execute(
            select(Variant.name, Variant.is_baseline).where(Variant.experiment_id == drafted)
        )
        assert set(map(tuple, arms)) == {("v1", True), ("v2", False)}
        assert session.get_one(Experiment, drafted).started_at is not None
        row = session.get_one(Decision, started)
        assert row.parameters == {"epoch": 2, "ramp": 0.5}
        assert row.claimed_at is not None
        assert row.claimed_at <= (row.done_at or row.created_at)
    assert read_failure(engine, second) == [reason("no_free_users", needed=1.0, free=0.0)]
    assert read_trail(engine, other)[0] == "draft"


def test_a_pause_sends_everybody_to_the_champion_and_the_same_come_back(
    engine: Engine, draft: Callable[..., uuid.UUID], click: Callable[..., uuid.UUID]
) -> None:
    drafted = draft(ramp=[0.3, 0.7, 1.0])
    click(drafted, "start")
    run()
    before = assign_arms(engine)
    assert 80 < len(before) < 160
    assert set(before.values()) == {"v1", "v2"}

    click(drafted, "pause")
    assert run().name == "Paused"
    assert (assign_arms(engine), read_routing(engine).challengers) == ({}, ()), (
        "nobody meets the challenger, side by side"
    )
    assert read_trail(engine, drafted)[0] == "paused"
    assert run().name == "Paused", "it is neither analysed nor ramped, and no other one starts"

    click(drafted, "start")
    run()
    assert assign_arms(engine) == before
    assert (read_trail(engine, drafted)[0], read_routing(engine).experiments[0].ramp) == ("running", 0.3)
    assert read_routing(engine).challengers

    click(drafted, "pause")
    click(drafted, "ramp", share=0.6)
    run()
    after = assign_arms(engine)
    assert len(after) > len(before)
    assert {id: after[id] for id in before} == before
    assert read_trail(engine, drafted)[0] == "running"
    assert {row[3] for row in read_trail(engine, drafted)[1]} == {"done"}


def test_a_person_ships(
    engine: Engine,
    installation: Settings,
    draft: Callable[..., uuid.UUID],
    click: Callable[..., uuid.UUID],
) -> None:
    drafted = draft()
    click(drafted, "start")
    run()
    click(drafted, "ship")
    assert run().name == "NothingToDo"
    assert read_routing(engine).champion == Spec(version="v2", protection=PROTECTED)
    assert versions.resolve(installation.registry_uri, "champion") == "v2"
    assert read_trail(engine, drafted) == (
        "shipped",
        [
            ("draft", "token:ann", written("People like v2."), "done"),
            ("start", "token:ann", written("Ann wants to start."), "done"),
            ("ship", "token:ann", written("Ann wants to ship."), "done"),
        ],
    )
    with Session(engine) as session:
        assert session.scalars(select(Release.reasons)).all() == [written("Ann wants to ship.")]


def test_a_draft_that_nobody_wants_is_discarded(
    engine: Engine, draft: Callable[..., uuid.UUID], click: Callable[..., uuid.UUID]
) -> None:
    other, drafted = draft(), draft("v3")
    click(drafted, "discard")
    assert run().name == "NothingToDo", "v2 waits for its start"
    assert read_trail(engine, drafted) == (
        "discarded",
        [
            ("draft", "token:ann", written("People like v3."), "done"),
            ("discard", "token:ann", written("Ann wants to discard."), "done"),
        ],
    )
    with Session(engine) as session:
        row = session.get_one(Experiment, drafted)
        assert (row.started_at, row.ended_at is None) == (None, False)
    assert (read_routing(engine).experiments, read_epoch_reasons(engine)) == ((), [written("the first")]), (
        "no epoch begins"
    )
    click(other, "discard")
    assert run().name == "Started", "a draft that never ran tested nothing, so its version is available again"
    [split] = read_routing(engine).experiments
    assert split.experiment_id not in (other, drafted)
    assert [arm.spec.version for arm in split.arms] == ["v1", "v2"]


def test_a_pause_without_a_reason_says_what_was_done(
    engine: Engine, draft: Callable[..., uuid.UUID], ask: Callable[..., Any], click: Callable[..., uuid.UUID]
) -> None:
    drafted = draft()
    click(drafted, "start")
    run()

    def decide(action: Action, **parameters: float) -> str:
        wanted = Request(drafted, action, parameters, [], "token:ann", str(uuid.uuid4()))
        decision_id = str(ask(decisions.ask, wanted))
        run()
        return decision_id

    paused, ramped = decide(Action.PAUSE), decide(Action.RAMP, share=0.75)
    rolled_back = decide(Action.ROLL_BACK)
    assert read_epoch_reasons(engine)[-3:] == [
        [reason("was_paused", decision=paused)],
        [reason("ramped", share=0.75, decision=ramped)],
        [reason("was_withdrawn", decision=rolled_back)],
    ]


def test_what_is_not_fit_to_go_live_is_neither_started_nor_shipped(
    engine: Engine, draft: Callable[..., uuid.UUID], click: Callable[..., uuid.UUID]
) -> None:
    def judge(version: str, accepted: bool) -> None:
        with Session(engine) as session, session.begin():
            session.get_one(Version, version).accepted = accepted

    drafted = draft()
    judge("v2", False)
    started = click(drafted, "start")
    run()
    assert read_failure(engine, started) == [reason("not_accepted", version="v2")]
    assert read_trail(engine, drafted)[0] == "draft"
    judge("v2", True)
    with Session(engine) as session, session.begin():
        session.execute(update(Experiment).where(Experiment.status == "running").values(status="stopped"))
        routing.publish(session, Routing(champion=Spec(version="v1", protection=PROTECTED)), "a test")
    click(drafted, "start")
    run()
    judge("v2", False)
    shipped, rolled_back = click(drafted, "ship"), click(drafted, "roll_back")
    run()
    assert read_failure(engine, shipped) == [reason("not_accepted", version="v2")]
    assert read_outcome(engine, rolled_back) == "done", "what fails holds up nobody"
    assert read_trail(engine, drafted)[0] == "rolled_back"
    assert read_routing(engine).champion.version == "v1"


def test_rolling_back_withdraws_the_challenger(
    engine: Engine, draft: Callable[..., uuid.UUID], click: Callable[..., uuid.UUID]
) -> None:
    drafted = draft("v3")
    click(drafted, "start")
    run()
    rolled_back, late = click(drafted, "roll_back"), click(drafted, "pause")
    run(("ramp=[1.0]",))
    assert read_outcome(engine, rolled_back) == "done"
    assert read_failure(engine, late) == [reason("experiment_ended", status="rolled_back")]
    [split] = read_routing(engine).experiments
    assert split.experiment_id != drafted, "v2, which nobody has tried, is in an experiment now"
    [(action, who, why, done)] = read_trail(engine, split.experiment_id)[1]
    gate = [reason("passed_gate", version="v2")]
    assert (action, who, why, done) == ("start", "flow:experiment", gate, "done")
    assert read_epoch_reasons(engine)[-1] == [reason("experiment_started", version="v2")]


def test_a_ship_that_was_cut_off_is_ended(
    engine: Engine,
    installation: Settings,
    draft: Callable[..., uuid.UUID],
    click: Callable[..., uuid.UUID],
) -> None:
    drafted = draft()
    click(drafted, "start")
    run()
    shipped = click(drafted, "ship")
    with Session(engine) as session, session.begin():
        claimed = decisions.claim(session)
        assert claimed is not None
    make_champion.fn(installation, engine, Spec(version="v2", protection=PROTECTED), claimed.reasons)
    assert read_trail(engine, drafted)[0] == "stopped", "and here its process was killed"
    run()
    assert (read_trail(engine, drafted)[0], read_outcome(engine, shipped)) == ("shipped", "done")
    with Session(engine) as session:
        assert len(session.scalars(select(Release.id)).all()) == 1, "it is released once"


def find_unequal(engine: Engine, experiment_id: uuid.UUID) -> list[Compared]:
    """What the experiment's page says otherwise than the rows."""
    with Session(engine) as session:
        page = readings.read_experiment_page(session, experiment_id)
        recounted = recount.recount(session, page, Settings().organisation)
        return [row for row in recount.compare_with_page(recounted, page) if not row.is_equal]


def prefer(engine: Engine, version: str, people: int, challenger: str = "v2", opponent: str = "v1") -> None:
    """Let this number of people choose a version in a comparison of a challenger with v1, or with another
    challenger.
    """
    policy = "champion_against_challenger" if opponent == "v1" else "between_challengers"
    with Session(engine) as session, session.begin():
        tenant = Organisation(name=str(uuid.uuid4()))
        session.add(tenant)
        session.flush()
        for number in range(people):
            user = User(id=new_id(), organisation_id=tenant.id)
            shown = {
                name: Output(
                    id=new_id(),
                    organisation_id=tenant.id,
                    message=f"Fix it, {number}.",
                    transform_type="soften",
                    intensity=1,
                    text=f"{name} would fix it.",
                    facts_missing=[],
                    spec_digest="0" * 32,
                    version=name,
                    upstream_ms=1.0,
                )
                for name in (opponent, challenger)
            }
            session.add_all([user, *shown.values()])
            session.flush()
            comparison = Comparison(
                id=new_id(),
                organisation_id=tenant.id,
                user_id=user.id,
                policy=policy,
                first_output_id=shown[opponent].id,
                second_output_id=shown[challenger].id,
            )
            session.add(comparison)
            session.flush()
            session.add(
                Feedback(
                    organisation_id=tenant.id,
                    user_id=user.id,
                    output_id=shown[opponent].id,
                    kind="comparison",
                    comparison_id=comparison.id,
                    preferred_output_id=shown[version].id,
                )
            )


@pytest.mark.parametrize(("preferred", "action"), [("v2", "ship"), ("v1", "roll_back")])
def test_where_a_person_decides_the_flow_proposes_once(
    engine: Engine,
    draft: Callable[..., uuid.UUID],
    click: Callable[..., uuid.UUID],
    preferred: str,
    action: str,
) -> None:
    drafted = draft(automatic=False, hours_a_step=0)
    click(drafted, "start")
    run()
    prefer(engine, preferred, 60)
    for _ in range(3):
        evidence = run()
        assert evidence.decision.action == action
    status, trail = read_trail(engine, drafted)
    assert (status, read_routing(engine).champion.version) == ("running", "v1")
    assert [row for row in trail if row[3] == "proposed"] == [
        (action, "flow:experiment", list(evidence.decision.reasons), "proposed")
    ]
    click(drafted, action)
    run()
    status, trail = read_trail(engine, drafted)
    assert trail[-1] == (action, "token:ann", written(f"Ann wants to {action}."), "done")
    assert status == {"ship": "shipped", "roll_back": "rolled_back"}[action]


def test_what_the_flow_does_by_itself_says_why(engine: Engine, draft: Callable[..., uuid.UUID]) -> None:
    haste = ("hours_a_step=0", "minimum_days=0", "hours_a_person=0")
    assert run(("ramp=[0.5, 1.0]", *haste)).name == "Started"
    [split] = read_routing(engine).experiments
    assert run().decision.action == "keep_running"
    prefer(engine, "v1", 60)
    assert run().decision.action == "roll_back"
    status, trail = read_trail(engine, split.experiment_id)
    assert status == "rolled_back"
    assert [(action, who, done) for action, who, _, done in trail] == [
        ("start", "flow:experiment", "done"),
        ("ramp", "flow:experiment", "done"),
        ("roll_back", "flow:experiment", "done"),
    ]
    assert [why[0] for _, _, why, _ in trail] == [
        reason("passed_gate", version="v2"),
        reason("ramp_due", share=0.5, hours=0.0),
        reason("people_prefer_champion"),
    ]
    english, japanese = ([render(why, language) for _, _, why, _ in trail] for language in ("en", "ja"))
    assert english[:2] == [
        "v2 passed the gate.",
        "50% of the users were in the experiment for 0 hours or more, and nothing shows harm.",
    ]
    assert japanese[:2] == [
        "v2 が品質ゲートを通過しました。",
        "ユーザーの 50% が 0 時間以上実験に入っていて、害は見られません。",
    ]
    assert english[2].startswith("People prefer the champion, so the challenger is withdrawn. Side by side, ")
    assert japanese[2].startswith(
        "人々はチャンピオンを好むため、チャレンジャーを取り下げます。 並べた比較では、"
    )
    assert read_epoch_reasons(engine)[-2:] == [trail[1][2], trail[2][2]], (
        "the epochs begin for the same reasons"
    )


def test_a_bandit_gives_new_users_new_weights_and_leaves_the_others_where_they_are(
    engine: Engine, draft: Callable[..., uuid.UUID], click: Callable[..., uuid.UUID]
) -> None:
    drafted = draft(ramp=[1.0], allocation="top_two", hours_a_batch=1e-9, window_hours=1e-9)
    click(drafted, "start")
    run()
    [split] = read_routing(engine).experiments
    assert [arm.weight for arm in split.arms] == [0.5, 0.5], "nothing is known yet"
    before = assign_arms(engine)
    moment = datetime.now(UTC) - timedelta(seconds=30)
    exposures, outputs, votes = [], [], []
    for number, (person, variant) in enumerate(before.items()):
        keys = {"experiment_id": drafted, "user_id": person, "variant": variant, "epoch": split.epoch}
        keys["organisation_id"] = uuid.UUID(int=1)
        exposures.append({"answer_id": new_id(), "exposed_at": moment, **keys})
        outputs.append({"id": new_id(), "version": variant, "organisation_id": uuid.UUID(int=1)})
        liked = number % 3 > 0 if variant == "v2" else number % 3 == 0
        votes.append(
            {"id": new_id(), "output_id": outputs[-1]["id"], "thumb_up": liked, "created_at": moment, **keys}
        )
    same: dict[str, Any] = {"message": "m", "transform_type": "soften", "intensity": 1, "text": "t"}
    same |= {"facts_missing": [], "spec_digest": "0" * 32, "upstream_ms": 1.0}
    with engine.begin() as connection:
        connection.execute(insert(Exposure), exposures)
        connection.execute(insert(Output), [{**same, **row} for row in outputs])
        connection.execute(insert(Feedback), [{"kind": "thumb", **row} for row in votes])
    evidence = run()
    assert evidence.leading.between_users.primary.difference > 0.2
    assert evidence.leading.unbiased is not None
    [learned] = read_routing(engine).experiments
    assert learned.epoch > split.epoch
    assert learned.arms[1].weight == pytest.approx(0.7, abs=0.01)
    assert learned.is_reweighted
    action, who, why, _ = read_trail(engine, drafted)[1][-1]
    assert (action, who) == ("reweigh", "flow:experiment")
    shares = tuple(f"{arm.weight:.1%}" for arm in learned.arms)
    assert why == [reason("reweighed_arms", arms=("v1", "v2"), shares=shares, rule="top_two")]
    assert "the arms v1 and v2 get these shares: 3" in render(why)
    assert "v1、v2 にそれぞれ 3" in render(why, "ja")
    late = run()
    assert late.leading.between_users.primary == evidence.leading.between_users.primary, (
        "the old epoch says what it said"
    )
    assert find_unequal(engine, drafted) == []


def test_nothing_ships_before_the_minimum_run_and_nothing_goes_on_for_ever(
    engine: Engine, draft: Callable[..., uuid.UUID], click: Callable[..., uuid.UUID]
) -> None:
    drafted = draft(minimum_days=7, maximum_days=28)
    click(drafted, "start")
    run()
    prefer(engine, "v2", 60)
    cause, missing = run().decision.reasons[:2]
    assert cause == reason("not_shown_yet")
    assert str(missing) == "The measured users came over 0.0 days; at least 7 are needed."
    with Session(engine) as session, session.begin():
        session.execute(update(Feedback).values(preferred_output_id=None))
        session.execute(delete(CountedVoter).where(CountedVoter.experiment_id == drafted))
        begun = datetime.now(UTC) - timedelta(days=28)
        session.execute(update(Experiment).where(Experiment.id == drafted).values(started_at=begun))
    assert run().decision.reasons[0] == reason("maximum_days", days=28.0)
    assert read_trail(engine, drafted)[0] == "stopped"


def test_a_promotion_ends_what_is_paused(
    engine: Engine,
    installation: Settings,
    draft: Callable[..., uuid.UUID],
    click: Callable[..., uuid.UUID],
) -> None:
    drafted = draft()
    click(drafted, "start")
    run()
    click(drafted, "pause")
    run()
    make_champion.fn(installation, engine, Spec(version="v3", protection=PROTECTED), "a test")
    assert read_trail(engine, drafted)[0] == "stopped"
    assert read_routing(engine).champion.version == "v3"


def test_the_better_of_two_challengers_ships_and_a_worse_one_is_dropped_before(
    engine: Engine,
    installation: Settings,
    draft: Callable[..., uuid.UUID],
    click: Callable[..., uuid.UUID],
) -> None:
    drafted = draft("v2", "v3", hours_a_step=0)
    click(drafted, "start")
    evidence = run()
    assert list(evidence.challengers) == ["v2", "v3"]
    [split] = read_routing(engine).experiments
    assert [(arm.name, arm.spec.version) for arm in split.arms] == [
        (name, name) for name in ("v1", "v2", "v3")
    ]
    assert [arm.weight for arm in split.arms] == pytest.approx([1 / 3] * 3)
    assert [spec.version for spec in read_routing(engine).challengers] == ["v2", "v3"]
    before = assign_arms(engine)
    assert set(before.values()) == {"v1", "v2", "v3"}

    prefer(engine, "v1", 60, challenger="v2")
    evidence = run()
    assert (evidence.decision.action, evidence.decision.challenger) == ("keep_running", "v3")
    assert evidence.decision.dropped == ("v2",)
    [split] = read_routing(engine).experiments
    assert [(arm.weight, arm.spec.version) for arm in split.arms] == [
        (pytest.approx(0.5), "v1"), (0.0, "v1"), (pytest.approx(0.5), "v3")
    ]  # fmt: skip
    assert [spec.version for spec in read_routing(engine).challengers] == ["v3"]
    [(_, who, why, outcome)] = [row for row in read_trail(engine, drafted)[1] if row[0] == "drop"]
    assert (who, why[0], outcome) == ("flow:experiment", reason("people_prefer_champion"), "done")
    assert list(run().challengers) == ["v3"], "the dropped one is not analysed again"

    prefer(engine, "v3", 60, challenger="v3")
    evidence = run()
    assert (evidence.decision.action, evidence.decision.challenger) == ("ship", "v3")
    assert read_routing(engine).champion.version == "v3"
    assert read_trail(engine, drafted)[0] == "shipped"
    assert find_unequal(engine, drafted) == []
    with Session(engine) as session:
        shipped = session.scalars(select(Decision).where(Decision.action == "ship")).one()
        assert shipped.parameters == {"challenger": "v3"}
        arms = session.scalars(select(Variant).where(Variant.experiment_id == drafted))
        dropped = {row.name: row.dropped_at is not None for row in arms}
    assert dropped == {"v1": False, "v2": True, "v3": False}


def test_votes_between_challengers_rank_them_and_decide_nothing(
    engine: Engine,
    installation: Settings,
    draft: Callable[..., uuid.UUID],
    click: Callable[..., uuid.UUID],
) -> None:
    click(draft("v2", "v3"), "start")
    run()
    prefer(engine, "v3", 60, challenger="v3", opponent="v2")
    evidence = run()
    assert [(row.version, row.rank) for row in evidence.ranking.versions] == [
        ("v1", 1), ("v2", None), ("v3", None)
    ]  # fmt: skip
    prefer(engine, "v1", 6, challenger="v2")
    evidence = run()
    assert [(row.version, row.votes) for row in evidence.ranking.versions] == [
        ("v3", 60), ("v1", 6), ("v2", 66)
    ]  # fmt: skip
    assert (evidence.decision.action, evidence.decision.dropped) == ("keep_running", ())
    tallies = {name: result.comparison.tally for name, result in evidence.challengers.items()}
    assert {name: tally.wins + tally.losses for name, tally in tallies.items()} == {"v2": 6, "v3": 0}


def test_the_levels_of_several_challengers_hold_for_all_of_them(
    engine: Engine, draft: Callable[..., uuid.UUID], click: Callable[..., uuid.UUID]
) -> None:
    drafted = draft("v2", "v3")
    click(drafted, "start")
    run()
    alone, together = (plan.with_changes({}).for_each_of(count) for count in (1, 2))
    prefer(engine, "v2", 13)
    low = run().challengers["v2"].comparison.interval.low
    tally = run().challengers["v2"].comparison.tally
    assert low == compare(tally, together).interval.low
    assert low < compare(tally, alone).interval.low


def test_a_person_says_which_challenger_ships_or_is_dropped(
    engine: Engine,
    installation: Settings,
    draft: Callable[..., uuid.UUID],
    click: Callable[..., uuid.UUID],
) -> None:
    drafted = draft("v2", "v3")
    click(drafted, "start")
    run()
    unnamed = click(drafted, "ship")
    unknown = click(drafted, "drop", challenger="v1")
    run()
    assert read_failure(engine, unnamed) == [reason("which_challenger", versions=("v2", "v3"))]
    assert read_failure(engine, unknown) == [reason("not_tested", version="v1", versions=("v2", "v3"))]
    click(drafted, "drop", challenger="v3")
    last = click(drafted, "drop", challenger="v2")
    run()
    assert read_failure(engine, last) == [reason("last_challenger", version="v2")]
    click(drafted, "ship")
    run()
    assert (read_routing(engine).champion.version, read_trail(engine, drafted)[0]) == ("v2", "shipped")


def test_a_challenger_that_learned_from_an_erased_person_is_dropped(
    engine: Engine, draft: Callable[..., uuid.UUID], click: Callable[..., uuid.UUID]
) -> None:
    drafted = draft("v2", "v3")
    click(drafted, "start")
    run()
    with Session(engine, expire_on_commit=False) as session, session.begin():
        tenant = Organisation(name="x")
        session.add(tenant)
        session.flush()
        erasure = Erasure(organisation_id=tenant.id, user_id=new_id(), counts={})
        session.add(erasure)
        session.flush()
        session.add(VersionOrder(erasure_id=erasure.id, version="v3", action="retrain"))
    assert list(run().challengers) == ["v2"]
    assert read_trail(engine, drafted)[0] == "running"
    with Session(engine) as session, session.begin():
        session.add(VersionOrder(erasure_id=erasure.id, version="v2", action="retrain"))
    assert run().name == "Stopped"
    assert read_trail(engine, drafted)[0] == "stopped"


def test_two_experiments_run_at_once_on_different_users(
    engine: Engine,
    installation: Settings,
    draft: Callable[..., uuid.UUID],
    click: Callable[..., uuid.UUID],
) -> None:
    first, second = (draft(version, traffic_share=0.4, ramp=[1.0]) for version in ("v2", "v3"))
    for drafted in (first, second):
        click(drafted, "start")
    run()
    assert [split.slots for split in read_routing(engine).experiments] == [
        (0.0, 0.4), (0.4, pytest.approx(0.8))
    ]  # fmt: skip
    assert [spec.version for spec in read_routing(engine).challengers] == ["v2", "v3"]
    arms = assign_arms(engine)
    assert set(arms.values()) == {"v1", "v2", "v3"}
    assert 280 < len(arms) < 360, "four fifths of 400 people"
    click(first, "pause")
    prefer(engine, "v3", 60, challenger="v3")
    run()
    assert read_trail(engine, second)[0] == "shipped"
    assert read_trail(engine, first)[0] == "stopped", "its baseline is no longer the champion"
    assert read_routing(engine).champion.version == "v3"
    assert all(split.is_holdout for split in read_routing(engine).experiments)


def test_a_version_without_weights_fails_once_and_says_why(
    engine: Engine, draft: Callable[..., uuid.UUID], click: Callable[..., uuid.UUID]
) -> None:
    with Session(engine) as session, session.begin():
        session.add(Version(name="v9", run_id="v9", method="sft", metrics={}, accepted=True, reasons=[]))
    drafted = draft("v9")
    started = click(drafted, "start")
    run()
    [why] = read_failure(engine, started)
    assert why.code == "internal_error"
    assert "Model Version" in str(why.values["error"]), why
    run()
    assert read_failure(engine, started) == [why], "it is not tried again"
    assert read_trail(engine, drafted)[0] == "draft"


def find_runs(settings: Settings, experiment_id: uuid.UUID) -> list[Any]:
    """The runs that MLflow has of an experiment."""
    client = MlflowClient(tracking_uri=settings.registry_uri)
    mlflow_experiment = client.get_experiment_by_name(tracking.EXPERIMENT)
    if mlflow_experiment is None:
        return []
    return list(
        client.search_runs([mlflow_experiment.experiment_id], f"tags.experiment_id = '{experiment_id}'")
    )


def test_an_experiment_that_has_ended_is_one_run_in_mlflow(
    engine: Engine,
    installation: Settings,
    draft: Callable[..., uuid.UUID],
    click: Callable[..., uuid.UUID],
) -> None:
    drafted = draft(guardrails={"failed": 0.03})
    click(drafted, "start")
    run()
    prefer(engine, "v2", 20)
    run()
    assert find_runs(installation, drafted) == [], "it runs"
    click(drafted, "roll_back")
    run()
    [tracked] = find_runs(installation, drafted)
    assert tracked.info.status == "FINISHED"
    assert tracked.data.params["guardrails.failed"] == "0.03"
    assert tracked.data.params["ramp"] == "[0.5, 1.0]"
    tags = {name: value for name, value in tracked.data.tags.items() if not name.startswith("mlflow.run")}
    assert {
        "name": "try v2",
        "hypothesis": "People like v2.",
        "status": "rolled_back",
        "baseline": "v1",
        "challenger": "v2",
        "decided_by": "token:ann",
        "mlflow.note.content": "Ann wants to roll_back.",
    }.items() <= tags.items()
    assert tracked.data.metrics["comparison/wins"] == 20
    assert tracked.data.metrics["challenger/exposed"] == 0
    client = MlflowClient(tracking_uri=installation.registry_uri)
    assert {item.path for item in client.list_artifacts(tracked.info.run_id)} == {
        "evidence.json",
        "effect.png",
        "metrics.png",
    }

    with Session(engine) as session, session.begin():  # as after a ship that was cut off
        session.execute(update(Experiment).where(Experiment.id == drafted).values(status="stopped"))
    run()
    [again] = find_runs(installation, drafted)
    assert (again.info.run_id, again.data.tags["status"]) == (tracked.info.run_id, "stopped")
    run()
    assert find_runs(installation, drafted)[0].info.to_proto() == again.info.to_proto(), "written once"


def test_an_unavailable_mlflow_delays_no_decision(
    engine: Engine,
    installation: Settings,
    draft: Callable[..., uuid.UUID],
    click: Callable[..., uuid.UUID],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    drafted = draft()
    click(drafted, "start")
    run()
    with monkeypatch.context() as patch:
        patch.setattr("mlflow.store.db.utils.MAX_RETRY_COUNT", 1)
        patch.setenv("TONEBRIDGE_MLFLOW_URI", "postgresql+psycopg://nobody@127.0.0.1:1/nothing")
        rolled_back = click(drafted, "roll_back")
        with caplog.at_level("WARNING", logger="pipelines.tracking"):
            run()
        assert "is not in MLflow yet" in caplog.text
        assert (read_trail(engine, drafted)[0], read_outcome(engine, rolled_back)) == ("rolled_back", "done")
    assert find_runs(installation, drafted) == []
    run()
    assert [run.data.tags["status"] for run in find_runs(installation, drafted)] == ["rolled_back"]


def answer(
    engine: Engine, settings: Settings, tenant: Organisation, rewrites: dict[str, str], **person: Any
) -> list[User]:
    """Store a person for each message, whom v1 answered with its rewrite."""
    assert settings.database_url is not None
    asyncio.run(answers.ensure_partitions(settings.database_url, datetime.now(UTC).date()))
    with Session(engine, expire_on_commit=False) as session, session.begin():
        tenant = session.merge(tenant)
        session.flush()
        people = []
        for message, rewrite in rewrites.items():
            user = User(id=new_id(), organisation_id=tenant.id, **person)
            output = Output(
                id=new_id(),
                organisation_id=tenant.id,
                message=message,
                transform_type="soften",
                intensity=1,
                text=rewrite,
                facts_missing=[],
                spec_digest="0" * 32,
                version="v1",
                upstream_ms=5.0,
            )
            session.add_all([user, output])
            session.flush()
            people.append(user)
            answered_with(session, user, output)
    return people


def answered_with(session: Session, user: User, output: Output) -> None:
    session.add(
        Answer(
            id=new_id(),
            output_id=output.id,
            organisation_id=output.organisation_id,
            user_id=user.id,
            variant="champion",
            epoch=1,
            cache="miss",
            fell_back=False,
            total_ms=6.0,
        )
    )


def owner(settings: Settings, **terms: bool) -> Organisation:
    """The organisation that runs the installation."""
    return Organisation(id=new_id(), name=settings.organisation, **terms)


@pytest.fixture
def service_requests(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """The requests to the inference service: version and message."""
    requests: list[tuple[str, str]] = []
    rewrite = InferenceClient.rewrite

    async def record(self: InferenceClient, spec: Spec, items: Any, timeout_s: float = 30.0) -> Any:
        requests.extend((spec.version, item.text) for item in items)
        return await rewrite(self, spec, items, timeout_s)

    monkeypatch.setattr(InferenceClient, "rewrite", record)
    return requests


WITHOUT_FACTS = {f"The page looks wrong, {word}.": "No facts here." for word in "abcdefghijklmno"}
WITH_FACTS = {
    f"Send the {number} reports to Anna Miller by 3 May {number}.": (
        f"Please send the {number} reports to Anna Miller by 3 May {number}."
    )
    for number in range(2001, 2016)
}


def test_only_what_may_be_learned_from_is_replayed(
    engine: Engine, installation: Settings, service_requests: list[tuple[str, str]]
) -> None:
    ours = owner(installation)
    answer(engine, installation, ours, WITHOUT_FACTS)
    answer(engine, installation, ours, {"No, said I.": "x"}, consents_to_training=False)
    [erased] = answer(engine, installation, ours, {"Forget me.": "x"})
    answer(engine, installation, ours, {"Two wrote this.": "x"})
    closed = Organisation(id=new_id(), name="closed", trains_across=False)
    answer(engine, installation, closed, {"Ours alone.": "x"}, consents_to_training=True)
    across = Organisation(id=new_id(), name="across", trains_across=True, trains_by_default=False)
    answer(engine, installation, across, {"Nobody asked me.": "x"})
    answer(engine, installation, across, {"Yes, said I.": "x"}, consents_to_training=True)
    with Session(engine) as session, session.begin():
        session.add(Erasure(organisation_id=ours.id, user_id=erased.id, counts={}))
        refuses = User(id=new_id(), organisation_id=ours.id, consents_to_training=False)
        session.add(refuses)
        session.flush()
        output = session.scalars(select(Output).where(Output.message == "Two wrote this.")).one()
        answered_with(session, refuses, output)
        counted = select(func.count())
        before = [session.scalar(counted.select_from(table)) for table in (Output, Answer, Feedback)]
    run(("shadow_messages=100",))
    assert {version for version, _ in service_requests} == {"v2"}
    assert sorted(message for _, message in service_requests) == sorted([*WITHOUT_FACTS, "Yes, said I."])
    with Session(engine) as session:
        after = [session.scalar(counted.select_from(table)) for table in (Output, Answer, Feedback)]
        assert after == before, "nothing of it is stored"
        result = session.scalars(select(Decision)).one().parameters["shadows"]["v2"]
        assert (result["messages"], result["failed"]) == (16, 0)
        assert "page looks wrong" not in str(result)
    assert len(read_routing(engine).experiments) == 1


def test_a_challenger_that_loses_facts_in_shadow_meets_nobody(
    engine: Engine,
    installation: Settings,
    draft: Callable[..., uuid.UUID],
    click: Callable[..., uuid.UUID],
) -> None:
    ours = owner(installation)
    answer(engine, installation, ours, WITH_FACTS)
    drafted = draft("v3")
    started = click(drafted, "start")
    first = run()
    unsound, facts = read_failure(engine, started)
    assert unsound == reason("shadow_unsound", version="v3")
    assert (facts.code, facts.values["champion"], facts.values["messages"]) == ("shadow_facts", 1, 15)
    assert "of the facts, and the champion keeps 100.0% on the same 15 messages." in str(facts)
    assert read_trail(engine, drafted)[0] == "draft"
    assert (first.name, read_routing(engine).experiments) == ("Refused", ()), (
        "and v2, by itself, does the same"
    )
    with Session(engine) as session:
        parameters = session.get_one(Decision, started).parameters
        assert parameters["shadow"]["scores"]["facts_kept"]["champion"] == 1
        stopped = session.scalars(select(Experiment).where(Experiment.status == "stopped")).one()
        assert (stopped.started_at, stopped.ended_at is None) == (None, False)
    [(action, who, why, done)] = read_trail(engine, stopped.id)[1]
    assert (action, who, done) == ("stop", "flow:experiment", "done")
    assert [each.code for each in why] == ["shadow_unsound", "shadow_facts"]
    assert why[0] == reason("shadow_unsound", version="v2")
    assert render(why).startswith("v2 is not fit to answer people, as its shadow run found. It keeps "), (
        render(why)
    )
    assert run().name == "NothingToDo", "it is not tried again"
    [tracked] = find_runs(installation, stopped.id)
    assert (tracked.data.tags["status"], tracked.data.tags["challenger"]) == ("stopped", "v2")

    answer(engine, installation, ours, WITHOUT_FACTS)
    sound = draft("v3", shadow_messages=12)
    click(sound, "start")
    run()
    assert read_trail(engine, sound)[0] == "running", "of the newest twelve messages none has a fact to lose"
    with Session(engine) as session:
        ship_alpha = session.get_one(Experiment, sound).plan["ship_alpha"]
    assert ship_alpha == pytest.approx(launches.alpha_of_next([], 0.1)), "one that never began is no launch"


def test_a_challenger_that_does_not_answer_in_shadow_is_refused(
    engine: Engine, installation: Settings
) -> None:
    answer(engine, installation, owner(installation), WITHOUT_FACTS)
    v1, v2, unknown = (Spec(version=version) for version in ("v1", "v2", "v404"))
    with pytest.raises(shadow.UnsoundError, match=r"failed on 15 of 15 messages; at most 10%") as unsound:
        shadow.run(installation, engine, v1, unknown, Target(), 50, retry_wait_s=0.0)
    assert unsound.value.reasons == [
        reason("shadow_unsound", version="v404"),
        reason("shadow_failed", failed=15, messages=15, limit=0.1),
    ]
    unavailable = installation.model_copy(update={"inference_urls": ("http://127.0.0.1:1",)})
    with pytest.raises(InferenceUnavailable, match="neither for challenger nor champion"):
        shadow.run(unavailable, engine, v1, v2, Target(), 50, answer_timeout_s=1.0, retry_wait_s=0.0)
    assert shadow.run(unavailable, engine, v1, unknown, Target(), 0) is None
    assert shadow.run(unavailable, engine, v1, unknown, Target(), 9) is None, "too few to say anything"
    summaries = Target.model_validate({"transform_types": ["summarize"]})
    assert shadow.run(unavailable, engine, v1, unknown, summaries, 50) is None, "no such message"

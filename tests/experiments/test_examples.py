"""The answers behind a metric: who sees which, in a real Postgres with the dashboard's login."""

import asyncio
import uuid
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

import pytest
from sqlalchemy import Engine, text, update
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session

from data import database
from data.tables import DASHBOARD_LOGIN, Experiment, Feedback, Organisation, Output
from data.traffic import answers, comparisons
from experiments import examples, metrics, outcomes, plan, readings
from experiments.examples import ArmExamples
from experiments.metrics import Metric
from experiments.own_metrics import Definitions
from tests.trials import CHALLENGER, CHAMPION, ORGANISATION, START, Trial, add_output

PLAN = plan.load(["window_hours=1"])


@pytest.fixture(scope="module")
def url(new_database: Callable[..., str]) -> str:
    url = new_database()
    asyncio.run(answers.ensure_partitions(url, START.date(), days=3))
    return url


@pytest.fixture(scope="module")
def engine(url: str) -> Iterator[Engine]:
    engine = database.engine(url)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def reading(url: str) -> Iterator[Engine]:
    engine = database.reading_engine(database.replace_login(url, DASHBOARD_LOGIN))
    yield engine
    engine.dispose()


class World(NamedTuple):
    """An experiment that has measured people of one organisation, and who they are."""

    trial: Trial
    people: dict[str, list[uuid.UUID]]

    def list(self, reading: Engine, quantity: str, **arguments: Any) -> dict[str, ArmExamples]:
        arguments = {"organisation_id": ORGANISATION, "person_id": None, **arguments}
        with Session(reading) as session:
            page = readings.read_experiment_page(session, self.trial.id)
            return examples.list_answers(session, page, quantity, **arguments)


def build(session: Session, users: int = 10, planned: plan.Plan = PLAN) -> World:
    """Each user has a fast answer and a slow miss, whose message is about their number; the first of each arm
    votes it down, the second corrects it.
    """
    trial = Trial(session)
    epoch = trial.epoch(0.5, 0.5)
    session.execute(
        update(Experiment)
        .where(Experiment.id == trial.id)
        .values(plan=planned.model_dump(mode="json"), started_at=START)
    )
    people: dict[str, list[uuid.UUID]] = {"champion": [], "challenger": []}
    for spec, variant in ((CHAMPION, "champion"), (CHALLENGER, "challenger")):
        for number in range(users):
            user = uuid.uuid4()
            people[variant].append(user)
            trial.expose(user, variant, epoch)
            output = add_output(session, spec.version, f"Could you fix {number}?", cost_usd=0.001)
            session.execute(update(Output).where(Output.id == output).values(message=f"Fix {number}."))
            fast = add_output(session, spec.version, "fast")
            locale = "ja-JP" if number % 2 else "en"
            trial.answer(user, variant, epoch, 1, output_id=fast, locale=locale)
            trial.answer(
                user, variant, epoch, 2, output_id=output, cache="miss", total_ms=100.0 * (number + 1),
                fell_back=number == 3,
            )  # fmt: skip
            if number < 2:
                trial.vote(user, variant, epoch, False if number == 0 else "Please fix it.")
                vote = Feedback.user_id == user
                session.execute(update(Feedback).where(vote).values(output_id=output))
    trial.fail(people["challenger"][0], "challenger", epoch, 3, failures=2)
    session.commit()
    outcomes.refresh(session, trial.id, planned, metrics.load(), START + timedelta(hours=2))
    session.commit()
    return World(trial, people)


def test_colleagues_answers_have_a_day_and_no_text(session: Session, reading: Engine) -> None:
    arms = build(session).list(reading, "service_s")
    assert [arm.users for arm in arms.values()] == [10, 10]
    for arm in arms.values():
        assert arm.answers == 10
        assert [example.total_ms for example in arm.examples] == [100.0 * n for n in range(10, 0, -1)]
        assert {type(example.at) for example in arm.examples} == {date}
        assert {(e.message, e.text, e.correction, e.is_own) for e in arm.examples} == {
            (None, None, None, False)
        }


def test_one_sees_the_texts_of_ones_own_messages(session: Session, reading: Engine) -> None:
    world = build(session)
    own = world.people["challenger"][1]
    example = world.list(reading, "edits", person_id=own)["challenger"].examples[0]
    assert isinstance(example.at, datetime)
    assert (example.message, example.text) == ("Fix 1.", "Could you fix 1?")
    assert (example.correction, example.edit_distance) == ("Please fix it.", 0.4)
    other = world.list(reading, "edits", person_id=own)["champion"].examples[0]
    assert (other.message, other.text, other.correction) == (None, None, None)


def test_texts_of_shipped_messages_are_shown(session: Session, reading: Engine) -> None:
    world = build(session)
    shipped = next(iter(comparisons.read_messages()))
    session.execute(update(Output).where(Output.message == "Fix 9.").values(message=shipped))
    session.commit()
    slowest, second, *_ = world.list(reading, "service_s")["champion"].examples
    assert (slowest.message, slowest.text) == (shipped, "Could you fix 9?")
    assert second.message is None


def test_few_users_in_one_arm_hide_the_colleagues_of_both(session: Session, reading: Engine) -> None:
    world = build(session, users=9)
    assert [(arm.users, arm.answers) for arm in world.list(reading, "service_s").values()] == [(9, 0), (9, 0)]
    own = world.people["champion"][0]
    arms = world.list(reading, "service_s", person_id=own)
    assert [example.is_own for example in arms["champion"].examples] == [True]
    assert arms["challenger"].examples == []


def test_another_organisation_sees_nothing(session: Session, reading: Engine) -> None:
    world = build(session)
    person = world.people["champion"][0]
    arms = world.list(reading, "answers", organisation_id=uuid.uuid4(), person_id=person)
    assert [(arm.users, arm.examples) for arm in arms.values()] == [(0, []), (0, [])]
    with Session(reading) as unnamed:
        assert unnamed.scalar(text("SELECT count(*) FROM measured_answers")) == 0
        assert unnamed.scalar(text("SELECT count(*) FROM measured_failures")) == 0
        with pytest.raises(ProgrammingError, match="permission denied"):
            unnamed.execute(text("SELECT * FROM answers"))


@pytest.mark.parametrize(
    ("quantity", "shown"),
    [
        ("complaints", [(100.0, False)]),
        ("likes", []),
        ("votes", [(200.0, None), (100.0, False)]),
        ("score", [(100.0, False)]),
        ("edits", [(200.0, None)]),
        ("edit_distance", [(200.0, None)]),
        ("fallbacks", [(400.0, None)]),
        ("repeats", []),
    ],
)
def test_each_quantity_lists_the_answers_that_add_to_it(
    session: Session, reading: Engine, quantity: str, shown: list[tuple[float, bool | None]]
) -> None:
    arm = build(session).list(reading, quantity)["challenger"]
    assert sorted((e.total_ms, e.thumb_up) for e in arm.examples) == sorted(shown, key=lambda row: row[0])


@pytest.mark.parametrize("quantity", sorted(set(examples.AMOUNTS)))
def test_every_quantity_is_computed(session: Session, reading: Engine, quantity: str) -> None:
    assert set(build(session).list(reading, quantity)) == {"champion", "challenger"}


def test_every_metric_names_quantities_that_can_be_listed() -> None:
    for name, metric in metrics.load().items():
        assert set(examples.list_quantities(metric)) <= {*examples.AMOUNTS, examples.FAILURES}, name
        assert examples.list_quantities(metric), name
    own = metrics.Metric(kind="mean", of="votes - before_votes + misses", better="lower", says="x")
    assert examples.list_quantities(own) == ["misses", "votes"]


def test_pages_continue_each_other(
    session: Session, reading: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examples, "A_PAGE", 4)
    world = build(session)
    pages = [world.list(reading, "service_s", number=number)["champion"] for number in (1, 2, 3, 4)]
    assert [[e.total_ms for e in arm.examples] for arm in pages] == [
        [1000, 900, 800, 700],
        [600, 500, 400, 300],
        [200, 100],
        [],
    ]
    assert [arm.answers for arm in pages] == [10, 10, 10, 0]


def test_a_segment_is_that_of_the_first_answer(session: Session, reading: Engine) -> None:
    definitions = Definitions.model_validate(
        {"segments": {"language": "split_part(locale, '-', 1)", "voted_before": "before_votes > 0"}}
    )
    world = build(session, users=20, planned=plan.load(["window_hours=1"], definitions))
    planned = plan.load(own=definitions)
    assert set(examples.list_segments(planned)) == {"transform_type", "locale", "channel", "language"}
    for segment in (("locale", "ja-jp"), ("language", "ja")):
        arm = world.list(reading, "service_s", segment=segment)["champion"]
        assert (arm.users, [e.total_ms for e in arm.examples]) == (10, [100.0 * n for n in range(20, 0, -2)])
    assert world.list(reading, "service_s", segment=("channel", "chat"))["champion"] == ArmExamples()


def test_failures_are_counted_by_day(session: Session, reading: Engine) -> None:
    world = build(session)
    with Session(reading) as reader:
        page = readings.read_experiment_page(reader, world.trial.id)
        [failed] = examples.list_failures(reader, page, ORGANISATION)
        assert (failed.variant, failed.day, failed.requests) == ("challenger", START.date(), 2)
        assert examples.list_failures(reader, page, uuid.uuid4()) == []


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Niue"])  # 14 hours ahead, and 11 behind
def test_days_are_those_of_utc_in_a_session_of_any_zone(session: Session, reading: Engine, zone: str) -> None:
    world = build(session)
    with Session(reading) as reader:
        reader.execute(text("SELECT set_config('TimeZone', :zone, false)"), {"zone": zone})
        page = readings.read_experiment_page(reader, world.trial.id)
        [failed] = examples.list_failures(reader, page, ORGANISATION)
        assert failed.day == START.date()
        for arm in examples.list_answers(reader, page, "service_s", ORGANISATION, None).values():
            assert {example.at for example in arm.examples} == {START.date()}


def test_a_unit_is_shown_once_its_window_is_counted(session: Session, reading: Engine) -> None:
    world = build(session)
    epoch = session.execute(
        text("SELECT max(epoch) FROM exposures WHERE experiment_id = :id"), {"id": world.trial.id}
    ).scalar_one()
    late = uuid.uuid4()
    world.trial.expose(late, "champion", epoch, minute=90)
    world.trial.answer(
        late, "champion", epoch, 91, output_id=add_output(session, "x", "y"), cache="miss", total_ms=9e5
    )
    session.commit()
    outcomes.refresh(session, world.trial.id, PLAN, metrics.load(), START + timedelta(hours=2))
    session.commit()
    assert world.list(reading, "service_s")["champion"].answers == 10
    outcomes.refresh(session, world.trial.id, PLAN, metrics.load(), START + timedelta(hours=4))
    session.commit()
    assert world.list(reading, "service_s")["champion"].examples[0].total_ms == 9e5


def test_the_answers_behind_a_metric_are_listed_by_quantity_and_arm(session: Session) -> None:
    world = build(session)
    session.add(Organisation(id=ORGANISATION, name="ours"))
    session.flush()
    page = readings.read_experiment_page(session, world.trial.id)
    metric = Metric(kind="ratio", of="complaints + failures + edits", per="answers", better="lower", says="x")
    rows = examples.list_behind(session, page, metric, "ours", each=3)
    assert [(row.quantity, row.variant) for row in rows] == [
        (quantity, arm) for quantity in ("complaints", "edits") for arm in ("champion", "challenger")
    ], "failures have no answers"
    assert {(row.message, row.rewrite) for row in rows} == {(None, None)}, "colleagues wrote them"
    assert [row.thumb_up for row in rows] == [False, False, None, None]
    session.rollback()

"""A judge compares the rewrites of both versions, in batches that are stored at once. The inference service
and the judge's vendor are fakes.
"""

import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from configs.settings import Settings
from data import database
from data.records import Spec, TransformType
from data.tables import Experiment, Judgement, new_id
from data.traffic import routing
from data.traffic.routing import Arm, Routing, Split
from experiments.plan import Plan
from models.judge import Pair
from pipelines import judging
from serving.inference.client import InferenceClient, InferenceUnavailable, Item, Rewritten
from tests.endpoints import FakeEndpoint, completion, serve

V1, V2 = Spec(version="v1"), Spec(version="v2")
PLAN = Plan(judge="a-judge", judged_pairs=80)


@pytest.fixture(scope="module")
def engine(new_database: Callable[..., str]) -> Iterator[Engine]:
    """An engine for a database of this module."""
    engine = database.engine(new_database())
    yield engine
    engine.dispose()


@pytest.fixture
def experiment(engine: Engine) -> uuid.UUID:
    """A running experiment of v2 against v1."""
    id = new_id()
    arms = (Arm(name="v1", weight=0.5, spec=V1), Arm(name="v2", weight=0.5, spec=V2))
    with Session(engine) as session, session.begin():
        session.add(Experiment(id=id, name="t", hypothesis="", plan={}, salt="s", status="running"))
        session.flush()
        split = Split(experiment_id=id, salt="s", arms=arms)
        routing.publish(session, Routing(champion=V1, experiments=(split,)), "test")
    return id


@pytest.fixture
def vendor(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeEndpoint]:
    """A judge that prefers a rewrite with "xyzzy" in it, wherever it stands."""

    def answer(task: str) -> str:
        first = task.split("<rewrite_1>")[1].split("</rewrite_1>")[0]
        return "1" if "xyzzy" in first else "2"

    with serve(answer) as endpoint:
        monkeypatch.setenv("OPENAI_BASE_URL", endpoint.url)
        monkeypatch.setenv("OPENAI_API_KEY", "a-key")
        yield endpoint


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """An inference service: v2 adds a word, but writes messages with a question mark as v1 does, and none
    with a digit. The versions of its requests.
    """
    requests: list[str] = []

    async def rewrite(
        self: InferenceClient, spec: Spec, items: Sequence[Item], timeout_s: float = 30.0
    ) -> list[Rewritten]:
        requests.append(spec.version)

        def write(text: str) -> str:
            if spec.version == "v1" or "?" in text:
                return text
            return "" if any(map(str.isdigit, text)) else f"{text} xyzzy"

        return [Rewritten(text=write(item.text), facts_missing=[], tokens=1, finished=True) for item in items]

    monkeypatch.setattr(InferenceClient, "rewrite", rewrite)
    return requests


def read(engine: Engine, experiment: uuid.UUID) -> list[float | None]:
    with Session(engine) as session:
        query = select(Judgement.preference).where(Judgement.experiment_id == experiment)
        return list(session.scalars(query))


def test_pairs_that_people_would_see_are_judged_in_both_orders(
    settings: Settings, engine: Engine, experiment: uuid.UUID, vendor: FakeEndpoint, service: list[str]
) -> None:
    assert judging.judge_some(settings, engine, experiment, PLAN) == 80
    preferences = read(engine, experiment)
    assert set(preferences) == {1.0, None}
    assert len(vendor.requests) == 2 * preferences.count(1.0)
    assert service == ["v2", "v1"] * 3, "batches of 32, 32 and 16"
    assert judging.judge_some(settings, engine, experiment, PLAN) == 0, "all are judged"
    with Session(engine) as session:
        judged = select(func.count()).where(Judgement.experiment_id == experiment, Judgement.is_sampled)
        assert session.scalar(judged) == 80


def test_a_run_that_fails_keeps_its_batches_and_continues(
    settings: Settings,
    engine: Engine,
    experiment: uuid.UUID,
    vendor: FakeEndpoint,
    service: list[str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    rewrite, calls = InferenceClient.rewrite, []

    async def break_down(*arguments: object, **named: object) -> list[Rewritten]:
        calls.append(1)
        if len(calls) == 3:
            raise InferenceUnavailable("it is down")
        return await rewrite(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(InferenceClient, "rewrite", break_down)
    assert judging.judge_some(settings, engine, experiment, PLAN) == 32
    assert "a-judge has judged 32 pairs, and stops: it is down" in caplog.text
    assert judging.judge_some(settings, engine, experiment, PLAN) == 48
    vendor.replies = [completion("Both are lovely.")]
    other = PLAN.model_copy(update={"judge": "a-talker"})
    assert judging.judge_some(settings, engine, experiment, other) == 0
    assert "the judge a-talker answered 'Both are lovely.'" in caplog.text


def test_without_a_judge_nobody_is_asked(
    settings: Settings, engine: Engine, experiment: uuid.UUID, service: list[str]
) -> None:
    assert judging.judge_some(settings, engine, experiment, Plan()) == 0
    assert judging.judge_some(settings, engine, new_id(), PLAN) == 0, "it does not run"
    assert service == []


def test_a_folder_outside_the_artifacts_is_no_reward_model(vendor: FakeEndpoint, tmp_path: Path) -> None:
    outside, artifacts = tmp_path / "outside", tmp_path / "artifacts"
    for folder in (outside, artifacts):
        folder.mkdir()
    (outside / "config.json").write_text("{}")
    pair = Pair("Fix it.", TransformType.SOFTEN, 1, "Fix it xyzzy", "Fix it")
    assert judging.prefer(artifacts, "../outside", [pair]) == [1.0]
    assert len(vendor.requests) == 2, "an LLM was asked"
    assert judging.prefer(artifacts, "", []) == []

"""The notebook of one's own model, with an endpoint of one's own: a fake one, in front of real data.

`pipelines.llm_version.open_model` starts llama.cpp where there is no endpoint; its test does so.
"""

import asyncio
import runpy
import traceback
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session

import models
from configs.settings import Settings
from data import database
from data.people import identities
from data.records import Spec
from data.tables import Answer, Organisation, Output, User, new_id
from data.traffic import answers, routing
from data.traffic.routing import Routing
from models.endpoint import ChatError
from pipelines import replay
from tests import endpoints
from tests.endpoints import FakeEndpoint, completion

NOTEBOOK = Path(models.__file__).parents[1] / "notebooks" / "07_own_model.py"
TOO_MANY = (429, {"Retry-After": "99"}, '{"error": {"code": "rate_limit"}}')


@pytest.fixture
def vendor() -> Iterator[FakeEndpoint]:
    with endpoints.serve(lambda user: f"Please: {user[10:-11]}") as fake:
        yield fake


@pytest.fixture
def run(
    vendor: FakeEndpoint,
    local: Settings,
    new_database: Callable[..., str],
    shipped_champion: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., dict[str, Any]]:
    """`run(**fields)`: the names of the notebook after its last cell; `fields` are those of the endpoint."""
    url = new_database()
    asyncio.run(answers.ensure_partitions(url, datetime.now(UTC).date(), days=1))
    monkeypatch.setenv("TONEBRIDGE_DATABASE_URL", url)
    monkeypatch.setenv("TONEBRIDGE_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("TONEBRIDGE_ARTIFACTS", str(tmp_path / "artifacts"))
    monkeypatch.setenv("TONEBRIDGE_CHAMPION", str(shipped_champion))
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.setenv("FAKE_API_KEY", "wrong")

    def execute(**fields: Any) -> dict[str, Any]:
        config = tmp_path / "mine.yaml"
        endpoint = {"base_url": vendor.url, "model": "m", "key_variable": "FAKE_API_KEY", "retries": 0}
        config.write_text(f"endpoint: {endpoint | fields}")
        monkeypatch.setenv("LLM_CONFIG", str(config))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=DeprecationWarning)  # IPython's
            try:
                return runpy.run_path(str(NOTEBOOK))
            except Exception as error:
                close_engine(error)
                raise

    return execute


def close_engine(error: Exception) -> None:
    """Close what a notebook that ended early has opened, as the end of its kernel does."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_filename == str(NOTEBOOK) and "engine" in frame.f_globals:
            frame.f_globals["engine"].close()


def use(settings: Settings, messages: int) -> None:
    """A released champion that has answered as many different messages."""
    engine = database.engine_of(settings)
    identities.bootstrap(engine, identities.generate_key(), settings.organisation)
    with Session(engine) as session, session.begin():
        routing.publish(session, Routing(champion=Spec(version="v1")), [])
        organisation_id = session.query(Organisation.id).filter_by(name=settings.organisation).scalar()
        user = User(
            id=new_id(), organisation_id=organisation_id, key_id="k", external_id="ann",
            consents_to_training=True,
        )  # fmt: skip
        session.add(user)
        for number in range(messages):
            output = Output(
                id=new_id(),
                organisation_id=organisation_id,
                message=f"Fix PAY-{number} today, I am tired of this.",
                transform_type="soften",
                intensity=2,
                text=f"Please fix PAY-{number} today.",
                facts_missing=[],
                spec_digest="0" * 32,
                version="v1",
                upstream_ms=20.0,
            )
            session.add(output)
            session.flush()
            session.add(
                Answer(
                    id=new_id(),
                    output_id=output.id,
                    organisation_id=organisation_id,
                    user_id=user.id,
                    variant="champion",
                    epoch=1,
                    cache="miss",
                    fell_back=False,
                    total_ms=1.0,
                )
            )
    engine.dispose()


def refused_by(run: Callable[..., dict[str, Any]], kind: type[Exception], **fields: Any) -> str:
    """The sentence with which the notebook ends; it ends in few frames of ours."""
    with pytest.raises(kind) as raised:
        run(**fields)
    frames = traceback.extract_tb(raised.value.__traceback__)
    names = [frame.name for frame in frames[-8:]]
    assert len(names[names.index("<module>") :]) <= 5, names
    assert raised.value.__suppress_context__ or raised.value.__context__ is None
    sentence = str(raised.value)
    assert "\n" not in sentence
    return sentence


def test_it_compares_a_model_of_ones_own_with_the_shipped_version(
    run: Callable[..., dict[str, Any]], vendor: FakeEndpoint
) -> None:
    use(Settings(), messages=10)
    names = run(input_usd=2, output_usd=8, daily_tokens=30_000)
    assert names["rewritten"].cost_usd == pytest.approx((50 * 2 + 7 * 8) / 1e6)
    assert names["comparison"].messages == 10
    assert [each.rewritten.text[:11] for each in names["challenger"]] == ["Please: Fix"] * 10
    assert all(each.rewritten.prompt_tokens == 0 for each in names["champion"])
    month = names["used"]["challenger"].usd.mean * names["volume"].outputs_a_month
    assert month == pytest.approx(10 * 30 * (50 * 2 + 7 * 8) / 1e6)
    sent = [request["messages"][-1]["content"] for request in vendor.requests]
    assert not any("PAY-" in text for text in sent), "facts are masked"


def test_a_wrong_key_ends_in_one_sentence(run: Callable[..., dict[str, Any]], vendor: FakeEndpoint) -> None:
    vendor.replies = [(401, {}, '{"error": {"code": "invalid_api_key"}}')]
    sentence = refused_by(run, ChatError)
    assert sentence == f"m at {vendor.url}: 401 invalid_api_key; check the key: key_variable is FAKE_API_KEY"


def test_a_missing_key_ends_in_one_sentence(run: Callable[..., dict[str, Any]]) -> None:
    sentence = refused_by(run, ChatError, key_variable="OTHER_API_KEY")
    assert sentence.startswith("the environment variable OTHER_API_KEY is not set: put the key of")


def test_an_endpoint_that_is_not_there_ends_in_one_sentence(run: Callable[..., dict[str, Any]]) -> None:
    sentence = refused_by(run, ChatError, base_url="http://127.0.0.1:9/v1")
    assert "no connection; does its server run, and is base_url right?" in sentence


def test_an_endpoint_that_does_not_answer_ends_in_one_sentence(
    run: Callable[..., dict[str, Any]], vendor: FakeEndpoint
) -> None:
    vendor.gate.clear()
    assert "no answer within 0.2 s (timeout_s)" in refused_by(run, ChatError, timeout_s=0.2)


def test_too_many_requests_end_in_one_sentence(
    run: Callable[..., dict[str, Any]], vendor: FakeEndpoint
) -> None:
    vendor.replies = [TOO_MANY]
    assert "429 rate_limit; it allows fewer requests: wait" in refused_by(run, ChatError)
    use(Settings(), messages=10)
    vendor.replies = [completion("Hello."), completion("Please do it."), *[TOO_MANY] * 8]
    sentence = refused_by(run, replay.NoAnswerError)
    assert sentence.startswith(f"mine answered none of 3 messages: m at {vendor.url}: 429 rate_limit; it")


def test_an_installation_without_traffic_ends_in_one_sentence(run: Callable[..., dict[str, Any]]) -> None:
    sentence = refused_by(run, replay.TooFewMessagesError)
    assert sentence.startswith("the champion has answered 0 different messages")

"""The notebook of one's own model, with an endpoint of one's own: a fake one, in front of real data.

`pipelines.llm_version.open_model` starts llama.cpp where there is no endpoint; its test does so.
"""

import runpy
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import configs
from configs.settings import Settings
from models.endpoint import ChatError
from pipelines import replay, shadow
from tests import endpoints
from tests.endpoints import FakeEndpoint, completion
from tests.traffic import release_champion

NOTEBOOK = configs.ROOT / "notebooks" / "07_own_model.py"
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
    monkeypatch.setenv("TONEBRIDGE_DATABASE_URL", new_database())
    monkeypatch.setenv("TONEBRIDGE_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("TONEBRIDGE_ARTIFACTS", str(tmp_path / "artifacts"))
    monkeypatch.setenv("TONEBRIDGE_CHAMPION", str(shipped_champion))
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.setenv("FAKE_API_KEY", "wrong")
    monkeypatch.setattr(shadow, "ANSWER_TIMEOUT_S", 600)  # on a busy machine, too, no answer is too late

    def execute(**fields: Any) -> dict[str, Any]:
        config = tmp_path / "mine.yaml"
        endpoint = {"base_url": vendor.url, "model": "m", "key_variable": "FAKE_API_KEY"}
        endpoint |= {"retries": 0, "timeout_s": 600}
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
    release_champion(Settings(), messages=10)
    names = run(input_usd=2, output_usd=8, daily_tokens=30_000)
    assert names["rewritten"].cost_usd == pytest.approx((50 * 2 + 7 * 8) / 1e6)
    assert names["comparison"].messages == 10
    assert [answer.rewritten.text[:11] for answer in names["challenger"]] == ["Please: Fix"] * 10
    assert all(answer.rewritten.prompt_tokens == 0 for answer in names["champion"])
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
    release_champion(Settings(), messages=10)
    vendor.replies = [completion("Hello."), completion("Please do it."), *[TOO_MANY] * 8]
    sentence = refused_by(run, replay.NoAnswerError)
    assert sentence.startswith(f"mine answered none of 3 messages: m at {vendor.url}: 429 rate_limit; it")


def test_an_installation_without_traffic_ends_in_one_sentence(run: Callable[..., dict[str, Any]]) -> None:
    sentence = refused_by(run, replay.TooFewMessagesError)
    assert sentence.startswith("the champion has answered 0 different messages")

"""Flow runs on the page on operations: why each ended as it did, in the reader's language."""

import re
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.states import Crashed, Failed

from configs import ConfigError
from configs.settings import Settings
from data.reasons import reason, render
from experiments.lifecycle import RefusedError
from pipelines import collect as collecting
from pipelines import local as stack
from pipelines import run_reasons
from pipelines.collect import collect
from pipelines.experiment import experiment
from pipelines.preparation import prepare
from pipelines.promote import promote, rollback
from pipelines.retention import retain
from pipelines.run_reasons import FlowError
from pipelines.train import train
from serving.dashboard import services
from serving.dashboard.pages import operations
from serving.dashboard.services import FlowRun
from tests.dashboards import Installation, own_settings, with_gateway
from tests.flows import flows_led_to
from tests.serving.dashboard.texts import text_of

_ENGLISH = re.compile(r'<(\w+)[^>]*lang="en"[^>]*>(.*?)</\1>', re.DOTALL)
_WORDS = re.compile("[A-Za-z]{3,} [A-Za-z]{2,} [A-Za-z]{2,}")


def run_of(type: str, state: str, *, reasons: object = (), message: str = "") -> FlowRun:
    return FlowRun("collect", "loud-hare", type, state, reasons, message, None, "http://127.0.0.1/")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("type", "state", "sentence"),
    [
        ("FAILED", "Failed", "フロー collect は失敗しました。"),
        ("FAILED", "TimedOut", "フロー collect は制限時間を超えたため、失敗しました。"),
        ("CRASHED", "Crashed", "フロー collect は、プロセスが終了したか続行できなくなったため、"),
        ("CANCELLED", "Cancelled", "フロー collect の実行は取り消されました。"),
    ],
)
def test_a_run_that_ended_badly_has_a_sentence_and_quotes_prefect(
    type: str, state: str, sentence: str
) -> None:
    listed = operations.explain(run_of(type, state, message="Prefect says this."))
    assert render(listed.reasons, "ja").startswith(sentence)
    assert listed.quotation == "Prefect says this."
    assert listed.state == state


def test_prefect_is_not_quoted_where_a_reason_explains_the_state() -> None:
    why = reason("no_such_organisation", name="nobody")
    explained = operations.explain(run_of("FAILED", "Failed", reasons=[why], message="FlowError: x"))
    assert explained.quotation == ""
    assert explained.reasons == [reason("flow_failed", flow="collect"), why]
    unexpected = reason("flow_exception", error="KeyError")
    unexplained = operations.explain(run_of("FAILED", "Failed", reasons=[unexpected], message="KeyError: 1"))
    assert unexplained.quotation == "KeyError: 1"


def test_a_state_of_an_unknown_name_is_shown_by_its_type() -> None:
    assert operations.explain(run_of("COMPLETED", "OfALaterRelease")).state == "Completed"


@pytest.mark.parametrize("flow", [collect, train, experiment, prepare, retain, promote, rollback])
def test_every_flow_labels_the_runs_that_fail(flow: Flow[..., object]) -> None:
    assert flow.on_failure_hooks == [run_reasons.label_failure]


@pytest.fixture(scope="module")
def running(
    local: Settings, new_database: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """An installation with a gateway and Prefect, to which this process's flows are led."""
    settings = own_settings(local, new_database(), tmp_path_factory.mktemp("flows"))
    with (
        with_gateway(settings) as installation,
        stack.running(settings, "prefect") as processes,
        flows_led_to(settings, processes["prefect"]),
    ):
        yield installation


def _cells(html: str) -> list[str]:
    """The cell of the state of each run, the newest first."""
    section = html[html.index('aria-labelledby="flows"') : html.index('aria-labelledby="tracking"')]
    return re.findall(r"<td>(.*?)</td>", section, re.DOTALL)


def _crash(flow_name: str) -> None:
    with get_client(sync_client=True) as client:
        flow_id = client.create_flow_from_name(flow_name)
        response = client.request("POST", "/flow_runs/", json={"flow_id": str(flow_id)})
        state = Crashed(message="the process that ran it has ended")
        client.set_flow_run_state(uuid.UUID(response.json()["id"]), state, force=True)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_page_says_in_both_languages_why_flows_ended(
    running: Installation, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "collect.yaml"
    broken.write_text("votes_a_person: many\n")
    assert collect(return_state=True).name == "NotEnoughFeedback"
    assert experiment(return_state=True).name == "NothingToDo"
    with pytest.raises(RefusedError):
        promote("v9", "people asked for it")
    with pytest.raises(FlowError):
        rollback("it is worse")
    with monkeypatch.context() as patch:
        patch.setattr(collecting, "CONFIG", broken)
        with pytest.raises(ConfigError):
            collect()
    with monkeypatch.context() as patch:
        patch.setenv("TONEBRIDGE_ORGANISATION", "nobody")
        with pytest.raises(FlowError):
            collect()

        def fail(*_: object) -> int:
            raise KeyError("of a part that nobody knows")

        patch.setattr(collecting, "find_organisation_id", fail)
        with pytest.raises(KeyError):
            collect()
    _crash("train")

    with running.client() as client:
        english = _cells(client.get("/operations").text)
        client.cookies.set("language", "ja")
        html = client.get("/operations").text
    japanese = _cells(html)
    expected = [
        (
            "The flow collect failed. An unexpected exception stopped it (KeyError)",
            "失敗 フロー collect は失敗しました。 想定外の例外（KeyError）で停止しました。",
        ),
        (
            "The flow collect failed. There is no organisation “nobody”; set TONEBRIDGE_ORGANISATION",
            "失敗 フロー collect は失敗しました。 組織「nobody」はありません。",
        ),
        (
            "The field votes_a_person of {} is not valid; correct it: Input should be a valid integer",
            "{} の項目 votes_a_person が正しくありません。修正してください。 整数として読み取れません",
        ),
        (
            "The flow rollback failed. There is no earlier release to roll back to",
            "失敗 フロー rollback は失敗しました。 戻せる以前のリリースがありません。",
        ),
        (
            "The flow promote failed. v9 did not pass the gate",
            "失敗 フロー promote は失敗しました。 v9 は品質ゲートを通過していない",
        ),
        (
            "NothingToDo There is no new challenger to test.",
            "対象なし テストする新しいチャレンジャーはありません。",
        ),
        (
            "NotEnoughFeedback There is not enough feedback for a snapshot: 0 of 50 new votes.",
            "フィードバック不足 スナップショットに必要なフィードバックがまだ足りません。新しい票は 50 件中 0",
        ),
        (
            "The flow train crashed, because its process ended",
            "異常終了 フロー train は、プロセスが終了したか続行できなくなったため、異常終了しました。",
        ),
    ]
    texts = [[text_of(f"<main{cell}") for cell in cells] for cells in (english, japanese)]
    for sentences in expected:
        for sentence, cells in zip(sentences, texts, strict=True):
            assert any(sentence.format(broken) in cell for cell in cells), (sentence, cells)
    assert len(english) == len(japanese) == len(expected)
    quoted = [text for _, text in _ENGLISH.findall(html)]
    assert len(quoted) == 2, quoted
    assert any("of a part that nobody knows" in text for text in quoted)
    assert "the process that ran it has ended" in quoted
    for cell in japanese:
        own = text_of("<main>" + _ENGLISH.sub("", cell))
        assert not _WORDS.search(own), own


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_label_is_of_one_state(running: Installation) -> None:
    """A run that failed, is repeated and crashes, no longer shows why it failed."""
    with pytest.raises(FlowError):
        rollback("it is worse")
    run = services.flow_runs(running.settings, 1)[0]
    assert run.reasons == [reason("no_earlier_release")]
    id = uuid.UUID(run.address.rpartition("/")[2])
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(id, Crashed(message="it ended"), force=True)
        run = services.flow_runs(running.settings, 1)[0]
        assert (run.type, run.reasons) == ("CRASHED", [])
        client.update_flow_run_labels(id, {services.reasons_label("Crashed"): '[{"no": "reason"}]'})
        assert services.flow_runs(running.settings, 1)[0].reasons == []
        client.set_flow_run_state(id, Failed(message="again"), force=True)

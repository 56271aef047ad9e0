"""The page on calibration."""

from functools import partial
from pathlib import Path

import pytest

from experiments import metrics
from experiments import plan as plans
from serving.dashboard.pages import calibration
from tests.dashboards import Installation
from tests.serving.dashboard.texts import text_at, text_of


def test_an_installation_without_a_report_shows_the_shipped_one(empty: Installation) -> None:
    with empty.client() as client:
        assert "This is the published report" in text_at(client, "/calibration")


def test_the_shipped_report_is_shown_until_the_installation_has_its_own(filled: Installation) -> None:
    shipped = calibration.read(filled.settings.artifacts)
    assert shipped is not None
    report = shipped.report
    with filled.client() as client:
        page = text_at(client, "/calibration")
        assert "No report was made on this machine" in page
        number, power = len(report.names), f"{report.power['thompson'].value:.3g}"
        assert f"{number - len(report.missed)} of {number} settings reach all targets" in page
        assert f"thompson: power is {power}; the target is at least 0.8" in page
        client.cookies.set("language", "ja")
        japanese = text_at(client, "/calibration")
        assert f"トンプソンサンプリング: 検出力は {power} です（目標は 0.8 以上）" in japanese
        assert "停止時点の中央値は最後の分析より後です（目標は 1.6 以下）" in japanese
        assert "the target is" not in japanese
        client.cookies.delete("language")
        plain = report.settings["plain"].shipped.aa_false_winner_rate
        assert f"| {100 * plain.value:.1f}% {100 * plain.low:.1f}% … {100 * plain.high:.1f}% |" in page

        folder = filled.settings.artifacts / "calibration"
        folder.mkdir(parents=True)
        current = plans.load()
        stricter = current.model_copy(update={"alpha": 0.01})
        own = report.model_copy(update={"missed": {}, "plan": stricter, "experiments": 1234})
        (folder / "report.json").write_text(own.model_dump_json())
        page = text_at(client, "/calibration")
        assert "alpha probability of a wrong decision" in page
        assert "| 0.01 | 0.05 |" in page
        own = own.model_copy(update={"plan": current})
        (folder / "report.json").write_text(own.model_dump_json())
        page = text_at(client, "/calibration")
        assert "1,234 simulated experiments" in page
        assert "is the one that was calibrated" in page
        (folder / "report.json").write_text("{}")
        assert "No report was made on this machine" in text_at(client, "/calibration")


@pytest.mark.parametrize(
    ("change", "english", "japanese"),
    [
        (
            ("power: 0.8", "power: 2"),
            "The field power of {} is not valid; correct it: Input should be less than 1",
            "{} の項目 power が正しくありません。修正してください。 1 より小さい値にしてください",
        ),
        (
            ("power:", "powr:"),
            "{} is not valid; correct it: unknown powr; known: alpha, ship_alpha,",
            "{} が正しくありません。修正してください。 不明な項目です（powr）。使える項目は次のとおり",
        ),
        (
            ("ramp: [0.01,", "ramp: [0.9,"),
            "{} is not valid; correct it: a ramp goes up, not (0.9, ",
            "{} が正しくありません。修正してください。 ramp は小さい順に並べてください（現在 (0.9, ",
        ),
        (
            ("power:", "power: [\npower:"),
            "{} is not valid; correct it: not readable as YAML, at line ",
            "{} が正しくありません。修正してください。 YAML として読み取れません（",
        ),
        (
            None,
            "{} is not valid; correct it: the file cannot be read (FileNotFoundError)",
            "{} が正しくありません。修正してください。 ファイルを読み取れません（FileNotFoundError）",
        ),
    ],
    ids=["a wrong value", "an unknown field", "a rule of the plan", "no yaml", "no file"],
)
def test_an_invalid_plan_is_explained_in_the_language_of_the_page(
    empty: Installation,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    change: tuple[str, str] | None,
    english: str,
    japanese: str,
) -> None:
    other = tmp_path / "experiment.yaml"
    if change is not None:
        text = plans.FILE.read_text(encoding="utf-8")
        assert change[0] in text
        other.write_text(text.replace(*change, 1), encoding="utf-8")
    monkeypatch.setattr(plans, "FILE", other)
    with empty.client("experimenter") as client:
        assert english.format(other) in text_at(client, "/calibration")
        client.cookies.set("language", "ja")
        html = client.get("/calibration").text
        assert 'lang="en"' not in html
        assert japanese.format(other) in text_of(html)
        form = text_at(client, "/experiments/new", 500)  # the form cannot be filled in without the plan
        assert "設定ファイルが正しくありません" in form
        assert japanese.format(other) in form


def test_the_fault_of_a_metric_is_explained_too(
    empty: Installation, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A plan names metrics, so neither the plan in use nor that of a report can be read without them."""
    wrong = tmp_path / "metrics.yaml"
    wrong.write_text("metrics: {liked: {kind: mean, better: higher, says: x}}")
    monkeypatch.setattr(metrics, "load", partial(metrics.load, wrong))
    with empty.client() as client:
        client.cookies.set("language", "ja")
        page = text_at(client, "/calibration")
    assert "このリリースで読み取れるレポートがありません" in page
    assert f"{wrong} の項目 metrics.liked が正しくありません。" in page
    assert "mean の指標に指定するのは of です（現在 []）" in page


def test_a_report_that_is_not_readable_is_not_shown(empty: Installation) -> None:
    folder = empty.settings.artifacts / "calibration"
    folder.mkdir(parents=True)
    file = folder / "report.json"
    file.write_bytes(b"\xff\xfe")
    try:
        with empty.client() as client:
            assert "No report was made on this machine" in text_at(client, "/calibration")
    finally:
        file.unlink()
        folder.rmdir()

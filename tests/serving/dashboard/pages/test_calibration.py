"""The page on calibration."""

from experiments import plan as plans
from serving.dashboard.pages import calibration
from tests.dashboards import Installation
from tests.serving.dashboard.texts import text_at


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
        reached = len(report.settings) - len(report.missed)
        assert f"{reached} of {len(report.settings)} settings reach all targets" in page
        assert "thompson: power is 0.212; the target is at least 0.8" in page
        client.cookies.set("language", "ja")
        japanese = text_at(client, "/calibration")
        assert "トンプソンサンプリング: 検出力は 0.212 です（目標は 0.8 以上）" in japanese
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

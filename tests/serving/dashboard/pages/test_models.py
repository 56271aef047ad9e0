"""The page on models and the page of a version."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from configs.settings import Settings
from models import shipped, versions
from models.evaluation import SHOWN
from pipelines import first_release
from serving.dashboard.pages import models
from tests.dashboards import Installation, own_settings, with_gateway
from tests.serving.dashboard.rows import REASON
from tests.serving.dashboard.texts import text_at, text_of


def test_what_is_missing_is_named_with_what_to_do(empty: Installation) -> None:
    with empty.client() as client:
        assert "There is no version yet. The flow `train` makes one" in text_at(client, "/models")


def test_all_versions_are_listed_with_their_states(filled: Installation) -> None:
    with filled.client() as client:
        page = text_at(client, "/models")
    assert "The champion is v1" in page
    assert "v1 . In experiments: v3 ." in page
    for name, state in (
        ("v1", "champion"),
        ("v2", "rejected"),
        ("v3", "in an experiment"),
        ("v4", "retired"),
    ):
        assert f"| {name} | {state} | dpo |" in page.replace(" | | ", " | "), name
    assert REASON in page


def test_the_lineage_is_drawn_and_described(filled: Installation) -> None:
    with filled.client() as client:
        html = client.get("/models").text
    svg = html[html.index('<svg class="lineage"') :]
    svg = svg[: svg.index("</svg>")]
    assert svg.count('class="edge"') == 4 + 4 + 1  # snapshot to runs, runs to versions, v1 to its release
    assert svg.count(f'href="/data#snapshot-{"aaaa1111" * 4}"') == 1
    for name in ("v1", "v2", "v3", "v4"):
        assert f'href="/models/{name}"' in svg
    assert "epoch 1" in svg
    assert "Run run2 was trained on the seed corpus and snapshot" in text_of(html)
    assert "which was not released" in text_of(html)


def test_a_version_is_compared_with_its_parent_and_the_baselines(filled: Installation) -> None:
    with filled.client() as client:
        response = client.get("/models/v1")
    page = text_of(response.text)
    assert "Score | v1 | v1, facts protected | the base model | copy of the message | rules |" in page
    row = page[page.index("composite higher is better |") :]
    assert "0.71 0.66 … 0.76 | 0.71 0.66 … 0.76 | 0.62 0.57 … 0.67 | 0.33 0.28 … 0.38 | 0.44" in row
    assert "171 held-out messages" in page
    assert "58.0% of its rewrites of held-out messages score higher" in page
    assert "soften | 0.5" in page
    assert "grad_norm is not a number at step 3." in page
    assert response.text.count('class="chart"') == 3  # scores, loss, gradient norm
    assert "loss (nats a token)" in page
    assert page.count("Released") == 1
    assert "never" not in page


def test_a_card_adds_no_html_to_the_page(filled: Installation) -> None:
    with filled.client() as client:
        html = client.get("/models/v1").text
    assert "<h3>ToneBridge, run run1</h3>" in html
    assert "&lt;script&gt;alert(1)" in html
    assert "<script>alert" not in html
    assert 'href="javascript:' not in html
    assert "evil.example" not in html


def test_the_faults_of_a_training_are_in_the_reader_s_language(filled: Installation) -> None:
    file = filled.settings.state / "runs/run1/sft/metrics.json"
    stored = file.read_text(encoding="utf-8")
    with filled.client() as client:
        client.cookies.set("language", "ja")
        page = text_at(client, "/models/v1")
        assert "ステップ 3 で勾配ノルムが数値ではなくなりました（NaN）。" in page
        assert "not a number" not in page
        sentence = "grad_norm is 11 at step 3; healthy is 0.001 to 10"  # as an earlier release wrote it
        file.write_text(json.dumps({**json.loads(stored), "unhealthy": [sentence]}), encoding="utf-8")
        try:
            assert sentence in text_at(client, "/models/v1")
        finally:
            file.write_text(stored, encoding="utf-8")


def test_the_card_is_in_the_reader_s_language_if_the_version_has_it(filled: Installation) -> None:
    with filled.client() as client:
        client.cookies.set("language", "ja")
        page = client.get("/models/v1").text
        assert 'lang="ja"><h3>ToneBridge、実行 run1</h3>' in page
        assert "It rewrites short English" not in page
        japanese = filled.settings.state / "runs/run1/version/README.ja.md"
        text = japanese.read_text(encoding="utf-8")
        japanese.unlink()  # as in a version of an earlier release
        try:
            assert 'lang="en"><h3>ToneBridge, run run1</h3>' in client.get("/models/v1").text
        finally:
            japanese.write_text(text, encoding="utf-8")


def test_the_plot_of_training_health_is_served_and_no_other_file(filled: Installation) -> None:
    with filled.client() as client:
        assert 'src="/models/v1/sft/health.png"' in client.get("/models/v1").text
        response = client.get("/models/v1/sft/health.png")
        assert response.headers["content-type"] == "image/png"
        assert response.content == (filled.settings.state / "runs/run1/sft/health.png").read_bytes()
        for address in (
            "/models/v1/dpo/health.png",
            "/models/v2/sft/health.png",
            "/models/v9/sft/health.png",
        ):
            assert client.get(address).status_code == 404
        assert client.get("/models/v1/..%2F..%2Frun1%2Fsft/health.png").status_code == 404


def test_without_its_run_folder_a_version_has_its_means(
    filled: Installation,
) -> None:
    with filled.client() as client:
        page = text_at(client, "/models/v2")
        assert "Rejected" in page
        assert REASON in page
        assert "Score | v2 | v1 |" in page
        assert "composite higher is better | 0.52 | 0.51 |" in page
        assert "The training curves are in the folder runs/run2" in page
        assert "There is no such page" in text_at(client, "/models/v9", 404)
        assert "There is no such page" in text_at(client, "/operations/versions/v9/mlflow", 404)
        ordered = text_at(client, "/models/v4")
    assert "This version never becomes champion again." in ordered
    assert "the flow `retain` removes its weights" in ordered


@pytest.mark.slow
def test_the_version_that_comes_with_it_has_a_page_without_training_curves(
    local: Settings, new_database: Callable[..., str], tmp_path: Path, shipped_champion: Path
) -> None:
    settings = own_settings(local, new_database(), tmp_path).model_copy(
        update={"champion": shipped_champion, "mlflow_uri": f"sqlite:///{tmp_path}/mlflow.db"}
    )
    with with_gateway(settings) as installation:
        name = first_release.register_shipped(settings, installation.engine)
        run = shipped.run_name(shipped_champion)
        with installation.client() as client:
            listed = text_at(client, "/models")
            assert f"| {name} | accepted | tagger |" in listed.replace(" | | ", " | ")
            assert f"Run {run} was trained on the seed corpus" in listed
            page = text_at(client, f"/models/{name}")
            assert "It came trained with ToneBridge." in page
            assert "The training curves are in the folder" not in page
            assert "The card" in page
            client.cookies.set("language", "ja")
            assert "学習済みの状態で ToneBridge に同梱されていました。" in text_at(client, f"/models/{name}")


def test_the_page_has_every_score_and_stage_of_the_training_code() -> None:
    assert [*models.SCORES] == [*SHOWN, "perplexity"]
    assert models.STAGES == versions.STAGES

"""The page on operations."""

import pytest

from tests.dashboards import Installation
from tests.serving.dashboard.texts import text_at, text_of


@pytest.mark.parametrize(
    "sentence",
    [
        "No version has been released yet, so the gateways cannot answer.",
        "Every decision has been carried out.",
    ],
)
def test_what_is_missing_is_named_with_what_to_do(empty: Installation, sentence: str) -> None:
    with empty.client() as client:
        assert sentence.lower() in text_at(client, "/operations").lower()


def test_the_page_has_what_is_in_force_and_which_gateways_are_behind(filled: Installation) -> None:
    with filled.client() as client:
        page = text_at(client, "/operations")
    assert "Epoch 2: the champion is v1" in page
    assert "Softer requests | 25.0% | v1 50.0%, v3 50.0% |" in page
    assert (
        "Gateways that have not acknowledged the current epoch: 1 of 2. A release waits for them." in page
    )  # the real one is not
    assert "1 behind |" in page
    assert "Gateways that stopped reporting: 1." in page
    assert "| Softer requests | ramp | waiting for the flow `experiment` |" in page
    failed = "v3 did not pass the gate, so it may not go live; its page says why"
    assert f"| Softer requests | ship | failed: {failed} | the flow `experiment` | Because of ship. |" in page
    assert "Because of pause." not in page
    assert "| v1 | – | 1 | The first version. |" in page


def test_a_service_that_does_not_answer_has_no_link(filled: Installation) -> None:
    with filled.client() as client:
        html = client.get("/operations").text
        page = text_at(client, "/operations/versions/v1/mlflow", 503)
    assert f"MLflow does not answer at http://127.0.0.1:{filled.settings.mlflow_port}." in text_of(html)
    assert f"Prefect does not answer at http://127.0.0.1:{filled.settings.prefect_port}." in text_of(html)
    assert 'href="http' not in html
    assert "a-password" not in html
    assert "MLflow does not answer" in page

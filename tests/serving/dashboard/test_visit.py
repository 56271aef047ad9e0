"""Who may open which page."""

import uuid

import pytest
from playwright.sync_api import expect
from starlette.testclient import TestClient

from serving.dashboard.app import create_app
from tests.dashboards import Installation, SignIn, csrf_token
from tests.logins import as_dashboard
from tests.serving.dashboard.texts import text_at
from tests.site_inputs import change_language, post_bad_forms


@pytest.mark.parametrize("address", ["/models", "/models/v1", "/data", "/calibration", "/operations"])
def test_the_pages_on_models_data_and_operations_are_for_viewers(filled: Installation, address: str) -> None:
    with filled.client("member") as client:
        assert "This page is for viewers and above" in text_at(client, address, 403)
    with TestClient(create_app(as_dashboard(filled.settings)), base_url="http://127.0.0.1") as client:
        response = client.get(address, follow_redirects=False)
        assert (response.status_code, response.headers["location"]) == (303, f"/sign-in?to={address}")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_member_may_not_open_the_pages_on_experiments(sign_in: SignIn) -> None:
    page = sign_in("member")
    response = page.goto("/experiments")
    assert response is not None
    assert response.status == 403
    expect(page.get_by_text("you are a member of")).to_be_visible()


def test_reasons_are_in_the_language_of_the_reader(filled: Installation) -> None:
    with filled.client() as client:
        client.cookies.set("language", "ja")
        pages = {path: text_at(client, path) for path in ("/operations", "/models", "/models/v2", "/data")}
        html = client.get("/operations").text
    failed = "v3 は品質ゲートを通過していないためリリースできません。理由はそのページにあります"
    assert f"| 失敗: {failed} |" in pages["/operations"]
    assert "Because of ship." in pages["/operations"], "what a person wrote stays as it is"
    for path in ("/models", "/models/v2"):
        assert "チャンピオンより明らかに悪い結果です。総合スコアの変化は -0.100" in pages[path]
    assert "40 人が 80 回の比較の 90%（信頼水準 95% で 85% から 95%）で、先に表示された文を" in pages["/data"]
    assert "2 人以上が評価した出力は 0 件で、30 件必要です。" in pages["/data"]
    assert 'lang="en"' not in html[html.index("<main") :]


@pytest.mark.parametrize(
    ("page", "path", "fields"),
    [
        ("/accounts", "/accounts/password", {"password": "not this", "new_password": "another battery"}),
        ("/compare", "/compare/message", {"text": ""}),
        ("/operations", "/operations/jobs/replay", {"kind": "unknown"}),
    ],
)
def test_after_a_refused_form_the_language_can_be_changed(
    empty: Installation, page: str, path: str, fields: dict[str, str]
) -> None:
    with empty.client("admin") as client:
        csrf = csrf_token(client, page)
        refused = client.post(path, data={"csrf": csrf, **fields})
        assert refused.status_code >= 400
        assert f'name="to" value="{page}"' in refused.text
        changed = client.post("/look", data={"language": "ja", "to": page})
    assert 'lang="ja"' in changed.text


def test_the_language_can_be_changed_on_the_page_that_refuses_any_form(empty: Installation) -> None:
    """By no address that knows only forms. An id that is unknown is no page in any language."""
    with empty.client("owner") as client:
        app, csrf = create_app(as_dashboard(empty.settings)).behind, csrf_token(client, "/accounts")
        refused = 0
        usual = {"action": "pause"}
        for page in post_bad_forms(client, app, csrf, lambda name: usual.get(name, str(uuid.uuid4()))):
            refused += page.status_code >= 400
            answer = change_language(client, page)
            where = f"{page.url.path} {page.status_code} -> {answer.url.path}"
            assert answer.status_code == 200 or (answer.status_code == 404 and "-" in answer.url.path), where
    assert refused > 50

"""A person at work, in a real browser and with the version that is shipped, from signing in to forgetting:
what they correct is in the next snapshot, what they add to their dictionary holds, and what they delete is in
no store.
"""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import make_url

from configs.settings import Settings
from data.records import Demonstration, Spec
from data.snapshots import shards
from models import shipped
from models.edits.writer import rules_digest
from pipelines.local import running
from serving.inference import release
from tests import snapshots, webs
from tests.dashboards import own_settings
from tests.erasing import carry_out
from tests.planted import find_places
from tests.serving.web.browsers import signed_in
from tests.webs import Site

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def released(
    local: Settings, new_database: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """A web app whose gateway answers with the shipped version."""
    settings = own_settings(local, new_database(), tmp_path_factory.mktemp("released"))
    settings = settings.model_copy(update={"holdout_share": 0.0, "dvc_remote": None})
    release.publish(shipped.export_once(settings), "v1", settings)
    with running(settings, "inference") as processes:
        processes["inference"].wait_until_ready(f"{settings.inference_urls[0]}/readyz")
        with webs.serving(settings, Spec(version="v1", form="edits", rules=rules_digest())) as site:
            yield site


def rewrite(page: Page, message: str) -> str:
    """Type a message, and have it rewritten; the rewrite."""
    page.goto("/rewrite")
    page.locator("#text").fill(message)
    page.locator("#go").click()
    expect(page.locator("#result ins").first).to_be_visible()
    return page.locator("#whole").input_value()


def list_demonstrations(site: Site, folder: Path) -> list[str]:
    """What people corrected, as the next snapshot has it."""
    with site.installation.engine.connect() as connection:
        made = snapshots.make(connection, site.installation.organisation_id, folder)
    return [row.rewrite for row in shards.read(made.folder, Demonstration)]


@pytest.mark.parametrize(
    ("locale", "message", "correction", "term", "wording"),
    [
        (
            "en-GB",
            "The login page of {rare} is broken again. Fix it today.",
            "Could you please look at the login page of {rare} today?",
            "login page",
            "sign-in screen",
        ),
        (
            "ja-JP",
            "{rare} のログイン画面がまた壊れています。今日中に直してください。",
            "{rare} のログイン画面を見ていただけますか。",
            "ログイン画面",
            "サインイン画面",
        ),
    ],
)
def test_a_new_person_rewrites_corrects_adds_a_term_and_deletes_their_history(
    released: Site,
    browser: Browser,
    tmp_path: Path,
    locale: str,
    message: str,
    correction: str,
    term: str,
    wording: str,
) -> None:
    rare = f"QZX-{uuid.uuid4().hex[:12]}"
    message, correction = message.format(rare=rare), correction.format(rare=rare)
    name = make_url(str(released.settings.database_url)).database
    assert name is not None

    def find() -> set[str]:
        return find_places(released.settings, rare, databases=(name,))

    with signed_in(released, browser, locale=locale) as page:
        page.goto("/profile")
        page.locator("[name=training][value=yes]").check()
        page.locator("form[action='/profile/consent'] button").click()
        page.goto("/")
        rewritten = rewrite(page, message)
        assert term in rewritten
        assert rewritten != message
        page.locator("#correct summary").click()
        page.locator("#correction").fill(correction)
        page.locator("#vote-correction").click()
        expect(page.locator("#whole")).to_have_value(correction)

        page.goto("/history")
        page.locator("[name=q]").fill(rare.lower())
        page.locator("[name=q]").press("Enter")
        expect(page.get_by_role("article")).to_have_count(1)
        expect(page.get_by_role("article").locator("ins").first).to_be_visible()
        now = page.get_by_role("article").locator(".words").evaluate(
            "words => [...words.childNodes].filter(node => node.nodeName != 'DEL')"
            ".map(node => node.textContent).join('')"
        )  # fmt: skip
        assert now == correction, "their own version, and not the model's text"
        expect(page.get_by_role("article").locator("textarea[name=text]")).to_have_value(correction)
        assert correction in list_demonstrations(released, tmp_path / "before")

        page.goto("/dictionary")
        form = page.locator("form.term").first
        form.locator("[name=term]").fill(term)
        form.locator("[value=replace]").check()
        form.locator("[name=wording]").fill(wording)
        form.locator("button.main").click()
        expect(page.get_by_role("listitem")).to_contain_text(wording)
        rewritten = rewrite(page, message)
        assert wording in rewritten
        assert term not in rewritten

        assert find() >= {f"{name}.outputs", f"{name}.feedback"}
        page.goto("/history")
        page.locator("section[aria-labelledby=erasure] summary").click()
        page.locator("form[action='/history/erase'] [name=sure]").check()
        page.locator("form[action='/history/erase'] button").click()
        expect(page.locator("section[aria-labelledby=erasure] [role=status]")).to_be_visible()
        for is_purged in (False, True):
            carry_out(released.settings, released.installation.engine, is_purged)
        assert find() == set()
        page.goto("/history")
        expect(page.get_by_role("article")).to_have_count(0)
        assert correction not in list_demonstrations(released, tmp_path / "after")
        assert term in rewrite(page, message), "they go on, without the term"

"""The browser extension in Chromium, against a live gateway: select, rewrite, replace, vote; and what it says
when that is not possible.

The browser would ask a person whether the extension may send requests to the gateway, in a window of its own
that no test can click. So the tests load a copy whose manifest has that permission. The pages of the tests
have the same host, so it also stands for the click by which the extension may read a tab (activeTab).
"""

import json
import re
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect, sync_playwright
from sqlalchemy import select
from sqlalchemy.orm import Session

from configs.settings import Settings
from data.reasons import Language
from data.records import TransformType
from data.tables import Organisation
from serving.sites import words
from serving.sites.words import Words
from serving.web.choices import LEVELS, TYPES
from tests.accounts import PASSWORD, add_account
from tests.sdks import ROOT, Installation

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page, Route, Worker

FOLDER = ROOT / "extension"
MANIFEST: dict[str, Any] = json.loads((FOLDER / "manifest.json").read_text(encoding="utf-8"))
LOCALES = {
    file.parent.name: {name: entry["message"] for name, entry in json.loads(file.read_text("utf-8")).items()}
    for file in (FOLDER / "_locales").glob("*/messages.json")
}
SCRIPTS = {file.name: file.read_text(encoding="utf-8") for file in FOLDER.glob("*.js")}
PAGES = {file.name: file.read_text(encoding="utf-8") for file in FOLDER.glob("*.html")}
MESSAGE = "Fix it now, it is broken."
SITE = "http://127.0.0.1:9/page"  # answered by the tests themselves
CONTENT = f"""<!doctype html><meta charset="utf-8"><title>A page</title>
<input id="input" value="{MESSAGE}"><textarea id="textarea">Hello. {MESSAGE} Bye.</textarea>
<div id="editor" contenteditable="true">{MESSAGE}</div><p id="text">{MESSAGE}</p>
<input id="password" type="password" value="a secret"><input id="fixed" readonly value="{MESSAGE}">
<script>addEventListener("input", (event) => document.body.dataset.typed = event.inputType)</script>"""


def test_it_asks_for_no_more_than_it_needs() -> None:
    assert set(MANIFEST["permissions"]) == {"activeTab", "contextMenus", "scripting", "storage"}
    assert not {
        "host_permissions",
        "content_scripts",
        "externally_connectable",
        "web_accessible_resources",
    } & set(MANIFEST)
    assert MANIFEST["optional_host_permissions"] == [
        "https://*/*",
        "http://127.0.0.1/*",
        "http://localhost/*",
    ]
    policy = MANIFEST["content_security_policy"]["extension_pages"]
    assert "default-src 'none'; script-src 'self';" in policy
    assert "unsafe" not in policy


def test_the_gateway_knows_its_id() -> None:
    import base64
    from hashlib import sha256

    digest = sha256(base64.b64decode(MANIFEST["key"])).hexdigest()[:32]
    id = "".join(chr(ord("a") + int(digit, 16)) for digit in digest)
    assert Settings.model_fields["extensions"].default == (id,)


def test_no_script_makes_html_or_code_of_text() -> None:
    for name, script in SCRIPTS.items():
        for forbidden in (
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
        ):
            assert forbidden not in script, (name, forbidden)
    for name, page in PAGES.items():
        assert not re.search(
            r"<script(?! src=\"[a-z]+\.js\" type=\"module\"></script>)|<style|\son\w+=", page
        ), name


def test_every_file_that_it_names_is_there() -> None:
    named = [
        *MANIFEST["icons"].values(),
        MANIFEST["background"]["service_worker"],
        MANIFEST["options_ui"]["page"],
    ]
    for page in PAGES.values():
        named += re.findall(r'(?:src|href)="([^"]+)"', page)
    for script in SCRIPTS.values():
        named += re.findall(r'from "\./([^"]+)"', script)
    assert [name for name in named if not (FOLDER / name).is_file()] == []


def test_every_sentence_is_there_in_both_languages_and_none_is_left_over() -> None:
    said = {*re.findall(r"__MSG_(\w+)__", json.dumps(MANIFEST)), "language"}
    for page in PAGES.values():
        said |= set(re.findall(r'data-says="(\w+)"', page))
    for script in SCRIPTS.values():
        said |= set(re.findall(r'(?:say|getMessage|new Problem)\(\s*"(\w+)"', script))
        said |= set(re.findall(r'return "(\w+)";', SCRIPTS["options.js"]))
    said |= {"tooMany", "unavailable", "refused", "signedOut", "wrongPassword"}  # by status
    said |= {f"type_{kind}" for kind in TransformType} | {f"intensity_{level}" for level in (1, 2, 3)}
    said |= {f"unchanged_{code}" for code in ("nothing_to_do", "language", "no_term", "not_kept")}
    assert set(LOCALES) == {"en", "ja"}
    for sentences in LOCALES.values():
        assert set(sentences) == said
    for name, sentence in LOCALES["en"].items():
        assert sentence.count("$1") == LOCALES["ja"][name].count("$1"), name


@pytest.mark.parametrize("language", sorted(words.LANGUAGES))
def test_it_names_the_choices_as_the_web_app_does(language: Language) -> None:
    says, sentences = Words(language).say, LOCALES[language]
    assert {f"type_{choice.value}": says(choice.name) for choice in TYPES}.items() <= sentences.items()
    levels = {f"intensity_{choice.value}": says(choice.name) for choice in LEVELS if choice.value != "0"}
    assert levels.items() <= sentences.items()


# In Chromium.


class Installed:
    """The extension in a browser."""

    def __init__(self, context: "BrowserContext", worker: "Worker") -> None:
        self.context, self.worker = context, worker
        self.id = worker.url.split("/")[2]

    def options(self) -> "Page":
        """The page of the settings."""
        page = self.context.new_page()
        page.goto(f"chrome-extension://{self.id}/options.html")
        page.get_by_role("heading", level=1).wait_for()
        return page

    def sign_in(self, address: str, email: str, password: str = PASSWORD) -> str:
        """Enter all of it in the settings; what they say in the end."""
        page = self.options()
        page.get_by_label("Address").fill(address)
        page.get_by_role("button", name="Save").click()
        page.get_by_role("status").filter(has_text="Saved.").wait_for()
        page.get_by_label("E-mail").fill(email)
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name="Sign in").click()
        said = page.locator("#status:not(:empty), #problem:not([hidden])").last
        said.wait_for()
        text = said.inner_text()
        page.close()
        return text

    def rewrite(self, page: "Page") -> "Page":
        """The window that the context menu opens for what is selected in a page."""
        with self.context.expect_page() as opened:
            self.worker.evaluate(
                """async (url) => {
                    const [tab] = await chrome.tabs.query({ url: `${url}*` });
                    chrome.contextMenus.onClicked.dispatch({ menuItemId: "rewrite", frameId: 0 }, tab);
                }""",
                page.url,
            )
        return opened.value


Install = Callable[..., Installed]


@pytest.fixture
def install(tmp_path: Path) -> Iterator[Install]:
    """`install(language)` is a browser with the extension."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("there is no browser: apt install chromium")
    folder = shutil.copytree(FOLDER, tmp_path / "extension")
    changed = MANIFEST | {"host_permissions": ["http://127.0.0.1/*"]}
    (folder / "manifest.json").write_text(json.dumps(changed), encoding="utf-8")
    contexts: list[BrowserContext] = []
    with sync_playwright() as playwright:

        def install(language: str = "en", **options: Any) -> Installed:
            context = playwright.chromium.launch_persistent_context(
                tmp_path / f"profile-{len(contexts)}",
                executable_path=chromium,
                headless=True,
                locale=language,
                env={"LANGUAGE": language, "HOME": str(tmp_path)},
                args=["--no-sandbox", f"--lang={language}", f"--load-extension={folder}",
                      f"--disable-extensions-except={folder}",
                      "--disable-features=DisableLoadExtensionCommandLineSwitch"],
                ignore_default_args=["--disable-extensions"],
                **options,
            )  # fmt: skip
            contexts.append(context)
            context.route(f"{SITE}*", lambda route: route.fulfill(body=CONTENT, content_type="text/html"))
            workers = context.service_workers
            return Installed(context, workers[0] if workers else context.wait_for_event("serviceworker"))

        yield install
        for context in contexts:
            context.close()


@pytest.fixture
def email(live: Installation, local: Settings) -> str:
    """The address of a new account."""
    with Session(live.engine) as session:
        query = select(Organisation.id).where(Organisation.name == local.organisation)
        return add_account(live.engine, session.scalars(query).one(), "member").email


def select_in(page: "Page", id: str, text: str = MESSAGE) -> None:
    """Select a text in an element, as a person does."""
    page.evaluate(
        """([id, text]) => {
            const element = document.getElementById(id);
            if ("value" in element) {
                element.focus();
                const start = element.value.indexOf(text);
                element.setSelectionRange(start, start + text.length);
            } else {
                document.activeElement.blur();
                if (element.isContentEditable) element.focus();
                getSelection().selectAllChildren(element);
            }
        }""",
        [id, text],
    )


def text_of(page: "Page", id: str) -> str:
    text: str = page.evaluate(
        "(id) => { const e = document.getElementById(id); return e.value ?? e.textContent; }", id
    )
    return text


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_person_selects_rewrites_replaces_undoes_and_votes(
    install: Install, live: Installation, email: str
) -> None:
    extension = install()
    assert extension.sign_in(live.url, email) == "You are signed in."
    page = extension.context.new_page()
    page.goto(SITE)
    for id, around in (("input", "{}"), ("textarea", "Hello. {} Bye."), ("editor", "{}")):
        select_in(page, id)
        window = extension.rewrite(page)
        expect(window.locator("#before")).to_have_text(MESSAGE)
        window.get_by_role("button", name="Replace the selection").click()
        window.get_by_role("status").filter(has_text="It is in the page.").wait_for()
        rewrite = window.locator("#after").inner_text()
        assert rewrite not in ("", MESSAGE)
        assert text_of(page, id) == around.format(rewrite)
        assert page.evaluate("document.body.dataset.typed") == "insertText", "the page has noticed"
        page.bring_to_front()
        page.keyboard.press("Control+z")
        assert text_of(page, id) == around.format(MESSAGE), "the browser undoes it"
        window.get_by_role("button", name="Better").click()
        window.get_by_role("status").filter(has_text="Your vote is stored.").wait_for()
        assert window.get_by_role("button", name="Better").get_attribute("aria-pressed") == "true"
        window.close()
    votes = (
        "SELECT count(*) FROM feedback f JOIN accounts a USING (user_id)"
        " WHERE a.email = :email AND f.kind = 'thumb' AND f.thumb_up"
    )
    assert live.count(votes, email=email) == 1, "a person has one vote on a text, and it is their own"
    session = (
        "SELECT count(*) FROM account_sessions s JOIN accounts a ON a.id = s.account_id"
        " WHERE a.email = :email AND s.device = 'Browser extension'"
    )
    assert live.count(session, email=email) == 1, "the person finds it in their profile"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_what_is_read_kept_and_replaced_is_no_more_than_what_was_selected(
    install: Install, live: Installation, email: str
) -> None:
    extension = install()
    extension.sign_in(live.url, email)
    page = extension.context.new_page()
    page.goto(SITE)
    page.evaluate("document.getElementById('password').select()")
    window = extension.rewrite(page)
    expect(window.get_by_role("alert")).to_contain_text("No text is selected.")
    assert "a secret" not in window.content()
    for id in ("text", "fixed"):  # what cannot be changed can be copied
        select_in(page, id)
        window = extension.rewrite(page)
        expect(window.get_by_role("button", name="Copy")).to_be_focused()
        expect(window.get_by_role("button", name="Replace")).to_be_hidden()
    window.get_by_role("button", name="Copy").click()
    expect(window.get_by_role("status")).to_have_text("Copied.")
    select_in(page, "input")
    window = extension.rewrite(page)
    expect(window.get_by_role("button", name="Replace")).to_be_focused()
    select_in(page, "textarea", "Hello.")
    window.get_by_role("button", name="Replace").click()
    expect(window.get_by_role("alert")).to_contain_text("The selection in the page has changed")
    assert MESSAGE in text_of(page, "textarea")
    page.goto("about:blank")
    window.get_by_role("button", name="Replace").click()
    expect(window.get_by_role("alert")).to_contain_text("cannot read this page")
    stored: dict[str, Any] = extension.worker.evaluate(
        "Promise.all([chrome.storage.local.get(), chrome.storage.session.get(), chrome.storage.sync.get()])"
        ".then(([local, session, sync]) => ({ local, session, sync }))"
    )
    assert stored["local"] == {"address": live.url}
    assert stored["session"]["session"].keys() == {"email", "access", "refresh", "renewAt"}
    assert stored["sync"] == {}


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_what_the_gateway_answers_is_text_and_its_notes_are_said(
    install: Install, live: Installation, email: str
) -> None:
    extension = install()
    extension.sign_in(live.url, email)
    page = extension.context.new_page()
    page.goto(SITE)
    payload = f'<img src=x onerror="document.title=1"><b>{uuid.uuid4()}</b>'
    page.evaluate("(text) => { document.getElementById('textarea').value = text; }", payload)
    select_in(page, "textarea", payload)
    changes = {"transformed_text": payload, "unchanged": None, "facts_missing": [payload]}

    def change(route: "Route") -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json=answer.json() | changes)

    extension.context.route("**/api/v1/transform", change)
    window = extension.rewrite(page)
    expect(window.locator("#after")).to_have_text(payload)
    expect(window.locator("#before")).to_have_text(payload)
    expect(window.get_by_role("status")).to_have_text(f"Check it before you use it. It lacks: {payload}")
    assert window.locator("main img, main b").count() == 0
    assert window.title() == "ToneBridge"
    window.get_by_role("button", name="Replace").click()
    expect(window.get_by_role("status")).to_contain_text("It is in the page.")
    changes |= {"unchanged": {"code": "unchanged_language", "values": {}, "text": "?"}, "facts_missing": []}
    window.get_by_role("button", name="Rewrite").click()
    expect(window.get_by_role("status")).to_contain_text("cannot write this language")
    changes["unchanged"] = {"code": "unchanged_of_a_newer_release", "values": {}, "text": "?"}
    window.get_by_role("button", name="Rewrite").click()
    expect(window.get_by_role("status")).to_contain_text("The text was left as it is.")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_what_goes_wrong_is_said_plainly(install: Install, live: Installation, email: str) -> None:
    extension = install()
    page = extension.context.new_page()
    page.goto(SITE)
    select_in(page, "input")
    window = extension.rewrite(page)
    expect(window.get_by_role("alert")).to_contain_text("No gateway is set.")
    with extension.context.expect_page() as opened:
        window.get_by_role("button", name="Open the settings").click()
    options = opened.value
    address, save = options.get_by_label("Address"), options.get_by_role("button", name="Save")
    for typed, sentence in (
        ("http://tone.example.com", "Enter an address with https://"),
        ("ftp://127.0.0.1", "Enter an address with https://"),
        ("a b", "This is no address."),
    ):
        address.fill(typed)
        save.click()
        expect(options.get_by_role("alert")).to_contain_text(sentence)
    enter = options.get_by_role("button", name="Sign in")

    def try_to_sign_in(url: str, password: str) -> None:
        address.fill(url)
        save.click()
        expect(options.get_by_role("status")).to_have_text("Saved.")
        options.get_by_label("E-mail").fill(email)
        options.get_by_label("Password").fill(password)
        enter.click()

    try_to_sign_in("http://127.0.0.1:9", PASSWORD)
    expect(options.get_by_role("alert")).to_contain_text("There is no answer from http://127.0.0.1:9")
    try_to_sign_in(live.control_url.rstrip("/"), PASSWORD)
    expect(options.get_by_role("alert")).to_contain_text("is no gateway of ToneBridge")
    try_to_sign_in(live.url, "wrong")
    expect(options.get_by_role("alert")).to_have_text("There is no account with this address and password.")
    window.get_by_role("button", name="Rewrite").click()
    expect(window.get_by_role("alert")).to_contain_text("You are not signed in.")
    try_to_sign_in(live.proxy.url, PASSWORD)
    expect(options.get_by_role("status")).to_have_text("You are signed in.")
    live.proxy.faults.append("unavailable")
    window.get_by_role("button", name="Rewrite").click()
    expect(window.get_by_role("alert")).to_contain_text("ToneBridge cannot answer at the moment.")
    live.proxy.faults.append("drop")
    window.get_by_role("button", name="Rewrite").click()
    expect(window.get_by_role("alert")).to_contain_text("There is no answer from")
    window.get_by_role("button", name="Rewrite").click()
    expect(window.get_by_role("button", name="Replace")).to_be_focused()
    expect(window.get_by_role("alert")).to_be_hidden()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_session_is_renewed_once_and_ends_with_signing_out(
    install: Install, live: Installation, email: str
) -> None:
    extension = install()
    extension.sign_in(live.proxy.url, email)
    page = extension.context.new_page()
    page.goto(SITE)
    select_in(page, "input")
    windows = [extension.rewrite(page) for _ in range(2)]
    for window in windows:
        expect(window.get_by_role("button", name="Replace")).to_be_visible()
    extension.worker.evaluate(
        "chrome.storage.session.get('session').then(({ session }) =>"
        " chrome.storage.session.set({ session: { ...session, renewAt: 0 } }))"
    )
    live.proxy.requests.clear()
    for window in windows:  # at the same time: neither waits for the other's answer
        window.evaluate("document.querySelector('#choices button').click()")
    for window in windows:
        expect(window.get_by_role("button", name="Replace")).to_be_visible()
        expect(window.get_by_role("alert")).to_be_hidden()
    renewals = [path for _, path, _ in live.proxy.requests if path.endswith("/refresh")]
    assert len(renewals) == 1, "sent twice, it would end the session"
    options = extension.options()
    expect(options.locator("#who")).to_have_text(email)
    options.get_by_role("button", name="Sign out").click()
    expect(options.get_by_role("status")).to_have_text("You are signed out.")
    assert extension.worker.evaluate("chrome.storage.session.get()") == {}
    lasting = (
        "SELECT count(*) FROM account_sessions s JOIN accounts a ON a.id = s.account_id"
        " WHERE a.email = :email AND s.ended_at IS NULL"
    )
    assert live.count(lasting, email=email) == 0, "at the gateway, too"


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("language", "scheme"), [("en", "light"), ("ja", "dark")])
def test_its_pages_are_accessible_in_both_languages(
    install: Install, live: Installation, email: str, language: str, scheme: str
) -> None:
    extension = install(language, color_scheme=scheme)
    sentences = LOCALES[language]
    options = extension.options()
    assert options.evaluate("document.documentElement.lang") == language
    options.get_by_label(sentences["address"], exact=True).fill(live.url)
    options.get_by_role("button", name=sentences["save"]).click()
    options.get_by_label(sentences["email"]).fill(email)
    options.get_by_label(sentences["password"]).fill(PASSWORD)
    pages = [options]
    violations = [found["id"] for found in Axe().run(options).response["violations"]]
    options.get_by_role("button", name=sentences["signIn"]).click()
    expect(options.get_by_role("status")).to_have_text(sentences["welcome"])
    options.get_by_label(sentences["type"]).select_option("clarify")
    expect(options.get_by_role("status")).to_have_text(sentences["saved"])
    page = extension.context.new_page()
    page.goto(SITE)
    select_in(page, "textarea")
    window = extension.rewrite(page)
    expect(window.get_by_role("button", name=sentences["replace"])).to_be_focused()
    assert window.get_by_label(sentences["type"]).input_value() == "clarify"
    pages.append(window)
    for shown in pages:
        violations += [found["id"] for found in Axe().run(shown).response["violations"]]
        assert shown.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert violations == []

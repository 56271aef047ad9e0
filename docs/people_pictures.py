"""Takes the pictures of docs/people: pages of the web app in English and Japanese, on a desk and a phone,
light and dark.

    make people-pictures                         # those that a page of docs shows, to docs/people
    python docs/people_pictures.py --all FOLDER  # all of them, to look at

It starts an installation of its own with the version that comes with the software, and removes it afterwards.
For each view somebody signs in who has the same messages, votes, terms and rules each time, so pictures
differ by their dates only. Pictures of docs/people that no page shows any more are removed. The exit status
is 1 when a page is wider than its window. It needs chromium and a font with Japanese characters, such as
those of the Debian package fonts-noto-cjk.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from shutil import which
from typing import Any, Literal, NamedTuple, get_args

import httpx
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from configs.settings import Settings
from data import database
from data.people import identities
from pipelines import first_release, local
from pipelines.local import Process

DOCS = Path(__file__).parent
FOLDER = DOCS / "people"
_PASSWORD = "a password for pictures"  # noqa: S105 (the installation is removed)
_QUALITY = 70  # of a JPEG, in percent
_SIZES = {"desk": (1280, 900), "phone": (390, 844)}
Scheme = Literal["light", "dark"]
_SCHEMES: tuple[Scheme, ...] = get_args(Scheme)
_WAIT_S = 60.0
_BETWEEN_CHECKS_S = 2.0


@dataclass(frozen=True)
class Sample:
    """What people and their organisation have, in one language. `past` are messages with the kind of their
    rewrite, the oldest first; the last one gets a vote, and the one before it `correction`. The page Rewrite
    shows `message`, its panel `rough`, and a rule of the person proposes something for `pressing`. A
    rule that depends on the hour fits none of them.
    """

    organisation: str
    locale: str
    past: Sequence[tuple[str, str]]
    correction: str
    terms: Mapping[str, Sequence[Mapping[str, str]]]  # by scope
    rules: Mapping[str, Sequence[Mapping[str, Any]]]
    message: str
    rough: str
    pressing: str


def _rule(name: str, intensity: int, *conditions: Mapping[str, Any], kind: str = "soften") -> dict[str, Any]:
    return {"name": name, "conditions": conditions, "transform_type": kind, "intensity": intensity}


_TO_CUSTOMERS = {"kind": "channel", "prefixes": ["#customer-"]}


def _keyword(*words: str) -> dict[str, Any]:
    return {"kind": "keyword", "words": words}


def _evening(time_zone: str) -> dict[str, Any]:
    days = ["mon", "tue", "wed", "thu", "fri"]
    return {"kind": "hours", "days": days, "starts": "19:00", "ends": "08:00", "time_zone": time_zone}


SAMPLES = {
    "en": Sample(
        organisation="Example Ltd",
        locale="en-GB",
        past=(
            ("Send me the numbers at once. I asked you twice.", "soften"),
            ("We roll back the deploy at 5 pm.", "terminology"),
            ("Why is the build broken again? Fix it asap.", "soften"),
            ("Your slides are late again. Send them before the meeting on Monday.", "soften"),
            ("The build is red again since Monday. Who broke it?", "soften"),
        ),
        correction="Your slides are not here yet. Could you send them before the meeting on Monday?",
        terms={
            "own": (
                {"term": "Project Harsh", "rule": "keep"},
                {
                    "term": "SLO",
                    "rule": "explain",
                    "wording": "the share of requests that we promise to answer in time",
                },
            ),
            "organisation": ({"term": "user", "rule": "replace", "wording": "customer"},),
        },
        rules={
            "own": (
                _rule("Patience", 2, _keyword("asap", "at once")),
                _rule("Late in the evening", 3, _evening("Europe/Berlin"), _keyword("tonight")),
            ),
            "organisation": (
                _rule("Never harsh", 2, {"kind": "tone", "harsh_above": 0.6}),
                _rule("Clear to customers", 2, _TO_CUSTOMERS, kind="terminology"),
            ),
        },
        message="Anna, your code in PAY-123 is a mess. Fix it by Friday, or we cannot ship version 2.4.1.\n\n"
        "Send me the report by 5 pm.",
        rough="Are you blind? The SLO report is useless AGAIN. Someone should probably fix the export soon,"
        " and send it to QZX by Friday.",
        pressing="Fix it asap.",
    ),
    "ja": Sample(
        organisation="サンプル株式会社",
        locale="ja-JP",
        past=(
            ("至急、数字を送ってください。二度も頼みました。", "soften"),
            ("17時にデプロイをロールバックします。", "terminology"),
            ("ビルドがまた壊れています。至急、直してください。", "soften"),
            ("資料がまた遅れています。月曜日の会議までに送ってください。", "soften"),
            ("月曜日からビルドが失敗しています。誰が壊したんですか。", "soften"),
        ),
        correction="資料をまだ受け取っていません。月曜日の会議までに送っていただけますか。",
        terms={
            "own": (
                {"term": "プロジェクト暁", "rule": "keep"},
                {"term": "SLO", "rule": "explain", "wording": "時間内に応答すると約束したリクエストの割合"},
            ),
            "organisation": ({"term": "ユーザー", "rule": "replace", "wording": "お客様"},),
        },
        rules={
            "own": (
                _rule("あわてない", 2, _keyword("至急", "今すぐ")),
                _rule("夜のメッセージ", 3, _evening("Asia/Tokyo"), _keyword("今夜")),
            ),
            "organisation": (
                _rule("きつい言い方をしない", 2, {"kind": "tone", "harsh_above": 0.6}),
                _rule("お客様に分かりやすく", 2, _TO_CUSTOMERS, kind="terminology"),
            ),
        },
        message="PAY-123のコードがひどいです。金曜日までに直してください。レポートを17時までに送ってください。",
        rough="例の見積もり、何度言えば分かるんですか。SLOのレポートをなるべく早めに直して、金曜日までに誰かに送ってください。",
        pressing="至急、直してください。",
    ),
}


class View(NamedTuple):
    """How a page is looked at; its name is the end of a picture's."""

    size: str
    language: str
    scheme: Scheme

    @property
    def name(self) -> str:
        """The name of a view."""
        return "-".join(self)


VIEWS = [View(*parts) for parts in product(_SIZES, SAMPLES, _SCHEMES)]


def _ask(gateway: httpx.Client, login: Mapping[str, str], method: str, path: str, body: Any = None) -> Any:
    response = gateway.request(method, f"/api/v1{path}", headers=login, json=body)
    response.raise_for_status()
    return response.json() if response.content else None


def add_organisation(gateway: httpx.Client, key: str, sample: Sample) -> None:
    """Store the terms and the rules of an organisation, whose API key is given."""
    for path, rows in (("/dictionary", sample.terms), ("/rules", sample.rules)):
        for row in rows["organisation"]:
            _ask(gateway, {"X-API-Key": key}, "POST", path, {**row, "scope": "organisation"})


def add_person(gateway: httpx.Client, key: str, email: str, sample: Sample) -> None:
    """Make the account of somebody, and what they have rewritten, said, added and decided."""
    account = {"email": email, "password": _PASSWORD}
    _ask(gateway, {"X-API-Key": key}, "POST", "/auth/register", account)
    token = _ask(gateway, {}, "POST", "/auth/login", account)["access_token"]
    login = {"Authorization": f"Bearer {token}"}
    receipts = []
    for text, kind in sample.past:
        body = {"text": text, "transform_type": kind, "intensity": 2, "locale": sample.locale}
        receipts.append(_ask(gateway, login, "POST", "/transform", body)["receipt"])
        _wait_for_answers(gateway, login, len(receipts))  # so that their order is this one
    _ask(gateway, login, "POST", "/feedback", {"receipt": receipts[-1], "kind": "thumb", "up": True})
    correction = {"receipt": receipts[-2], "kind": "edit", "text": sample.correction}
    _ask(gateway, login, "POST", "/feedback", correction)
    for path, rows in (("/dictionary", sample.terms), ("/rules", sample.rules)):
        for row in rows["own"]:
            _ask(gateway, login, "POST", path, {**row, "scope": "own"})


def _wait_for_answers(gateway: httpx.Client, login: Mapping[str, str], number: int) -> None:
    """Wait until somebody's answers can be read; TimeoutError after a minute."""
    deadline = time.monotonic() + _WAIT_S
    while len(_ask(gateway, login, "GET", "/answers")) < number:
        if time.monotonic() > deadline:
            raise TimeoutError("the answers cannot be read")
        time.sleep(0.05)


class Shot(NamedTuple):
    """A picture: its name without the view, what it shows, and whether that is the page to its end."""

    name: str
    shows: Page | Locator
    is_whole: bool = False


def shots(page: Page, sample: Sample, is_desk: bool) -> Iterator[Shot]:
    """Go through the pages of somebody who has signed in. What adds to the history comes after it."""
    page.goto("/history")
    yield Shot("history", page)
    page.goto("/dictionary")
    yield Shot("dictionary", page, is_desk)
    page.goto("/rewrite?tour=1")
    yield Shot("tour", page)
    reading = page.locator("#reading")
    page.goto("/rewrite")
    page.locator("#text").fill(sample.rough)
    reading.locator(".aspects").wait_for()
    yield Shot("reading", reading)
    page.goto("/rewrite")
    page.locator("#text").fill(sample.pressing)
    reading.locator(".proposal").wait_for()
    yield Shot("proposal", page if is_desk else reading)
    page.goto("/rules")
    rule = page.locator("li", has_text=sample.rules["own"][0]["name"])
    rule.locator("form[action$='/try'] button").click()
    page.locator("#trial li").first.wait_for()
    page.evaluate("scrollTo(0, 0)")
    yield Shot("rules", page, is_desk)
    page.goto("/rewrite")
    page.locator("#text").fill(sample.message)
    reading.locator(".aspects").wait_for()
    page.locator("#go").click()
    ready = page.locator("#rewrite").get_attribute("data-ready")
    expect(page.locator("#status")).to_have_text(ready or "", timeout=1e3 * _WAIT_S)
    page.evaluate("document.activeElement.blur()")  # the frame of a focus is no part of the page
    page.evaluate("scrollTo(0, 0)")
    yield Shot("rewrite", page, is_desk)
    page.locator("#result").evaluate("result => result.scrollIntoView()")
    yield Shot("result", page)


def status(page: Page, is_desk: bool) -> Shot:
    """The page Status, once it knows that nothing works, since the gateway is stopped; TimeoutError after a
    minute.
    """
    deadline = time.monotonic() + _WAIT_S
    page.goto("/status")
    while page.locator(".states > div").count() != page.locator(".states strong").count():
        if time.monotonic() > deadline:
            raise TimeoutError("the status page does not notice that the gateway is stopped")
        time.sleep(_BETWEEN_CHECKS_S)
        page.reload()
    return Shot("status", page, is_desk)


def _open(browser: Browser, web: str, view: View) -> Page:
    width, height = _SIZES[view.size]
    context = browser.new_context(
        base_url=web,
        viewport={"width": width, "height": height},
        color_scheme=view.scheme,
        locale=SAMPLES[view.language].locale,
    )
    return context.new_page()


def _sign_in(page: Page, email: str) -> None:
    page.goto("/sign-in")
    page.locator("[name=email]").fill(email)
    page.locator("[name=password]").fill(_PASSWORD)
    page.locator("button.main").click()
    page.locator("form[action='/sign-out']").first.wait_for()


def take(
    settings: Settings, keys: Mapping[str, str], processes: Mapping[str, Process], folder: Path
) -> list[str]:
    """Take all pictures into a folder; the pages that are wider than their window, as sentences. The gateway
    is stopped for the last ones. `keys` are the API keys of the organisations, by language.
    """
    web = f"http://127.0.0.1:{settings.web_port}"
    too_wide: list[str] = []

    def store(shot: Shot, page: Page, view: View) -> None:
        page.wait_for_load_state("load")
        path = folder / f"{shot.name}-{view.name}.jpg"
        width, height = _SIZES[view.size]
        if shot.is_whole:  # in a window of its height, since the form's buttons stay at the window's end
            page.set_viewport_size({"width": width, "height": 1})
            whole = page.evaluate("document.documentElement.scrollHeight")
            page.set_viewport_size({"width": width, "height": whole})
        page.mouse.move(0, 0)  # off the last button, which would look different
        shot.shows.screenshot(path=path, quality=_QUALITY, animations="disabled")
        page.set_viewport_size({"width": width, "height": height})
        wide = page.evaluate("document.documentElement.scrollWidth")
        if wide > width:
            too_wide.append(f"{path.name}: the page is {wide} wide in a window of {width}")

    with httpx.Client(base_url=settings.gateway_url, timeout=_WAIT_S) as gateway:
        for language, sample in SAMPLES.items():
            add_organisation(gateway, keys[language], sample)
        for view in VIEWS:
            add_person(gateway, keys[view.language], f"{view.name}@example.org", SAMPLES[view.language])
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=which("chromium"), args=["--no-sandbox"])
        for view in VIEWS:
            page = _open(browser, web, view)
            _sign_in(page, f"{view.name}@example.org")
            for shot in shots(page, SAMPLES[view.language], view.size == "desk"):
                store(shot, page, view)
            page.context.close()
        processes["gateway"].stop()
        for view in VIEWS:
            page = _open(browser, web, view)
            store(status(page, view.size == "desk"), page, view)
            page.context.close()
        browser.close()
    return too_wide


def run(state: Path, folder: Path) -> list[str]:
    """Start an installation and take its pictures; the pages that are too wide."""
    organisation = SAMPLES["en"].organisation
    changes = {"artifacts": state / "artifacts", "organisation": organisation, "holdout_share": 0.0}
    with local.servers(local.separate_settings(state).model_copy(update=changes)) as settings:
        engine = database.engine_of(settings)
        keys = {language: identities.generate_key() for language in SAMPLES}
        for language, sample in SAMPLES.items():
            identities.bootstrap(engine, keys[language], sample.organisation)
        engine.dispose()
        with local.running(settings) as processes:

            def check() -> None:
                for process in processes.values():
                    process.check()

            web = f"http://127.0.0.1:{settings.web_port}"
            processes["inference"].wait_until_ready(f"{settings.inference_urls[0]}/livez", 120)
            first_release.announce(settings, check)
            processes["gateway"].wait_until_ready(f"{settings.gateway_url}/readyz", 120)
            processes["web"].wait_until_ready(f"{web}/livez", 120)
            return take(settings, keys, processes, folder)


def shown() -> set[str]:
    """The names of the files of docs/people that a page of docs shows."""
    pages = [page.read_text(encoding="utf-8") for page in sorted(DOCS.glob("*.md"))]
    return {name for page in pages for name in re.findall(r"\bpeople/([\w-]+\.jpg)", page)}


def _has_japanese() -> bool:
    """Whether there is a font with Japanese characters; without one they would be boxes."""
    command = which("fc-list")
    if command is None:
        return False
    fonts = subprocess.run([command, ":lang=ja"], capture_output=True, text=True, check=True)  # noqa: S603
    return bool(fonts.stdout.strip())


def main(everything: Path | None) -> int:
    """Take the pictures and store them; 1 when a page is too wide, or docs show a picture that this does not
    make.
    """
    if not _has_japanese():
        raise SystemExit("No font has Japanese characters: install fontconfig and fonts-noto-cjk.")
    with tempfile.TemporaryDirectory(prefix="tonebridge-pictures-") as scratch:
        taken = Path(scratch) / "pictures"
        taken.mkdir()
        faults = run(Path(scratch), taken)
        files = {file.name: file for file in sorted(taken.iterdir())}
        if everything is None:
            faults += [
                f"docs show {name}, which this command does not make" for name in shown() - files.keys()
            ]
            for old in FOLDER.glob("*.jpg"):
                old.unlink()
        folder = everything or FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        for name, file in files.items():
            if everything is not None or name in shown():
                (folder / name).write_bytes(file.read_bytes())
    print("\n".join(faults), end="\n" if faults else "")
    return 1 if faults else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--all", type=Path, metavar="FOLDER", help="store every picture there")
    sys.exit(main(parser.parse_args().all))

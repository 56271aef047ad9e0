"""The web app: first paints beside the dashboard's, how long a rewrite takes to be shown, and 500 people at
once: `make bench-web`, 11 minutes (`QUICK=1`: 3 minutes, with 30 people).

Everything runs as `make up` starts it, with the version that comes with the software. First, chromium visits
the pages of the web app and of the dashboard in turns; each visit has a new context with an empty cache. It
sends new messages by a click, and by typing. Then people who have signed in open the page Rewrite and have a
message rewritten, each with a pause for thought in between: most as a browser with scripts does, the others
by the form alone. Before that, one person does both alone. Last, the language model becomes the champion,
since it writes word by word, and chromium sends new messages again. Prints three tables, and writes
everything to `docs/results/web.json` (with `--quick` to `artifacts/bench/web.json`).

The exit status is 1 after an error of one of the people, and when the median of a page's first paints is
above 500 ms.
"""

import argparse
import asyncio
import json
import math
import os
import random
import re
import shutil
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import unescape
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, Never

import aiohttp
import httpx
import psutil
from playwright.sync_api import sync_playwright
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session
from tqdm import tqdm

from benchmarks import workload
from benchmarks.dashboard import sign_in, visit
from configs.settings import Settings
from data import database
from data.people import accounts, identities
from data.records import Spec
from data.tables import Account, Organisation, new_id
from data.traffic import routing
from data.traffic.routing import Routing
from models import loading
from models.export import export
from pipelines import first_release, local
from serving.inference import release
from serving.sites.session import COOKIE

PEOPLE = {False: 500, True: 30}
_VISITS = {False: 7, True: 2}
_TURNS = {False: 5, True: 2}  # of a person: open the page, send the form
_THOUGHT_S = {False: 20.0, True: 4.0}  # between a person's requests, on average
_REPEATED = 0.5  # of the messages: everybody sends them; the others are new
_AT_ONCE = 4  # sign-ins: each hashes a password
_TIMEOUT_S = 60.0
_PASSWORD, _BASELINE = "a password for benchmarks", "dashboard: Compare"
_MOST_PAINT_MS = 500.0  # the median of a page
_WITHOUT_SCRIPT = 5  # every fifth person sends forms; the others' browsers stream
_PAUSES = 2  # of typing a message: the page shows after each how it will be read
_CSRF = re.compile(r'name="csrf" value="([^"]+)"')
_RESULT = 'id="outcome"'  # of the page, when it has a rewrite
_READING = 'class="aspects"'  # of the page, when it says how a message will be read
_ANSWER = "event: answer\n"  # of a stream, when it has a rewrite
_MESSAGES = {False: 30, True: 5}  # that are clicked, and as many that are typed
_TEXT = Spec(version="v2", max_new_tokens=48)  # writes word by word; v1 comes with the software
# Milliseconds from a click, or from the last key, until the page shows the first words of the draft (null if
# it shows none) and the rewrite.
_REWRITE = """
([text, isTyped]) => new Promise((resolve, reject) => {
  const form = document.getElementById("rewrite"), field = document.getElementById("text");
  const status = document.getElementById("status"), draft = document.getElementById("draft");
  const changes = { attributes: true, childList: true, subtree: true, characterData: true };
  let words = null;
  field.value = text;
  const drafts = new MutationObserver(() => {
    if (draft.hidden || !draft.querySelector(".words").textContent) return;
    words = performance.now() - began;
    drafts.disconnect();
  });
  drafts.observe(draft, changes);
  new MutationObserver((_, observer) => {
    if (status.textContent !== form.dataset.ready) return;
    observer.disconnect();
    drafts.disconnect();
    resolve({ words, rewrite: performance.now() - began });
  }).observe(status, changes);
  setTimeout(() => reject(new Error("there is no rewrite")), 30_000);
  const began = performance.now();
  if (isTyped) field.dispatchEvent(new InputEvent("input", { bubbles: true }));
  else document.getElementById("go").click();
})
"""


_REQUESTS = {
    "page": "open the page",
    "form": "send the form, to the page with the rewrite",
    "reading": "pause, to how it will be read",
    "stream": "press Rewrite, to the end of the stream",
}


@dataclass
class Load:
    """What people did, and how long it took them."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in _REQUESTS})
    errors: Counter[str] = field(default_factory=Counter)

    def summary(self) -> dict[str, Any]:
        """Percentiles in milliseconds, and the errors."""
        return {
            **{f"{name}_ms": _percentiles(times) for name, times in self.seconds.items()},
            "requests": sum(map(len, self.seconds.values())),
            "errors": dict(self.errors),
        }


def _round(seconds: dict[str, list[float]]) -> dict[str, str]:
    """All times in milliseconds, separated by spaces: a line for each kind."""
    return {name: " ".join(f"{1e3 * second:.1f}" for second in times) for name, times in seconds.items()}


def _percentiles(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(1e3 * second for second in seconds) or [math.nan]
    at = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
    return {name: round(ordered[math.ceil(share * len(ordered)) - 1], 1) for name, share in at.items()}


def add_people(engine: Engine, organisation: str, count: int) -> list[str]:
    """Create accounts with one password; their addresses."""
    hashed = accounts.hash_password(_PASSWORD)
    emails = [f"person-{number}@example.org" for number in range(count)]
    with Session(engine) as session, session.begin():
        tenant = session.scalars(select(Organisation.id).where(Organisation.name == organisation)).one()
        session.add_all(
            Account(
                id=new_id(), organisation_id=tenant, user_id=new_id(), email=email, name="", role="member",
                password_hash=hashed,
            )
            for email in emails
        )  # fmt: skip
    return emails


class Person:
    """Somebody in a browser of their own, without the browser."""

    def __init__(self, base: str, email: str, number: int) -> None:
        # Each has an address of their own, which a proxy would name: sign-ins are limited by address.
        headers = {"X-Forwarded-For": str(IPv4Address("10.0.0.1") + number), "Accept-Language": "en"}
        self.session = aiohttp.ClientSession(
            base,
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S),
            cookie_jar=aiohttp.CookieJar(unsafe=True),  # the site is at an IP address
        )
        self._email, self._random = email, random.Random(number)

    async def sign_in(self) -> None:
        """Sign in; RuntimeError when that is refused."""
        form = {"email": self._email, "password": _PASSWORD}
        async with self.session.post("/sign-in", data=form, allow_redirects=False) as response:
            if response.status != 303:
                raise RuntimeError(f"signing in was refused: {response.status}")

    async def work(
        self,
        load: Load,
        turns: int,
        thought_s: float,
        repeated: list[str],
        own: list[str],
        *,
        has_script: bool,
    ) -> None:
        """Open the page and have a message rewritten, several times: by the form, or as the page's script
        does it, which also asks after each pause of typing how the message will be read.
        """
        await asyncio.sleep(self._random.uniform(0, thought_s))
        for turn in range(turns):
            page = await self._ask(load, "page", "/rewrite")
            csrf = _CSRF.search(page or "")
            text = self._random.choice(repeated) if self._random.random() < _REPEATED else own[turn]
            if csrf is None:
                load.errors["no form on the page"] += 1
                await asyncio.sleep(self._random.uniform(0, 2 * thought_s))
                continue
            form = {"csrf": unescape(csrf[1]), "transform_type": "soften", "intensity": "2"}
            if has_script:
                for pause in range(1, _PAUSES + 1):
                    await asyncio.sleep(self._random.uniform(0, 2 * thought_s / _PAUSES))
                    typed = text[: len(text) * pause // _PAUSES]
                    await self._ask(load, "reading", "/rewrite/reading", form | {"text": typed}, _READING)
                await self._ask(load, "stream", "/rewrite/stream", form | {"text": text}, _ANSWER)
            else:
                await asyncio.sleep(self._random.uniform(0, 2 * thought_s))
                await self._ask(load, "form", "/rewrite", form | {"text": text}, _RESULT)
            await asyncio.sleep(self._random.uniform(0, 2 * thought_s))

    async def _ask(
        self, load: Load, name: str, path: str, form: dict[str, str] | None = None, expected: str = ""
    ) -> str | None:
        """The answer, to its end; None after an error. One without the expected part is an error, too."""
        began = time.perf_counter()
        try:
            async with self.session.request("GET" if form is None else "POST", path, data=form) as response:
                text = await response.text()
        except (aiohttp.ClientError, TimeoutError) as error:
            load.errors[f"{name}: {type(error).__name__}"] += 1
            return None
        load.seconds[name].append(time.perf_counter() - began)
        if response.status != 200:
            load.errors[f"{name}: {response.status}"] += 1
            return None
        if expected not in text:
            load.errors[f"{name}: without what it is for"] += 1
            return None
        return text


async def crowd(base: str, emails: list[str], turns: int, thought_s: float) -> dict[str, Any]:
    """One person alone, and then all at once. They have signed in before."""
    people = [Person(base, email, number) for number, email in enumerate(emails)]
    signing_in = asyncio.Semaphore(_AT_ONCE)

    async def enter(person: Person, bar: "tqdm[Never]") -> None:
        async with signing_in:
            await person.sign_in()
        bar.update()

    texts = [json.loads(body)["text"] for body in workload.fresh((len(people) + 1) * turns, "web")]
    repeated = [json.loads(body)["text"] for body in workload.known(50)]
    try:
        with tqdm(total=len(people), desc="sign in", unit="person", file=sys.stderr) as bar:
            await asyncio.gather(*(enter(person, bar) for person in people))
        alone, together = Load(), Load()
        for has_script in (False, True):
            await people[0].work(alone, turns, 0.2, repeated, texts[-turns:], has_script=has_script)
        began = time.perf_counter()
        await asyncio.gather(
            *(
                person.work(
                    together,
                    turns,
                    thought_s,
                    repeated,
                    texts[number * turns : (number + 1) * turns],
                    has_script=number % _WITHOUT_SCRIPT > 0,
                )
                for number, person in enumerate(people)
            )
        )
        lasted_s = time.perf_counter() - began
    finally:
        for person in people:
            await person.session.close()
    requests = sum(map(len, together.seconds.values()))
    return {
        "people": len(people),
        "turns": turns,
        "thought_s": thought_s,
        "requests_per_s": round(requests / lasted_s, 1),
        "alone": alone.summary(),
        "together": together.summary(),
        "raw_ms": {"alone": _round(alone.seconds), "together": _round(together.seconds)},
    }


def paint(web: str, dashboard: str, email: str, visits: int) -> dict[str, list[float]]:
    """Milliseconds to the first contentful paint of each page, of visits in turns."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        cookies = {base: sign_in(browser, base, email, _PASSWORD) for base in (web, dashboard)}
        pages = {
            "web app: Rewrite": (web, "/rewrite"),
            "web app: History": (web, "/history"),
            "web app: Dictionary": (web, "/dictionary"),
            "web app: Rules": (web, "/rules"),
            "web app: Profile": (web, "/profile"),
            "web app: Help": (web, "/help"),
            "web app: Status": (web, "/status"),
            _BASELINE: (dashboard, "/compare"),
            "dashboard: Accounts": (dashboard, "/accounts"),
        }
        painted: dict[str, list[float]] = {name: [] for name in pages}
        for _ in range(visits):
            for name, (base, path) in pages.items():
                painted[name].append(visit(browser, base, path, cookies[base], None))
        browser.close()
    return painted


def rewrite(web: str, email: str, count: int, run: str) -> dict[str, dict[str, list[float]]]:
    """Milliseconds until a browser shows the first words of a draft, and the rewrite, of new messages: from a
    click, and from the last key with "Rewrite while I type", which waits for a pause of 600 ms. A version
    that does not write word by word has no drafts.
    """
    texts = [json.loads(body)["text"] for body in workload.fresh(2 * count, f"browser-{run}")]
    times: dict[str, dict[str, list[float]]] = {
        start: {"words": [], "rewrite": []} for start in ("click", "last key")
    }
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        with browser.new_context() as context:
            cookie = sign_in(browser, web, email, _PASSWORD)
            context.add_cookies([{"name": COOKIE, "value": cookie, "url": web}])
            page = context.new_page()
            page.goto(f"{web}/rewrite")
            page.wait_for_load_state()
            for number, text in enumerate(texts):
                is_typed = number >= count
                page.locator("#as-i-type").set_checked(is_typed)
                for name, time_ms in page.evaluate(_REWRITE, [text, is_typed]).items():
                    if time_ms is not None:
                        times["last key" if is_typed else "click"][name].append(time_ms)
        browser.close()
    return times


def publish_text(settings: Settings, key: str) -> None:
    """Make the language model the champion. It returns once the gateway answers with it; TimeoutError after a
    minute.
    """
    folder = export(loading.base_folder(loading.PIP_MODEL), None, settings.artifacts / _TEXT.version)
    release.publish(folder, _TEXT.version, settings)
    asyncio.run(release.warm(settings.inference_urls, _TEXT, settings.secret("service_token")))
    engine = database.engine_of(settings)
    with Session(engine) as session, session.begin():
        routing.publish(session, Routing(champion=_TEXT), "benchmark")
    engine.dispose()
    deadline, texts = time.monotonic() + _TIMEOUT_S, workload.fresh(1_000, "published")
    headers = {"X-API-Key": key, "Content-Type": "application/json"}
    with httpx.Client(base_url=settings.gateway_url, headers=headers, timeout=_TIMEOUT_S) as client:
        while True:
            answer = client.post("/api/v1/transform", content=next(texts)).raise_for_status()
            if answer.json()["version"] == _TEXT.version:
                return
            if time.monotonic() > deadline:
                raise TimeoutError("the gateway does not answer with the language model")
            time.sleep(0.1)


def measure(quick: bool, state: Path) -> dict[str, Any]:
    """Start everything, and measure both."""
    os.environ["TONEBRIDGE_TRUSTED_PROXIES"] = (
        '["127.0.0.1"]'  # of the processes: the crowd has many addresses
    )
    requested = Settings(state=state, artifacts=state / "artifacts", database_url=None, redis_url=None)
    with local.servers(local.with_free_ports(requested)) as settings:
        engine = database.engine_of(settings)
        key = identities.bootstrap(engine, None, settings.organisation)
        assert key is not None, "the benchmark's database is new"
        emails = add_people(engine, settings.organisation, PEOPLE[quick])
        engine.dispose()
        with local.running(settings) as processes:
            web = f"http://127.0.0.1:{settings.web_port}"
            dashboard = f"http://127.0.0.1:{settings.dashboard_port}"
            for name, url in (("gateway", settings.gateway_url), ("web", web), ("dashboard", dashboard)):
                processes[name].wait_until_ready(f"{url}/livez", 120)
            processes["inference"].wait_until_ready(f"{settings.inference_urls[0]}/livez", 120)

            def check() -> None:
                for process in processes.values():
                    process.check()

            first_release.announce(settings, check)
            processes["gateway"].wait_until_ready(f"{settings.gateway_url}/readyz", 120)
            painted = paint(web, dashboard, emails[0], _VISITS[quick])
            rewritten = {"edits": rewrite(web, emails[0], _MESSAGES[quick], "edits")}
            server = psutil.Process(processes["web"].pid)
            before = server.memory_info().rss
            load = asyncio.run(crowd(web, emails, _TURNS[quick], _THOUGHT_S[quick]))
            load["web_memory_mb"] = {
                "before": round(before / 2**20),
                "after": round(server.memory_info().rss / 2**20),
            }
            publish_text(settings, key)
            rewritten["text"] = rewrite(web, emails[0], _MESSAGES[quick], "text")
    return {
        "first_contentful_paint_ms": painted,
        "median_ms": {name: statistics.median(times) for name, times in painted.items()},
        "shown_ms": rewritten,
        "crowd": load,
    }


def tables(result: dict[str, Any]) -> Iterator[str]:
    """What is printed, in Markdown."""
    yield "| page | first contentful paint, ms: median | slowest | of the dashboard's Compare |"
    yield "|" + "---|" * 4
    peer = result["median_ms"][_BASELINE]
    for name, median in result["median_ms"].items():
        slowest = max(result["first_contentful_paint_ms"][name])
        yield f"| {name} | {median:.0f} | {slowest:.0f} | {median / peer:.2f} |"
    yield ""
    yield "| until it is shown, ms | messages | median | p90 | slowest |"
    yield "|" + "---|" * 5
    for writer, starts in result["shown_ms"].items():
        for start, shown in starts.items():
            for part, times in shown.items():
                if not times:  # edits have no drafts
                    continue
                what = "the first words" if part == "words" else "the rewrite"
                ninth = sorted(times)[math.ceil(0.9 * len(times)) - 1]
                figures = f"{statistics.median(times):.0f} | {ninth:.0f} | {max(times):.0f}"
                yield f"| {writer}: {what}, from the {start} | {len(times)} | {figures} |"
    crowd = result["crowd"]
    alone, together = crowd["alone"], crowd["together"]
    yield ""
    yield f"| {crowd['people']} people at once | alone, ms: p50 | together: p50 | p99 | p50, of alone |"
    yield "|" + "---|" * 5
    for name, says in _REQUESTS.items():
        before, after = alone[f"{name}_ms"], together[f"{name}_ms"]
        ratio = after["p50"] / before["p50"]
        yield f"| {says} | {before['p50']} | {after['p50']} | {after['p99']} | {ratio:.2f} |"
    errors = sum(together["errors"].values())
    yield ""
    yield f"{together['requests']} requests, {crowd['requests_per_s']} a second, {errors} errors" + (
        f": {together['errors']}" if errors else ""
    )


def main(quick: bool) -> int:
    """Measure, print and write; 1 when there was an error, or a page is slow."""
    folder = Path(tempfile.mkdtemp(prefix="tonebridge-bench-"))
    try:
        result = measure(quick, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print("\n".join(tables(result)))
    file = Path("artifacts/bench/web.json" if quick else "docs/results/web.json")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    slowest, median_ms = max(result["median_ms"].items(), key=lambda item: item[1])
    print(f"The slowest page is {slowest}: {median_ms:.0f} ms, of {_MOST_PAINT_MS:.0f} ms at most")
    return 1 if result["crowd"]["together"]["errors"] or median_ms > _MOST_PAINT_MS else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="30 people, two visits of a page")
    sys.exit(main(parser.parse_args().quick))

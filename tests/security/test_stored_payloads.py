"""What people write is text, wherever it is shown: it runs nothing, loads nothing, turns nothing around.

Everything that a person, a key or a token can store is stored with payloads, through the real gateway where
it lets them through, and every page that shows it is opened in a real browser, in both languages.
"""

import re
import uuid
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect
from sqlalchemy import update
from sqlalchemy.orm import Session

from data.reasons import Reason, reason, written
from data.tables import Comparison, Decision, Experiment, Output, Release, Snapshot, Version, new_id
from data.traffic import routing
from serving.sites.words import contained, isolated
from tests.accounts import PASSWORD
from tests.dashboards import Installation, SignIn
from tests.payloads import MARKUP, PAYLOADS, Watch, check


def api(installation: Installation, method: str, path: str, body: Any, token: str | None = None) -> Any:
    headers = {"Authorization": f"Bearer {token}"} if token else {"X-API-Key": installation.key}
    headers["Idempotency-Key"] = str(uuid.uuid4())
    answer = httpx.request(
        method, f"{installation.settings.gateway_url}/api/v1{path}", json=body, headers=headers, timeout=60
    )
    assert answer.is_success, (path, answer.text)
    return answer.json() if answer.content else None


def store(installation: Installation, payload: str) -> str:
    """Store a payload wherever the gateway takes it; the id of an experiment that is full of it."""
    email = re.sub(r"[\s@\x00-\x1f\x7f-\x9f]", "", payload)[:200] + f"@{uuid.uuid4().hex}"
    account = {"email": email, "password": PASSWORD, "name": payload[:200], "role": "experimenter"}
    api(installation, "POST", "/auth/register", account)
    token = api(installation, "POST", "/auth/login", {"email": email, "password": PASSWORD})["access_token"]
    api(installation, "POST", "/keys", {"name": payload[:200]})
    url = f"https://example.org/{re.sub('[^!-~]|#', '', payload)[:1900]}"
    hook = {"url": url, "events": ["job.done"], "description": payload[:200]}
    webhook_id = api(installation, "POST", "/webhooks", hook)["id"]
    api(installation, "POST", f"/webhooks/{webhook_id}/test", None)
    drafted = {"name": payload[:200], "hypothesis": payload, "challengers": ["v2"]}
    experiment_id = str(api(installation, "POST", "/experiments", drafted, token)["id"])
    api(installation, "POST", f"/experiments/{experiment_id}/start", {"reason": payload}, token)
    with Session(installation.engine) as session, session.begin():
        running = update(Experiment).where(Experiment.id == uuid.UUID(experiment_id))
        session.execute(running.values(status="running"))
    for action in ("pause", "ship", "rollback"):
        api(installation, "POST", f"/experiments/{experiment_id}/{action}", {"reason": payload}, token)
    asked = {"text": payload, "transform_type": "soften", "intensity": 2, "user_id": payload[:200]}
    receipt = api(installation, "POST", "/transform", asked)["receipt"]
    for vote in ({"kind": "edit", "text": payload}, {"kind": "comment", "text": payload}):
        api(installation, "POST", "/feedback", vote | {"receipt": receipt})
    _store_what_flows_write(installation, payload, uuid.UUID(experiment_id))
    return experiment_id


def _store_what_flows_write(installation: Installation, payload: str, experiment_id: uuid.UUID) -> None:
    """What comes of it: outcomes, releases, epochs, versions, snapshots, whose words may quote a person."""
    name = f"v{re.sub(r'[^a-z]', '', payload)[:3]}<u>{uuid.uuid4().hex[:8]}"
    with Session(installation.engine) as session, session.begin():
        session.add(
            Version(
                name=name, run_id=payload[:20] + uuid.uuid4().hex, method=payload[:20], metrics={},
                accepted=False, reasons=[reason("not_accepted", version=payload)], parent="v1",
            )
        )  # fmt: skip
        session.add(Snapshot(digest=uuid.uuid4().hex, path=payload, counts={}, high_water=1, accepted=False,
                             reasons=[Reason(code="of_a_newer_release", values={"x": payload})]))  # fmt: skip
        live = routing.current(session)
        assert live is not None
        epoch = routing.publish(session, live.routing, payload)
        champion = live.routing.champion.digest
        session.add(
            Release(version="v1", replaced=None, spec_digest=champion, epoch=epoch, reasons=written(payload))
        )
        for who in (f"token:{payload}"[:200], f"api_key:{payload}"[:200]):
            session.add(
                Decision(
                    id=new_id(), experiment_id=experiment_id, action="ramp", parameters={"share": payload},
                    reasons=written(payload), requested_by=who, idempotency_key=str(uuid.uuid4()),
                    outcome="failed", failure=[reason("internal_error", error=payload)],
                )
            )  # fmt: skip
        row = session.get_one(Experiment, experiment_id)
        row.target = {"locales": [payload], "channels": [payload]}
        row.status, row.ended_at = "stopped", row.created_at  # there may be one at a time


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_people_store_is_text_on_every_page_in_both_languages(
    installation: Installation,
    sign_in: SignIn,
) -> None:
    experiments = {name: store(installation, payload) for name, payload in PAYLOADS.items()}
    page = sign_in("admin", viewport={"width": 1280, "height": 900})
    watch = Watch(page, installation.url)
    for language in ("en", "ja"):
        page.context.add_cookies([{"name": "language", "value": language, "url": installation.url}])
        for path in ("/experiments", "/experiments/new", "/models", "/data", "/calibration", "/operations"):
            check(page, path, watch)
        hooks = re.findall(r'id="webhook-([0-9a-f-]+)"', check(page, "/webhooks", watch))
        assert len(hooks) == len(PAYLOADS)
        for webhook_id in hooks:
            check(page, f"/webhooks/{webhook_id}", watch)
        for name, id in experiments.items():
            html = check(page, f"/experiments/{id}", watch)
            assert page.locator("h1").is_visible()
            if name == "template":
                assert "{{7*7}}" in html
            for action in ("start", "ramp", "pause", "ship", "rollback"):
                if name in ("image", "closing", "long"):
                    check(page, f"/experiments/{id}/{action}", watch)
    with Session(installation.engine) as session:
        for version in session.query(Version.name).filter(Version.name.contains("<u>")):
            check(page, f"/models/{httpx.QueryParams({'x': version[0]})}".replace("x=", ""), watch)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_status_beside_a_name_that_runs_backwards_stands_where_it_stood(
    installation: Installation,
    sign_in: SignIn,
) -> None:
    page = sign_in("experimenter")
    for name in ("closing", "override", "isolate", "hebrew"):
        drafted = {"name": PAYLOADS[name], "hypothesis": "h", "challengers": ["v2"]}
        id = api(installation, "POST", "/experiments", drafted)["id"]
        page.goto(f"/experiments/{id}")
        name_box, status_box = (
            page.locator("h1 bdi").bounding_box(),
            page.locator("h1 .status").bounding_box(),
        )
        assert name_box is not None
        assert status_box is not None
        assert status_box["x"] >= name_box["x"] + name_box["width"] - 1, name


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_is_compared_and_what_a_form_gives_back_is_text(
    installation: Installation,
    sign_in: SignIn,
) -> None:
    page = sign_in("admin", viewport={"width": 1280, "height": 900})
    watch = Watch(page, installation.url)
    for language in ("en", "ja"):
        page.context.add_cookies([{"name": "language", "value": language, "url": installation.url}])
        page.goto("/compare")
        csrf = page.locator("[name=csrf]").first.get_attribute("value")
        action = page.locator("form[data-compare]").get_attribute("action")
        assert action is not None
        for payload in PAYLOADS.values():
            with Session(installation.engine) as session, session.begin():
                row = session.get_one(Comparison, uuid.UUID(action.removeprefix("/compare/")))
                both = Output.id.in_([row.first_output_id, row.second_output_id])
                session.execute(update(Output).where(both).values(text=payload, message=payload))
            check(page, "/compare", watch)
            expect(page.locator(".words")).to_have_count(3)
        for name, payload in PAYLOADS.items():
            form = {"csrf": csrf, "text": payload, "transform_type": payload[:20], "intensity": payload[:20]}
            given = page.request.post("/compare/message", form=form)
            draft = {"csrf": csrf, "idempotency_key": "k", "name": payload, "hypothesis": payload * 2,
                     "challengers": payload, "locales": payload, "plan.alpha": payload}  # fmt: skip
            again = page.request.post("/experiments/new", form=draft)
            signing = page.request.post("/sign-in", form={"email": payload[:300], "password": "p"})
            hook = {"csrf": csrf, "url": payload, "events": payload, "description": payload}
            refused = page.request.post("/webhooks", form=hook)
            for answer in (given, again, signing, refused):
                assert answer.status in (200, 401, 422, 429), (name, answer.status)
                assert not [markup for markup in MARKUP if markup in answer.text()], name
            check(
                page, f"/experiments?q={httpx.QueryParams({'q': payload[:200]})}".replace("q=q=", "q="), watch
            )
            check(page, f"/sign-in?{httpx.QueryParams({'to': '/' + payload[:1000]})}", watch)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("a\u202eb", "a\u202eb\u202c"),
        ("a\u2067b", "a\u2067b\u2069"),
        ("a\u2069\u202cb", "ab"),
        ("\u2067\u202ea\u2069b", "\u2067\u202ea\u2069b"),  # the isolate's end ends what is within
        ("\u202e\u2066a\u202cb", "\u202e\u2066ab\u2069\u202c"),  # what is outside is not ended from within
        ("\u202aa\u202cb", "\u202aa\u202cb"),
    ],
)
def test_a_text_closes_what_it_opens_and_nothing_else(text: str, expected: str) -> None:
    assert contained(text) == expected
    assert contained(expected) == expected


def test_a_text_in_the_middle_of_a_sentence_is_isolated_when_it_may_run_backwards() -> None:
    assert isolated("v1") == "v1"
    assert isolated("日本語") == "日本語"
    assert isolated("שלום") == "\u2068שלום\u2069"
    assert isolated("a\u2069\u202eb") == "\u2068a\u202eb\u202c\u2069"

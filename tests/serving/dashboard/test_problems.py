"""What the gateway refuses is shown in the reader's language."""

import html
import re
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from configs.settings import Settings
from data.reasons import Language, Reason, reason
from data.records import Spec
from data.tables import Account, Comparison, Experiment, Output, Version, new_id
from data.traffic import comparisons, routing
from data.traffic.routing import Routing
from serving.dashboard.app import create_app
from serving.sites import api
from serving.sites.api import Fault, GatewayClient, GatewayError
from serving.sites.words import Words
from tests.accounts import PASSWORD
from tests.dashboards import Installation, csrf_token, own_settings, sign_in_by_form, with_gateway
from tests.logins import as_dashboard
from tests.serving.dashboard.texts import text_of

ENGLISH = re.compile(r"[A-Za-z]+(?: [a-z]+){2}")  # three words in a row
LANGUAGES = pytest.mark.parametrize("language", ["en", "ja"])


@pytest.fixture(scope="module")
def installation(
    local: Settings, new_database: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """v1 is champion and v2 has passed the gate. No inference service answers."""
    settings = own_settings(local, new_database(), tmp_path_factory.mktemp("problems"))
    with with_gateway(settings) as installation:
        with Session(installation.engine) as session, session.begin():
            for name in ("v1", "v2"):
                row = Version(name=name, run_id=name, method="sft", metrics={}, accepted=True, reasons=[])
                session.add(row)
            session.flush()
            routing.publish(
                session, Routing(champion=Spec(version="v1")), [reason("passed_gate", version="v1")]
            )
        yield installation


def alert(page: str) -> str:
    """The text of the page's alert."""
    match = re.search(r'role="alert">(.*?)</p>', page, re.DOTALL)
    assert match is not None, text_of(page)
    return html.unescape(match[1])


def visitor(installation: Installation, language: Language, email: str | None = None) -> TestClient:
    """A client of a dashboard in this process, in a language; signed in, if an e-mail address is given."""
    address = (f"10.{uuid.uuid4().bytes[0]}.{uuid.uuid4().bytes[0]}.{uuid.uuid4().bytes[0]}", 1)
    app = create_app(as_dashboard(installation.settings))
    client = TestClient(app, base_url="http://127.0.0.1", client=address)
    client.cookies.set("language", language)
    if email is not None:
        sign_in_by_form(client, email)
    return client


def draft(client: httpx.Client, **changes: Any) -> httpx.Response:
    """Send the form for a new experiment."""
    form = {
        "csrf": csrf_token(client, "/experiments/new"),
        "idempotency_key": str(uuid.uuid4()),
        "name": "Softer",
        "hypothesis": "People like v2 better.",
        "challengers": ["v2"],
        **changes,
    }
    return client.post("/experiments/new", data=form, follow_redirects=False)


@LANGUAGES
def test_a_wrong_password(installation: Installation, language: Language) -> None:
    email = installation.account("viewer")
    with visitor(installation, language) as client:
        responses = [
            client.post("/sign-in", data={"email": email, "password": f"no, {PASSWORD}"}) for _ in range(11)
        ]
    wrong, too_often = alert(responses[0].text), alert(responses[-1].text)
    assert [responses[0].status_code, responses[-1].status_code] == [401, 429]
    if language == "en":
        assert wrong == "There is no account with this address and password."
        assert too_often == "this was tried too often; wait a little before the next try"
    else:
        assert wrong == "メールアドレスまたはパスワードが正しくありません。"
        assert too_often == "試行回数が多すぎます。少し待ってからもう一度お試しください"


@LANGUAGES
def test_a_refused_decision(installation: Installation, language: Language) -> None:
    with visitor(installation, language, installation.account("experimenter")) as client:
        drafted = draft(client)
        assert drafted.status_code == 303, alert(drafted.text)
        address = drafted.headers["location"]
        id = uuid.UUID(address.rpartition("/")[2])
        with Session(installation.engine) as session, session.begin():
            session.execute(update(Experiment).where(Experiment.id == id).values(status="shipped"))
        form = {"csrf": csrf_token(client, "/compare"), "idempotency_key": str(uuid.uuid4()), "share": "50"}
        ended = client.post(f"{address}/ramp", data=form)
        no_share = client.post(f"{address}/ramp", data={**form, "share": ""})
    assert (ended.status_code, no_share.status_code) == (409, 422)
    if language == "en":
        assert alert(ended.text) == "the experiment has ended (shipped); draft another one"
        assert alert(no_share.text) == (
            "share: Input should be greater than 0 (allowed: more than 0, and at most 1)"
        )
    else:
        assert alert(ended.text) == "実験は終了しています（採用済み）。新しい下書きを作ってください"
        assert alert(no_share.text) == "割合：0 より大きい値にしてください（使える値：0 より大きく 1 以下）。"


@LANGUAGES
def test_a_form_with_bad_fields(installation: Installation, language: Language) -> None:
    with visitor(installation, language, installation.account("experimenter")) as client:
        unnamed = draft(client, name=" ")
        reversed_ = draft(client, **{"plan.ramp": "[0.5, 0.1]"})
        too_large = draft(client, **{"plan.alpha": "2"})
        unread = draft(client, **{"plan.alpha": "much"})
        champion = draft(client, challengers=["v1"])
    for response in (unnamed, reversed_, too_large, unread):
        assert response.status_code == 422
    assert champion.status_code == 409
    faults = [
        html.unescape(re.findall(r'class="fault">(.*?)</span>', response.text)[0])
        for response in (unnamed, too_large, unread)
    ]
    texts = [*faults, alert(reversed_.text), alert(champion.text)]
    assert 'class="fault" lang' not in unnamed.text
    if language == "en":
        assert texts == [
            "String should have at least 1 character",
            "Input should be less than 1",
            "'much' cannot be read; as it is in configs/experiment.yaml: 0.05",
            "This does not fit yet. a ramp goes up, not (0.5, 0.1)",
            "This does not fit yet. v1 is the champion; choose another version to compare with it",
        ]
    else:
        assert texts[:2] == ["入力してください", "1 より小さい値にしてください"]
        assert not [text for text in texts if ENGLISH.search(text)]
        assert not [text for text in texts if text.isascii()]


@LANGUAGES
def test_nothing_to_compare(installation: Installation, language: Language) -> None:
    """The person has seen every shipped message, and has as many open comparisons of their own as allowed."""
    email = installation.account("viewer")
    with Session(installation.engine, expire_on_commit=False) as session, session.begin():
        account = session.scalars(select(Account).where(Account.email == email)).one()
        own = [f"Message {number}" for number in range(comparisons.load().open_a_person)]
        for message in (*comparisons.read_messages(), *own):
            outputs = [
                Output(
                    id=new_id(), organisation_id=account.organisation_id, message=message,
                    transform_type="soften", intensity=1, text=text, facts_missing=[], spec_digest="x",
                    version="v1", upstream_ms=1.0,
                )
                for text in ("one", "two")
            ]  # fmt: skip
            session.add_all(outputs)
            session.flush()
            id = new_id()
            session.add(
                Comparison(
                    id=id, organisation_id=account.organisation_id, user_id=account.user_id,
                    policy="two_samples", first_output_id=outputs[0].id, second_output_id=outputs[1].id,
                    pair_id=id, people=1, is_own=message in own,
                    skipped_at=None if message in own else account.created_at,
                )
            )  # fmt: skip
    with visitor(installation, language, email) as client:
        form = {
            "csrf": csrf_token(client, "/compare"),
            "text": "Hi",
            "transform_type": "soften",
            "intensity": "1",
        }
        too_many = client.post("/compare/message", data=form)
        no_text = client.post("/compare/message", data={**form, "text": " "})
        with Session(installation.engine) as session, session.begin():
            mine = update(Comparison).where(Comparison.user_id == account.user_id)
            session.execute(mine.values(skipped_at=account.created_at))
        nothing = client.get("/compare").text
    assert (too_many.status_code, no_text.status_code) == (409, 422)
    if language == "en":
        assert alert(too_many.text).startswith("20 comparisons of your own messages wait for your choice;")
        assert alert(no_text.text).startswith("text: String should have at least 1 character (allowed: 1 to")
        assert "There is no pair to compare now" in text_of(nothing)
    else:
        assert alert(too_many.text).startswith("自分のメッセージの比較が 20 件、未回答です。")
        assert alert(no_text.text) == (
            "メッセージ：入力してください（使える値：1〜8,000 文字。空白だけは不可、NUL は不可）。"
        )
        assert "現在、比較できるペアはありません。" in text_of(nothing)
        assert not ENGLISH.search(alert(too_many.text) + alert(no_text.text))


@LANGUAGES
def test_a_rewrite_that_is_the_message_itself(installation: Installation, language: Language) -> None:
    email = installation.account("viewer")
    with Session(installation.engine) as session, session.begin():
        account = session.scalars(select(Account).where(Account.email == email)).one()
        unchanged = reason("unchanged_nothing_to_do", transform_type="soften")
        outputs = [
            Output(
                id=new_id(), organisation_id=account.organisation_id, message="Thanks!", text=text,
                transform_type="soften", intensity=1, facts_missing=[], unchanged=why, spec_digest="x",
                version="v1", upstream_ms=1.0,
            )
            for text, why in (("Thank you!", None), ("Thanks!", unchanged))
        ]  # fmt: skip
        session.add_all(outputs)
        session.flush()
        id = new_id()
        session.add(
            Comparison(
                id=id, organisation_id=account.organisation_id, user_id=account.user_id, people=1,
                policy="two_samples", first_output_id=outputs[0].id, second_output_id=outputs[1].id,
                pair_id=id,
            )
        )  # fmt: skip
    with visitor(installation, language, email) as client:
        page = text_of(client.get("/compare").text)
    note = {
        "en": "Thanks! Returned unchanged: The message has nothing that “soften” would change.",
        "ja": "Thanks! そのまま返した理由: メッセージに、「和らげる」で変えるところがありません。",
    }
    assert note[language] in page
    assert page.count(note[language].partition(":")[0].removeprefix("Thanks! ")) == 1


@LANGUAGES
def test_a_page_of_an_error(installation: Installation, language: Language) -> None:
    with visitor(installation, language, installation.account("experimenter")) as client:
        form = {"csrf": csrf_token(client, "/compare"), "receipt": "x", "choice": "first"}
        skipped = client.post(f"/compare/{uuid.uuid4()}", data={**form, "choice": "skip"})
        voted = client.post(f"/compare/{uuid.uuid4()}", data=form)
    assert (skipped.status_code, voted.status_code) == (404, 403)
    if language == "en":
        assert "Unknown comparison you were shown no comparison" in text_of(skipped.text)
        assert "Not our receipt this is no receipt; send the one" in text_of(voted.text)
    else:
        assert "比較がありません" in text_of(skipped.text)
        assert "この環境の受領証ではありません 受領証ではありません。" in text_of(voted.text)


def test_a_gateway_that_does_not_answer() -> None:
    client = GatewayClient("http://127.0.0.1:1")
    with pytest.raises(GatewayError, match="The gateway does not answer") as caught:
        client.sign_in("a@example.org", PASSWORD)
    client.close()
    assert caught.value.status == 503
    assert Words("ja").reasons([caught.value.title_reason]) == "しばらくしてからお試しください"
    assert caught.value.explain(Words("ja")) == "ゲートウェイが応答しません。"


@pytest.mark.parametrize(
    ("content", "title", "detail"),
    [
        (b"<html>", "The gateway refused", "status 502"),
        (b"[]", "The gateway refused", "status 502"),
        (b'{"title": "x", "reasons": [{"code": 7}]}', "The gateway refused", "status 502"),
        (b'{"title": "Too long", "detail": "the head is too long"}', "Too long", "the head is too long"),
    ],
)
def test_an_answer_that_is_no_problem_of_the_gateway(content: bytes, title: str, detail: str) -> None:
    error = api.refusal(502, content)
    assert (error.title_reason.render(), str(error)) == (title, detail)


def test_what_a_client_wrote_is_escaped_once() -> None:
    fault = Fault("<b>", Reason(code="as_written", values={"text": "<i>"}), reason("allowed_nothing"))
    shown = GatewayError(422, reason("title_invalid"), [fault.reason], [fault]).explain(Words("en"))
    assert shown == "&lt;b&gt;: &lt;i&gt; (allowed: nothing of this name)"


FORM = "application/x-www-form-urlencoded"
OTHER = "multipart/form-data; boundary=b"


@pytest.mark.parametrize(
    ("method", "content", "content_type", "status", "english", "japanese"),
    [
        ("POST", b"email=" + b"x" * 10**7, FORM, 413, "A form has at most", "バイトまでです"),
        ("POST", b"email=%00", FORM, 422, "NUL and half a surrogate", "NUL と、対になっていない"),
        ("POST", b"email=" + b"x" * 10**5, FORM, 422, "A value is longer than", "文字を超えています"),
        (
            "POST",
            b"&".join([b"a=b"] * 10**4),
            FORM,
            400,
            "The form cannot be read",
            "フォームを読み取れません",
        ),
        ("POST", b"--c\r\n", OTHER, 400, "The form cannot be read", "フォームを読み取れません"),
        ("PUT", b"", FORM, 405, "Method Not Allowed", "このメソッドは使えません"),
    ],
    ids=["too long", "no text", "a long value", "many fields", "no parts", "a wrong method"],
)
def test_a_form_that_is_refused_as_a_whole(
    installation: Installation,
    method: str,
    content: bytes,
    content_type: str,
    status: int,
    english: str,
    japanese: str,
) -> None:
    for language, sentence in (("en", english), ("ja", japanese)):
        client = visitor(installation, language)  # type: ignore[arg-type]
        response = client.request(method, "/sign-in", content=content, headers={"Content-Type": content_type})
        assert response.status_code == status, response.text
        assert sentence in text_of(response.text)
        if language == "ja":
            assert "リクエストは拒否されました" in text_of(response.text)
            assert not ENGLISH.search(text_of(response.text))


def test_a_form_with_a_bad_key(installation: Installation) -> None:
    with visitor(installation, "ja", installation.account("experimenter")) as client:
        assert "idempotency_key は、" in text_of(draft(client, idempotency_key="").text)


def test_a_form_that_is_not_utf8(installation: Installation) -> None:
    part = 'Content-Disposition: form-data; name="name"\r\n\r\nxn--0\r\n'
    headers = {"Content-Type": f"{OTHER}; charset=idna"}
    with visitor(installation, "ja", installation.account("experimenter")) as client:
        response = client.post("/experiments/new", content=f"--b\r\n{part}--b--\r\n", headers=headers)
    assert response.status_code == 400
    assert "フォームは UTF-8 で送信してください。" in text_of(response.text)

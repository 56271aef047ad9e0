"""The page Rewrite without a script: every form answers with a page."""

import json
import re
import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from html import unescape

import httpx
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from data.reasons import reason
from data.tables import Comparison, Feedback, Output
from data.traffic import receipts
from serving.sites.words import Words
from tests.dashboards import csrf_token
from tests.serving.web.people import UNKNOWN
from tests.serving.web.scripted import LOSES, POLITE, SAME, TWICE, Writer
from tests.webs import Site

MESSAGE = "Fix PAY-123 by Friday."


@pytest.fixture
def site(scripted: tuple[Site, Writer]) -> Site:
    return scripted[0]


@pytest.fixture
def client(site: Site) -> Iterator[httpx.Client]:
    with site.client() as client:
        yield client


def form_of(client: httpx.Client, text: str = MESSAGE, **changes: str) -> dict[str, str]:
    """The fields of the form."""
    secret = csrf_token(client, "/rewrite")
    return {"csrf": secret, "text": text, "transform_type": "soften", "intensity": "2", **changes}


def rewrite(client: httpx.Client, text: str = MESSAGE, **changes: str) -> httpx.Response:
    """The page that answers the form."""
    return client.post("/rewrite", data=form_of(client, text, **changes))


def value_of(page: str, name: str) -> str:
    """The value of a hidden field."""
    match = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert match is not None, name
    return unescape(match[1])


def votes_on(page: str) -> str:
    """The address of the votes on the answer of a page."""
    match = re.search(r'action="(/rewrite/[0-9a-f-]+/votes)"', page)
    assert match is not None
    return match[1]


def give(client: httpx.Client, page: str, vote: str, **fields: str) -> httpx.Response:
    """Press a button of the form for votes."""
    form = {name: value_of(page, name) for name in ("csrf", "receipt")}
    return client.post(votes_on(page), data=form | {"vote": vote} | fields)


def stored(site: Site, page: str) -> list[Feedback]:
    """The votes on the output of a page's answer."""
    receipt = receipts.read_unchecked(value_of(page, "receipt"))
    with Session(site.installation.engine, expire_on_commit=False) as session:
        query = select(Feedback).where(
            Feedback.output_id == receipt.output_id, Feedback.user_id == receipt.user_id
        )
        return list(session.scalars(query))


def test_a_message_is_rewritten_and_what_changed_is_marked(client: httpx.Client) -> None:
    answer = rewrite(client)
    assert answer.status_code == 200
    page = answer.text
    assert f"<ins>{POLITE} </ins>Fix <u>PAY-123</u> by <u>Friday</u>." in page
    assert f"{POLITE} Fix <u>PAY-123</u> by <u>Friday</u>." in page, "just the text"
    assert "a fact that was kept" in page
    assert f">{MESSAGE}</textarea>" in page, "the message stays in its field"
    assert "Stronger" in page
    assert "Gentler" in page
    assert 'class="warning"' not in page


def test_what_was_chosen_last_is_chosen_the_next_time(client: httpx.Client) -> None:
    assert 'value="soften" checked' in client.get("/rewrite").text
    rewrite(client, transform_type="clarify", intensity="1")
    page = client.get("/rewrite").text
    assert 'value="clarify" checked' in page
    assert 'value="1" checked' in page
    page = client.get("/rewrite", params={"transform_type": "summarize", "intensity": "3"}).text
    assert 'value="summarize" checked' in page
    assert 'value="3" checked' in page


def test_a_shared_text_fills_the_form_and_is_not_rewritten(
    scripted: tuple[Site, Writer], client: httpx.Client
) -> None:
    before = len(scripted[1].items), scripted[1].lists
    shared = {"title": "A page", "text": "Look at\r\nthis. " + "x" * 3000, "url": "https://example.org/a"}
    page = client.get("/rewrite", params=shared).text
    assert ">A page\nLook at\nthis. " + "x" * 3000 + "\nhttps://example.org/a</textarea>" in page
    assert (len(scripted[1].items), scripted[1].lists) == before


def test_a_message_that_stays_as_it_is_says_why_and_what_to_try(client: httpx.Client) -> None:
    page = rewrite(client, f"{SAME} {uuid.uuid4()}").text
    assert "Your message stays as it is" in page
    assert "The message has nothing that" in page
    assert "Try another strength, or another kind of rewrite." in page
    assert "Stronger" in page
    assert "Gentler" not in page
    assert 'name="transform_type" value="clarify" id="kind-clarify"' in page
    assert "<ins>" not in page


def test_missing_facts_are_named_until_a_correction_has_them(client: httpx.Client) -> None:
    page = rewrite(client, f"{LOSES} PAY-77 and PAY-78.").text
    warning = page.partition('class="warning"')[2].partition("</div>")[0]
    assert "PAY-77" in warning
    assert "PAY-78" in warning
    page = give(client, page, "correction", text="Could you please help with PAY-77?").text
    warning = page.partition('class="warning"')[2].partition("</div>")[0]
    assert "PAY-77" not in warning
    assert "PAY-78" in warning


@pytest.mark.parametrize(
    ("text", "kind", "says"),
    [("   ", "soften", "1 to 8,000 characters"), ("x" * 9000, "soften", "1 to 8,000 characters"),
     ("Fix it.", "shout", "soften")],
)  # fmt: skip
def test_a_refused_request_says_why_and_keeps_the_message(
    client: httpx.Client, text: str, kind: str, says: str
) -> None:
    answer = rewrite(client, text, transform_type=kind)
    assert answer.status_code == 422
    assert says in answer.text.partition('class="problem" role="alert"')[2]
    assert f">{text.strip()}</textarea>" in answer.text


def test_every_kind_of_vote_is_stored_for_its_answer_and_can_be_changed(
    site: Site, client: httpx.Client
) -> None:
    page = rewrite(client, f"{MESSAGE} {uuid.uuid4()}").text
    first = give(client, page, "up").text
    assert "Stored. You can change it." in first
    assert 'value="up" id="vote-up" aria-pressed="true"' in first
    second = give(client, first, "4", comment="Half a comm").text
    assert 'value="up" id="vote-up" aria-pressed="true"' in second, "the vote before is still shown"
    assert 'value="4" id="vote-4" aria-pressed="true"' in second
    assert "Half a comm</textarea>" in second, "what was typed is kept"
    third = give(client, second, "down").text
    fourth = give(client, third, "comment", comment="Too long.\r\nReally.").text
    assert "Your comment is stored." in fourth
    fifth = give(client, fourth, "correction", text="Please fix PAY-123 by Friday.").text
    assert "Your version is stored" in fifth
    assert ">Please fix PAY-123 by Friday.</textarea>" in fifth, "what is copied"
    sixth = give(client, fifth, "2").text
    assert "Please fix <u>PAY-123</u>" in sixth, "a later vote keeps the person's version"
    again = client.get(votes_on(page).removesuffix("/votes")).text
    for shown in (sixth, again):
        assert "Please fix <u>PAY-123</u>" in shown
        assert 'id="vote-down" aria-pressed="true"' in shown
        assert 'id="vote-2" aria-pressed="true"' in shown
        assert shown.count('aria-pressed="true"') == 2
        for name, text in (("text", "Please fix PAY-123 by Friday."), ("comment", "Too long.\nReally.")):
            assert re.search(rf'<textarea name="{name}"[^>]*>{re.escape(text)}</textarea>', shown)
        for id in ("correct", "comment-on-it"):
            assert f'<details id="{id}" open>' in shown
    votes = {row.kind: row for row in stored(site, page)}
    assert len(stored(site, page)) == 4
    assert votes["thumb"].thumb_up is False
    assert votes["rating"].rating == 2
    assert votes["comment"].text == "Too long.\nReally."
    assert votes["edit"].text == "Please fix PAY-123 by Friday."
    assert votes["edit"].edit_distance is not None
    assert votes["edit"].edit_distance > 0


def test_a_vote_that_is_refused_keeps_what_was_typed(site: Site, client: httpx.Client) -> None:
    page = rewrite(client).text
    empty = give(client, page, "comment", comment="  ", text="My version.")
    assert empty.status_code == 422
    assert 'class="problem"' in empty.text
    assert ">My version.</textarea>" in empty.text
    with site.client() as other:
        theirs = rewrite(other).text
    foreign = give(client, page, "up", receipt=value_of(theirs, "receipt"))
    assert foreign.status_code == 403
    assert 'id="vote-up" aria-pressed="false"' in foreign.text
    assert stored(site, theirs) == []
    forged = give(client, page, "up", receipt="abc")
    assert 400 <= forged.status_code < 500
    form = {"csrf": value_of(page, "csrf"), "receipt": "abc", "vote": "up"}
    nobodys = client.post(votes_on(theirs), data=form)
    assert 400 <= nobodys.status_code < 500
    assert MESSAGE not in nobodys.text.partition("<main")[2]


def test_an_answer_has_an_address_for_its_person_only(site: Site, client: httpx.Client) -> None:
    message = f"{MESSAGE} {uuid.uuid4()}"
    page = rewrite(client, message).text
    give(client, page, "up")  # it waits until the answer can be read
    address = votes_on(page).removesuffix("/votes")
    assert f'name="to" value="{address}"' in page, "changing the language leads back to it"
    again = client.get(address)
    assert message in again.text
    assert again.status_code == 200
    with site.client() as other:
        assert other.get(address).status_code == 404


def test_two_to_choose_from(site: Site, client: httpx.Client) -> None:
    message = f"{MESSAGE} {uuid.uuid4()}"
    form = form_of(client, message, intensity="3")
    page = client.post("/rewrite/two", data=form).text
    sides = {place: value_of(page, place) for place in ("first", "second")}
    assert {side.rpartition(" ")[2] for side in sides.values()} == {"0.", "1."}
    receipt = value_of(page, "receipt")
    comparison = receipts.read_unchecked(receipt).comparison_id
    choice = form | sides | {"receipt": receipt}
    skipped = client.post("/rewrite/two/choice", data=choice | {"choice": "skip"}).text
    assert "Skipped. Your message is still above." in skipped
    neither = client.post("/rewrite/two/choice", data=choice | {"choice": "neither"}).text
    assert "neither was good" in neither
    chosen = client.post("/rewrite/two/choice", data=choice | {"choice": "second"}).text
    assert "Your choice is stored." in chosen
    assert f">{sides['second']}</textarea>" in chosen
    assert "/votes" not in chosen, "the choice was the vote"
    with Session(site.installation.engine) as session:
        vote = session.scalars(select(Feedback).where(Feedback.comparison_id == comparison)).one()
        row = session.get_one(Comparison, comparison)
        assert vote.preferred_output_id == row.second_output_id
        assert session.get_one(Output, row.second_output_id).text == sides["second"]
    bad = client.post("/rewrite/two", data=form | {"text": " "})
    assert (bad.status_code, 'class="problem"' in bad.text) == (422, True)


def test_two_that_are_the_same_are_no_choice(client: httpx.Client) -> None:
    form = form_of(client, f"{TWICE} {uuid.uuid4()}")
    page = client.post("/rewrite/two", data=form).text
    assert "Both came out the same" in page
    assert f">{POLITE} {form['text']}</textarea>" in page
    assert "/rewrite/two/choice" not in page
    assert "/votes" not in page


def test_going_on_and_undoing_put_a_text_into_the_form(client: httpx.Client) -> None:
    page = rewrite(client).text
    form = {"csrf": value_of(page, "csrf"), "transform_type": "clarify", "intensity": "1"}
    answer = client.post("/rewrite/message", data=form | {"text": "A text\r\nof two lines"})
    assert ">A text\nof two lines</textarea>" in answer.text
    assert 'value="clarify" checked' in answer.text
    assert 'class="card outcome"' not in answer.text


@pytest.mark.parametrize("path", ["", "/stream", "/message", "/two", "/two/choice", f"/{UNKNOWN}/votes"])
def test_a_form_of_another_site_or_session_does_nothing(client: httpx.Client, path: str) -> None:
    form = {"csrf": "wrong", "text": MESSAGE, "transform_type": "soften", "intensity": "2"}
    form |= {"receipt": "r", "choice": "first", "vote": "up"}
    assert client.post(f"/rewrite{path}", data=form).status_code == 403
    form["csrf"] = csrf_token(client, "/rewrite")
    evil = {"Origin": "https://evil.example"}
    assert client.post(f"/rewrite{path}", data=form, headers=evil).status_code == 403


def test_texts_cannot_change_the_page(client: httpx.Client) -> None:
    planted = '</textarea><script>alert(1)</script> "><img src=x> \u202e PAY-1 '
    page = rewrite(client, f"{LOSES} {planted}").text
    page += rewrite(client, planted).text
    page += give(client, page, "correction", text=planted, comment=planted).text
    page += client.get("/rewrite", params={"text": planted, "title": planted}).text
    assert "<script>alert" not in page
    assert "<img" not in page.replace('<img src="/static/shared/icon.svg"', "")
    for text in re.findall(r"<textarea[^>]*>([^<]*)</textarea>", page):
        assert text.count("\u202e") == text.count("\u202c"), "an override ends within its text"
    for part in re.findall(r'<p class="words[^>]*>', page):
        assert 'dir="auto"' in part, "a text is isolated"


def test_the_page_in_japanese(client: httpx.Client) -> None:
    client.cookies.set("language", "ja")
    page = rewrite(client, "レポートを17時までに送ってください。").text
    assert 'lang="ja"' in page
    for sentence in ("もっと丁寧に", "何を変えますか", "遅れた理由を教えていただけますか。", "変更点を表示"):
        assert sentence in page, sentence
    assert f"<ins>{POLITE} </ins>レポートを<u>17</u>時までに送ってください。" in page
    page = rewrite(client, f"{SAME} レポート").text
    assert reason("unchanged_nothing_to_do", transform_type="soften").render("ja") in page


def test_a_stream_ends_with_the_same_result_as_the_form(client: httpx.Client) -> None:
    message = f"{MESSAGE} {uuid.uuid4()}"
    form = form_of(client, message)
    answer = client.post("/rewrite/stream", data=form)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-store"
    blocks = answer.text.strip().split("\n\n")
    assert blocks[0].partition("\n")[0] == "event: delta"
    assert blocks[-1].startswith("event: answer\n")
    html = json.loads(blocks[-1].partition("data: ")[2])["html"]
    assert f"<ins>{POLITE} </ins>Fix <u>PAY-123</u>" in html
    page = client.post("/rewrite", data=form).text

    def without_ids(text: str) -> str:
        return re.sub(r'(value="|/rewrite/)[\w-]{36,}', "", text)

    assert without_ids(html) in without_ids(page)
    refused = client.post("/rewrite/stream", data=form | {"text": " "})
    assert refused.text.startswith("event: error\n")
    assert "1 to 8,000 characters" in refused.text


HARSH = "Are you blind? Your report is useless. Send it again by Friday."


def test_how_a_message_will_be_read_is_shown_with_its_words(client: httpx.Client) -> None:
    page = client.post("/rewrite/reading", data=form_of(client, f"  {HARSH}"))
    assert page.status_code == 200
    reading = page.text[page.text.index('id="reading"') :]
    assert "<strong>Harsh</strong>" in reading
    assert re.search(r'data-start="15" data-end="37"[^>]*>Your report is useless<', reading)
    assert "by Friday" in reading
    assert "very likely" in reading
    assert re.search(r"This is a deadline: Fri,? \d", reading)
    assert unescape(reading).count("This can hurt its reader.") == 1, "a sentence for all of its words"
    assert value_in_form(page.text) == HARSH


@pytest.mark.parametrize("day", ["2025-12-31", "", "today", "9999-12-31x"])
def test_tomorrow_is_by_the_readers_day(client: httpx.Client, day: str) -> None:
    """Without a day, or with one that is none, it is by today in UTC."""

    def find_due() -> str:
        fields = form_of(client, "Please send the report by tomorrow.", sent_on=day)
        page = client.post("/rewrite/reading", data=fields)
        assert page.status_code == 200
        match = re.search(r"This is a deadline: ([^<]*)\.<", page.text)
        assert match is not None
        return match[1]

    before = datetime.now(UTC)
    due = find_due()
    tomorrows = [moment.date() + timedelta(days=1) for moment in (before, datetime.now(UTC))]
    expected = [date(2026, 1, 1)] if day == "2025-12-31" else tomorrows
    assert due in map(Words("en").day, expected)


@pytest.mark.parametrize(("scheme", "is_secure"), [("http", False), ("https", True)])
@pytest.mark.parametrize("path", ["/rewrite", "/rewrite/stream"])
def test_the_cookie_of_the_last_choice_stays_with_tls(
    client: httpx.Client, scheme: str, is_secure: bool, path: str
) -> None:
    answer = client.post(f"{scheme}://127.0.0.1{path}", data=form_of(client))
    assert answer.status_code == 200
    (cookie,) = [line for line in answer.headers.get_list("set-cookie") if line.startswith("rewrite=")]
    assert "HttpOnly" in cookie
    assert ("Secure" in cookie) == is_secure


def test_a_suggestion_is_chosen_by_its_button(client: httpx.Client) -> None:
    page = client.post("/rewrite/reading", data=form_of(client, HARSH, transform_type="summarize"))
    assert re.search(r'name="transform_type" value="summarize" checked', page.text)
    assert re.search(r'<button form="rewrite" name="choose" value="soften"', page.text)
    fields = form_of(client, HARSH, transform_type="summarize", choose="soften")
    page = client.post("/rewrite/reading", data=fields)
    assert re.search(r'name="transform_type" value="soften" checked', page.text)


def test_the_reading_is_in_the_readers_language(client: httpx.Client) -> None:
    client.cookies.set("language", "ja")
    page = client.post(
        "/rewrite/reading", data=form_of(client, "何度言えば分かるんですか。金曜日までに出してください。")
    )
    assert "読み手を傷つけるおそれがあります。" in page.text
    assert re.search(r"期限です：.*月\d+日\(金\)。", page.text)
    assert "可能性が非常に高い" in page.text


@pytest.mark.parametrize(("text", "status"), [("", 422), ("x" * 8001, 422)])
def test_what_cannot_be_read_is_said_in_the_panel(client: httpx.Client, text: str, status: int) -> None:
    page = client.post("/rewrite/reading", data=form_of(client, text))
    assert page.status_code == status
    assert '<p class="problem" role="alert">' in page.text[page.text.index('id="reading"') :]


def test_markup_in_a_message_stays_text_in_the_panel(client: httpx.Client) -> None:
    page = client.post(
        "/rewrite/reading", data=form_of(client, "You idiots & <b>fools</b>, send it by Friday")
    )
    assert "<b>fools" not in page.text


def test_a_text_in_another_language_is_told_so(client: httpx.Client) -> None:
    text = "Bitte schicken Sie mir die Zahlen bis morgen früh, sonst wird es knapp."
    assert "This text is in neither" in client.post("/rewrite/reading", data=form_of(client, text)).text


def value_in_form(page: str) -> str:
    """The message in the form."""
    match = re.search(r'<textarea id="text"[^>]*>([^<]*)</textarea>', page)
    assert match is not None
    return unescape(match[1])

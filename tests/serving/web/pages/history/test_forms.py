"""The page History: whose answers it shows, its filters and pages, votes, files, and erasure."""

import csv
import io
import json
import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html import unescape

import httpx
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from data.people.identities import Role
from data.reasons import reason
from data.tables import Account, Feedback
from tests.dashboards import csrf_token
from tests.erasing import carry_out
from tests.serving.dashboard.texts import text_at, text_of
from tests.serving.web.people import UNKNOWN, ask, give, rewrite, until
from tests.webs import Site

NOON = datetime(2026, 11, 10, 12, tzinfo=UTC)


def messages_of(page: str) -> list[str]:
    """The messages on a page."""
    return re.findall(r"</h3>([^<]*)</div>", page)


def receipts_of(page: str) -> dict[str, str]:
    """The receipts on a page, by the ids of the answers."""
    found = re.findall(r'/history/([0-9a-f-]{36})/vote.*?name="receipt" value="([^"]*)"', page, re.DOTALL)
    return dict(found)


def read_part(part: str) -> str:
    """The text of a part of a page."""
    return text_of(f"<main>{part}")


def follow(client: TestClient, page: str, name: str) -> str:
    """The page that a link leads to."""
    match = re.search(rf'href="(/history\?[^"]*)">{name}</a>', page)
    assert match is not None, f"there is no link {name}"
    return client.get(unescape(match[1])).text


def send(client: TestClient, path: str, **fields: str) -> httpx.Response:
    """The page after a form of the page was sent."""
    return client.post(f"/history{path}", data={"csrf": csrf_token(client, "/history"), **fields})


def vote(client: TestClient, page: str, query: str = "", **fields: str) -> httpx.Response:
    """The page after a vote on the first answer of a page."""
    id, receipt = next(iter(receipts_of(page).items()))
    return send(client, f"/{id}/vote?{query}", receipt=receipt, **fields)


def votes_of(site: Site, person: Account) -> list[tuple[str, bool | None, str | None]]:
    """The stored votes of a person."""
    with Session(site.installation.engine) as owner:
        rows = owner.scalars(
            select(Feedback).where(Feedback.user_id == person.user_id).order_by(Feedback.kind)
        )
        return [(row.kind, row.thumb_up, row.text) for row in rows]


def test_before_the_first_rewrite_it_says_what_appears_here(site: Site) -> None:
    with site.client() as client:
        page = client.get("/history").text
        assert "Each message that you rewrite appears here" in page
        assert '<a class="button main" href="/rewrite">' in page
        assert 'class="buttons pages"' not in page


def test_a_rewrite_appears_with_what_changed_and_in_plain_words(site: Site) -> None:
    with site.client() as client:
        answer = rewrite(client, "Fix PAY-7 today.")
        until(lambda: answer["answer_id"] in client.get("/history").text)
        page = client.get("/history").text
        assert messages_of(page) == ["Fix PAY-7 today."]
        assert "Make it kinder · Clearly" in text_of(page)
        assert "<del>" in page
        assert "The rewrite lacks: PAY-7" in text_of(page)
        assert f'href="/rewrite/{answer["answer_id"]}"' in page
        assert client.get(f"/rewrite/{answer['answer_id']}").status_code == 200
        assert "soften" not in text_of(page)


def test_it_says_why_a_message_stayed_as_it_was(site: Site) -> None:
    ann = site.add_person()
    give(site, ann, ["Bonjour."], rewrite="Bonjour.", unchanged=reason("unchanged_intensity_zero"))
    with site.client(ann) as client:
        assert "It stayed as it was:" in text_at(client, "/history")


def test_nobody_else_sees_or_gets_a_persons_answers(site: Site) -> None:
    ann, boss = site.add_person(), site.add_person(Role.OWNER)
    stranger = site.add_person(Role.OWNER, site.add_organisation())
    secret = f"Secret {uuid.uuid4().hex}."
    give(site, ann, [secret])
    with site.client(ann) as client:
        page = client.get("/history").text
        assert messages_of(page) == [secret]
    for other in (boss, stranger):
        give(site, other, ["My own."])
        with site.client(other) as client:
            for path in ("/history", "/history?q=Secret", "/history/export.csv", "/history/export.jsonl"):
                assert secret not in client.get(path).text
            refused = vote(client, page, vote="up")
            assert refused.status_code == 403
            assert secret not in refused.text
            assert votes_of(site, ann) == votes_of(site, other) == []


def test_pages_lead_to_older_and_to_newer_ones(site: Site) -> None:
    ann = site.add_person()
    for number in range(45):
        give(site, ann, [f"Number {number}."], NOON - timedelta(hours=number))
    everything = [f"Number {number}." for number in range(45)]
    with site.client(ann) as client:
        first = client.get("/history").text
        assert "Newer" not in first
        second = follow(client, first, "Older rewrites")
        third = follow(client, second, "Older rewrites")
        assert messages_of(first) + messages_of(second) + messages_of(third) == everything
        assert "Older" not in third
        give(site, ann, ["New."], NOON + timedelta(days=1))
        assert messages_of(follow(client, third, "Newer rewrites")) == messages_of(second)
        assert (
            messages_of(follow(client, follow(client, third, "Newer rewrites"), "Newer rewrites"))[0]
            == "New."
        )
        assert messages_of(follow(client, third, "Newest rewrites"))[0] == "New."
        kept = client.get("/history?transform_type=soften&q=number").text
        assert messages_of(follow(client, kept, "Older rewrites")) == everything[20:40], "the filter stays"


@pytest.fixture(scope="module")
def dated(site: Site) -> Iterator[TestClient]:
    """A client of a person with answers of several days and types."""
    ann = site.add_person()
    give(site, ann, ["Other"], NOON - timedelta(days=3), transform_type="clarify")
    give(site, ann, ["early"], datetime(2026, 11, 10, 0, 10, tzinfo=UTC), rewrite="x")
    give(site, ann, ["noon"], datetime(2026, 11, 10, 15, 30, tzinfo=UTC), rewrite="x")
    give(site, ann, ["late"], datetime(2026, 11, 11, 0, 30, tzinfo=UTC), rewrite="x")
    with site.client(ann) as client:
        yield client


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["late", "noon", "early", "Other"]),
        ("transform_type=clarify", ["Other"]),
        ("q=NOON", ["noon"]),
        ("q=%25", []),
        ("since=2026-11-10", ["late", "noon", "early"]),
        ("since=2026-11-10&until=2026-11-10", ["noon", "early"]),
        ("since=2026-11-10&until=2026-11-10&zone=Asia/Tokyo", ["early"]),
        ("since=2026-11-11&zone=Asia/Tokyo", ["late", "noon"]),
        ("since=2026-11-10&until=2026-11-10&zone=America/New_York", ["late", "noon"]),
        ("until=2026-11-09&zone=../../etc/passwd", ["Other"]),
        ("until=2026-11-09&zone=Nowhere/Nothing", ["Other"]),
    ],
)
def test_filters_leave_out_what_was_not_wanted(dated: TestClient, query: str, expected: list[str]) -> None:
    assert messages_of(dated.get(f"/history?{query}").text) == expected


def test_what_is_empty_says_what_would_be_there_and_has_one_action(site: Site) -> None:
    with site.client() as client:
        page = client.get("/history").text
        assert "Each message that you rewrite appears here within a second" in text_of(page)
        assert 'href="/rewrite">Rewrite a message' in page
        page = client.get("/history?q=quagmire").text
        assert "No rewrite fits." in text_of(page)
        assert 'href="/history">Show all rewrites' in page
        page = client.get(f"/history?before={UNKNOWN}").text
        assert "There is nothing older." in text_of(page)
        assert 'href="/history">Newest rewrites' in page
        page = client.get("/rewrite").text
        assert "The rewrite will be here" in text_of(page)
        assert 'href="#text">Write a message' in page


@pytest.mark.parametrize("day", ["yesterday", "2026-13-01", "9999-12-31"])
def test_a_day_that_is_none_is_said_and_what_was_typed_stays(site: Site, day: str) -> None:
    with site.client() as client:
        response = client.get(f"/history?until={day}&q=words")
        assert response.status_code == 422
        assert 'role="alert"' in response.text
        assert f'value="{day}"' in response.text
        assert 'value="words"' in response.text


def test_a_thumb_and_a_correction_are_stored_and_the_place_is_kept(site: Site) -> None:
    ann = site.add_person()
    give(site, ann, ["Fix it."])
    with site.client(ann) as client:
        page = client.get("/history").text
        voted = vote(client, page, "q=fix", vote="down", text="ignored")
        assert "Your vote is stored. You can change it." in voted.text
        assert 'type="search" maxlength="200" value="fix"' in voted.text
        assert voted.url.fragment == f"answer-{next(iter(receipts_of(page)))}"
        vote(client, page, vote="up")
        corrected = vote(client, page, vote="correction", text="Could you\r\nfix it, Ann?")
        assert "Your version is stored. You can change it." in corrected.text
        assert votes_of(site, ann) == [("edit", None, "Could you\nfix it, Ann?"), ("thumb", True, None)]


def test_what_a_person_said_is_shown_again_to_them_alone(site: Site) -> None:
    ann, ben = site.add_person(), site.add_person()
    give(site, ann, ["Send it."], NOON)
    give(site, ann, ["Fix it."])
    give(site, ben, ["Fix it."])
    with site.client(ann) as client, site.client(ben) as other:
        page = client.get("/history").text
        assert 'aria-pressed="true"' not in page
        assert "Your version" not in text_of(page)
        id, receipt = next(iter(receipts_of(page).items()))
        for kind in (
            {"kind": "thumb", "up": False},
            {"kind": "rating", "stars": 4},
            {"kind": "edit", "text": "Could you fix it, Ann?"},
            {"kind": "comment", "text": "Too long.\n<b>Really.</b> \u202eevil"},
        ):
            ask(client, "POST", "/feedback", {"receipt": receipt, **kind})
        page = client.get("/history").text
        article, silent = page[page.index(f'id="answer-{id}"') :].split("</article>")[:2]
        assert "Your version" in read_part(article)
        assert "<del>Fix it.</del><ins>Could you fix it, Ann?</ins>" in article
        assert '<button name="vote" value="up" aria-pressed="false">' in article
        assert '<button name="vote" value="down" aria-pressed="true">' in article
        assert "Your rating 4 of 5" in read_part(article)
        assert 'dir="auto">Too long.\n&lt;b&gt;Really.&lt;/b&gt; \u202eevil\u202c</dd>' in article
        assert "Copy your version" in read_part(article)
        texts = re.findall(r"<textarea[^>]*>([^<]*)</textarea>", article)
        assert texts == ["Could you fix it, Ann?", "Could you fix it?", "Could you fix it, Ann?"]
        assert 'aria-pressed="true"' not in silent
        assert "Your" not in read_part(silent).partition("Delete this one")[0]
        theirs = other.get("/history").text
        assert 'aria-pressed="true"' not in theirs
        assert "Ann?" not in theirs
        rows = list(csv.DictReader(io.StringIO(client.get("/history/export.csv").text, newline="")))
        assert [row["edit"] for row in rows] == ["Could you fix it, Ann?", ""]
        [said, _] = map(json.loads, client.get("/history/export.jsonl").text.splitlines())
        assert (said["thumb_up"], said["rating"], said["edit"]) == (False, 4, "Could you fix it, Ann?")
        assert said["comment"].startswith("Too long.\n")


def test_a_correction_counts_where_the_message_stayed_as_it_was(site: Site) -> None:
    ann = site.add_person()
    give(site, ann, ["Bonjour."], rewrite="Bonjour.", unchanged=reason("unchanged_intensity_zero"))
    with site.client(ann) as client:
        page = vote(client, client.get("/history").text, vote="correction", text="Bonjour, Ann.").text
        assert "It stayed as it was:" not in text_of(page)
        assert "<ins>" in page


def test_the_page_says_what_an_erasure_of_everything_deletes(site: Site) -> None:
    with site.client() as client:
        deleted, _, stays = re.findall(r"<li>(.*)</li>", client.get("/history").text)[-3:]
        for what in ("votes, corrections and comments", "own dictionary and rules", "feedback on this app"):
            assert what in deleted
        assert "organisation&#39;s dictionary and rules" in stays


def test_a_correction_that_is_refused_is_kept_at_its_answer(site: Site) -> None:
    ann = site.add_person()
    give(site, ann, ["Fix it."])
    with site.client(ann) as client:
        typed = "x" * 8001
        refused = vote(client, client.get("/history").text, vote="correction", text=typed)
        assert refused.status_code == 422
        assert typed in refused.text
        assert re.search(
            r'<article.*class="problem" role="alert".*<details open>.*</article>', refused.text, re.DOTALL
        )
        assert votes_of(site, ann) == []


def test_both_files_have_all_of_a_persons_answers(site: Site) -> None:
    ann = site.add_person()
    give(site, ann, ["=1+1"], NOON, rewrite="@SUM(1)")
    give(site, ann, [f"日本語 {number}" for number in range(204)], NOON - timedelta(days=1))
    with site.client(ann) as client:
        table = client.get("/history/export.csv")
        day = f"{datetime.now(UTC):%Y-%m-%d}"
        assert table.headers["content-disposition"] == f'attachment; filename="tonebridge-{day}.csv"'
        assert table.headers["content-type"] == "text/csv; charset=utf-8"
        assert table.headers["cache-control"] == "no-store"
        rows = list(csv.DictReader(io.StringIO(table.content.decode("utf-8-sig"), newline="")))
        assert (rows[0]["message"], rows[0]["rewrite"]) == ("'=1+1", "'@SUM(1)")
        assert len(rows) == 205
        lines = client.get("/history/export.jsonl")
        assert lines.headers["content-disposition"] == f'attachment; filename="tonebridge-{day}.jsonl"'
        documents = [json.loads(line) for line in lines.text.splitlines()]
        assert documents[0]["message"] == "=1+1"
        assert {document["message"] for document in documents} == {
            "=1+1",
            *(f"日本語 {number}" for number in range(204)),
        }
        assert "apostrophe" in text_at(client, "/history")


def test_a_person_deletes_their_history_and_nobody_elses(site: Site) -> None:
    ann, ben = site.add_person(), site.add_person()
    give(site, ann, ["Anns message."])
    give(site, ben, ["Bens message."])
    with site.client(ann) as client, site.client(ben) as other:
        before = client.get("/history").text
        unsure = send(client, "/erase")
        assert unsure.status_code == 422
        assert "Tick this first. Nothing was deleted." in unsure.text
        assert messages_of(unsure.text) == ["Anns message."]

        asked = text_of(send(client, "/erase", sure="yes").text)
        assert "Your history is being deleted." in asked
        assert "Nothing is deleted yet." in asked
        assert "Delete my history now" not in asked
        refused = vote(client, before, vote="up")
        assert refused.status_code == 410

        carry_out(site.settings, site.installation.engine, is_purged=False)
        removed = client.get("/history").text
        assert messages_of(removed) == []
        assert "Copies in training data are still being deleted." in text_of(removed)

        carry_out(site.settings, site.installation.engine, is_purged=True)
        finished = text_at(client, "/history")
        assert "Deleted at" in finished
        assert "Rewrites: 1. Votes: 0. Terms of yours: 0." in finished
        assert "Delete my history now" in finished
        assert messages_of(other.get("/history").text) == ["Bens message."]
        assert "Deleted at" not in text_at(other, "/history")


def test_a_person_deletes_one_rewrite_and_keeps_the_others(site: Site) -> None:
    ann, ben = site.add_person(), site.add_person()
    give(site, ann, ["This one goes.", "This one stays."])
    give(site, ben, ["Bens message."])
    with site.client(ann) as client, site.client(ben) as other:
        before = client.get("/history").text
        place = messages_of(before).index("This one goes.")
        (goes, receipt), bens = (
            list(receipts_of(before).items())[place],
            receipts_of(other.get("/history").text),
        )
        unsure = send(client, f"/{goes}/delete?q=one")
        assert unsure.status_code == 422
        assert "Tick this first. Nothing was deleted." in unsure.text
        assert len(messages_of(unsure.text)) == 2
        send(client, f"/{next(iter(bens))}/delete", sure="yes")
        assert messages_of(other.get("/history").text) == ["Bens message."]

        deleted = send(client, f"/{goes}/delete?q=one", sure="yes")
        assert "is deleted within seconds" in deleted.text
        assert 'type="search" maxlength="200" value="one"' in deleted.text
        assert messages_of(deleted.text) == ["This one stays."]
        assert send(client, f"/{goes}/delete", sure="yes").status_code == 200, "in another window"
        assert send(client, f"/{goes}/vote", receipt=receipt, vote="up").status_code == 410

        for is_purged in (False, True):
            carry_out(site.settings, site.installation.engine, is_purged=is_purged)
        page = client.get("/history").text
        assert messages_of(page) == ["This one stays."]
        assert "Deleted at" not in text_of(page), "that is said of the whole history"
        assert vote(client, page, vote="up").status_code == 200


def test_texts_of_people_are_escaped_and_cannot_move_other_text(site: Site) -> None:
    ann = site.add_person()
    give(site, ann, ["a <script>x()</script> \u202eevil"], rewrite="b <script>x()</script> \u202eevil")
    with site.client(ann) as client:
        typed = "</textarea><script>x()</script>" + "x" * 8001
        for page in (
            client.get("/history?q=a%20<script>x()").text,
            client.get('/history?since="><script>x()').text,
            vote(client, client.get("/history").text, vote="correction", text=typed).text,
        ):
            assert "<script>x()" not in page
        page = client.get("/history").text
        assert "\u202e" in page
        blocks = r'<(p|textarea|div)[^>]* dir="auto">.*?</\1>'  # no control reaches over the end of a block
        assert "\u202e" not in re.sub(blocks, "", page, flags=re.DOTALL)


@pytest.mark.parametrize("path", ["/erase", f"/{UNKNOWN}/vote", "/{id}/delete"])
def test_a_form_of_another_site_changes_nothing(site: Site, path: str) -> None:
    ann = site.add_person()
    give(site, ann, ["Fix it."])
    with site.client(ann) as client:
        id, receipt = next(iter(receipts_of(client.get("/history").text).items()))
        form = {"csrf": "forged", "sure": "yes", "receipt": receipt, "vote": "up"}
        assert client.post(f"/history{path.format(id=id)}", data=form).status_code == 403
        assert votes_of(site, ann) == []
        assert messages_of(client.get("/history").text) == ["Fix it."]
        assert "being deleted" not in client.get("/history").text

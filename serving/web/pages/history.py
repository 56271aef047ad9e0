"""The page History: a person's own answers, with search, votes, export and erasure.

The gateway knows only the page after another one. So the link to a newer page is made of the address: `trail`
has where the pages before this one began.
"""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Literal, NamedTuple
from urllib.parse import urlencode
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fastapi import APIRouter, Depends, Form, Query, Response
from fastapi.responses import RedirectResponse, StreamingResponse

from serving.sites.api import GatewayError, Page
from serving.sites.words import as_typed
from serving.web import exports, results
from serving.web.choices import TYPES, Wanted, name_of
from serving.web.results import Result
from serving.web.visit import Visit, visit

router = APIRouter(prefix="/history")

Here = Annotated[Visit, visit]
Csrf = Annotated[str, Form(max_length=200)]
Done = Literal["voted", "corrected", "deleted"]
Value = Annotated[str, Query(max_length=2000)]

_LISTED, _EXPORTED = 20, 200  # answers of a page, and of one request of an export
_FIRST = "0"  # in a trail: the first page
_LONGEST_TRAIL = 40  # pages
_TIMES = ("requested_at", "finished_at")  # of an erasure
_REFUSALS = (403, 404, 409, 410, 422, 429)
_FORMATS = {
    "csv": ("text/csv", exports.write_csv),
    "jsonl": ("application/x-ndjson", exports.write_lines),
}


@dataclass(frozen=True)
class Wish:
    """Which answers a person wants to see: words, a transform type, days of a time zone, and a page of them,
    as the address of the page has them.
    """

    q: Value = ""
    transform_type: Value = ""
    since: Value = ""
    until: Value = ""
    zone: Value = ""
    before: Value = ""
    trail: Value = ""

    def query(self, **changes: str) -> str:
        """The query of an address."""
        return urlencode({name: value for name, value in {**vars(self), **changes}.items() if value})

    @property
    def is_filtered(self) -> bool:
        """Whether it leaves some answers out."""
        return any((self.q, self.transform_type, self.since, self.until))

    def ask(self) -> dict[str, Any]:
        """The query for the gateway. ValueError for a day that is none."""
        wanted = {
            "limit": _LISTED,
            "q": self.q.strip(),
            "transform_type": self.transform_type,
            "since": self._begin(self.since),
            "until": self._begin(self.until, days=1),
            "before": self.before,
        }
        return {name: value for name, value in wanted.items() if value}

    def _begin(self, day: str, days: int = 0) -> str:
        """When a day begins, or one that is some days later; empty without a day."""
        if not day:
            return ""
        try:
            begin = date.fromisoformat(day) + timedelta(days=days)
        except OverflowError as error:
            raise ValueError(day) from error
        return datetime.combine(begin, time(), self._zone).isoformat()

    @property
    def _zone(self) -> ZoneInfo:
        try:
            return ZoneInfo(self.zone)
        except (ValueError, OSError, ZoneInfoNotFoundError):  # not a name of a zone
            return ZoneInfo("UTC")

    @property
    def first(self) -> str:
        """The query of the first page."""
        return self.query(before="", trail="")

    @property
    def newer(self) -> str | None:
        """The query of the page before this one; None when this is the first, or it is not known."""
        if not self.trail:
            return None
        *rest, last = self.trail.split(".")
        return self.query(before="" if last == _FIRST else last, trail=".".join(rest))

    def older(self, before: str) -> str:
        """The query of the page that begins after an answer."""
        passed = [*self.trail.split("."), self.before] if self.trail else [self.before or _FIRST]
        return self.query(before=before, trail=".".join(passed[-_LONGEST_TRAIL:]))


class Item(NamedTuple):
    """An answer on the page."""

    result: Result
    at: datetime


class Spoken(NamedTuple):
    """What the page says of an answer whose form was sent: that it is done, or what is wrong with it."""

    answer_id: str
    done: Done | None = None
    problem: str | None = None
    text: str | None = None  # what was typed
    unsure: bool = False  # it was not confirmed that the rewrite is to be deleted


_NOTHING = Spoken("")
Wished = Annotated[Wish, Depends()]


@router.get("")
def show(
    here: Here,
    wish: Wished,
    done: Annotated[Done | None, Query()] = None,
    answer: Annotated[str, Query(max_length=100)] = "",
) -> Response:
    """A page of the person's answers."""
    return _page(here, wish, spoken=Spoken(answer, done))


@router.get("/export.{format}")
def export(here: Here, format: Literal["csv", "jsonl"]) -> Response:
    """All answers of the person, as a file."""
    page = here.ask_page(
        "/answers", limit=_EXPORTED
    )  # before the response begins, so that an error is a page
    media_type, write = _FORMATS[format]
    name = f"tonebridge-{datetime.now(UTC):%Y-%m-%d}.{format}"
    return StreamingResponse(
        write(_read_on(here, page)),
        media_type=media_type,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _read_on(here: Visit, page: Page) -> Iterator[dict[str, Any]]:
    """The answers of a page and of all older ones. One page at a time is in memory."""
    yield from page.rows
    while page.before is not None:
        here.sign_in_by_cookie()  # the token may end meanwhile
        page = here.ask_page("/answers", limit=_EXPORTED, before=page.before)
        yield from page.rows


@router.post("/erase")
def erase(here: Here, csrf: Csrf, wish: Wished, sure: Annotated[str, Form(max_length=20)] = "") -> Response:
    """Delete the history of the person, and everything that was learned from it."""
    here.check(csrf)
    if sure != "yes":
        return _page(here, wish, unsure=True, status=422)
    here.ask("POST", "/erasures", {"erase": "everything"})
    return RedirectResponse("/history#erasure", 303)


@router.post("/{answer_id}/delete")
def delete(
    here: Here,
    csrf: Csrf,
    wish: Wished,
    answer_id: uuid.UUID,
    sure: Annotated[str, Form(max_length=20)] = "",
) -> Response:
    """Delete one rewrite, and what the person said about it."""
    here.check(csrf)
    id = str(answer_id)
    if sure != "yes":
        return _page(here, wish, Spoken(id, unsure=True), status=422)
    try:
        here.ask("DELETE", f"/answers/{id}")
    except GatewayError as error:
        if error.status != 404:  # it is gone: a button is pressed twice, or in two windows
            raise
    return RedirectResponse(f"/history?{wish.query(done='deleted')}#history", 303)


@router.post("/{answer_id}/vote")
def vote(
    here: Here,
    csrf: Csrf,
    wish: Wished,
    answer_id: uuid.UUID,
    receipt: Annotated[str, Form(max_length=1000)],
    vote: Annotated[Literal["up", "down", "correction"], Form()],
    text: Annotated[str, Form()] = "",  # the front limits its length
) -> Response:
    """Store a thumb or the person's own version of an answer; a later one of its kind replaces it."""
    here.check(csrf)
    typed, id = as_typed(text), str(answer_id)
    kind = {"kind": "edit", "text": typed} if vote == "correction" else {"kind": "thumb", "up": vote == "up"}
    try:
        here.ask("POST", "/feedback", {"receipt": receipt, **kind})
    except GatewayError as error:
        if error.status not in _REFUSALS:
            raise
        problem = error.explain(here.words)
        kept = typed if vote == "correction" else None
        return _page(here, wish, Spoken(id, problem=problem, text=kept), status=error.status)
    done = "corrected" if vote == "correction" else "voted"
    return RedirectResponse(f"/history?{wish.query(done=done, answer=id)}#answer-{id}", 303)


def _page(
    here: Visit, wish: Wish, spoken: Spoken = _NOTHING, unsure: bool = False, status: int = 200
) -> Response:
    problem, page = None, Page([], None)
    try:
        page = here.ask_page("/answers", **wish.ask())
    except ValueError:
        today = f"{datetime.now(UTC):%Y-%m-%d}"
        problem, status = here.words.say("Write a day as %(day)s.", day=today), 422
    except GatewayError as error:
        if error.status != 422:
            raise
        problem, status = error.explain(here.words), 422
    erasures = here.ask_page("/erasures", limit=1).rows
    return here.page(
        "history.html",
        status,
        here=f"/history?{wish.query()}",
        wish=wish,
        items=[_read(answer) for answer in page.rows],
        older=wish.older(page.before) if page.before else None,
        problem=problem,
        spoken=spoken,
        erasure=_read_erasure(erasures[0]) if erasures else None,
        unsure=unsure,
        types=TYPES,
        name_of=name_of,
    )


def _read(answer: Any) -> Item:
    wanted = Wanted(answer["transform_type"], str(answer["intensity"]))
    result = results.from_answer(answer, answer["message"], wanted)
    return Item(result, datetime.fromisoformat(answer["created_at"]))


def _read_erasure(erasure: dict[str, Any]) -> dict[str, Any]:
    """An erasure, with its times as times."""
    times = {name: erasure[name] and datetime.fromisoformat(erasure[name]) for name in _TIMES}
    return {**erasure, **times}

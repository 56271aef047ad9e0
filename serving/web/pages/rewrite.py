"""The page Rewrite: a message, its rewrite, what changed, and what the person thinks of it.

Every form answers with a page. The script takes the result out of that page, and streams the first one.
"""

import json
import time
import uuid
from collections.abc import AsyncIterator
from datetime import date
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from data.reasons import reason
from models import facts
from serving import events
from serving.sites.api import GatewayError, SignedOutError
from serving.sites.words import as_typed
from serving.web import choices, reading, results
from serving.web.choices import LEVELS, TYPES, Wanted
from serving.web.reading import Reading
from serving.web.results import Result
from serving.web.streams import Streams, streams_of
from serving.web.visit import Visit, visit

router = APIRouter(prefix="/rewrite")

_A_YEAR_S = 365 * 24 * 3600
_COOKIE = "rewrite"  # what the person wanted last
_TRIES, _BETWEEN_TRIES_S = 16, 0.1  # an answer can be read within a second

Here = Annotated[Visit, visit]
Csrf = Annotated[str, Form(max_length=200)]
Text = Annotated[str, Form()]  # the front limits its length
Value = Annotated[str, Form(max_length=20)]
Vote = Literal["up", "down", "1", "2", "3", "4", "5", "correction", "comment"]


async def _streams(request: Request) -> Streams:
    return streams_of(request.app)


@router.get("")
def show(
    here: Here,
    text: str = "",
    title: str = "",
    url: str = "",
    transform_type: Annotated[str, Query(max_length=20)] = "",
    intensity: Annotated[str, Query(max_length=20)] = "",
) -> Response:
    """The form, filled in with a message that was shared with the page. Nothing is rewritten yet."""
    shared = dict.fromkeys(part for part in map(as_typed, (title, text, url)) if part)
    preferences = _read_preferences(here)
    preferred = _choose_preferred(here, preferences)
    wanted = Wanted(transform_type or preferred.transform_type, intensity or preferred.intensity)
    return _page(here, "\n".join(shared), wanted, has_tour=_wants_tour(here) or _is_new(here, preferences))


@router.post("/tour")
def answer_tour(
    here: Here,
    csrf: Csrf,
    text: Text = "",
    transform_type: Value = "",
    intensity: Value = "",
    tour: Value = "",
    training: Value = "",
) -> Response:
    """Close the tour, or decide by it whether models may learn from the person. What is typed stays."""
    here.check(csrf)
    message, wanted = as_typed(text), Wanted(transform_type, intensity)
    try:
        if training in ("yes", "no"):
            here.ask("PUT", "/consent", {"training": training == "yes"})
        if tour == "close":
            here.prefer(tour_closed=True)
    except GatewayError as error:
        return _page(here, message, wanted, problem=error, has_tour=True)
    return _page(here, message, wanted, has_tour=tour != "close")


@router.post("")
def rewrite(
    here: Here, csrf: Csrf, text: Text = "", transform_type: Value = "", intensity: Value = ""
) -> Response:
    """Rewrite a message."""
    here.check(csrf)
    message, wanted = as_typed(text), Wanted(transform_type, intensity)
    try:
        answer = here.ask("POST", "/transform", _body(here, message, wanted))
    except GatewayError as error:
        return _page(here, message, wanted, problem=error)
    result = results.from_answer(answer, message, wanted)
    return _remember(here, _page(here, message, wanted, result), wanted)


@router.post("/stream")
async def stream(
    here: Here,
    streams: Annotated[Streams, Depends(_streams)],
    csrf: Csrf,
    text: Text = "",
    transform_type: Value = "",
    intensity: Value = "",
) -> Response:
    """Rewrite a message, as events: the gateway's `delta` and `replace`, and last `answer` or `error` with
    the HTML of the result.
    """
    here.check(csrf)
    message, wanted = as_typed(text), Wanted(transform_type, intensity)
    answer = StreamingResponse(
        _stream(here, streams, message, wanted), media_type=events.MEDIA_TYPE, headers=events.HEADERS
    )
    return _remember(here, answer, wanted)


async def _stream(here: Visit, streams: Streams, message: str, wanted: Wanted) -> AsyncIterator[bytes]:
    assert here.stored is not None
    problem: GatewayError | None = None
    try:
        async for event in streams.read(here.stored.access_token, _body(here, message, wanted)):
            if event.kind in ("delta", "replace"):
                yield events.encode("delta" if event.kind == "delta" else "replace", event.data)
            elif event.kind == "answer":
                result = results.from_answer(json.loads(event.data), message, wanted)
                # The differences of a long message take milliseconds, in which other streams would wait.
                html = await run_in_threadpool(_part, here, result=result)
                yield events.encode("answer", json.dumps({"html": html}).encode())
            else:
                yield events.HEARTBEAT
    except SignedOutError:
        problem = GatewayError(401, reason("title_refused"), [reason("session_ended")])
    except GatewayError as error:
        problem = error
    if problem is not None:
        yield events.encode("error", json.dumps({"html": _part(here, problem=problem)}).encode())


@router.post("/message")
def go_on(
    here: Here, csrf: Csrf, text: Text = "", transform_type: Value = "", intensity: Value = ""
) -> Response:
    """Put a text into the form: the rewrite, to go on with it, or the message as it was typed."""
    here.check(csrf)
    return _page(here, as_typed(text), Wanted(transform_type, intensity))


@router.post("/two")
def write_two(
    here: Here, csrf: Csrf, text: Text = "", transform_type: Value = "", intensity: Value = ""
) -> Response:
    """Rewrite a message twice, for the person to choose. The order is random, and the page does not know who
    wrote which.
    """
    here.check(csrf)
    message, wanted = as_typed(text), Wanted(transform_type, intensity)
    try:
        pair = here.ask("POST", "/compare", _body(here, message, wanted))
    except GatewayError as error:
        return _page(here, message, wanted, problem=error)
    first, second = pair["first"], pair["second"]
    if first["transformed_text"] == second["transformed_text"]:
        missing, unchanged = tuple(first["facts_missing"]), results.read_unchanged(first["unchanged"])
        result = Result(message, wanted, first["transformed_text"], missing, unchanged)
        return _page(here, message, wanted, result, done="same")
    return _page(here, message, wanted, pair=pair)


@router.post("/reading")
def read(
    here: Here,
    csrf: Csrf,
    text: Text = "",
    transform_type: Value = "",
    intensity: Value = "",
    choose: Value = "",
    sent_on: Value = "",
) -> Response:
    """Show how a message will be read, and what a rule proposes. `choose` is a suggestion that the person
    takes as the kind of rewrite; that of a rule has an intensity, `soften.2`. `sent_on` is the day where the
    person is, which a script fills in.
    """
    here.check(csrf)
    kind, _, level = choose.partition(".")
    message, wanted = as_typed(text), Wanted(kind or transform_type, level or intensity)
    body = {"text": message, "locale": here.words.language, "sent_on": _read_day(sent_on)}
    try:
        analysis = here.ask("POST", "/analyze", body)
    except GatewayError as error:
        return _page(here, message, wanted, reading_problem=error)
    return _page(
        here,
        message,
        wanted,
        reading=reading.from_analysis(analysis, here.words),
        proposal=_propose(here, message),
    )


def _read_day(day: str) -> str | None:
    """A day for the gateway; None without one, for which it takes today in UTC."""
    try:
        return date.fromisoformat(day).isoformat()
    except ValueError:
        return None


def _propose(here: Visit, message: str) -> Any:
    """What the first rule that fits a message proposes; None without one, or while rules cannot be read."""
    try:
        return here.ask("POST", "/rules/match", {"text": message})["proposal"]
    except GatewayError:  # the reading is there without it
        return None


@router.post("/two/choice")
def choose(
    here: Here,
    csrf: Csrf,
    receipt: Annotated[str, Form(max_length=1000)],
    choice: Annotated[Literal["first", "second", "neither", "skip"], Form()],
    text: Text = "",
    transform_type: Value = "",
    intensity: Value = "",
    first: Text = "",
    second: Text = "",
) -> Response:
    """Vote for one of two rewrites, which is the result then; or for neither, or not at all."""
    here.check(csrf)
    message, wanted = as_typed(text), Wanted(transform_type, intensity)
    if choice == "skip":
        return _page(here, message, wanted, done="skipped")
    try:
        here.ask("POST", "/feedback", {"kind": "comparison", "receipt": receipt, "preferred": choice})
    except GatewayError as error:
        return _page(here, message, wanted, problem=error)
    if choice == "neither":
        return _page(here, message, wanted, done="neither")
    chosen = as_typed(first if choice == "first" else second)
    result = Result(message, wanted, chosen, tuple(facts.missing(message, chosen)))
    return _page(here, message, wanted, result, done="chosen")


@router.get("/{answer_id}")
def show_answer(here: Here, answer_id: uuid.UUID) -> Response:
    """An answer that the person got before, with what they said about it."""
    answer = here.ask("GET", f"/answers/{answer_id}")
    result = _read_result(answer)
    return _page(here, result.message, result.wanted, result)


@router.post("/{answer_id}/votes")
def vote(
    here: Here,
    answer_id: uuid.UUID,
    csrf: Csrf,
    receipt: Annotated[str, Form(max_length=1000)],
    vote: Annotated[Vote, Form()],
    text: Text = "",
    comment: Text = "",
) -> Response:
    """Store a vote on an answer; a later one of its kind replaces it. `text` and `comment` are what the
    person has typed, whichever vote it is.
    """
    here.check(csrf)
    typed = {"text": as_typed(text), "comment": as_typed(comment)}
    kind: dict[str, Any]
    match vote:
        case "up" | "down":
            kind = {"kind": "thumb", "up": vote == "up"}
        case "correction":
            kind = {"kind": "edit", "text": typed["text"]}
        case "comment":
            kind = {"kind": "comment", "text": typed["comment"]}
        case _:
            kind = {"kind": "rating", "stars": int(vote)}
    problem: GatewayError | None = None
    try:
        here.ask("POST", "/feedback", {"receipt": receipt, **kind})
    except GatewayError as error:
        problem = error
    try:
        # A receipt that is none of theirs came with no answer of a moment ago, so none is waited for.
        tries = 1 if problem and problem.status == 403 else _TRIES
        result = _read_result(_find(here, answer_id, tries))
    except GatewayError as error:
        raise problem or error from error
    if typed["text"] == result.text:
        typed["text"] = ""  # nothing was typed over it: the editor shows the stored correction, if any
    done = "" if problem else vote if vote in ("correction", "comment") else "voted"
    return _page(here, result.message, result.wanted, result, problem=problem, done=done, typed=typed)


def _find(here: Visit, answer_id: uuid.UUID, tries: int) -> Any:
    """An answer; one that was just given can be read a little later. GatewayError when there is none."""
    for _ in range(tries - 1):
        try:
            return here.ask("GET", f"/answers/{answer_id}")
        except GatewayError as error:
            if error.status != 404:
                raise
        time.sleep(_BETWEEN_TRIES_S)
    return here.ask("GET", f"/answers/{answer_id}")


def _read_result(answer: Any) -> Result:
    wanted = Wanted(answer["transform_type"], str(answer["intensity"]))
    return results.from_answer(answer, answer["message"], wanted)


def _body(here: Visit, message: str, wanted: Wanted) -> dict[str, Any]:
    return {"text": message, **wanted.body, "locale": here.words.language}


def _read_preferences(here: Visit) -> Any:
    """The person's preferences; None while the gateway does not tell: the page works without them."""
    try:
        return here.ask("GET", "/preferences")
    except GatewayError:
        return None


def _choose_preferred(here: Visit, preferences: Any) -> Wanted:
    """What is chosen at first: the person's preferences, or else what they wanted last."""
    kind, _, level = here.request.cookies.get(_COOKIE, "").partition(".")
    last = Wanted(kind, level) if Wanted(kind, level).is_known else choices.DEFAULT
    if preferences is None:
        return last
    kind, intensity = preferences.get("transform_type"), preferences.get("intensity")
    return Wanted(kind or last.transform_type, last.intensity if intensity is None else str(intensity))


def _wants_tour(here: Visit) -> bool:
    """Whether the address names the tour, as links to it do, and the form while it is shown."""
    return "tour" in here.request.query_params


def _is_new(here: Visit, preferences: Any) -> bool:
    """Whether the tour is for this person: they have neither rewritten anything nor closed it."""
    if preferences is None or preferences.get("tour_closed"):
        return False
    try:
        return not here.ask_page("/answers", limit=1).rows
    except GatewayError:
        return False


def _read_consent(here: Visit) -> Any:
    """What the person has decided about training, for the tour."""
    try:
        return here.ask("GET", "/consent")
    except GatewayError:  # the tour is shown with the next page
        return None


def _remember(here: Visit, response: Response, wanted: Wanted) -> Response:
    if not wanted.is_known:
        return response
    response.set_cookie(
        _COOKIE,
        f"{wanted.transform_type}.{wanted.intensity}",
        max_age=_A_YEAR_S,
        httponly=True,
        samesite="lax",
        secure=here.request.url.scheme == "https",
    )
    return response


def _part(here: Visit, **values: Any) -> str:
    """The HTML of a result, or of a problem in its place."""
    return here.render("rewrite_result.html", **_result_values(here, **values))


def _page(
    here: Visit,
    message: str,
    wanted: Wanted,
    result: Result | None = None,
    *,
    problem: GatewayError | None = None,
    reading: Reading | None = None,
    reading_problem: GatewayError | None = None,
    proposal: Any = None,
    has_tour: bool | None = None,
    **values: Any,
) -> Response:
    """The page. `has_tour` is whether it has the tour; None: if its address says so."""
    if has_tour is None:
        has_tour = _wants_tour(here)
    refused = problem or reading_problem
    answered = result is not None and result.answer_id is not None
    return here.page(
        "rewrite.html",
        refused.status if refused else 200,
        here=f"{router.prefix}/{result.answer_id}" if result and answered else router.prefix,
        message=message,
        wanted=wanted,
        types=TYPES,
        levels=LEVELS,
        tour=_read_consent(here) if has_tour else None,
        reading=reading,
        proposal=proposal,
        reading_problem=reading_problem.explain(here.words) if reading_problem else None,
        **_result_values(here, result=result, problem=problem, **values),
    )


def _result_values(
    here: Visit,
    *,
    result: Result | None = None,
    problem: GatewayError | None = None,
    pair: Any = None,
    done: str = "",
    typed: dict[str, str] | None = None,
) -> dict[str, Any]:
    """The values of the part that shows a result, or two to choose from, or a problem. `typed` are a text and
    a comment as the person has typed them.
    """
    return {
        "result": result,
        "problem": problem.explain(here.words) if problem else None,
        "pair": pair,
        "done": done,
        "typed": typed or {"text": "", "comment": ""},
        "read_unchanged": results.read_unchanged,
        "name_of": choices.name_of,
    }

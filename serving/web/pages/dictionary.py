"""The page Dictionary: a person's own terms, and those of their organisation, which its admins change.

One form at a time is open to change a term (`?change=ID`), so that a page of 500 terms stays small.
"""

import uuid
from collections.abc import Mapping
from typing import Annotated, Literal

from fastapi import APIRouter, Form, Query, Response
from fastapi.responses import RedirectResponse

from data.people.identities import Role
from data.records import TermRule
from serving.sites.api import GatewayError
from serving.web.visit import Visit, visit

router = APIRouter(prefix="/dictionary")

Here = Annotated[Visit, visit]
Csrf = Annotated[str, Form(max_length=200)]
Scope = Literal["own", "organisation"]
Done = Literal["added", "changed", "deleted"]
Text = Annotated[str, Form(max_length=4000)]
Given = Mapping[str, str]

MOST: Mapping[Scope, int] = {"own": 100, "organisation": 500}  # terms
_REFUSALS = (403, 404, 409, 422, 429)
_BLANK = {"term": "", "rule": TermRule.KEEP, "wording": ""}


@router.get("")
def show(
    here: Here,
    change: Annotated[uuid.UUID | None, Query()] = None,
    done: Annotated[Done | None, Query()] = None,
    add: Annotated[Scope | None, Query()] = None,
) -> Response:
    """Both dictionaries, and the form of the term to change. `add` is the dictionary whose form for a new
    term is open.
    """
    return _page(here, change=str(change) if change else None, done=done, add=add)


@router.post("")
def add(
    here: Here,
    csrf: Csrf,
    scope: Annotated[Scope, Form()],
    term: Text = "",
    rule: Annotated[TermRule, Form()] = TermRule.KEEP,
    wording: Text = "",
) -> Response:
    """Add a term. After an error, the page shows the form again with a message."""
    here.check(csrf)
    given = _fields(term, rule, wording)
    try:
        added = here.ask("POST", "/dictionary", {"scope": scope, **given})
    except GatewayError as error:
        if error.status not in _REFUSALS:
            raise
        return _page(here, form=scope, given=given, refused=error)
    return _return("added", added["id"])


@router.post("/{term_id}")
def change(
    here: Here,
    csrf: Csrf,
    term_id: uuid.UUID,
    term: Text = "",
    rule: Annotated[TermRule, Form()] = TermRule.KEEP,
    wording: Text = "",
) -> Response:
    """Change a term. After an error, the page shows the form again with a message."""
    here.check(csrf)
    given = _fields(term, rule, wording)
    try:
        here.ask("PATCH", f"/dictionary/{term_id}", given)
    except GatewayError as error:
        if error.status not in _REFUSALS:
            raise
        return _page(here, change=str(term_id), form=str(term_id), given=given, refused=error)
    return _return("changed", str(term_id))


@router.post("/{term_id}/delete")
def delete(here: Here, csrf: Csrf, term_id: uuid.UUID) -> Response:
    """Delete a term."""
    here.check(csrf)
    try:
        here.ask("DELETE", f"/dictionary/{term_id}")
    except GatewayError as error:
        if error.status not in _REFUSALS:
            raise
        return _page(here, refused=error)
    return _return("deleted")


def _fields(term: str, rule: TermRule, wording: str) -> dict[str, str]:
    """What a form sends to the gateway. A term that is kept has no wording; its field is hidden then."""
    return {"term": term, "rule": rule, "wording": "" if rule is TermRule.KEEP else wording}


def _return(done: Done, term_id: str | None = None) -> Response:
    return RedirectResponse(f"/dictionary?done={done}" + (f"#term-{term_id}" if term_id else ""), 303)


def _page(
    here: Visit,
    change: str | None = None,
    done: Done | None = None,
    add: Scope | None = None,
    form: str | None = None,
    given: Given = _BLANK,
    refused: GatewayError | None = None,
) -> Response:
    """The page. `form` names the form that was refused: the scope of a new term, or the id of a term."""
    faults = _explain(here, refused) if refused else {}
    return here.page(
        "dictionary.html",
        refused.status if refused else 200,
        here=router.prefix,
        terms={scope: here.ask_all("/dictionary", scope=scope) for scope in MOST},
        most=MOST,
        may_change={"own": True, "organisation": here.me.may_act_as(Role.ADMIN)},
        organisation=here.me.organisation,
        change=change,
        done=done,
        add=add,
        form=form,
        given=given,
        blank=_BLANK,
        faults=faults,
        rules=list(TermRule),
    )


def _explain(here: Visit, error: GatewayError) -> dict[str, str]:
    """What is wrong by field; under "" what is wrong with none of them."""
    say, codes = here.words.say, {reason.code for reason in error.reasons}
    if "term_taken" in codes:
        return {"term": here.words.reasons(error.reasons)}
    if "admin_needed" in codes:
        return {"": say("Only admins change the terms of an organisation.")}
    sentences = {
        "term": say("A term has 1 to 100 characters on one line. At least one of them is a letter."),
        "wording": say("Write how to explain it, or what to say instead: 1 to 300 characters on one line."),
    }
    faults = {fault.field: sentences[fault.field] for fault in error.faults if fault.field in sentences}
    return faults or {"": error.explain(here.words)}

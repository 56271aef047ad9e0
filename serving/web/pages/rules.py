"""The page Rules: a person's own rules, and those of their organisation, which its admins change; and what a
rule would have proposed for the person's last messages.

One form at a time is open to change a rule (`?change=ID`), so that a page of 120 rules stays small.
"""

import uuid
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Query, Response
from fastapi.responses import RedirectResponse

from data.people.identities import Role
from serving.sites.api import GatewayError
from serving.web import choices, rule_trials
from serving.web.choices import LEVELS, TYPES
from serving.web.rule_forms import DAYS, FIELDS, RuleForm
from serving.web.rule_trials import Trial
from serving.web.visit import Visit, visit

router = APIRouter(prefix="/rules")

Here = Annotated[Visit, visit]
Csrf = Annotated[str, Form(max_length=200)]
Scope = Literal["own", "organisation"]
Done = Literal["added", "changed", "deleted", "on", "off"]

MOST: Mapping[Scope, int] = {"own": 20, "organisation": 100}  # rules
_REWRITES = 3  # that a dry run shows
_REFUSALS = (403, 404, 409, 413, 422, 429)


class SentForm(RuleForm):
    """A form as it is sent; `scope` is that of a new rule."""

    csrf: Annotated[str, Form(max_length=200)] = ""
    scope: Scope = "own"


Sent = Annotated[SentForm, Form()]


@router.get("")
def show(
    here: Here,
    change: Annotated[uuid.UUID | None, Query()] = None,
    done: Annotated[Done | None, Query()] = None,
) -> Response:
    """Both lists, and the form of the rule to change."""
    return _page(here, change=str(change) if change else None, done=done)


@router.post("")
def add(here: Here, sent: Sent) -> Response:
    """Add a rule. After an error, the page shows the form again with a message."""
    here.check(sent.csrf)
    try:
        added = here.ask("POST", "/rules", {**sent.rule, "scope": sent.scope})
    except GatewayError as error:
        return _refuse(here, error, form=sent.scope, given=sent)
    return _return("added", added["id"])


@router.post("/try")
def try_draft(here: Here, sent: Sent) -> Response:
    """Try what is in the form of a new rule."""
    here.check(sent.csrf)
    return _try(here, {"draft": sent.rule}, sent.rule, form=sent.scope, given=sent)


@router.post("/{rule_id}")
def change(here: Here, sent: Sent, rule_id: uuid.UUID) -> Response:
    """Change a rule. After an error, the page shows the form again with a message."""
    here.check(sent.csrf)
    try:
        here.ask("PATCH", f"/rules/{rule_id}", sent.rule)
    except GatewayError as error:
        return _refuse(here, error, change=str(rule_id), form=str(rule_id), given=sent)
    return _return("changed", str(rule_id))


@router.post("/{rule_id}/state")
def switch(
    here: Here, csrf: Csrf, rule_id: uuid.UUID, state: Annotated[Literal["on", "off"], Form()]
) -> Response:
    """Turn a rule on or off."""
    here.check(csrf)
    try:
        here.ask("PATCH", f"/rules/{rule_id}", {"enabled": state == "on"})
    except GatewayError as error:
        return _refuse(here, error)
    return _return(state, str(rule_id))


@router.post("/{rule_id}/try")
def try_stored(here: Here, csrf: Csrf, rule_id: uuid.UUID) -> Response:
    """Try a rule, on or off."""
    here.check(csrf)
    try:
        rule = here.ask("GET", f"/rules/{rule_id}")
    except GatewayError as error:
        return _refuse(here, error)
    return _try(here, {"rule_id": str(rule_id)}, rule)


@router.post("/{rule_id}/delete")
def delete(here: Here, csrf: Csrf, rule_id: uuid.UUID) -> Response:
    """Delete a rule."""
    here.check(csrf)
    try:
        here.ask("DELETE", f"/rules/{rule_id}")
    except GatewayError as error:
        return _refuse(here, error)
    return _return("deleted")


def _try(here: Visit, wanted: dict[str, Any], rule: Any, **values: Any) -> Response:
    body = {**wanted, "rewrites": _REWRITES, "locale": here.words.language}
    try:
        answer = here.ask("POST", "/rules/dry-run", body)
    except GatewayError as error:
        return _refuse(here, error, **values)
    return _page(here, trial=rule_trials.from_dry_run(answer, rule), name=rule["name"], **values)


def _refuse(here: Visit, error: GatewayError, **values: Any) -> Response:
    """The page with what is wrong. Raises errors that are not the person's."""
    if error.status not in _REFUSALS:
        raise error
    return _page(here, refused=error, **values)


def _return(done: Done, rule_id: str | None = None) -> Response:
    return RedirectResponse(f"/rules?done={done}" + (f"#rule-{rule_id}" if rule_id else ""), 303)


def _page(
    here: Visit,
    change: str | None = None,
    done: Done | None = None,
    form: str | None = None,
    given: RuleForm | None = None,
    refused: GatewayError | None = None,
    trial: Trial | None = None,
    name: str = "",
) -> Response:
    """The page. `form` names the form that was sent: the scope of a new rule, or the id of a rule; `trial` is
    the dry run of the rule `name`.
    """
    rules = {scope: here.ask_all("/rules", scope=scope) for scope in MOST}
    for listed in rules.values():  # in the order in which they are tried
        listed.sort(key=lambda rule: (rule["priority"], rule["id"]))
    return here.page(
        "rules.html",
        refused.status if refused else 200,
        here=router.prefix,
        rules=rules,
        most=MOST,
        may_change={"own": True, "organisation": here.me.may_act_as(Role.ADMIN)},
        organisation=here.me.organisation,
        change=change,
        done=done,
        form=form,
        given=given,
        blank=RuleForm(),
        form_of=RuleForm.from_rule,
        faults=_explain(here, refused) if refused else {},
        trial=trial,
        name=name,
        days=DAYS,
        types=TYPES,
        levels=LEVELS,
        name_of=choices.name_of,
    )


def _explain(here: Visit, error: GatewayError) -> dict[str, Any]:
    """What is wrong by field of the form; under "" what is wrong with none of them."""
    say = here.words.say
    if "admin_needed" in {reason.code for reason in error.reasons}:
        return {"": say("Only admins change the rules of an organisation.")}
    faults: dict[str, Any] = {}
    for fault in error.faults:
        if fault.field == "conditions":
            faults[""] = say("Set at least one condition, so that the rule does not fit every message.")
        elif fault.field in FIELDS:
            faults[FIELDS[fault.field]] = here.words.reasons([fault.reason])
    return faults or {"": error.explain(here.words)}

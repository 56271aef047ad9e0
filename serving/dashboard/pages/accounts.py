"""The page Accounts: it changes the password of the signed-in person. Administrators also manage the accounts
of the organisation here.
"""

import secrets
import uuid
from datetime import datetime
from operator import itemgetter
from typing import Annotated, Any

from fastapi import APIRouter, Form, Response
from fastapi.responses import RedirectResponse
from markupsafe import Markup

from data.people.identities import Role
from serving.dashboard.visit import Visit, visit
from serving.sites import passwords
from serving.sites.api import GatewayError

router = APIRouter(prefix="/accounts")

Here = Annotated[Visit, visit]
Csrf = Annotated[str, Form(max_length=200)]
Password = Annotated[str, Form(max_length=300)]


@router.get("")
def show(here: Here) -> Response:
    """The page."""
    return _page(here)


@router.post("")
def add(
    here: Here,
    csrf: Csrf,
    email: Annotated[str, Form(max_length=300)],
    password: Password,
    role: Annotated[str, Form(max_length=20)],
    name: Annotated[str, Form(max_length=300)] = "",
) -> Response:
    """Create an account. After an error, the page shows the form again with a message."""
    here.check(csrf)
    account = {"email": email.strip(), "name": name.strip(), "role": role, "password": password}
    return _write(here, "POST", "/auth/register", account, given=account)


@router.post("/{account_id}/role")
def change_role(
    here: Here, account_id: uuid.UUID, csrf: Csrf, role: Annotated[str, Form(max_length=20)]
) -> Response:
    """Give a person another role."""
    here.check(csrf)
    return _write(here, "PATCH", f"/accounts/{account_id}", {"role": role})


@router.post("/{account_id}/remove")
def remove(here: Here, account_id: uuid.UUID, csrf: Csrf) -> Response:
    """Remove an account."""
    here.check(csrf)
    return _write(here, "DELETE", f"/accounts/{account_id}")


@router.post("/password")
def change_password(here: Here, csrf: Csrf, password: Password, new_password: Password) -> Response:
    """Change the password of the signed-in person. All their sessions end, so the sign-in page follows."""
    here.check(csrf)
    try:
        return passwords.change(here, password, new_password)
    except GatewayError as error:
        return _refuse(here, error)


def _write(
    here: Visit,
    method: str,
    path: str,
    body: dict[str, Any] | None = None,
    given: dict[str, Any] | None = None,
) -> Response:
    """Send a change to the gateway and return to the page. If the gateway rejects it, show what was typed."""
    try:
        here.ask(method, path, body)
    except GatewayError as error:
        return _refuse(here, error, given)
    return RedirectResponse("/accounts", 303)


def _refuse(here: Visit, error: GatewayError, given: dict[str, Any] | None = None) -> Response:
    """The page with the reason of a refusal; any other error of the gateway goes on."""
    if error.status not in (403, 404, 409, 422, 429):
        raise error
    return _page(here, problem=error.explain(here.words), given=given, status=error.status)


def _list(here: Visit) -> list[dict[str, Any]]:
    """The accounts of the organisation, by address. `signed_in_at` is a datetime, or None before the first
    sign-in.
    """
    return [
        {**account, "signed_in_at": at and datetime.fromisoformat(at)}
        for account in sorted(here.ask_all("/accounts"), key=itemgetter("email"))
        for at in [account["signed_in_at"]]
    ]


def _page(
    here: Visit, problem: Markup | None = None, given: dict[str, Any] | None = None, status: int = 200
) -> Response:
    may_administer = here.may_administer
    return here.page(
        "accounts.html",
        status,
        here=router.prefix,
        me=here.me,
        accounts=_list(here) if may_administer else [],
        may_administer=may_administer,
        own_id=here.me.name.removeprefix("account:"),
        roles=list(Role(here.me.role).included),
        problem=problem,
        given=given or {"password": secrets.token_urlsafe(12), "role": Role.MEMBER},
    )

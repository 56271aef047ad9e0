"""Whose things a request is about, where an organisation has some and each of its people has their own:
dictionaries and rules. Everybody reads the organisation's, and its admins change them. A person's own are for
that person only.
"""

import uuid
from enum import StrEnum

from data.people.dictionaries import Owner
from data.people.identities import Role
from data.reasons import Reason
from serving.gateway.auth import Caller
from serving.gateway.online.bodies import check_speaks_for
from serving.gateway.problems import ForbiddenError, InvalidError


class Scope(StrEnum):
    """Whose: a person's own, or the organisation's."""

    OWN = "own"
    ORGANISATION = "organisation"


def may_administer(caller: Caller) -> bool:
    """Whether a caller may change what the organisation has."""
    return caller.identity.may_act_as(Role.ADMIN)


def check_may_change(caller: Caller, owner_id: uuid.UUID | None) -> None:
    """ForbiddenError when something is the organisation's, and the caller is no admin."""
    if owner_id is None and not may_administer(caller):
        raise ForbiddenError("admin_needed")


def find_owner(
    caller: Caller, scope: Scope, user_id: str | None, missing: Reason, changes: bool
) -> Owner | None:
    """Whose things a request is about; None for the organisation's. InvalidError when a request with a key
    names nobody, because of `missing`, or one with a token somebody else; ForbiddenError when the caller may
    not change them.
    """
    check_speaks_for(caller, user_id)
    if scope is Scope.ORGANISATION:
        if changes:
            check_may_change(caller, None)
        return None
    if caller.subject is None and user_id is None:
        raise InvalidError({"user_id": missing})
    return name_owner(caller, user_id)


def name_owner(caller: Caller, user_id: str | None) -> Owner:
    """The person whom a request names."""
    id, name = caller.user(user_id)
    return Owner(id, caller.key_id, name)


def list_owners(caller: Caller, user_id: str | None) -> list[uuid.UUID | None]:
    """Whose things a caller sees: the organisation's, and those of the person whom the request names."""
    check_speaks_for(caller, user_id)
    if caller.subject is None and user_id is None:
        return [None]
    return [None, name_owner(caller, user_id).id]

"""Dictionaries: the terms of an organisation, and a person's own, with what rewrites do with them.

Everybody reads the organisation's terms, and its admins change them. A person's own terms are for that person
only.
"""

import uuid
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from data.database import transaction_of
from data.fields import ID_EXAMPLES
from data.people import dictionaries
from data.people.dictionaries import (
    MOST_OF_PERSON,
    ListedTerm,
    Owner,
    TakenTermError,
    TooManyTermsError,
)
from data.reasons import reason
from data.records import Term, TermRule
from serving.gateway import owners
from serving.gateway.auth import Caller
from serving.gateway.conditional import Expected
from serving.gateway.dependencies import Authenticated, Connection
from serving.gateway.online.bodies import AskedPerson, UserName
from serving.gateway.owners import Scope
from serving.gateway.pages import LINKED, PageOfThings
from serving.gateway.parts import InjectedParts
from serving.gateway.problems import ForbiddenError, InvalidError, NotFoundError
from serving.gateway.refusals import refuses

router = APIRouter(prefix="/api/v1/dictionary", tags=["dictionary"])

_LONGEST_TERM, _LONGEST_WORDING = 100, 300  # characters
_NO_CONTROLS = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$"


TermText = Annotated[
    str,
    StringConstraints(min_length=1, max_length=_LONGEST_TERM, pattern=_NO_CONTROLS),
    AfterValidator(lambda text: dictionaries.check_term(text, _LONGEST_TERM)),
    Field(
        description="the term, found in its regular plural, too; with a capital as written, else in any case",
        examples=["SLO"],
    ),
]
Wording = Annotated[
    str,
    StringConstraints(max_length=_LONGEST_WORDING, pattern=_NO_CONTROLS),
    AfterValidator(lambda text: dictionaries.tidy(text, _LONGEST_WORDING)),
    Field(
        description="of `explain`: the explanation; of `replace`: what is said instead; of `keep`: empty",
        examples=["the share of requests that we promise to answer in time"],
    ),
]
Rule = Annotated[
    TermRule,
    Field(
        description="`keep`: never change the term; `explain`: explain it by the wording where terms are"
        " explained; `replace`: say the wording instead",
        examples=["explain"],
    ),
]
TermId = Annotated[uuid.UUID, Path(description="the id of a term", examples=ID_EXAMPLES)]
_FOR_ADMINS = (ForbiddenError, "admin_needed")
_UNKNOWN = (NotFoundError, "unknown_term")
WhoseScope = Annotated[
    Scope,
    Field(description="whose dictionary: the organisation's, or the person's own", examples=["organisation"]),
]


class NewDictionaryTerm(BaseModel):
    """A term to add to a dictionary."""

    model_config = ConfigDict(extra="forbid")

    scope: WhoseScope
    term: TermText
    rule: Rule
    wording: Wording = ""
    user_id: UserName = None


class DictionaryTermChanges(BaseModel):
    """What to change in a term; omitted fields stay as they are."""

    model_config = ConfigDict(extra="forbid")

    term: Annotated[TermText | None, Field(description="another spelling", examples=["SLO"])] = None
    rule: Annotated[TermRule | None, Field(description="another rule", examples=["replace"])] = None
    wording: Annotated[Wording | None, Field(description="another wording", examples=["our promise"])] = None
    user_id: UserName = None


class DictionaryTerm(BaseModel):
    """A term of a dictionary."""

    id: Annotated[uuid.UUID, Field(description="its id", examples=["0198c0de-0000-7000-8000-000000000001"])]
    scope: WhoseScope
    term: Annotated[str, Field(description="the term", examples=["SLO"])]
    rule: Rule
    wording: Annotated[
        str,
        Field(
            description="the explanation, or what is said instead; empty for `keep`",
            examples=["the share of requests that we promise to answer in time"],
        ),
    ]
    created_by: Annotated[
        str | None,
        Field(
            description="who added it; for admins, and null for others", examples=["api_key:1a2b3c4d5e6f7a8b"]
        ),
    ]
    created_at: Annotated[datetime, Field(description="when it was added", examples=["2026-11-29T04:00:00Z"])]


def _find_owner(caller: Caller, scope: Scope, user_id: str | None, changes: bool) -> Owner | None:
    return owners.find_owner(caller, scope, user_id, reason("dictionary_person_missing"), changes)


def _show(caller: Caller, listed: ListedTerm, owner_id: uuid.UUID | None) -> DictionaryTerm:
    return DictionaryTerm(
        id=listed.id,
        scope=Scope.ORGANISATION if owner_id is None else Scope.OWN,
        term=listed.term,
        rule=listed.rule,
        wording=listed.wording,
        created_by=listed.created_by if owners.may_administer(caller) else None,
        created_at=listed.created_at,
    )


def _check_wording(rule: TermRule, wording: str) -> None:
    """InvalidError when a rule lacks its wording, or has one without a use."""
    if rule is TermRule.KEEP and wording:
        raise InvalidError({"wording": reason("wording_unused")})
    if rule is not TermRule.KEEP and not wording:
        raise InvalidError({"wording": reason("wording_missing", rule=rule.value)})


@router.get("", responses=LINKED)
async def list_dictionary_terms(
    caller: Authenticated,
    connection: Connection,
    page: PageOfThings,
    scope: Annotated[
        Scope,
        Query(
            description="whose dictionary: the organisation's, or the person's own", examples=["organisation"]
        ),
    ] = Scope.ORGANISATION,
    user_id: AskedPerson = None,
) -> list[DictionaryTerm]:
    """List the terms of a dictionary, the newest first."""
    owner = _find_owner(caller, scope, user_id, changes=False)
    owner_id = owner.id if owner else None
    async with transaction_of(connection, caller.identity.organisation_id):
        rows = await dictionaries.list_some(connection, owner_id, before=page.before, most=page.most)
    return page.show([_show(caller, row, owner_id) for row in rows])


@router.post(
    "",
    status_code=201,
    responses=refuses(
        _FOR_ADMINS,
        (TakenTermError, "term_taken", {"term": "SLO"}),
        (TooManyTermsError, "too_many_terms", {"most": MOST_OF_PERSON}),
    ),
)
async def add_dictionary_term(
    parts: InjectedParts, caller: Authenticated, body: NewDictionaryTerm
) -> DictionaryTerm:
    """Add a term, in effect at once: the next rewrite of this gateway has it, and those of the others within
    a heartbeat, a quarter of a second. Admins add to the organisation's dictionary.
    """
    owner = _find_owner(caller, body.scope, body.user_id, changes=True)
    _check_wording(body.rule, body.wording)
    term = Term(term=body.term, rule=body.rule, wording=body.wording)
    organisation_id, owner_id = caller.identity.organisation_id, owner.id if owner else None
    async with parts.pool.connection() as connection:
        async with transaction_of(connection, organisation_id):
            term_id = await dictionaries.add(connection, organisation_id, owner, caller.name, term)
            added = await dictionaries.find(connection, [owner_id], term_id)
        await parts.dictionaries.renew(connection)
    assert added is not None, term_id
    return _show(caller, *added)


@router.get("/{term_id}", responses=refuses(_UNKNOWN))
async def get_dictionary_term(
    caller: Authenticated, connection: Connection, term_id: TermId, user_id: AskedPerson = None
) -> DictionaryTerm:
    """Read a term: one of the organisation's, or a person's own."""
    owner_ids = owners.list_owners(caller, user_id)
    async with transaction_of(connection, caller.identity.organisation_id):
        listed = await dictionaries.find(connection, owner_ids, term_id)
    if listed is None:
        raise NotFoundError("unknown_term")
    return _show(caller, *listed)


@router.patch(
    "/{term_id}",
    responses=refuses(_FOR_ADMINS, _UNKNOWN, (TakenTermError, "term_taken", {"term": "SLO"})),
)
async def change_dictionary_term(
    parts: InjectedParts,
    caller: Authenticated,
    expected: Expected,
    body: DictionaryTermChanges,
    term_id: TermId,
) -> DictionaryTerm:
    """Change a term, in effect at once. A term that is kept from now on loses its wording."""
    owner_ids = owners.list_owners(caller, body.user_id)
    async with parts.pool.connection() as connection:
        async with transaction_of(connection, caller.identity.organisation_id):
            former, owner_id = await _find(connection, caller, owner_ids, term_id)
            expected.check(_show(caller, former, owner_id))
            rule, wording = body.rule or former.rule, body.wording
            if wording is None:
                wording = "" if rule is TermRule.KEEP else former.wording
            _check_wording(rule, wording)
            term = Term(term=body.term or former.term, rule=rule, wording=wording)
            await dictionaries.change(connection, term_id, term)
            changed, _ = await _find(connection, caller, owner_ids, term_id)
        await parts.dictionaries.renew(connection)
    return _show(caller, changed, owner_id)


@router.delete(
    "/{term_id}",
    status_code=204,
    response_class=Response,
    responses=refuses(_FOR_ADMINS, _UNKNOWN),
)
async def delete_dictionary_term(
    parts: InjectedParts,
    caller: Authenticated,
    expected: Expected,
    connection: Connection,
    term_id: TermId,
    user_id: AskedPerson = None,
) -> None:
    """Delete a term, in effect at once."""
    owner_ids = owners.list_owners(caller, user_id)
    async with transaction_of(connection, caller.identity.organisation_id):
        expected.check(_show(caller, *await _find(connection, caller, owner_ids, term_id)))
        await dictionaries.delete(connection, term_id)
    await parts.dictionaries.renew(connection)


async def _find(
    connection: Connection, caller: Caller, owner_ids: list[uuid.UUID | None], term_id: uuid.UUID
) -> tuple[ListedTerm, uuid.UUID | None]:
    """A term that the caller may change, and whose it is; until the transaction ends nobody else does.
    NotFoundError when they see no such term, ForbiddenError when only an admin may change it.
    """
    await dictionaries.lock(connection, term_id)
    listed = await dictionaries.find(connection, owner_ids, term_id)
    if listed is None:
        raise NotFoundError("unknown_term")
    owners.check_may_change(caller, listed[1])
    return listed

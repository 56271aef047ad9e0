"""Finds the person to forget."""

import uuid
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from data.people import accounts
from data.people.identities import Identity
from data.tables import Account, ApiKey, Comparison, Organisation, User


@dataclass(frozen=True, slots=True)
class Person:
    """The person to forget: ids of the person and of their organisation."""

    id: uuid.UUID
    organisation_id: uuid.UUID


class UnknownPersonError(ValueError):
    """Nothing is stored of a person with this id, key, token subject or address."""


class OutOfReachError(ValueError):
    """A snapshot is not on this machine or is incomplete, so it is unknown whether the person is in it."""


def by_key(session: Session, key_id: str, external_id: str) -> uuid.UUID:
    """The id of a person by an API key and the name under it; UnknownPersonError without such a key."""
    tenant = session.scalar(select(ApiKey.organisation_id).where(ApiKey.id == key_id))
    if tenant is None:
        raise UnknownPersonError(f"there is no API key {key_id!r}; the id is the part after tb_")
    return Identity(tenant, key_id, "member", b"", "free").user(external_id)


def by_subject(session: Session, organisation: str, subject: str) -> uuid.UUID:
    """The id of a person by a token's subject; UnknownPersonError if there is no such organisation."""
    tenant = session.scalar(select(Organisation.id).where(Organisation.name == organisation))
    if tenant is None:
        raise UnknownPersonError(f"there is no organisation {organisation!r}")
    return Identity(tenant, "", "member", b"", "free").subject(subject)


def by_email(session: Session, email: str) -> uuid.UUID:
    """The id of a person by e-mail address; UnknownPersonError if the address has no account."""
    user_id = session.scalar(select(Account.user_id).where(Account.email == accounts.normalise_email(email)))
    if user_id is None:
        raise UnknownPersonError(f"there is no account with the address {email!r}")
    return user_id


def find(session: Session, user_id: uuid.UUID) -> Person:
    """The person with an id; UnknownPersonError when nothing is stored of them."""
    queries = (
        select(User.organisation_id).where(User.id == user_id),
        select(Comparison.organisation_id).where(Comparison.user_id == user_id),  # no row in users yet
        select(Account.organisation_id).where(Account.user_id == user_id),  # no row in users yet
    )
    for query in queries:
        tenant = session.scalar(query.limit(1))
        if tenant is not None:
            return Person(user_id, tenant)
    raise UnknownPersonError(
        f"nothing is stored of a person with the id {user_id}; with --key or --subject, spell the name"
        " exactly as the application does"
    )


def match_owner(table: Any, person: Person) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Conditions for the person's rows in a table that has `user_id` and `organisation_id`."""
    return table.user_id == person.id, table.organisation_id == person.organisation_id

"""Only a token that a session has had, and its own account, can end the session."""

import uuid

import pytest
from psycopg import AsyncConnection
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from data.people import accounts, sessions
from data.people.accounts import EndedSessionError, Opened
from data.tables import AccountSession
from tests.accounts import add_account


@pytest.fixture
async def opened(connection: AsyncConnection, engine: Engine, organisation_id: uuid.UUID) -> Opened:
    """A session of a new account."""
    account = add_account(engine, organisation_id, password=None)
    return await accounts.open_session(connection, account.id, b"here")


def by_its_id_alone(opened: Opened) -> str:
    """What somebody can make who has seen an access token, which names its session."""
    return f"tbr_{opened.session_id.hex}_{'A' * 43}"


def stored(engine: Engine, opened: Opened) -> AccountSession:
    with Session(engine) as session:
        return session.scalars(select(AccountSession).where(AccountSession.id == opened.session_id)).one()


async def test_nobody_signs_a_session_out_who_knows_its_id_only(
    connection: AsyncConnection, engine: Engine, opened: Opened
) -> None:
    with pytest.raises(EndedSessionError):
        await accounts.sign_out(connection, by_its_id_alone(opened))
    assert stored(engine, opened).ended_at is None
    assert await accounts.find_sessions(connection, [str(opened.session_id)])
    await accounts.refresh(connection, opened.refresh_token)


async def test_no_other_account_ends_a_session_whose_id_it_knows(
    connection: AsyncConnection, engine: Engine, organisation_id: uuid.UUID, opened: Opened
) -> None:
    other = add_account(engine, organisation_id, "owner", password=None)
    assert not await sessions.end(connection, other.id, opened.session_id)
    assert await sessions.end_others(connection, other.id, uuid.uuid4()) == 0
    assert await sessions.list_some(connection, other.id, opened.session_id, most=10) == []
    assert stored(engine, opened).ended_at is None
    assert await sessions.end(connection, opened.account_id, opened.session_id)


async def test_a_refresh_token_that_the_session_never_had_ends_nothing(
    connection: AsyncConnection, engine: Engine, opened: Opened
) -> None:
    with pytest.raises(EndedSessionError):
        await accounts.refresh(connection, by_its_id_alone(opened))
    assert stored(engine, opened).ended_at is None
    await accounts.refresh(connection, opened.refresh_token)


async def test_a_token_of_another_session_ends_nothing(
    connection: AsyncConnection, engine: Engine, opened: Opened
) -> None:
    other = await accounts.open_session(connection, opened.account_id, b"here")
    mixed = f"tbr_{opened.session_id.hex}_{other.refresh_token.split('_', 2)[2]}"
    for use in (accounts.sign_out, accounts.refresh):
        with pytest.raises(EndedSessionError):
            await use(connection, mixed)
    assert stored(engine, opened).ended_at is None
    assert stored(engine, other).ended_at is None


@pytest.mark.parametrize("refreshed", [0, 1, 3])
async def test_a_former_token_still_signs_out(
    connection: AsyncConnection, engine: Engine, opened: Opened, refreshed: int
) -> None:
    newest = opened
    for _ in range(refreshed):
        newest = await accounts.refresh(connection, newest.refresh_token)
    await accounts.sign_out(connection, opened.refresh_token)
    first = stored(engine, opened)
    assert (first.ended_because, first.ended_at is not None) == ("signed_out", True)
    await accounts.sign_out(connection, newest.refresh_token)  # a second click
    again = stored(engine, opened)
    assert (again.ended_because, again.ended_at) == ("signed_out", first.ended_at)


async def test_a_bounded_number_of_former_tokens_is_recognised(
    connection: AsyncConnection, engine: Engine, opened: Opened
) -> None:
    tokens = [opened.refresh_token]
    for _ in range(accounts.MOST_FORMER + 2):
        tokens.append((await accounts.refresh(connection, tokens[-1])).refresh_token)
    assert len(stored(engine, opened).former_sha256) == accounts.MOST_FORMER
    for forgotten in tokens[:2]:
        with pytest.raises(EndedSessionError):
            await accounts.refresh(connection, forgotten)
    assert stored(engine, opened).ended_at is None, "an old one opens nothing, and ends nothing"
    with pytest.raises(EndedSessionError):
        await accounts.refresh(connection, tokens[2])
    assert stored(engine, opened).ended_because == "reused"
    with pytest.raises(EndedSessionError):
        await accounts.refresh(connection, tokens[-1])


async def test_what_is_kept_of_tokens_leaves_with_the_account(
    connection: AsyncConnection, engine: Engine, opened: Opened, organisation_id: uuid.UUID
) -> None:
    await accounts.refresh(connection, opened.refresh_token)
    assert await accounts.remove(connection, organisation_id, opened.account_id, ["viewer"])
    with Session(engine) as session:
        assert session.get(AccountSession, opened.session_id) is None

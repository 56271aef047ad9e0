"""Revision 0052: the former release counts no user again, and a downgrade stores the users in `units`."""

import json
import uuid
from collections.abc import Callable

import psycopg
import pytest

from data import database
from tests import migrations

# How the former release enters the users of new exposures.
_ENTER = """
    INSERT INTO units (experiment_id, unit_id, period, epoch, variant, entered_at)
    SELECT DISTINCT ON (user_id) experiment_id, user_id, %s, epoch, variant, exposed_at
    FROM exposures WHERE experiment_id = %s AND user_id = ANY(%s) AND epoch = %s
    ORDER BY user_id, exposed_at, answer_id ON CONFLICT DO NOTHING RETURNING unit_id
"""
SEEN, LATER, NEW = (uuid.UUID(int=number) for number in range(1, 4))


@pytest.fixture
def url(new_database: Callable[..., str]) -> str:
    return new_database()


def expose(
    connection: psycopg.Connection, experiment: uuid.UUID, user: uuid.UUID, epoch: int, arm: str
) -> None:
    connection.execute(
        "INSERT INTO exposures"
        " (experiment_id, user_id, variant, epoch, organisation_id, answer_id, exposed_at)"
        " VALUES (%s, %s, %s, %s, gen_random_uuid(), gen_random_uuid(),"
        " '2026-01-01Z'::timestamptz + make_interval(hours => %s))",
        (experiment, user, arm, epoch, epoch),
    )
    connection.commit()


def add_experiment(url: str, status: str) -> uuid.UUID:
    """An experiment whose analyses have read the first epoch of two users, and not the second one."""
    experiment = uuid.uuid4()
    with psycopg.connect(url) as connection:
        connection.execute(
            "INSERT INTO experiments (id, name, hypothesis, plan, salt, status)"
            " VALUES (%s, 'x', 'x', %s, 's', %s)",
            (experiment, json.dumps({}), status),
        )
        expose(connection, experiment, SEEN, 1, "a")
        expose(connection, experiment, LATER, 1, "a")
        expose(connection, experiment, LATER, 2, "b")
        connection.execute(
            "UPDATE experiments SET seen_until = pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
            " WHERE id = %s",
            (experiment,),
        )
        connection.commit()
        expose(connection, experiment, SEEN, 3, "b")
        expose(connection, experiment, NEW, 3, "b")
    return experiment


@pytest.mark.parametrize(
    ("status", "period", "entering"), [("running", 0, {NEW}), ("holdout", 3, {SEEN, NEW})]
)
def test_the_former_release_enters_only_users_who_were_not_counted(
    url: str, status: str, period: int, entering: set[uuid.UUID]
) -> None:
    experiment = add_experiment(url, status)
    with psycopg.connect(url) as connection:
        rows = connection.execute(_ENTER, (period, experiment, [SEEN, NEW], 3)).fetchall()
        assert {unit for (unit,) in rows} == entering
        again = connection.execute(_ENTER, (1 if period else 0, experiment, [SEEN, LATER], 1)).fetchall()
        assert again == []


@pytest.mark.parametrize(
    ("status", "units"),
    [
        ("running", [(SEEN, 0, 1, "a", False), (LATER, 0, 1, "a", True)]),
        ("holdout", [(SEEN, 1, 1, "a", False), (LATER, 1, 1, "a", False), (LATER, 2, 2, "b", False)]),
    ],
)
def test_on_the_way_back_the_counted_users_are_units(
    url: str, status: str, units: list[tuple[uuid.UUID, int, int, str, bool]]
) -> None:
    experiment = add_experiment(url, status)
    migrations.downgrade(url, "0051")
    with psycopg.connect(url) as connection:
        assert (
            connection.execute(
                "SELECT unit_id, period, epoch, variant, moved FROM units WHERE experiment_id = %s"
                " ORDER BY unit_id, period",
                (experiment,),
            ).fetchall()
            == units
        )
    database.migrate(url)

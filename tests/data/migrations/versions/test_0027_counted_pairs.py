"""Revision 0027: what is counted belongs to the only challenger, and on the way back only that remains."""

import json
import uuid
from collections.abc import Callable

import psycopg
import pytest

from data import database
from tests import migrations


@pytest.fixture
def url(new_database: Callable[..., str]) -> str:
    return new_database("0025")


def add_experiment(connection: psycopg.Connection, *versions: str) -> uuid.UUID:
    """An experiment whose first version is the baseline."""
    experiment_id = uuid.uuid4()
    connection.execute(
        "INSERT INTO experiments (id, name, hypothesis, plan, salt, status)"
        " VALUES (%s, 'x', 'x', %s, 's', 'running')",
        (experiment_id, json.dumps({})),
    )
    for number, version in enumerate(versions):
        connection.execute("INSERT INTO specs (digest, spec) VALUES ('d', '{}') ON CONFLICT DO NOTHING")
        connection.execute(
            "INSERT INTO variants (experiment_id, name, spec_digest, is_baseline) VALUES (%s, %s, 'd', %s)",
            (experiment_id, version, number == 0),
        )
    return experiment_id


def count_person(connection: psycopg.Connection, experiment_id: uuid.UUID, user: int, **pair: str) -> None:
    columns, values = "".join(f", {name}" for name in pair), ", %s" * len(pair)
    connection.execute(
        "INSERT INTO counted_voters (id, experiment_id, user_id, complete_at, message_ids, wins, ties"
        f"{columns}) VALUES (gen_random_uuid(), %s, %s, now(), '{{}}', '{{}}', 0{values})",
        (experiment_id, uuid.UUID(int=user), *pair.values()),
    )


def test_counted_people_belong_to_the_only_challenger(url: str) -> None:
    with psycopg.connect(url) as connection:
        first, second = (add_experiment(connection, *names) for names in (("v1", "v2"), ("v3", "v4")))
        for experiment_id, user in ((first, 1), (first, 2), (second, 1)):
            count_person(connection, experiment_id, user)
    database.migrate(url)
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT experiment_id, user_id, challenger, opponent FROM counted_voters"
        ).fetchall()
        assert sorted(rows, key=str) == sorted(
            [
                (first, uuid.UUID(int=1), "v2", "v1"),
                (first, uuid.UUID(int=2), "v2", "v1"),
                (second, uuid.UUID(int=1), "v4", "v3"),
            ],
            key=str,
        )


def test_on_the_way_back_one_challenger_s_votes_remain(url: str) -> None:
    database.migrate(url)
    with psycopg.connect(url) as connection:
        experiment_id = add_experiment(connection, "v1", "v2", "v3")
        for challenger, opponent in (("v2", "v1"), ("v3", "v1"), ("v2", "v3")):
            count_person(connection, experiment_id, 1, challenger=challenger, opponent=opponent)
        count_person(connection, experiment_id, 2, challenger="v3", opponent="v1")
    migrations.downgrade(url, "0025")
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT user_id FROM counted_voters").fetchall() == [(uuid.UUID(int=1),)]
        with pytest.raises(psycopg.errors.UniqueViolation):
            count_person(connection, experiment_id, 1)

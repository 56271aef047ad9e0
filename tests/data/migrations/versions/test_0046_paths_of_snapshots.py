"""Revision 0046: a snapshot's path names no machine, and other paths stay as they are."""

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from data import database
from tests import migrations

_DIGESTS = ("a" * 32, "b" * 32, "c" * 32, "d" * 32, "e" * 32)


def store(url: str, *paths: str) -> None:
    with psycopg.connect(url) as connection:
        for digest, path in zip(_DIGESTS, paths, strict=True):
            connection.execute(
                "INSERT INTO snapshots (digest, path, counts, high_water, accepted, reasons)"
                " VALUES (%s, %s, '{}', 0, true, '[]')",
                (digest, path),
            )


def read(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        return [path for (path,) in connection.execute("SELECT path FROM snapshots ORDER BY digest")]


def test_the_state_folder_is_taken_out_of_paths(
    new_database: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = new_database("0045")
    a, b, c, *_ = _DIGESTS
    elsewhere, other = f"/srv/votes/{c}", f"/srv/state/data/snapshots/{a}"
    store(url, f"/srv/state/data/snapshots/{a}", f".tonebridge/data/snapshots/{b}", elsewhere, "", other)
    database.migrate(url)
    assert read(url) == [f"data/snapshots/{a}", f"data/snapshots/{b}", elsewhere, "", other]

    monkeypatch.setenv("TONEBRIDGE_STATE", str(tmp_path))
    migrations.downgrade(url, "0045")
    before = [f"{tmp_path}/data/snapshots/{a}", f"{tmp_path}/data/snapshots/{b}", elsewhere, "", other]
    assert read(url) == before, "an earlier release reads absolute paths"

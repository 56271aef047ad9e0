"""Searches all stores of an installation for a text that a test has planted."""

import base64
import gzip
import zipfile
from collections.abc import Collection
from pathlib import Path

import psycopg
import redis
from psycopg import sql
from pyarrow import parquet

from configs.settings import Settings
from data import database


def find_places(
    settings: Settings,
    needle: str,
    *folders: Path,
    databases: Collection[str] = ("tonebridge", "prefect", "mlflow"),
) -> set[str]:
    """The places that hold a text: tables of the databases, keys and values of Valkey, files of the state
    folder and of `folders`. The write-ahead log of Postgres is excluded, since Postgres overwrites it.
    """
    places: set[str] = set()
    forms = (needle, needle.encode().hex(), base64.b64encode(needle.encode()).decode().strip("=")[:-2])
    assert settings.database_url is not None
    for name in databases:
        with psycopg.connect(
            database.replace_database(settings.database_url, name), autocommit=True
        ) as connection:
            connection.execute("CHECKPOINT")  # what is dropped leaves the disk, what is in memory reaches it
            tables = connection.execute(
                "SELECT c.oid::regclass::text FROM pg_class c WHERE relkind = 'r'"
                " AND relnamespace <> 'information_schema'::regnamespace"
            ).fetchall()
            for (table,) in tables:
                query = sql.SQL("SELECT count(*) FROM {} AS t WHERE t::text LIKE ANY(%s)").format(
                    sql.SQL(table)
                )
                if connection.execute(query, ([f"%{form}%" for form in forms],)).fetchone() != (0,):
                    places.add(f"{name}.{table}")
    assert settings.redis_url is not None
    with redis.Redis.from_url(settings.redis_url) as client:
        for key in client.scan_iter():
            read = {b"string": client.get, b"hash": client.hgetall, b"stream": client.xrange}
            value = read[client.type(key)](key)
            if needle.encode() in key + repr(value).encode():
                places.add("valkey")
    for folder in (settings.state, *folders):
        for path in folder.rglob("*"):
            if path.is_file() and not path.is_symlink() and "pg_wal" not in path.parts:
                contents = [path.read_bytes()]
                if zipfile.is_zipfile(path):
                    with zipfile.ZipFile(path) as archive:
                        contents += [archive.read(name) for name in archive.namelist()]
                elif contents[0][:2] == b"\x1f\x8b":
                    contents = [gzip.decompress(contents[0])]
                elif contents[0][:4] == b"PAR1":
                    contents += [str(parquet.read_table(path).to_pydict()).encode()]
                if any(form.encode() in content for form in forms for content in contents):
                    parts = path.relative_to(folder).parts
                    places.add("/".join((folder.name if folder != settings.state else "", *parts[:2])))
    return places

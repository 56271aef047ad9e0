"""Forgets a person: rows, caches, snapshots and what was trained on them.

    python -m data.erasure USER                                    the id that the tables have
    python -m data.erasure --key KEY_ID EXTERNAL_ID                whom an API key names
    python -m data.erasure --organisation NAME --subject SUBJECT   whom a token names
    python -m data.erasure --email ADDRESS                         who signs in

It reads the same `TONEBRIDGE_*` variables as the flows and connects as the tables' owner. A run that was cut
off is finished by the same command. What is kept, for how long, and what is not reached from here:
docs/privacy.md.
"""

import argparse
import sys
import uuid
from collections.abc import Sequence

from sqlalchemy import Engine, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from configs.settings import Settings
from data import database
from data.erasure.copies import CacheError
from data.erasure.erase import erase, rehearse
from data.erasure.whom import (
    OutOfReachError,
    Person,
    UnknownPersonError,
    by_email,
    by_key,
    by_subject,
    find,
    match_owner,
)
from data.tables import Erasure, VersionOrder


def list_orders(engine: Engine, person: Person) -> list[str]:
    """A table of the versions that were trained on a person, and what is to be done with each."""
    means = {
        "retrain": "in force: the schedules train anew (by hand: `train` on a snapshot named above);"
        " promote what comes of it, and this one is retired",
        "retire": "its weights leave with the next run of the flow `retain`",
    }
    asked = select(VersionOrder).join(Erasure, Erasure.id == VersionOrder.erasure_id)
    with Session(engine) as session:
        found = session.scalars(
            asked.where(*match_owner(Erasure, person)).order_by(VersionOrder.version)
        ).all()
    return [
        f"{order.version:<10} {order.action:<8} "
        + (f"done {order.done_at:%Y-%m-%d}" if order.done_at else means[order.action])
        for order in found
    ] or ["no version was trained on them"]


def main(arguments: Sequence[str]) -> None:
    """The command; SystemExit with a message when it could not finish."""
    parser = argparse.ArgumentParser(
        prog="python -m data.erasure", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("user", nargs="?", type=uuid.UUID, help="the person's id")
    parser.add_argument("--key", nargs=2, metavar=("KEY_ID", "EXTERNAL_ID"), help="whom an API key names")
    parser.add_argument("--organisation", help="of --subject")
    parser.add_argument("--subject", help="whom a token names")
    parser.add_argument("--email", help="of an account")
    parser.add_argument("--dry-run", action="store_true", help="say what would go, and change nothing")
    parser.add_argument(
        "--rewrite-files", action="store_true", help="VACUUM FULL: locks each table while it is rewritten"
    )
    asked = parser.parse_args(arguments)
    names = [asked.user, asked.key, asked.subject, asked.email]
    if names.count(None) != len(names) - 1 or bool(asked.organisation) != bool(asked.subject):
        parser.error(
            "name one person: USER, or --key KEY_ID EXTERNAL_ID, or --organisation and --subject, or --email"
        )
    settings = Settings()
    if settings.redis_url is None:
        parser.error("set TONEBRIDGE_REDIS_URL as the gateways have it, or to nothing when they have none")
    engine = database.engine_of(settings)
    try:
        with Session(engine) as session:
            user_id = asked.user
            if asked.key:
                user_id = by_key(session, *asked.key)
            elif asked.subject:
                user_id = by_subject(session, asked.organisation, asked.subject)
            elif asked.email:
                user_id = by_email(session, asked.email)
            person = find(session, user_id)
            begun = session.scalars(select(Erasure.finished_at).where(*match_owner(Erasure, person))).all()
        if asked.dry_run:
            rehearse(settings, engine, person)
            return
        if begun and None not in begun and not rehearse(settings, engine, person, say=lambda _: None):
            print(f"user {person.id} was erased before, and nothing has come since")
        else:
            erase(settings, engine, person, rewrite_files=asked.rewrite_files)
        print(*list_orders(engine, person), sep="\n")
    except (UnknownPersonError, OutOfReachError) as error:
        raise SystemExit(str(error)) from error
    except (CacheError, OperationalError) as error:
        raise SystemExit(f"not finished, since a store is away ({error}); run this again") from error
    finally:
        engine.dispose()


if __name__ == "__main__":
    main(sys.argv[1:])

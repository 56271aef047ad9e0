"""Forgets a person: rows, caches, snapshots, and the models that were trained on them.

    python -m data.erasure USER                                    the person's id in the tables
    python -m data.erasure --key KEY_ID EXTERNAL_ID                a person by API key and name under it
    python -m data.erasure --organisation NAME --subject SUBJECT   a person by a token's subject
    python -m data.erasure --email ADDRESS                         a person by the address of their account

It reads the same `TONEBRIDGE_*` variables as the flows, and connects as the tables' owner. The same command
finishes an interrupted run. docs/privacy.md lists what is kept for how long, and what this does not reach.
"""

import argparse
import sys
import uuid
from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from configs.settings import Settings
from data import database
from data.erasure import orders
from data.erasure.copies import CacheError
from data.erasure.erase import erase, rehearse
from data.erasure.whom import (
    OutOfReachError,
    UnknownPersonError,
    by_email,
    by_key,
    by_subject,
    find,
    match_owner,
)
from data.tables import Erasure


def main(arguments: Sequence[str]) -> None:
    """Run the command. Raises SystemExit with a message when it could not finish."""
    parser = argparse.ArgumentParser(
        prog="python -m data.erasure", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("user", nargs="?", type=uuid.UUID, help="the person's id")
    parser.add_argument(
        "--key", nargs=2, metavar=("KEY_ID", "EXTERNAL_ID"), help="the key and the name under it"
    )
    parser.add_argument("--organisation", help="the organisation of --subject")
    parser.add_argument("--subject", help="the subject of the person's tokens")
    parser.add_argument("--email", help="the address of the person's account")
    parser.add_argument(
        "--dry-run", action="store_true", help="print what would be removed, and change nothing"
    )
    parser.add_argument(
        "--rewrite-files", action="store_true", help="VACUUM FULL: locks each table while it is rewritten"
    )
    options = parser.parse_args(arguments)
    names = [options.user, options.key, options.subject, options.email]
    if names.count(None) != len(names) - 1 or bool(options.organisation) != bool(options.subject):
        parser.error(
            "name one person: USER, or --key KEY_ID EXTERNAL_ID, or --organisation and --subject, or --email"
        )
    settings = Settings()
    if settings.redis_url is None:
        parser.error("set TONEBRIDGE_REDIS_URL to the gateways' value, or to nothing when they have no Redis")
    engine = database.engine_of(settings)
    try:
        with Session(engine) as session:
            user_id = options.user
            if options.key:
                user_id = by_key(session, *options.key)
            elif options.subject:
                user_id = by_subject(session, options.organisation, options.subject)
            elif options.email:
                user_id = by_email(session, options.email)
            person = find(session, user_id)
            earlier = session.scalars(select(Erasure.finished_at).where(*match_owner(Erasure, person))).all()
        if options.dry_run:
            rehearse(settings, engine, person)
            return
        if earlier and None not in earlier and not rehearse(settings, engine, person, report=lambda _: None):
            print(f"user {person.id} was erased before, and nothing was stored since")
        else:
            erase(settings, engine, person, rewrite_files=options.rewrite_files)
        print(*orders.describe(engine, person), sep="\n")
    except (UnknownPersonError, OutOfReachError) as error:
        raise SystemExit(str(error)) from error
    except (CacheError, OperationalError) as error:
        raise SystemExit(f"not finished, because a store is unavailable ({error}); run this again") from error
    finally:
        engine.dispose()


if __name__ == "__main__":
    main(sys.argv[1:])

"""Backs an installation up, and restores it. docs/backup.md explains each step.

    python -m deploy.backup setup           the login for backups, and the repository
    python -m deploy.backup stream          stores WAL, files and ids, until it is ended: keep it running
    python -m deploy.backup base            a full backup of Postgres, such as each week
    python -m deploy.backup incremental     what has changed since, such as each night
    python -m deploy.backup list            what can be restored
    python -m deploy.backup check           reads a share of what is stored
    python -m deploy.backup restore [--to]  Postgres at a moment, and the files, into an empty state folder
    python -m deploy.backup verify [--to]   compares a restored installation with what was backed up
    python -m deploy.backup erase-again     erases who was erased since, before people use it
    python -m deploy.backup drill           loses an installation of its own, and restores it: `make drill`

restic's variables name the repository: RESTIC_REPOSITORY, RESTIC_PASSWORD_FILE, and AWS_* for S3.
"""

import argparse
import contextlib
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from types import FrameType

import psycopg

from configs.settings import Settings
from data import database
from data.erasure.whom import OutOfReachError
from deploy.backup import base_backups, erased, postgres, repository, restore
from deploy.backup.faults import BackupError
from deploy.backup.stream import FILES_S, WAL_S, Stream


def main(arguments: Sequence[str]) -> None:
    """Run a command. Raises SystemExit with a message when it cannot do its work."""
    parser = argparse.ArgumentParser(
        prog="python -m deploy.backup",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in ("setup", "incremental", "list", "erase-again"):
        commands.add_parser(name)
    full = commands.add_parser("base")
    full.add_argument("--keep", type=_positive, default=2, help="full backups that are kept (%(default)s)")
    streaming = commands.add_parser("stream")
    streaming.add_argument("--every", type=float, default=WAL_S, help="seconds between rounds (%(default)s)")
    streaming.add_argument(
        "--files-every", type=float, default=FILES_S, help="likewise of files (%(default)s)"
    )
    checking = commands.add_parser("check")
    checking.add_argument("--share", default="5%", help="of the data to read (%(default)s)")
    restoring = commands.add_parser("restore")
    restoring.add_argument(
        "--without-replay", action="store_true", help="the first server that starts replays the WAL"
    )
    for each in (restoring, commands.add_parser("verify")):
        each.add_argument(
            "--to", type=_moment, help="such as 2026-11-29T14:05:00+00:00; the newest without it"
        )
    drilling = commands.add_parser("drill")
    drilling.add_argument("--size-gb", type=float, default=0.0, help="of made-up rows (%(default)s)")
    options = parser.parse_args(arguments)
    try:
        _do(options)
    except (BackupError, OutOfReachError, ValueError) as error:
        raise SystemExit(str(error)) from error
    except psycopg.Error as error:
        raise SystemExit(
            f"Postgres: {error}; `python -m deploy.backup setup` makes what backups need of it"
        ) from error


def _do(options: argparse.Namespace) -> None:
    settings = Settings()
    match options.command:
        case "setup":
            made = repository.create()
            postgres.set_up(database.url_of(settings), postgres.url_of(settings))
            print(
                f"the repository {repository.place()} {'is made' if made else 'exists'}; the login is ready"
            )
        case "stream":
            signal.signal(signal.SIGTERM, _exit)
            with contextlib.suppress(KeyboardInterrupt), Stream(settings, _say) as stream:
                stream.run(options.every, options.files_every)
        case "base" | "incremental":
            made_now = base_backups.back_up(
                settings, options.command == "incremental", getattr(options, "keep", 2)
            )
            print(f"stored: {_describe(made_now)}")
        case "list":
            for each in base_backups.list_bases():
                print(_describe(each))
            for stored in repository.list_stored("wal")[-1:]:
                print(f"WAL    up to {stored.time:%Y-%m-%d %H:%M:%S} UTC")
        case "check":
            repository.check(options.share)
            print(f"{options.share} of what is stored was read, and is what was stored")
        case "restore":
            restore.restore(settings, options.to, not options.without_replay)
            print("restored: start Postgres, then verify, then erase-again, and then everything else")
        case "verify":
            from deploy.backup import verification  # with MLflow, which takes seconds and much memory

            chain = base_backups.chain_for(base_backups.list_bases(), options.to)
            if verification.verify(settings, chain[-1].read_counts()).faults:
                raise SystemExit("what was restored is not right")
        case "erase-again":
            if settings.redis_url is None:
                raise ValueError("set TONEBRIDGE_REDIS_URL to the gateways' value, or to nothing without one")
            people = erased.read_stored()
            number = erased.erase_again(settings, people)
            print(
                f"{number} of {len(people)} people were erased again; the database knows the others' erasure"
            )
        case "drill":
            from deploy.backup import drill  # likewise

            signal.signal(signal.SIGTERM, _exit)  # so that nothing of it goes on
            drill.main(options.size_gb)


def _describe(each: base_backups.Base) -> str:
    level = "full  " if each.is_full else "  incr"
    return f"{level} from {each.ended_at:%Y-%m-%d %H:%M:%S} UTC on, server {each.history}, chain {each.chain}"


def _say(line: str) -> None:
    print(line, flush=True)


def _exit(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("keep at least one")
    return number


if __name__ == "__main__":
    main(sys.argv[1:])

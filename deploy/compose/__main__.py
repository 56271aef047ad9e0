"""An installation by Compose: start, upgrade, roll back. See docs/compose.md.

python3 -m deploy.compose up              # from nothing, or after a change of .env
python3 -m deploy.compose upgrade v0.2.0
python3 -m deploy.compose rollback
python3 -m deploy.compose rollout v0.2.0  # an upgrade behind a canary, which goes back by itself
python3 -m deploy.compose stand-ins       # without a registry: an image of Postgres and the other servers
"""

import argparse
import signal
import sys

from deploy import engine, images
from deploy.catalog import name_of
from deploy.compose import env_file
from deploy.compose.canary import ComposeFleet
from deploy.compose.installation import Installation
from deploy.compose.programs import Compose, ComposeError, find
from deploy.compose.watcher import watched
from deploy.engine import CommandFailedError
from deploy.rollout import promises
from deploy.rollout.rollout import STEPS, BreachError, Plan, Rollout

STAND_INS = f"{name_of('stand-ins')}:latest"


def build_stand_ins(base_name: str) -> None:
    """Build the image that stands for other servers. CommandFailedError when that fails."""
    command = images.build_command("compose/stand-ins.Containerfile", STAND_INS, base_name, {})
    engine.step("Postgres, Valkey, HAProxy, Prometheus", command, engine.LOGS / "build-stand-ins.log")


def _percents(words: str) -> tuple[int, ...]:
    try:
        return tuple(int(word) for word in words.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{words!r} are no percents: name them as in 5,25,50") from error


def main() -> None:
    """Do what the arguments say; exits with 1 and a sentence when it fails."""
    parser = argparse.ArgumentParser(description="An installation by Compose.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="start everything, from nothing, too")
    upgrade = commands.add_parser("upgrade", help="to another tag of the images, one gateway after the other")
    upgrade.add_argument("version", metavar="TAG")
    commands.add_parser("rollback", help="to the tag before the last upgrade")
    rollout = commands.add_parser("rollout", help="an upgrade behind a canary, which goes back by itself")
    rollout.add_argument("version", metavar="TAG")
    rollout.add_argument("--steps", default=STEPS, type=_percents, metavar="5,25,50")
    rollout.add_argument(
        "--step-seconds", default=60.0, type=float, metavar="60", help="of each step at least"
    )
    rollout.add_argument("--requests", default=300, type=int, help="that the canary answers in each step")
    stand_ins = commands.add_parser("stand-ins", help="build images of other servers, without a registry")
    stand_ins.add_argument("--base", default="localhost/tonebridge-base:trixie", metavar="IMAGE")
    chosen = parser.parse_args()
    try:
        if chosen.command == "stand-ins":
            build_stand_ins(chosen.base)
            return
        compose = Compose(find(), env_file.PATH)
        installation = Installation(compose)
        if chosen.command == "up":
            installation.up()
        elif chosen.command == "upgrade":
            print("A backup first: see docs/compose.md. One gateway answers while the other is replaced.")
            installation.upgrade(chosen.version)
        elif chosen.command == "rollout":
            signal.signal(signal.SIGTERM, lambda *_: sys.exit("the rollout was ended"))  # and takes it back
            plan = Plan(chosen.steps, chosen.step_seconds, chosen.requests)
            fleet = ComposeFleet(compose, chosen.version)
            with watched(compose, chosen.version):
                Rollout(fleet, promises.PROMISES, promises.GATEWAY_ERRORS.name, plan).run()
        else:
            print(f"{installation.rollback()} runs again.")
    except (ComposeError, CommandFailedError, BreachError, ValueError, OSError) as error:  # TimeoutError too
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()

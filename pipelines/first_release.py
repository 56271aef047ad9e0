"""Makes the version in the folder `champion/` the first champion of an installation.

    python -m pipelines.first_release        # a child of `make up`, with its environment

It exports the tagger, registers the version as a training does, and promotes it. A run that is killed is
started again by the next `make up`: the name of the run is a hash of the tagger, so it becomes the same
version. After an update of the software it promotes a champion that edits again, since its rules are those of
the release that is installed.
"""

import shutil
import sys
import time
from collections.abc import Callable
from enum import Enum
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from configs.settings import Settings
from data import database
from data.traffic import routing
from models import shipped
from models.results import CARD_FILES, Evaluation
from pipelines.environments import environment
from pipelines.local import Process
from serving.observability.start import start

_FIRST = "the version that comes with this release"
_RULES_CHANGED = "the rules of the edit writer changed with an update"


class Step(Enum):
    """What a start of an installation has to do."""

    RELEASE = "release"  # nothing is released yet
    RENEW = "renew"  # the champion's spec names the rules of another release of the software


_SENTENCES = {
    Step.RELEASE: (
        "\nReleasing the version that comes with ToneBridge. This takes about half a minute, once."
    ),
    Step.RENEW: (
        "\nThe rules of the edit writer have changed with an update, so the champion is promoted again."
        "\nAn experiment that was running ends with that."
    ),
}


def next_step(engine: Engine) -> Step | None:
    """The step that is due; None when there is nothing to do."""
    with Session(engine) as session:
        live = routing.current(session)
    if live is None:
        return Step.RELEASE
    champion = live.routing.champion
    if champion.form == "edits":
        # Imported here, since the writer's libraries take half a second, and a champion may write text.
        from models.edits import writer

        if champion.rules != writer.rules_digest():
            return Step.RENEW
    return None


def announce(settings: Settings, check: Callable[[], None]) -> None:
    """Do the step that is due in a child process, with lines on the terminal; nothing when none is.

    `check` is called all the while and may raise. A step that fails is named with its log, and stops nothing:
    the services run on, and the next start tries again.
    """
    engine = database.engine_of(settings)
    try:
        step = next_step(engine)
        if step is None:
            return
        if step is Step.RELEASE and (missing := shipped.missing(settings.champion)):
            print(
                f"\n  No version answers yet: {settings.champion} is no complete version ({missing[0]} is"
                " missing).\n  Train and promote one, or make the folder by `make champion` and start again.",
                flush=True,
            )
            return
        print(_SENTENCES[step], flush=True)
        log = settings.state / "logs" / "first_release.log"
        code = _run_child(settings, log, check)
        with Session(engine) as session:
            live = routing.current(session)
        if code == 0 and live is not None:
            print(f"  {live.routing.champion.version} answers now.", flush=True)
        else:
            print(f"  That failed, and {log} says why. The next start tries again.", flush=True)
    finally:
        engine.dispose()


def _run_child(settings: Settings, log: Path, check: Callable[[], None]) -> int:
    """Run this module in a child process, since it imports torch; its exit code."""
    command = [sys.executable, "-m", "pipelines.first_release"]
    child = Process("first_release", command, environment(settings), log)
    try:
        while (code := child.exit_code) is None:
            check()
            time.sleep(0.2)
        return code
    finally:
        child.stop()


def main(settings: Settings) -> None:
    """Do the step that is due, if any. Each part of it may be repeated."""
    from pipelines.promote import promote

    engine = database.engine_of(settings)
    try:
        match next_step(engine):
            case Step.RELEASE:
                promote(register_shipped(settings, engine), _FIRST)
            case Step.RENEW:
                with Session(engine) as session:
                    live = routing.current(session)
                assert live is not None
                promote(live.routing.champion.version, _RULES_CHANGED)
    finally:
        engine.dispose()


def register_shipped(settings: Settings, engine: Engine) -> str:
    """Export and register the shipped tagger; the name of its version. It has no parent and no snapshot."""
    from pipelines.registration import register

    run, evaluated = make_run(settings)
    return register.fn(settings, engine, run, evaluated, "tagger", None, None)


def make_run(settings: Settings) -> tuple[Path, Evaluation]:
    """Write the run folder of the shipped tagger, as a training would have left it: the version, the tagger
    and the evaluation. Returns the folder and the evaluation.
    """
    from models import training

    folder, run = settings.champion, shipped.export_once(settings).parent
    for name in CARD_FILES.values():
        if (folder / name).is_file():
            shutil.copyfile(folder / name, run / "version" / name)
    shipped.copy_tagger(folder, run / "tagger")
    evaluated = shipped.read_evaluation(folder)
    (run / "evaluation").mkdir(exist_ok=True)
    training.write_figures(evaluated, run / "evaluation")
    return run, evaluated


if __name__ == "__main__":
    of_installation = Settings()
    start(of_installation, "flows")
    main(of_installation)

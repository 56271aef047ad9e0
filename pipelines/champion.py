"""Makes the folder `champion/`, the version that a new installation serves.

    python -m pipelines.champion configs/champion.yaml
    python -m pipelines.champion configs/champion.yaml tagger=artifacts/tagger   # trained already

    train the tagger -> export its version -> evaluate it against the bare base -> write the folder

The result of a step is in a folder that is named by a hash of everything that determines it. So a killed run
resumes with its unfinished step, and a step whose data or code changed is done again.
"""

import sys
import time
from collections.abc import Callable, Iterable
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import Field

import configs
from configs import StageConfig
from data.reasons import LANGUAGES, render
from models import card, curation, evaluation, export, loading, shipped, tagger, training, version_file
from models.card import ShippedOrigin
from models.edits import writer
from models.evaluation import EvaluateConfig
from models.results import Evaluation
from models.tagger import TaggerConfig, TaggerResult

_CONFIGS = Path(__file__).parent.parent / "configs"
_STAGES = ("tagger", "evaluate")
C = TypeVar("C", bound=StageConfig)
_SHARES = ("role", "need", "cut", "edit", "edit_accepted", "sting", "sting_accepted")


class ChampionConfig(StageConfig):
    """The tagger, or how to train it, and the folders."""

    tagger: Annotated[Path | None, Field(description="written by models.tagger; trained when unset")] = None
    out: Path = Path("champion")
    work: Annotated[Path, Field(description="results of finished steps")] = Path("artifacts/champion")
    overrides: Annotated[
        tuple[str, ...], Field(description="of the stages' yaml files: tagger.epochs=4, evaluate.draw=1")
    ] = ()


class NotAcceptedError(ValueError):
    """The gate has rejected the tagger, so no installation could release it."""


def main(config: ChampionConfig) -> Path:
    """Make the folder and return it, with a line for each step on the terminal.

    Raises NotAcceptedError when the gate rejects the tagger; the folder is not changed then.
    """
    for override in config.overrides:
        if override.partition(".")[0] not in _STAGES:
            raise ValueError(f"{override!r} is of no stage: write stage.key=value, of {', '.join(_STAGES)}")
    if config.tagger and not (config.tagger / training.METRICS_FILE).is_file():
        raise ValueError(f"{config.tagger} is no finished tagger: train one with models.tagger")
    trained = config.tagger or _train(config)
    metrics = (trained / training.METRICS_FILE).read_text(encoding="utf-8")
    result = TaggerResult.model_validate_json(metrics)
    evaluated = _evaluate(config, trained)
    if not evaluated.verdict.accepted:
        raise NotAcceptedError(f"the gate rejected {trained}: {render(evaluated.verdict.reasons)}")
    origin = ShippedOrigin(
        weights=loading.policy_digest(curation.encoder_folder(), trained),
        rules=writer.rules_digest(),
        commands=_commands(config),
        messages=result.messages + result.held_out,
        held_out=result.held_out,
        parts=result.parts,
        edits=result.edits,
        cuts=result.cuts + result.stings,
        derived_cuts=result.derived_cuts,
        shares={name: share for name in _SHARES if (share := getattr(result, name)) is not None},
    )
    cards = {language: card.shipped(origin, evaluated, language) for language in LANGUAGES}
    shipped.write(trained, evaluated, cards, config.out)
    print(f"\n* Wrote {config.out}; the gate accepted it on {evaluated.cases} cases.", flush=True)
    return config.out


def _train(config: ChampionConfig) -> Path:
    settings = _stage_config(TaggerConfig, "tagger", config)
    folders = (settings.roles, settings.accepted, settings.edits, settings.stings, settings.summaries)
    files = [file for folder in folders for file in _files(folder)]
    name = _digest(settings.model_dump_json(exclude={"out", "version", "device"}), files)
    settings = settings.model_copy(update={"out": config.work / f"tagger-{name}", "version": None})
    _step(
        "Training the tagger on the labels of the seed corpus.",
        settings.out / training.METRICS_FILE,
        lambda: tagger.main(settings),
    )
    return settings.out


def _evaluate(config: ChampionConfig, trained: Path) -> Evaluation:
    settings = _stage_config(
        EvaluateConfig,
        "evaluate",
        config,
        "most_cases=null",  # all
        f"version={config.work}",  # until the name is known
    )
    data = [*settings.test_folders, settings.injections_folder, settings.labels_folder]
    weights = sorted(trained.glob("*.safetensors"))
    name = _digest(
        writer.rules_digest() + settings.model_dump_json(exclude={"out", "version"}),
        [*weights, trained / tagger.RULES_FILE, *(file for folder in data for file in _files(folder))],
    )
    run = config.work / f"version-{name}"
    _step(
        "Exporting its version: the encoder with the adapter merged in, in int8.",
        run / "version" / version_file.NAME,
        lambda: tagger.export(trained, run / "version"),
    )
    metrics = run / "evaluation" / training.METRICS_FILE
    _step(
        "Evaluating it against the bare base. The base is slow, since it seldom ends a rewrite.",
        metrics,
        lambda: _run_evaluation(settings, run),
    )
    return Evaluation.model_validate_json(metrics.read_text(encoding="utf-8"))


def _run_evaluation(settings: EvaluateConfig, run: Path) -> None:
    base_version = export.base_version(settings.base, settings.base_version)
    folders = {"version": run / "version", "champion": base_version, "first_champion": base_version}
    evaluated = evaluation.main(settings.model_copy(update={**folders, "out": run / "evaluation"}))
    print(evaluation.table(evaluated), flush=True)


def _commands(config: ChampionConfig) -> tuple[str, ...]:
    more = [f"overrides='[{', '.join(config.overrides)}]'"] if config.overrides else []
    make = ["python -m pipelines.champion configs/champion.yaml"]
    if config.tagger is None:
        return (" ".join([*make, *more]),)
    return (
        f"python -m models.tagger configs/tagger.yaml out={config.tagger.as_posix()}",
        " ".join([*make, f"tagger={config.tagger.as_posix()}", *more]),
    )


def _stage_config(kind: type[C], stage: str, config: ChampionConfig, *fixed: str) -> C:
    own = [o.removeprefix(f"{stage}.") for o in config.overrides if o.startswith(f"{stage}.")]
    return configs.load(kind, _CONFIGS / f"{stage}.yaml", [*fixed, *own])


def _files(folder: Path | None) -> list[Path]:
    return sorted(folder.rglob("*.jsonl")) if folder else []


def _digest(settings: str, files: Iterable[Path]) -> str:
    digest = blake2b(settings.encode(), digest_size=8)
    for file in files:
        content = file.read_bytes()
        digest.update(f"\0{file.name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _step(sentence: str, result: Path, run: Callable[[], object]) -> None:
    """Print the sentence, and run the step unless its result exists."""
    print(f"\n* {sentence}", flush=True)
    if result.exists():
        print(f"  done earlier: {result.parent}", flush=True)
        return
    began = time.monotonic()
    run()
    print(f"  {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    try:
        main(configs.from_command_line(ChampionConfig, sys.argv[1:]))
    except NotAcceptedError as error:
        raise SystemExit(f"\n{error}") from None
    except KeyboardInterrupt:
        raise SystemExit("\nStopped. The same command resumes with the unfinished step.") from None

"""Registers a language model that we did not train as a version, such as a vendor's or one in vLLM or Ollama.

    python -m pipelines.llm_version configs/llm.yaml        # with the environment of the flows

It asks the model once, writes a version folder, evaluates the version against the champion as a training
does, and registers it. An accepted version becomes the challenger: release, shadow run, experiment, promotion
and rollback treat it as any other. The same model with the same settings is the same version.
"""

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field
from sqlalchemy import Engine
from sqlalchemy.orm import Session

import configs
from configs.settings import Settings
from data import database
from data.reasons import Language
from data.traffic import routing
from models import evaluation, llm, training
from models.endpoint import ChatError
from models.llm import Llm, LlmConfig
from models.results import Evaluation
from pipelines.registration import register
from pipelines.train import evaluation_config


class LlmVersionConfig(LlmConfig):
    """The model, how it is asked, and how it is evaluated."""

    gguf: Annotated[Path | None, Field(description="the file that llama.cpp runs")] = None
    languages: Annotated[tuple[Language, ...], Field(min_length=1)] = ("en", "ja")
    evaluate: Annotated[
        tuple[str, ...], Field(description="overrides of configs/evaluate.yaml: most_cases=40")
    ] = ()

    def model(self) -> Llm:
        """The model, before it has answered."""
        return Llm(**{name: getattr(self, name) for name in LlmConfig.model_fields})


def main(settings: Settings, config: LlmVersionConfig) -> tuple[str, Evaluation]:
    """Write, evaluate and register the version; its name, and its evaluation.

    Raises ChatError when the model does not answer, during the evaluation too.
    """
    engine = database.engine_of(settings)
    try:
        run = write_run(settings.state / "runs", config)
        champion = _find_champion(engine)
        evaluated = _evaluate(settings, engine, run, champion, config.evaluate)
        name = register.fn(settings, engine, run, evaluated, config.engine, None, champion)
        return name, evaluated
    finally:
        engine.dispose()


def write_run(runs: Path, config: LlmVersionConfig) -> Path:
    """The folder of the run, with the version in it. Its name is a digest of the model and its settings."""
    new = runs / "llm.new"
    digest = llm.write(config.model(), config.languages, new / "version", config.gguf)
    run = runs / digest
    if (run / "version").is_dir():  # it may have rewrites of an evaluation that was killed
        shutil.rmtree(new)
    else:
        run.mkdir(exist_ok=True)
        (new / "version").replace(run / "version")
    return run


def _find_champion(engine: Engine) -> str | None:
    with Session(engine) as session:
        live = routing.current(session)
    return live.routing.champion.version if live else None


def _evaluate(
    settings: Settings, engine: Engine, run: Path, champion: str | None, overrides: Sequence[str]
) -> Evaluation:
    """Evaluate the version, or read the result when this run has it already."""
    metrics = run / "evaluation" / training.METRICS_FILE
    if metrics.exists():
        return Evaluation.model_validate_json(metrics.read_text(encoding="utf-8"))
    return evaluation.main(evaluation_config(settings, engine, run, champion, overrides))


if __name__ == "__main__":
    try:
        version, result = main(Settings(), configs.from_command_line(LlmVersionConfig, sys.argv[1:]))
    except ChatError as error:
        raise SystemExit(f"{type(error).__name__}: {error}") from error
    print(evaluation.table(result))
    print(f"{version}: {'accepted, and challenger now' if result.verdict.accepted else 'rejected'}")

"""Registers a language model that we did not train as a version, such as a vendor's or one in vLLM or Ollama.

    python -m pipelines.llm_version configs/llm.yaml        # with the environment of the flows

It asks the model once, writes a version folder, evaluates the version against the champion as a training
does, and registers it. An accepted version becomes the challenger: release, shadow run, experiment, promotion
and rollback treat it as any other. The same model with the same settings is the same version.
"""

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import Field
from sqlalchemy import Engine
from sqlalchemy.orm import Session

import configs
from configs.settings import Settings
from data import database
from data.reasons import Language
from data.traffic import routing
from models import evaluation, llm, training
from models.endpoint import ChatError, Endpoint
from models.llm import LlamaCpp, Llm, LlmConfig, LocalServer
from models.results import Evaluation
from pipelines.registration import register
from pipelines.train import evaluation_config

_CONFIG = Path(__file__).parents[1] / "configs" / "llm.yaml"


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


class Opened(NamedTuple):
    """A model to try. `server` runs until nothing refers to it; None where the model has an endpoint or a
    file of its own.
    """

    config: LlmVersionConfig
    server: LocalServer | None


def open_model(
    file: str | Path | None,
    overrides: Sequence[str],
    stand_in: Mapping[str, float],
    max_new_tokens: int = 40,
) -> Opened:
    """The model of a copy of `configs/llm.yaml` with overrides such as `prompt=frame-1`; `file` may be None
    where overrides name the endpoint.

    With neither, llama.cpp serves the small model of the pip package on one thread: an endpoint whose prices
    and budget `stand_in` gives. For speed its rewrites have at most `max_new_tokens`. Its key goes into the
    environment of this process. Raises ConfigError for a file that does not fit, and ValueError when the
    package is not installed.
    """
    if file or overrides:
        return Opened(configs.load(LlmVersionConfig, file or _CONFIG, overrides), None)
    from models import loading  # imports torch

    server = llm.start_llamacpp(loading.pip_gguf(), LlamaCpp(threads=1, slots=1))
    assert server.endpoint.key_variable is not None
    os.environ[server.endpoint.key_variable] = server.key
    endpoint = Endpoint.model_validate({**server.endpoint.model_dump(), **stand_in})
    return Opened(LlmVersionConfig(endpoint=endpoint, max_new_tokens=max_new_tokens), server)


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

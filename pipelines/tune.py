"""Hyper-parameter search over a stage's fields with Optuna; each trial is an MLflow run below its search.

    python -m pipelines.tune configs/tune.yaml
    python -m pipelines.tune configs/tune.yaml stage=dpo "fixed=['snapshots=[artifacts/snapshots/3]']" \\
        "search={learning_rate: {low: 5.0e-5, high: 5.0e-4, log: true}}" objective=held_out_accuracy \\
        direction=maximize prune_by=eval_rewards/accuracies

A search is named by its config without the number of trials; its folder is `.tonebridge/tune/<name>`. A
search that is started again resumes: an interrupted trial from its last checkpoint, a finished search when
`trials` is higher. Weights are deleted; the command printed at the end trains the best trial again.
"""

import contextlib
import fcntl
import json
import math
import shlex
import shutil
import sys
import time
import warnings
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import optuna
import yaml
from matplotlib import pyplot
from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID
from mlflow.utils.validation import MAX_METRICS_PER_BATCH
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState
from optuna.visualization.matplotlib import plot_optimization_history
from pydantic import Field
from rich.console import Console
from rich.table import Table
from tqdm import tqdm
from transformers import TrainerCallback, TrainerState

import configs
from configs.settings import Settings
from models import artifacts, training, versions
from pipelines.train import STAGES, stage_config

EXPERIMENT = "tonebridge-tune"

_LEAST_FOR_IMPORTANCE = 5  # complete trials; for five, Optuna's importance rests on the best two of them


class Range(configs.StageConfig):
    """A number from `low` to `high`, both included; an integer when the stage's field is one."""

    low: float
    high: float
    log: bool = Field(False, description="sample the logarithm uniformly")


class Choices(configs.StageConfig):
    """A list of values to choose from."""

    choices: Annotated[tuple[bool | int | float | str | None, ...], Field(min_length=1)]


class TuneConfig(configs.StageConfig):
    """The settings of a search.

    The objective must have the same meaning in all trials. The margins of DPO and KTO grow with `beta`, and
    GRPO's rewards with their weights, so these fields cannot be searched with such an objective.
    """

    stage: Literal["sft", "reward", "dpo", "kto", "grpo"]
    fixed: tuple[str, ...] = Field((), description="key=value of the stage's other fields")
    search: Annotated[dict[str, Range | Choices], Field(min_length=1)]
    objective: str = Field(description="a figure of the stage's result")
    direction: Literal["minimize", "maximize"]
    prune_by: str | None = Field(
        None, description="held-out figure of the trainer's log; no pruning when unset"
    )
    random_trials: Annotated[
        int, Field(ge=1, description="random trials before Optuna models the results and prunes")
    ] = 5
    trials: Annotated[int, Field(ge=1)] = 20
    seed: Annotated[int, Field(ge=0)] = 0


class SearchResult(NamedTuple):
    """A finished search; `command` trains with the best values and is None without a complete trial."""

    study: optuna.Study
    run_id: str
    command: str | None


class _Search(NamedTuple):
    config: TuneConfig
    folder: Path
    study: optuna.Study
    client: MlflowClient
    artifact_store: str
    experiment_id: str
    run_id: str


class Pruning(TrainerCallback):
    """Reports a held-out figure of a running trial to Optuna, and stops the run when Optuna prunes it."""

    def __init__(self, trial: optuna.Trial, figure: str) -> None:
        self._trial, self._figure = trial, figure
        self.has_pruned = False

    def on_evaluate(self, args: Any, state: TrainerState, control: Any, **_: Any) -> None:
        """Report the newest figure; ValueError when the trainer does not log it."""
        logged = state.log_history[-1]
        if self._figure not in logged:
            known = ", ".join(name for name in logged if name.startswith("eval_"))
            raise ValueError(f"prune_by={self._figure}: the trainer does not log it; it logs {known}")
        # Not at step 0, before any training, and not at the last step, where pruning saves nothing.
        if 0 < state.global_step < state.max_steps and not self.has_pruned:
            self._trial.report(logged[self._figure], state.global_step)
            if self._trial.should_prune():
                self.has_pruned = control.should_training_stop = True


def format_setting(name: str, value: Any) -> str:
    """A field's value in the form of the stage's command line; JSON is valid YAML."""
    return f"{name}={json.dumps(value)}"


def build_distributions(config: TuneConfig) -> dict[str, optuna.distributions.BaseDistribution]:
    """The searched fields as Optuna's distributions.

    Raises ValueError when the stage has no such field, or refuses a choice or an end of a range.
    """
    return {name: _build_distribution(config, name) for name in config.search}


def _build_distribution(config: TuneConfig, name: str) -> optuna.distributions.BaseDistribution:
    space = config.search[name]
    # The valid values of a field are an interval, so a range is valid when both its ends are.
    values = space.choices if isinstance(space, Choices) else (space.low, space.high)
    try:
        for value in values:
            stage_config(config.stage, [*config.fixed, format_setting(name, value)], ())
        if any(line.partition("=")[0] == name for line in config.fixed):
            raise ValueError("it is in `fixed` too; remove it from one of the two")
        if isinstance(space, Choices):
            return optuna.distributions.CategoricalDistribution(space.choices)
        kind = STAGES[config.stage].config.model_fields[name].annotation
        if kind is int:
            return optuna.distributions.IntDistribution(int(space.low), int(space.high), space.log)
        if kind is float:
            return optuna.distributions.FloatDistribution(space.low, space.high, space.log)
        raise ValueError("it is no number; give `choices` instead of a range")
    except ValueError as error:
        raise ValueError(f"search.{name}: {error}") from error


def name_search(config: TuneConfig) -> str:
    """The name of a search, from its config without `trials` and from the stage's config."""
    stage = stage_config(config.stage, config.fixed, ())
    # The order of a class's fields must not rename a search.
    stage_settings = json.dumps(stage.model_dump(mode="json"), sort_keys=True)
    key = config.model_dump_json(exclude={"trials"}) + stage_settings
    return f"{config.stage}-{blake2b(key.encode(), digest_size=4).hexdigest()}"


def choose_mlflow_uri(settings: Settings) -> str:
    """MLflow's tracking URI; by default a SQLite file in the folder of searches, which needs no server."""
    return settings.mlflow_uri or f"sqlite:///{(settings.state / 'tune' / 'mlflow.db').absolute()}"


def main(config: TuneConfig, settings: Settings) -> SearchResult:
    """Search, or resume a search, until `config.trials` trials have ended.

    Raises ValueError when the config does not fit the stage, when the first trial cannot run, or when another
    process runs this search.
    """
    distributions = build_distributions(config)
    result = STAGES[config.stage].result.model_fields
    known = [name for name, field in result.items() if field.annotation in (float, float | None)]
    if config.objective not in known:
        raise ValueError(
            f"objective={config.objective} is no figure of {config.stage}; known: {', '.join(known)}"
        )

    folder = settings.state / "tune" / name_search(config)
    folder.mkdir(parents=True, exist_ok=True)
    with _open_search(config, settings, folder) as search:
        study = search.study
        _requeue_killed(search)
        with tqdm(total=config.trials, initial=count_ended(study), desc=folder.name, unit="trial") as bar:
            while (number := count_ended(study)) < config.trials:
                study.sampler = _build_sampler(config, number)
                _run_trial(search, study.ask(distributions))
                bar.update()
                if best := _find_best(study):
                    bar.set_postfix(best=_format_value(best.value))
        return SearchResult(study, search.run_id, _sum_up(search))


def count_ended(study: optuna.Study) -> int:
    """Number of finished trials; a killed trial is not counted, since it is repeated under another number."""
    return sum(t.state.is_finished() - ("again" in t.user_attrs) for t in study.get_trials(deepcopy=False))


@contextlib.contextmanager
def _open_search(config: TuneConfig, settings: Settings, folder: Path) -> Iterator[_Search]:
    """Context manager: the study and the MLflow run of a new or existing search, locked for this process."""
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the lock is released even by kill -9
        except BlockingIOError:
            raise ValueError(f"another process runs the search in {folder}; wait until it ends") from None
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        study = optuna.create_study(
            storage=optuna.storages.JournalStorage(JournalFileBackend(str(folder / "journal.jsonl"))),
            study_name=folder.name,
            direction=config.direction,
            pruner=optuna.pruners.MedianPruner(n_startup_trials=config.random_trials),
            load_if_exists=True,
        )
        client = MlflowClient(tracking_uri=choose_mlflow_uri(settings))
        experiment_id = artifacts.find_or_create_experiment(client, EXPERIMENT)
        run_id = study.user_attrs.get("run_id")
        if run_id is None:
            run = client.create_run(experiment_id, run_name=folder.name)
            run_id = run.info.run_id
            with artifacts.write_files(client, settings.artifact_store, run) as files:
                text = yaml.safe_dump(config.model_dump(mode="json"), allow_unicode=True)
                (files / "tune.yaml").write_text(text, encoding="utf-8")
            study.set_user_attr("run_id", run_id)
        elif not client.search_runs([experiment_id], f"attributes.run_id = '{run_id}'"):
            raise ValueError(
                f"run {run_id} of this search is not in {client.tracking_uri}; set TONEBRIDGE_MLFLOW_URI as "
                f"before, or delete {folder} to start a new search"
            )
        client.update_run(run_id, status="RUNNING")
        status = "KILLED"
        try:
            yield _Search(config, folder, study, client, settings.artifact_store, experiment_id, run_id)
            status = "FINISHED"
        finally:
            client.set_terminated(run_id, status)


def _requeue_killed(search: _Search) -> None:
    """Queue a killed trial again with the same values, so that it resumes from its checkpoints."""
    client, study = search.client, search.study
    # The search is locked, so a running trial belongs to a process that was killed.
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
        study.enqueue_trial(trial.params, user_attrs={"again": trial.number})
        query = f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{search.run_id}' and tags.trial = '{trial.number}'"
        for run in client.search_runs([search.experiment_id], query):
            client.set_tag(run.info.run_id, "state", "killed")
            client.set_terminated(run.info.run_id, "KILLED")


def _build_sampler(config: TuneConfig, number: int) -> optuna.samplers.TPESampler:
    """A sampler for one trial; one for all trials would repeat its first draws when a search resumes."""
    seed = np.random.SeedSequence((config.seed, number)).generate_state(1)
    return optuna.samplers.TPESampler(seed=int(seed[0]), n_startup_trials=config.random_trials)


def _run_trial(search: _Search, trial: optuna.Trial) -> None:
    """Run one trial, and write it to MLflow and then to the study.

    A trial fails, with its reasons, when the stage raises ValueError or the run is unhealthy. As long as no
    trial has succeeded, the ValueError is raised, since the next trials would most likely fail too.
    """
    config, study, client = search.config, search.study, search.client
    out, checkpoints = search.folder / "trial", search.folder / "checkpoints"
    params = [format_setting(name, value) for name, value in trial.params.items()]
    folders = [format_setting("out", str(out)), format_setting("checkpoints", str(checkpoints))]
    tags = {MLFLOW_PARENT_RUN_ID: search.run_id, "trial": str(trial.number)}
    run = client.create_run(search.experiment_id, run_name=f"trial {trial.number}", tags=tags)
    run_id = run.info.run_id
    client.log_batch(run_id, params=[Param(name, str(value)) for name, value in trial.params.items()])

    pruning = Pruning(trial, config.prune_by) if config.prune_by else None
    value, reasons = None, []
    try:
        stage = stage_config(config.stage, [*config.fixed, *params, *folders], ())
        with training.add_callback(pruning):
            result: Any = STAGES[config.stage].main(stage)
    except ValueError as error:
        if not study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED)):
            raise
        reasons = [str(error)]
    else:
        now_ms = int(time.time() * 1000)
        points = list(versions.curves(config.stage, out / training.METRICS_FILE))
        points += [
            Metric(name, figure, now_ms, 0) for name, figure in result if isinstance(figure, int | float)
        ]
        for start in range(0, len(points), MAX_METRICS_PER_BATCH):
            client.log_batch(run_id, metrics=points[start : start + MAX_METRICS_PER_BATCH])
        with artifacts.write_files(client, search.artifact_store, run) as files:
            for file in (*out.glob("*.png"), out / training.METRICS_FILE):
                shutil.copy2(file, files)
        value = getattr(result, config.objective)
        reasons = [*map(str, result.unhealthy), *map(str, getattr(result, "hacked", ()))]
        if value is None or not math.isfinite(value):
            reasons.append(f"{config.objective} is {value}")

    if reasons:
        state = TrialState.FAIL
        trial.set_user_attr("reasons", reasons)
        client.set_tag(run_id, "reasons", "; ".join(reasons))
    else:
        state = TrialState.PRUNED if pruning and pruning.has_pruned else TrialState.COMPLETE
    client.set_tag(run_id, "state", _describe_state(state))
    client.set_terminated(run_id, "FAILED" if reasons else "FINISHED")
    study.tell(trial, value if state == TrialState.COMPLETE else None, state=state)
    for folder in (out, checkpoints):
        shutil.rmtree(folder, ignore_errors=True)


def _find_best(study: optuna.Study) -> FrozenTrial | None:
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return study.best_trial if complete else None


def _sum_up(search: _Search) -> str | None:
    """Log the best trial, importances and a plot to the search's run; return the command of that trial."""
    config, study, client = search.config, search.study, search.client
    best = _find_best(study)
    if best is None or best.value is None:
        return None
    params = [format_setting(name, value) for name, value in best.params.items()]
    stage = f"configs/{config.stage}.yaml"
    command = shlex.join(["python", "-m", f"models.{config.stage}", stage, *config.fixed, *params])
    tags = {f"best.{name}": value for name, value in best.params.items()}
    for name, value in {**tags, "best.trial": best.number, "command": command}.items():
        client.set_tag(search.run_id, name, str(value))
    client.log_metric(search.run_id, config.objective, best.value)
    if len(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))) >= _LEAST_FOR_IMPORTANCE:
        for name, share in optuna.importance.get_param_importances(study).items():
            client.log_metric(search.run_id, f"importance/{name}", share)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        axes = plot_optimization_history(study, target_name=config.objective)
        figure: Any = axes.get_figure(root=True)
    with artifacts.write_files(client, search.artifact_store, client.get_run(search.run_id)) as files:
        figure.savefig(files / "history.png")
    pyplot.close(figure)
    return command


def build_table(study: optuna.Study) -> Table:
    """The trials in their order, with the best one marked."""
    trials = study.get_trials(deepcopy=False)
    repetitions = {trial.user_attrs["again"]: trial.number for trial in trials if "again" in trial.user_attrs}
    names = list(dict.fromkeys(name for trial in trials for name in trial.params))
    best = _find_best(study)
    table = Table("trial", *names, "objective", "state", title=study.study_name)
    for trial in trials:
        notes = [_describe_state(trial.state), *trial.user_attrs.get("reasons", ())]
        if trial.number in repetitions:
            notes = [f"killed, again as {repetitions[trial.number]}"]
        if best and trial.number == best.number:
            notes.append("best")
        values = (_format_value(trial.params.get(name)) for name in names)
        table.add_row(str(trial.number), *values, _format_value(trial.value), "; ".join(notes))
    return table


def _describe_state(state: TrialState) -> str:
    return "failed" if state == TrialState.FAIL else state.name.lower()


def _format_value(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else "" if value is None else str(value)


if __name__ == "__main__":
    search_config, environment = configs.from_command_line(TuneConfig, sys.argv[1:]), Settings()
    try:
        outcome = main(search_config, environment)
    except ValueError as error:
        raise SystemExit(str(error)) from error
    except KeyboardInterrupt:
        raise SystemExit(
            "\nStopped. The same command resumes the search; with trials= set to the number of finished "
            "trials, it only reports."
        ) from None
    Console().print(build_table(outcome.study))
    print(f"MLflow: run {outcome.run_id} of the experiment {EXPERIMENT} in {choose_mlflow_uri(environment)}")
    if outcome.command is None:
        raise SystemExit("no trial is complete; the table says why")
    print(f"Train with the best values:\n  {outcome.command}")

"""The pages on models: a list of all versions with their lineage, and one page for each version.

The full evaluation, the training curves and the model card are files of the run's folder; Postgres has the
means of the scores. A page shows the files that exist on this machine, and says where the others are.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, NamedTuple, TypeVar

from fastapi import APIRouter, HTTPException, Response
from fastapi.responses import FileResponse
from markdown_it import MarkdownIt
from markupsafe import Markup
from pydantic import BaseModel, ConfigDict, ValidationError
from sqlalchemy import text
from sqlalchemy.orm import Session

from data.reasons import Language, Reason, load
from data.traffic import routing
from models.results import CARD_FILES, Estimate, Evaluation, StoredReasons, perplexity
from serving.dashboard import charts, lineage, services
from serving.dashboard.charts import Ranged
from serving.dashboard.pages import operations
from serving.dashboard.visit import Visit, viewer_visit

router = APIRouter(prefix="/models")

Here = Annotated[Visit, viewer_visit]
_MOST_LISTED = 200
_CHAINS = 12
STAGES = ("sft", "reward", "dpo", "kto", "grpo", "edit_dpo")  # a run has some of them

# The columns of a table, as models.evaluation.SHOWN, and the direction that is better.
SCORES = {
    "facts_kept": "higher", "meaning": "higher", "tone_moved": "higher", "chatter": "lower",
    "insult": "lower", "obeyed": "lower", "monotone": "higher", "repetition": "lower", "length_ratio": None,
    "composite": "higher", "perplexity": "lower",
}  # fmt: skip
_DRAWN = ("facts_kept", "meaning", "tone_moved", "composite")
_OF_TYPES = ("facts_kept", "meaning", "tone_moved", "chatter")
# Plots: title, keys of the trainer's log (training, held out), unit. Keys that no log has are skipped.
CURVES = (
    ("loss", ("loss", "eval_loss"), "nats a token"),
    ("gradient norm", ("grad_norm",), "norm"),
    ("entropy", ("entropy", "eval_entropy"), "nats"),
    ("reward", ("reward", "eval_reward"), "reward"),
    ("rewards of pairs", ("eval_rewards/chosen", "eval_rewards/rejected"), "reward"),
    ("KL to the reference", ("kl", "eval_kl"), "nats"),
    ("held-out accuracy", ("eval_accuracy", "eval_rewards/accuracies"), "share"),
)


class TrainingLog(BaseModel):
    """The part of a stage's `metrics.json` that a page shows; a figure that is no number is NaN, and None in
    a file of an earlier release.
    """

    model_config = ConfigDict(frozen=True)

    steps: int
    seconds: float
    unhealthy: StoredReasons = ()
    history: tuple[dict[str, float | None], ...]


class Order(NamedTuple):
    """The action that an erasure requires for a version, and when it was done."""

    action: str
    created_at: datetime
    done_at: datetime | None


class Card(NamedTuple):
    """A model card as HTML, and its language."""

    language: Language
    html: Markup


@dataclass(frozen=True, slots=True)
class Version:
    """A version's row in Postgres, with its newest release and erasure order."""

    name: str
    parent: str | None
    run_id: str
    method: str
    metrics: Mapping[str, float]
    accepted: bool
    reasons: Sequence[Reason]
    created_at: datetime
    released_at: datetime | None
    order: str | None
    gone_at: datetime | None

    def standing(self, champion: str | None, challengers: set[str]) -> str:
        """The version's status: `champion`, `retired`, `refused`, `in_experiment` or `accepted`."""
        if self.name == champion:
            return "champion"
        if self.order == "retire":
            return "retired"
        if not self.accepted:
            return "refused"
        return "in_experiment" if self.name in challengers else "accepted"


_VERSIONS = """
    SELECT v.name, v.parent, v.run_id, v.method, v.metrics, v.accepted, v.reasons, v.created_at,
        (SELECT max(r.created_at) FROM releases r WHERE r.version = v.name) AS released_at,
        o.action AS "order", o.done_at AS gone_at
    FROM versions v
    LEFT JOIN LATERAL (
        SELECT action, done_at FROM version_orders WHERE version = v.name ORDER BY created_at DESC LIMIT 1
    ) o ON true
    WHERE :name IN ('', v.name) ORDER BY v.created_at DESC, v.name DESC LIMIT :most
"""


def _list_versions(session: Session, name: str = "") -> list[Version]:
    rows = session.execute(text(_VERSIONS), {"name": name, "most": _MOST_LISTED}).mappings()
    return [Version(**{**row, "reasons": load(row["reasons"])}) for row in rows]


def _find_live_versions(session: Session) -> tuple[str | None, set[str]]:
    """The champion and the other versions that receive traffic."""
    live = routing.current(session)
    if live is None:
        return None, set()
    champion = live.routing.champion.version
    return champion, {spec.version for spec in live.routing.specs().values()} - {champion}


@router.get("")
def show_all(here: Here) -> Response:
    """The list of all versions, with their lineage."""
    with Session(here.engine) as session:
        versions = _list_versions(session)
        champion, challengers = _find_live_versions(session)
        edges = lineage.read_edges(session)
        releases = operations.list_releases(session)
    chains = lineage.build_chains(edges, {version.run_id: version.name for version in versions})
    return here.page(
        "models.html",
        versions=versions,
        champion=champion,
        challengers=challengers,
        chains=chains[:_CHAINS],
        older=len(chains[_CHAINS:]),
        picture=lineage.lay_out(chains[:_CHAINS]),
        columns=lineage.COLUMNS,
        of_version={version.name: version for version in versions},
        of_release={str(release.id): release for release in releases},
    )


@router.get("/{name}")
def show(here: Here, name: str) -> Response:
    """The page of one version; 404 when there is none of this name."""
    with Session(here.engine) as session:
        version = _find(session, name)
        parent = next(iter(_list_versions(session, version.parent)), None) if version.parent else None
        champion, challengers = _find_live_versions(session)
        chains = lineage.build_chains(lineage.read_edges(session), {version.run_id: version.name})
        orders = [Order(*row) for row in session.execute(text(_ORDERS), {"name": name})]
        releases = operations.list_releases(session, name)
    folder = run_folder(here, version.run_id)
    evaluation = _read_json(Evaluation, folder, "evaluation/metrics.json")
    logs = {stage: _read_json(TrainingLog, folder, f"{stage}/metrics.json") for stage in STAGES}
    return here.page(
        "model.html",
        version=version,
        parent=parent,
        standing=version.standing(champion, challengers),
        snapshot=next(chain.snapshot for chain in chains if chain.run == version.run_id),
        orders=orders,
        releases=releases,
        folder=folder,
        evaluation=evaluation,
        columns=_collect_scores(here, version, evaluation),
        scores=SCORES,
        of_types=_OF_TYPES,
        plot=_draw_scores(here, version, evaluation),
        logs={stage: log for stage, log in logs.items() if log is not None},
        curves={stage: _draw_curves(here, stage, log) for stage, log in logs.items() if log is not None},
        pictures={stage for stage in STAGES if folder and (folder / stage / "health.png").is_file()},
        card=_read_card(here, folder) if folder else None,
        mlflow=services.mlflow(here.settings),
    )


_ORDERS = """
    SELECT action, created_at, done_at FROM version_orders WHERE version = :name ORDER BY created_at DESC
"""


@router.get("/{name}/{stage}/health.png")
def health(here: Here, name: str, stage: str) -> Response:
    """The plot of a stage's watched figures with their healthy ranges; 404 when there is none."""
    with Session(here.engine) as session:
        version = _find(session, name)
    folder = run_folder(here, version.run_id)
    if stage not in STAGES or folder is None or not (folder / stage / "health.png").is_file():
        raise HTTPException(404)
    return FileResponse(folder / stage / "health.png", media_type="image/png")


def _find(session: Session, name: str) -> Version:
    """The version of this name; HTTPException 404 when there is none."""
    versions = _list_versions(session, name) if name else []
    if not versions:
        raise HTTPException(404)
    return versions[0]


def run_folder(here: Visit, run: str) -> Path | None:
    """The folder of a run; None when it is not on this machine, or when `run` is no plain folder name."""
    folder = here.settings.state / "runs" / run
    return folder if Path(run).name == run and run not in ("", "..") and folder.is_dir() else None


F = TypeVar("F", bound=BaseModel)


def _read_json(kind: type[F], folder: Path | None, name: str) -> F | None:
    """A parsed file of a run; None when it does not exist or has another format."""
    if folder is None or not (folder / name).is_file():
        return None
    try:
        return kind.model_validate_json((folder / name).read_text(encoding="utf-8"))
    except ValidationError:
        return None


def _read_card(here: Visit, folder: Path) -> Card | None:
    """The model card in the reader's language; in English for a version of an earlier release."""
    languages: tuple[Language, ...] = (here.words.language, "en")
    for language in languages:
        file = folder / "version" / CARD_FILES[language]
        if file.is_file():
            return Card(language, render_markdown(file.read_text(encoding="utf-8")))
    return None


def _add_perplexity(row: Mapping[str, Estimate]) -> dict[str, Estimate]:
    log_perplexity = row.get("log_perplexity")
    return {**row, "perplexity": perplexity(log_perplexity)} if log_perplexity else dict(row)


def _collect_scores(
    here: Visit, version: Version, evaluation: Evaluation | None
) -> dict[str, dict[str, Estimate]]:
    """Scores by the translated name of a system, in the order of the table."""
    if evaluation is None:
        return {}
    say = here.words.say
    parent = version.parent or say("the base model")
    names = {
        "challenger": version.name,
        "challenger_protected": say("%(name)s, facts protected", name=version.name),
        "champion": parent,
        "champion_protected": say("%(name)s, facts protected", name=parent),
        "copy_input": say("copy of the message"),
        "rules": say("rules"),
        "reference": say("written by hand"),
    }
    return {
        words: _add_perplexity(evaluation.systems[name])
        for name, words in names.items()
        if name in evaluation.systems
    }


def _draw_scores(here: Visit, version: Version, evaluation: Evaluation | None) -> Markup | None:
    if evaluation is None:
        return None
    say, columns = here.words.say, _collect_scores(here, version, evaluation)
    baselines = [say("copy of the message"), say("rules")]
    systems = [version.name, version.parent or say("the base model"), *baselines]
    series = {
        name: [
            Ranged(say(score.replace("_", " ")), columns[name][score].mean, columns[name][score].low,
                   columns[name][score].high)
            for score in _DRAWN if score in columns[name]
        ]
        for name in systems if name in columns
    }  # fmt: skip
    return charts.draw_ranges(
        series,
        say(
            "Main scores of %(name)s compared with its parent and two baselines, with 95 %% intervals",
            name=version.name,
        ),
        say("mean score (0 to 1), 95 % interval"),
        within=(-0.03, 1.03),
    )


def _draw_curves(here: Visit, stage: str, log: TrainingLog) -> list[Markup]:
    say, plots = here.words.say, []
    for title, keys, unit in CURVES:
        series = {
            say("held out") if key.startswith("eval_") and len(keys) > 1 and keys[0] == key[5:] else
            say(key.removeprefix("eval_").replace("_", " ")): points
            for key in keys
            if (points := [(entry["step"], value) for entry in log.history
                           if (value := entry.get(key)) is not None and math.isfinite(value)])
        }  # fmt: skip
        if series and max(len(points) for points in series.values()) > 1:
            caption = say("%(figure)s of the stage %(stage)s, by step", figure=say(title), stage=stage)
            ylabel = f"{say(title)} ({say(unit)})" if unit not in ("norm", "reward") else say(title)
            plots.append(charts.draw_curves(series, caption, say("step"), ylabel))  # type: ignore[arg-type]
    return plots


def render_markdown(markdown: str) -> Markup:
    """Markdown as safe HTML: HTML in it is escaped, an image becomes its alternative text, and headings start
    two levels lower, below those of the page.
    """
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(markdown)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1]) + 2)}"
        for part in token.children or ():
            if part.type == "image":
                part.type, part.tag = "text", ""
    return Markup(parser.renderer.render(tokens, parser.options, {}))  # noqa: S704 (escaped by the parser)

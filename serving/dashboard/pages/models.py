"""The pages on models: all versions with where they come from, and one with what it was measured at.

What the gate measured in full, the curves of the training and the model card are files of the run's folder;
Postgres has the means. A page shows what it finds, and says where the rest is.
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

from data.reasons import Reason, load
from data.traffic import routing
from serving.dashboard import charts, lineage, services
from serving.dashboard.charts import Ranged
from serving.dashboard.pages import operations
from serving.dashboard.visit import Visit, viewer_visit

router = APIRouter(prefix="/models")

Here = Annotated[Visit, viewer_visit]
_MOST_LISTED = 200
_CHAINS = 12
STAGES = ("sft", "reward", "dpo", "kto", "grpo")  # in this order, of which a run has some

# What a table shows, and which way is better: as models.evaluation.SHOWN.
SCORES = {
    "facts_kept": "higher", "meaning": "higher", "tone_moved": "higher", "chatter": "lower",
    "insult": "lower", "obeyed": "lower", "monotone": "higher", "repetition": "lower", "length_ratio": None,
    "composite": "higher", "perplexity": "lower",
}  # fmt: skip
_DRAWN = ("facts_kept", "meaning", "tone_moved", "composite")
_OF_TYPES = ("facts_kept", "meaning", "tone_moved", "chatter")
# Curves worth a plot, where a trainer logs them: in training and on held-out rows, and their unit.
CURVES = (
    ("loss", ("loss", "eval_loss"), "nats a token"),
    ("gradient norm", ("grad_norm",), "norm"),
    ("entropy", ("entropy", "eval_entropy"), "nats"),
    ("reward", ("reward", "eval_reward"), "reward"),
    ("rewards of pairs", ("eval_rewards/chosen", "eval_rewards/rejected"), "reward"),
    ("KL to the reference", ("kl", "eval_kl"), "nats"),
    ("held-out accuracy", ("eval_accuracy", "eval_rewards/accuracies"), "share"),
)


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Estimate(_File):
    """A mean with its 95 % interval, as `models.scoreboard.Estimate` writes it."""

    mean: float
    low: float
    high: float


class Verdict(_File):
    """What the gate said."""

    accepted: bool
    reasons: tuple[Reason, ...]


class Judged(_File):
    """What an LLM judge said, as `models.evaluation.Judged` writes it."""

    judge: str
    win_rate: Estimate
    same_in_both_orders: float
    agreement: Estimate | None = None


class Evaluation(_File):
    """What `models.evaluation` has written, as far as a page shows it. Its "challenger" is the version, its
    "champion" what was in force when it was trained, or the bare base.
    """

    cases: int
    systems: dict[str, dict[str, Estimate]]
    by_type: dict[str, dict[str, dict[str, Estimate]]]
    move_by_intensity: dict[str, dict[str, Estimate]]
    win_rate: Estimate | None = None
    win_rate_by_reward: Estimate | None = None
    judged: Judged | None = None
    verdict: Verdict


class TrainingLog(_File):
    """What a stage of a training has written of itself."""

    steps: int
    seconds: float
    unhealthy: tuple[str, ...] = ()
    history: tuple[dict[str, float | None], ...]


class Order(NamedTuple):
    """What an erasure asks of a version, and when it was done."""

    action: str
    created_at: datetime
    done_at: datetime | None


@dataclass(frozen=True, slots=True)
class Version:
    """A version as Postgres knows it."""

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
        """In one word: `champion`, `retired`, `refused`, `in_experiment`, or `accepted`, which may become
        one.
        """
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


def _versions(session: Session, name: str = "") -> list[Version]:
    rows = session.execute(text(_VERSIONS), {"name": name, "most": _MOST_LISTED}).mappings()
    return [Version(**{**row, "reasons": load(row["reasons"])}) for row in rows]


def _in_force(session: Session) -> tuple[str | None, set[str]]:
    """The champion, and the other versions that answer somebody."""
    live = routing.current(session)
    if live is None:
        return None, set()
    champion = live.routing.champion.version
    return champion, {spec.version for spec in live.routing.specs().values()} - {champion}


@router.get("")
def show_all(here: Here) -> Response:
    """All versions, and where they come from."""
    with Session(here.engine) as session:
        versions = _versions(session)
        champion, challengers = _in_force(session)
        edges = lineage.edges(session)
        released = operations.releases(session)
    chains = lineage.chains(edges, {one.run_id: one.name for one in versions})
    return here.page(
        "models.html",
        versions=versions,
        champion=champion,
        challengers=challengers,
        chains=chains[:_CHAINS],
        older=len(chains[_CHAINS:]),
        picture=lineage.picture(chains[:_CHAINS]),
        columns=lineage.COLUMNS,
        of_version={one.name: one for one in versions},
        of_release={str(one.id): one for one in released},
    )


@router.get("/{name}")
def show(here: Here, name: str) -> Response:
    """One version."""
    with Session(here.engine) as session:
        one = _one(session, name)
        parent = next(iter(_versions(session, one.parent)), None) if one.parent else None
        champion, challengers = _in_force(session)
        chains = lineage.chains(lineage.edges(session), {one.run_id: one.name})
        orders = [Order(*row) for row in session.execute(text(_ORDERS), {"name": name})]
        released = operations.releases(session, name)
    folder = run_folder(here, one.run_id)
    evaluation = _read(Evaluation, folder, "evaluation/metrics.json")
    logs = {stage: _read(TrainingLog, folder, f"{stage}/metrics.json") for stage in STAGES}
    card = folder / "version" / "README.md" if folder else None
    return here.page(
        "model.html",
        one=one,
        parent=parent,
        standing=one.standing(champion, challengers),
        snapshot=next(chain.snapshot for chain in chains if chain.run == one.run_id),
        orders=orders,
        released=released,
        folder=folder,
        evaluation=evaluation,
        columns=_columns(here, one, evaluation),
        scores=SCORES,
        of_types=_OF_TYPES,
        drawn=_draw_scores(here, one, evaluation),
        logs={stage: log for stage, log in logs.items() if log is not None},
        curves={stage: _draw_curves(here, stage, log) for stage, log in logs.items() if log is not None},
        pictures={stage for stage in STAGES if folder and (folder / stage / "health.png").is_file()},
        card=rendered(card.read_text(encoding="utf-8")) if card and card.is_file() else None,
        mlflow=services.mlflow(here.settings),
    )


_ORDERS = """
    SELECT action, created_at, done_at FROM version_orders WHERE version = :name ORDER BY created_at DESC
"""


@router.get("/{name}/{stage}/health.png")
def health(here: Here, name: str, stage: str) -> Response:
    """The plot that a stage has drawn of its health, with the ranges that it was watched by."""
    with Session(here.engine) as session:
        one = _one(session, name)
    folder = run_folder(here, one.run_id)
    if stage not in STAGES or folder is None or not (folder / stage / "health.png").is_file():
        raise HTTPException(404)
    return FileResponse(folder / stage / "health.png", media_type="image/png")


def _one(session: Session, name: str) -> Version:
    found = _versions(session, name) if name else []
    if not found:
        raise HTTPException(404)
    return found[0]


def run_folder(here: Visit, run: str) -> Path | None:
    """The folder of a run, where it is on this machine."""
    folder = here.settings.state / "runs" / run
    return folder if Path(run).name == run and run not in ("", "..") and folder.is_dir() else None


F = TypeVar("F", bound=BaseModel)


def _read(kind: type[F], folder: Path | None, name: str) -> F | None:
    """A file of a run; None where there is none, or one of another format."""
    if folder is None or not (folder / name).is_file():
        return None
    try:
        return kind.model_validate_json((folder / name).read_text(encoding="utf-8"))
    except ValidationError:
        return None


def perplexity(log: Estimate) -> Estimate:
    """The geometric mean of perplexities, of the mean of their logarithms."""
    return Estimate(mean=math.exp(log.mean), low=math.exp(log.low), high=math.exp(log.high))


def _with_perplexity(row: Mapping[str, Estimate]) -> dict[str, Estimate]:
    log = row.get("log_perplexity")
    return {**row, "perplexity": perplexity(log)} if log else dict(row)


def _columns(here: Visit, one: Version, found: Evaluation | None) -> dict[str, dict[str, Estimate]]:
    """Systems in words, with their scores, in the order in which they are compared."""
    if found is None:
        return {}
    say = here.words.say
    parent = one.parent or say("the bare base")
    names = {
        "challenger": one.name,
        "challenger_protected": say("%(name)s, facts protected", name=one.name),
        "champion": parent,
        "champion_protected": say("%(name)s, facts protected", name=parent),
        "copy_input": say("copy of the message"),
        "rules": say("rules"),
        "reference": say("written by hand"),
    }
    return {
        words: _with_perplexity(found.systems[name]) for name, words in names.items() if name in found.systems
    }


def _draw_scores(here: Visit, one: Version, found: Evaluation | None) -> Markup | None:
    if found is None:
        return None
    say, columns = here.words.say, _columns(here, one, found)
    baselines = [say("copy of the message"), say("rules")]
    wanted = [one.name, one.parent or say("the bare base"), *baselines]
    series = {
        name: [
            Ranged(say(score.replace("_", " ")), columns[name][score].mean, columns[name][score].low,
                   columns[name][score].high)
            for score in _DRAWN if score in columns[name]
        ]
        for name in wanted if name in columns
    }  # fmt: skip
    return charts.ranges(
        series,
        say(
            "Main scores of %(name)s beside its parent and two baselines, with 95 %% intervals", name=one.name
        ),
        say("mean score (0 to 1), 95 % interval"),
        within=(-0.03, 1.03),
    )


def _draw_curves(here: Visit, stage: str, log: TrainingLog) -> list[Markup]:
    say, drawn = here.words.say, []
    for title, keys, unit in CURVES:
        series = {
            say("held out") if key.startswith("eval_") and len(keys) > 1 and keys[0] == key[5:] else
            say(key.removeprefix("eval_").replace("_", " ")): points
            for key in keys
            if (points := [(entry["step"], entry[key]) for entry in log.history
                           if entry.get(key) is not None and entry.get("step") is not None])
        }  # fmt: skip
        if series and max(len(points) for points in series.values()) > 1:
            says = say("%(figure)s of the stage %(stage)s, by step", figure=say(title), stage=stage)
            ylabel = f"{say(title)} ({say(unit)})" if unit not in ("norm", "reward") else say(title)
            drawn.append(charts.curves(series, says, say("step"), ylabel))  # type: ignore[arg-type]
    return drawn


def rendered(markdown: str) -> Markup:
    """Markdown as HTML that is safe in the page: what is HTML in it is shown as text, so is what an image
    shows, and headings begin below those of the page.
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

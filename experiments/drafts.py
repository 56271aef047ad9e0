"""Drafts of experiments, and experiments as the API lists them. `experiments.readings` has their evidence."""

import secrets
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

from psycopg import AsyncConnection, sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb
from pydantic import Field

from data.fields import Id, Time, VersionName
from data.reasons import Reason, ReasonedError, written
from data.records import PROTECTED, Spec
from data.tables import LAST_ID, new_id
from data.traffic import routing
from data.traffic.routing import Target
from experiments import decisions
from experiments import plan as plans
from experiments.decisions import ListedDecision, UnknownExperimentError
from experiments.lifecycle import Action, RefusedError, Status


class UnknownVersionError(ReasonedError, LookupError):
    """No version has this name."""


@dataclass(frozen=True, slots=True)
class ListedArm:
    """A variant, and the version that answers its users."""

    name: Annotated[str, Field(description="name of the variant", examples=["v2"])]
    version: Annotated[VersionName, Field(description="the version that answers its users")]
    is_baseline: Annotated[bool, Field(description="it is what the challengers are compared with")]
    dropped_at: Annotated[
        Time | None,
        Field(
            description="when the challenger was withdrawn while the experiment went on; null: it was not",
            examples=[None],
        ),
    ]


@dataclass(frozen=True, slots=True)
class ListedExperiment:
    """An experiment in a list. A draft has no baseline: the champion at its start becomes the baseline.
    `is_sample` marks an experiment with simulated data. `plan_faults` say why its plan is not valid.
    """

    id: Annotated[Id, Field(description="the experiment")]
    name: Annotated[str, Field(description="its name", examples=["Shorter summaries"])]
    hypothesis: Annotated[
        str, Field(description="what it is to show", examples=["People prefer the summaries of v2."])
    ]
    status: Status
    is_sample: Annotated[bool, Field(description="its data are simulated")]
    created_at: Annotated[Time, Field(description="when it was drafted")]
    started_at: Annotated[Time | None, Field(description="when it was started; null before", examples=[None])]
    ended_at: Annotated[Time | None, Field(description="when it ended; null before", examples=[None])]
    variants: Annotated[
        list[ListedArm], Field(description="the arms: challengers, and once started the baseline")
    ]
    plan_faults: Annotated[
        list[Reason], Field(description="why its plan is not valid any more; empty: it is", examples=[[]])
    ]


@dataclass(frozen=True, slots=True)
class WholeExperiment(ListedExperiment):
    """An experiment, the share of users who are in it now (0 to 1), and its decisions, the newest first."""

    plan: Annotated[
        dict[str, Any],
        Field(
            description="the whole plan (configs/experiment.yaml), frozen when it was drafted",
            examples=[{"primary": "satisfaction", "maximum_days": 28}],
        ),
    ]
    target: Annotated[
        dict[str, Any],
        Field(
            description="the messages that it is about, as in `NewTarget`",
            examples=[{"transform_types": ["summarize"], "organisations": [], "locales": [], "channels": []}],
        ),
    ]
    share: Annotated[float, Field(description="share of the users who are in it now, 0 to 1", examples=[0.0])]
    decisions: Annotated[list[ListedDecision], Field(description="its decisions, the newest first")]


class Draft(NamedTuple):
    """A new experiment. Its plan is fixed from now on."""

    name: str
    hypothesis: str
    challengers: Sequence[str]
    plan: Mapping[str, Any]
    target: Target


async def draft(connection: AsyncConnection, wanted: Draft, requested_by: str, key: str) -> uuid.UUID:
    """Store a draft and its decision, in its own transaction. Returns the experiment's id; a repeated request
    gets the same id. `key` is an Idempotency-Key from `decisions.scope_key`.

    Raises UnknownVersionError, or RefusedError when a challenger may not answer users.
    """
    target = {name: sorted(values) for name, values in wanted.target.model_dump(mode="json").items()}
    parameters = {
        "name": wanted.name,
        "challengers": list(wanted.challengers),
        "plan": wanted.plan,
        "target": target,
    }
    request = decisions.Request(None, Action.DRAFT, parameters, written(wanted.hypothesis), requested_by, key)
    async with connection.transaction():
        if (stored := await decisions.find(connection, request)) is not None:
            return stored.experiment_id
        for challenger in wanted.challengers:
            await _check_challenger(connection, challenger)
        experiment_id = new_id()
        await connection.execute(
            "INSERT INTO experiments (id, name, hypothesis, plan, target, salt)"
            " VALUES (%s, %s, %s, %s, %s, %s)",
            (
                experiment_id,
                wanted.name,
                wanted.hypothesis,
                Jsonb(dict(wanted.plan)),
                Jsonb(target),
                secrets.token_hex(8),
            ),
        )
        for challenger in wanted.challengers:
            spec = Spec(version=challenger, protection=PROTECTED)
            await connection.execute(
                "INSERT INTO specs (digest, spec) VALUES (%s, %s) ON CONFLICT DO NOTHING",
                (spec.digest, Jsonb(spec.model_dump(mode="json"))),
            )
            await connection.execute(
                "INSERT INTO variants (experiment_id, name, spec_digest, is_baseline)"
                " VALUES (%s, %s, %s, false)",
                (experiment_id, challenger, spec.digest),
            )
        await decisions.add(connection, request._replace(experiment_id=experiment_id), is_done=True)
    return experiment_id


async def _check_challenger(connection: AsyncConnection, challenger: str) -> None:
    cursor = await connection.execute(
        "SELECT accepted, EXISTS (SELECT FROM version_orders o WHERE o.version = v.name)"
        " FROM versions v WHERE name = %s",
        (challenger,),
    )
    row = await cursor.fetchone()
    if row is None:
        raise UnknownVersionError("unknown_version", version=challenger)
    is_accepted, is_ordered = row
    if not is_accepted:
        raise RefusedError("not_accepted", version=challenger)
    if is_ordered:
        raise RefusedError("version_erased", version=challenger)
    live = await routing.fetch(connection)
    if live is None:
        raise RefusedError("no_champion")
    if live.routing.champion.version == challenger:
        raise RefusedError("is_champion", version=challenger)


_LISTED = sql.SQL(
    "e.id, e.name, e.hypothesis, e.status, e.is_sample, e.created_at, e.started_at, e.ended_at,"
    " (SELECT coalesce(jsonb_agg(jsonb_build_object('name', v.name, 'is_baseline', v.is_baseline,"
    " 'dropped_at', v.dropped_at,"
    " 'version', coalesce(s.spec->>'version', v.name)) ORDER BY v.is_baseline DESC, v.name), '[]')"
    " FROM variants v JOIN specs s ON s.digest = v.spec_digest WHERE v.experiment_id = e.id) AS variants,"
    " e.plan"
)
_NEWEST = sql.SQL(
    "SELECT {} FROM experiments e WHERE e.status = ANY(%(statuses)s) AND (e.created_at, e.id) < ("
    " CASE WHEN %(before)s::uuid IS NULL THEN 'infinity'"
    " ELSE (SELECT created_at FROM experiments WHERE id = %(before)s) END, coalesce(%(before)s, %(last)s))"
    " ORDER BY e.created_at DESC, e.id DESC LIMIT %(most)s"
).format(_LISTED)
_WHOLE = sql.SQL("SELECT {}, e.target FROM experiments e WHERE e.id = ANY(%s)").format(_LISTED)


async def list_newest(
    connection: AsyncConnection,
    most: int,
    *,
    statuses: Collection[Status] = tuple(Status),
    before: uuid.UUID | None = None,
) -> list[ListedExperiment]:
    """List at most `most` experiments with one of these statuses, the newest first; with `before`, those
    after that one.
    """
    params = {"statuses": list(statuses), "before": before, "last": LAST_ID, "most": most}
    cursor = await connection.cursor(row_factory=dict_row).execute(_NEWEST, params)
    rows = [_parse_row(row) for row in await cursor.fetchall()]
    return [
        ListedExperiment(**{name: value for name, value in row.items() if name != "plan"}) for row in rows
    ]


async def get(connection: AsyncConnection, experiment_id: uuid.UUID) -> WholeExperiment:
    """An experiment by its id. Raises UnknownExperimentError."""
    whole = await get_many(connection, [experiment_id])
    if experiment_id not in whole:
        raise UnknownExperimentError(experiment_id)
    return whole[experiment_id]


async def get_many(
    connection: AsyncConnection, experiment_ids: Sequence[uuid.UUID]
) -> dict[uuid.UUID, WholeExperiment]:
    """Experiments by their ids, as many as there are."""
    cursor = await connection.cursor(row_factory=dict_row).execute(_WHOLE, (list(experiment_ids),))
    rows = await cursor.fetchall()
    if not rows:
        return {}
    live = await routing.fetch(connection)
    made = await decisions.list_of_experiments(connection, [row["id"] for row in rows])
    whole = {}
    for row in rows:
        split = live.routing.split(row["id"]) if live else None
        whole[row["id"]] = WholeExperiment(
            **_parse_row(row), share=split.ramp if split else 0.0, decisions=made[row["id"]]
        )
    return whole


def _parse_row(row: dict[str, Any]) -> dict[str, Any]:
    return {
        **row,
        "status": Status(row["status"]),
        "variants": [ListedArm(**arm) for arm in row["variants"]],
        "plan_faults": plans.read(row["plan"]).faults,
    }

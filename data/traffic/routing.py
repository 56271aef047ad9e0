"""Routing: which spec answers which user.

Each change is an epoch: one row that every gateway reads, applies and acknowledges. An experiment also has an
epoch of its own: the last one that changed its allocation. Changes of other experiments start no new stratum.
"""

import json
import time
import uuid
from collections.abc import Sequence
from itertools import combinations
from typing import Annotated, Literal, NamedTuple

from psycopg import AsyncConnection
from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy import Engine, Text, cast, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from data.reasons import Reason, ReasonedError, reason, written
from data.records import Spec, TransformType
from data.tables import Epoch, Gateway, StoredSpec

CHANNEL = "tonebridge:routing"
HELD_OUT = "held_out"  # the holdout's arm that stays with an old champion
_SAMPLING_TEMPERATURE = 0.8
LIVE_S = (
    5.0  # a gateway without a heartbeat for this long is not live: it reports itself as not ready by then
)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Arm(_Part):
    """A variant with its share of an experiment's users."""

    name: Annotated[str, Field(min_length=1, max_length=63)]
    weight: Annotated[float, Field(ge=0, le=1)]
    spec: Spec


def _matches(locale: str, language_range: str) -> bool:
    """Basic filtering of RFC 4647: the range `ja` matches `ja` and `ja-JP`."""
    return f"{locale}-".lower().startswith(f"{language_range}-".lower())


class Target(_Part):
    """The messages that an experiment covers: those that match every field. An empty field matches all."""

    transform_types: frozenset[TransformType] = frozenset()
    organisations: frozenset[uuid.UUID] = frozenset()
    locales: frozenset[str] = Field(frozenset(), description="RFC 4647 ranges: `ja` matches `ja-JP`, too")
    channels: frozenset[str] = frozenset()

    def covers(
        self,
        organisation_id: uuid.UUID,
        transform_type: TransformType,
        locale: str | None,
        channel: str | None,
    ) -> bool:
        """Whether the experiment covers a message with these properties."""
        return (
            (not self.transform_types or transform_type in self.transform_types)
            and (not self.organisations or organisation_id in self.organisations)
            and (not self.channels or channel in self.channels)
            and (
                not self.locales
                or (locale is not None and any(_matches(locale, wanted) for wanted in self.locales))
            )
        )

    def overlaps(self, other: "Target") -> bool:
        """Whether both can cover the same message."""
        pairs = (
            (getattr(self, name), getattr(other, name))
            for name in ("transform_types", "organisations", "channels")
        )
        return all(not a or not b or a & b for a, b in pairs) and (
            not self.locales
            or not other.locales
            or any(_matches(a, b) or _matches(b, a) for a in self.locales for b in other.locales)
        )


Unit = Literal["user", "organisation"]


class Split(_Part):
    """A running experiment: which units are in it, and in which arm.

    A unit (a user, or all users of an organisation) has a position in [0, 1) in each layer. It is in the
    experiment when the position is in the open part of the experiment's slots. The open part is `ramp` times
    their width and starts at their lower end, so raising the ramp removes no unit. The experiment's salt
    decides the arm. Experiments in the same layer have disjoint slots, so they exclude each other.
    """

    experiment_id: uuid.UUID
    salt: str
    arms: Annotated[tuple[Arm, ...], Field(min_length=1, description="in a fixed order; weights sum to 1")]
    unit: Unit = "user"
    layer: Annotated[str, Field(min_length=1, max_length=63)] = "main"
    slots: tuple[Annotated[float, Field(ge=0, le=1)], Annotated[float, Field(ge=0, le=1)]] = (0.0, 1.0)
    ramp: Annotated[float, Field(ge=0, le=1, description="share of the slots that is open; 0 is a pause")] = (
        1.0
    )
    target: Target = Target()
    testers: dict[uuid.UUID, str] = Field({}, description="users with a fixed arm, who are not counted")
    # `publish` sets the fields below.
    epoch: int = Field(0, description="first epoch with this split, testers aside")
    reached: float = Field(0.0, description="upper end of the widest open part so far")
    is_reweighted: bool = Field(
        False, description="weights changed; users keep the arm of their first exposure"
    )

    @property
    def is_holdout(self) -> bool:
        """Whether the users of one arm stay with an old champion."""
        return self.arms[0].name == HELD_OUT

    @property
    def open_until(self) -> float:
        """The upper end of the open part, a position in the layer."""
        low, high = self.slots
        return low + self.ramp * (high - low)

    @property
    def reached_share(self) -> float:
        """The highest ramp so far, in [0, 1]. A later ramp may not be lower, except 0 for a pause."""
        low, high = self.slots
        return (self.reached - low) / (high - low)

    @model_validator(mode="after")
    def _is_whole(self) -> "Split":
        names = [arm.name for arm in self.arms]
        if len(set(names)) < len(names):
            raise ValueError(f"two arms have the same name: {', '.join(names)}; give each its own")
        if abs(sum(arm.weight for arm in self.arms) - 1) > 1e-9:
            raise ValueError("the weights of the arms must sum to 1; use `ramp` to include fewer users")
        if self.slots[0] >= self.slots[1]:
            raise ValueError(f"slots go from low to high, not {self.slots}")
        if unknown := set(self.testers.values()) - set(names):
            raise ValueError(f"testers need arms of the experiment, not {', '.join(sorted(unknown))}")
        return self

    def follow(self, former: "Split | None", number: int) -> "Split":
        """This split as published in epoch `number`, after `former` (None: the experiment starts).

        Raises ValueError when the change would move a user who is in an arm already.
        """
        if former is None:
            return self.model_copy(
                update={"epoch": number, "reached": self.open_until, "is_reweighted": False}
            )
        fixed = ("salt", "unit", "layer", "target")
        if any(getattr(self, name) != getattr(former, name) for name in fixed):
            raise ValueError(
                f"{', '.join(fixed)} of a running experiment stay the same: a change would move its users;"
                " start another experiment"
            )
        weights, former_weights = ([(arm.name, arm.weight) for arm in split.arms] for split in (self, former))
        if [name for name, _ in weights] != [name for name, _ in former_weights]:
            raise ValueError("the arms of a running experiment stay the same: start another experiment")
        if weights != former_weights and self.unit == "organisation":
            # The users of one organisation have their first exposures at different times, and so under
            # different weights.
            raise ValueError("weights between organisations stay the same: start another experiment")
        if self.ramp and (self.slots[0] != former.slots[0] or self.open_until < former.reached):
            raise ValueError("the open part of the slots only grows upwards; set ramp to 0 to pause")
        unchanged = self.model_copy(
            update={
                "epoch": former.epoch,
                "reached": former.reached,
                "is_reweighted": former.is_reweighted or weights != former_weights,
            }
        )
        if unchanged.model_copy(update={"testers": former.testers}) == former:
            return unchanged
        return unchanged.model_copy(update={"epoch": number, "reached": max(former.reached, self.open_until)})


class Routing(_Part):
    """The specs and experiments that gateways answer with; /compare sets `challengers` against the champion.

    One spec answers a message, so a message is in one experiment at most. Experiments that may cover the same
    message are in the same layer and exclude each other there.
    """

    champion: Spec
    challengers: tuple[Spec, ...] = ()
    experiments: tuple[Split, ...] = ()

    @model_validator(mode="after")
    def _exclude_each_other(self) -> "Routing":
        for a, b in combinations(self.experiments, 2):
            if a.experiment_id == b.experiment_id:
                raise ValueError(f"experiment {a.experiment_id} is in the routing twice")
            is_disjoint = a.slots[1] <= b.slots[0] or b.slots[1] <= a.slots[0]
            if a.target.overlaps(b.target) and not (a.layer == b.layer and a.unit == b.unit and is_disjoint):
                raise ValueError(
                    f"experiments {a.experiment_id} and {b.experiment_id} may both cover the same message: "
                    "give them the same layer and unit and disjoint slots, or targets that do not overlap"
                )
        return self

    @property
    def sampled(self) -> Spec:
        """The champion with sampling, so that two of its rewrites differ and can be compared.

        It has no retries: the person already waits for two rewrites, and a vote against a rewrite that lost a
        fact is worth having.
        """
        protection = self.champion.protection.model_copy(update={"retries": 0})
        return self.champion.model_copy(
            update={"temperature": _SAMPLING_TEMPERATURE, "protection": protection}
        )

    @property
    def holdout(self) -> Split | None:
        """The split whose users stay with an old champion; None without a holdout."""
        return next((split for split in self.experiments if split.is_holdout), None)

    def split(self, experiment_id: uuid.UUID) -> Split | None:
        """An experiment's split; None when it is not in force."""
        return next((split for split in self.experiments if split.experiment_id == experiment_id), None)

    def specs(self) -> dict[str, Spec]:
        """Every spec that may answer, by digest."""
        arms = [arm.spec for split in self.experiments for arm in split.arms]
        return {spec.digest: spec for spec in (self.champion, self.sampled, *self.challengers, *arms)}


def forget_tester(session: Session, user_id: uuid.UUID) -> int:
    """Remove a person from every routing that names them as a tester; the number of these routings.

    If the routing in force is one of them, it is published again without the person as a new epoch. The
    caller commits.
    """
    epochs = list(session.scalars(select(Epoch).where(cast(Epoch.routing, Text).contains(str(user_id)))))
    live = current(session)
    for epoch in epochs:
        splits = [
            split.model_copy(
                update={"testers": {id: arm for id, arm in split.testers.items() if id != user_id}}
            )
            for split in Routing.model_validate(epoch.routing).experiments
        ]
        epoch.routing = {**epoch.routing, "experiments": [split.model_dump(mode="json") for split in splits]}
        if live is not None and epoch.number == live.number:
            publish(session, Routing.model_validate(epoch.routing), [reason("tester_erased")])
    session.flush()
    return len(epochs)


class Live(NamedTuple):
    """The routing in force and the number of its epoch."""

    number: int
    routing: Routing


class NotAcknowledgedError(ReasonedError, TimeoutError):
    """Some live gateways did not apply an epoch in time; they still use an older one."""


def publish(session: Session, routing: Routing, why: str | Sequence[Reason]) -> int:
    """Write the next epoch and return its number. The caller commits; a concurrent publisher waits for that.
    `why` is what a person wrote, or reasons.

    Raises ValueError when the change would move a user who is in an arm already (`Split.follow`).
    """
    session.execute(text("LOCK TABLE epochs IN EXCLUSIVE MODE"))
    former = current(session)
    number = former.number + 1 if former else 1
    running = {split.experiment_id: split for split in former.routing.experiments} if former else {}
    splits = tuple(split.follow(running.get(split.experiment_id), number) for split in routing.experiments)
    routing = routing.model_copy(update={"experiments": splits})
    for digest, spec in routing.specs().items():
        session.execute(
            insert(StoredSpec)
            .values(digest=digest, spec=spec.model_dump(mode="json"))
            .on_conflict_do_nothing()
        )
    session.add(
        Epoch(
            number=number,
            routing=routing.model_dump(mode="json"),
            reasons=written(why) if isinstance(why, str) else list(why),
        )
    )
    session.flush()
    session.execute(text("SELECT pg_notify(:channel, :number)"), {"channel": CHANNEL, "number": str(number)})
    return number


def current(session: Session) -> Live | None:
    """The newest epoch's number and routing; None before the first release."""
    epoch = session.scalar(select(Epoch).order_by(Epoch.number.desc()).limit(1))
    return Live(epoch.number, Routing.model_validate(epoch.routing)) if epoch else None


async def fetch(connection: AsyncConnection) -> Live | None:
    """The same as `current`, for the gateway."""
    cursor = await connection.execute("SELECT number, routing FROM epochs ORDER BY number DESC LIMIT 1")
    row = await cursor.fetchone()
    return Live(row[0], Routing.model_validate_json(json.dumps(row[1]))) if row else None


async def acknowledge(connection: AsyncConnection, gateway_id: uuid.UUID, number: int) -> None:
    """Record that a gateway is live and answers by an epoch."""
    await connection.execute(
        "INSERT INTO gateways (id, epoch) VALUES (%s, %s)"
        " ON CONFLICT (id) DO UPDATE SET epoch = excluded.epoch, seen_at = now()",
        (gateway_id, number),
    )


async def deregister(connection: AsyncConnection, gateway_id: uuid.UUID) -> None:
    """Record that a gateway has stopped answering."""
    await connection.execute("DELETE FROM gateways WHERE id = %s", (gateway_id,))


def wait_until_acknowledged(engine: Engine, number: int, timeout_s: float = 15.0) -> int:
    """Wait until every live gateway answers by epoch `number` or a later one; the number of live gateways.

    A gateway that died counts as live for `LIVE_S` more seconds. Raises NotAcknowledgedError after
    `timeout_s`.
    """
    deadline = time.monotonic() + timeout_s
    is_live = Gateway.seen_at > func.now() - func.make_interval(0, 0, 0, 0, 0, 0, LIVE_S)
    while True:
        with Session(engine) as session:
            behind = session.scalars(select(Gateway.id).where(is_live, Gateway.epoch < number)).all()
            if not behind:
                return session.scalar(select(func.count()).select_from(Gateway).where(is_live)) or 0
        if time.monotonic() > deadline:
            gateways = ", ".join(map(str, behind))
            raise NotAcknowledgedError("epoch_not_acknowledged", epoch=number, gateways=gateways)
        time.sleep(0.05)

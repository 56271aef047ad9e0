"""Routing: which spec answers whom.

Each change is an epoch: one row that every gateway reads, puts into force and acknowledges. An experiment
has an epoch of its own, the last that changed its allocation: what others do is no new stratum of it.
"""

import json
import time
import uuid
from collections.abc import Sequence
from itertools import combinations
from typing import Annotated, Literal

from psycopg import AsyncConnection
from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy import Engine, Text, cast, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from data.reasons import Reason, reason, written
from data.records import Spec, TransformType
from data.tables import Epoch, Gateway, StoredSpec

CHANNEL = "tonebridge:routing"
_SAMPLING_TEMPERATURE = 0.8
LIVE_S = 5.0  # a gateway not seen for this long is not live: it has declared itself not ready by then


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Arm(_Part):
    """A variant with its share of an experiment's users."""

    name: Annotated[str, Field(min_length=1, max_length=63)]
    weight: Annotated[float, Field(ge=0, le=1)]
    spec: Spec


def _within(locale: str, wanted: str) -> bool:
    """Basic filtering of RFC 4647: `ja` takes `ja` and `ja-JP`."""
    return f"{locale}-".lower().startswith(f"{wanted}-".lower())


class Target(_Part):
    """Which messages an experiment is about: a message fits when each field is empty or names what it has."""

    transform_types: frozenset[TransformType] = frozenset()
    organisations: frozenset[uuid.UUID] = frozenset()
    locales: frozenset[str] = Field(frozenset(), description="RFC 4647 ranges: `ja` takes `ja-JP`, too")
    channels: frozenset[str] = frozenset()

    def takes(
        self,
        organisation_id: uuid.UUID,
        transform_type: TransformType,
        locale: str | None,
        channel: str | None,
    ) -> bool:
        """Whether a message is one of these."""
        return (
            (not self.transform_types or transform_type in self.transform_types)
            and (not self.organisations or organisation_id in self.organisations)
            and (not self.channels or channel in self.channels)
            and (
                not self.locales or (locale is not None and any(_within(locale, one) for one in self.locales))
            )
        )

    def meets(self, other: "Target") -> bool:
        """Whether there may be a message that both take."""
        plain = (
            (getattr(one, name) for one in (self, other))
            for name in ("transform_types", "organisations", "channels")
        )
        return all(not a or not b or a & b for a, b in plain) and (
            not self.locales
            or not other.locales
            or any(_within(a, b) or _within(b, a) for a in self.locales for b in other.locales)
        )


Unit = Literal["user", "organisation"]


class Split(_Part):
    """A running experiment: who is in it, and in which arm.

    A unit (a user, or all users of an organisation) has a position in each layer. It is in the experiment
    when that lies in the open part of the experiment's slots: `ramp` times their width, from below, so that a
    ramp upwards takes nobody out. In which arm it is, is decided by the experiment's own salt. Experiments of
    one layer have slots of their own and exclude each other.
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
    testers: dict[uuid.UUID, str] = Field({}, description="users who are given an arm, and are not counted")
    # The rest is set by `publish`.
    epoch: int = Field(0, description="since which all of this but the testers has been so")
    reached: float = Field(0.0, description="how far the slots have ever been open")
    is_reweighted: bool = Field(
        False, description="weights have changed: who was exposed keeps the arm of that time"
    )

    @property
    def open_until(self) -> float:
        """Up to which position in the layer units are in the experiment."""
        low, high = self.slots
        return low + self.ramp * (high - low)

    @property
    def reached_share(self) -> float:
        """The widest ramp so far: it may be no narrower again, but for a pause."""
        low, high = self.slots
        return (self.reached - low) / (high - low)

    @model_validator(mode="after")
    def _is_whole(self) -> "Split":
        names = [arm.name for arm in self.arms]
        if len(set(names)) < len(names):
            raise ValueError(f"two arms have one name: {', '.join(names)}")
        if abs(sum(arm.weight for arm in self.arms) - 1) > 1e-9:
            raise ValueError("the weights of the arms sum to 1; how many users are in is `ramp`'s")
        if self.slots[0] >= self.slots[1]:
            raise ValueError(f"slots are from low to high, not {self.slots}")
        if unknown := set(self.testers.values()) - set(names):
            raise ValueError(f"testers have arms of the experiment, not {', '.join(sorted(unknown))}")
        return self

    def after(self, former: "Split | None", number: int) -> "Split":
        """This, published as epoch `number` after what was in force.

        Raises ValueError when it would move somebody who is in an arm already.
        """
        if former is None:
            return self.model_copy(
                update={"epoch": number, "reached": self.open_until, "is_reweighted": False}
            )
        kept = ("salt", "unit", "layer", "target")
        if any(getattr(self, name) != getattr(former, name) for name in kept):
            raise ValueError(
                f"{', '.join(kept)} of a running experiment stay: others would be in it, or in other arms"
            )
        weights, before = ([(arm.name, arm.weight) for arm in split.arms] for split in (self, former))
        if [name for name, _ in weights] != [name for name, _ in before]:
            raise ValueError("the arms of a running experiment stay: start another one")
        if weights != before and self.unit == "organisation":
            raise ValueError("weights between organisations stay: each has many users, exposed at many times")
        if self.ramp and (self.slots[0] != former.slots[0] or self.open_until < former.reached):
            raise ValueError("the open part of the slots grows upwards, or is closed by a ramp of 0")
        same = self.model_copy(
            update={
                "epoch": former.epoch,
                "reached": former.reached,
                "is_reweighted": former.is_reweighted or weights != before,
            }
        )
        if same.model_copy(update={"testers": former.testers}) == former:
            return same
        return same.model_copy(update={"epoch": number, "reached": max(former.reached, self.open_until)})


class Routing(_Part):
    """All that a gateway needs to know to answer. `challenger` is whom /compare sets against the champion.

    A message is answered by one spec, so it is in one experiment at most: experiments that may take the same
    message are of one layer, and exclude each other there.
    """

    champion: Spec
    challenger: Spec | None = None
    experiments: tuple[Split, ...] = ()

    @model_validator(mode="after")
    def _exclude_each_other(self) -> "Routing":
        for a, b in combinations(self.experiments, 2):
            if a.experiment_id == b.experiment_id:
                raise ValueError(f"experiment {a.experiment_id} is there twice")
            apart = a.slots[1] <= b.slots[0] or b.slots[1] <= a.slots[0]
            if a.target.meets(b.target) and not (a.layer == b.layer and a.unit == b.unit and apart):
                raise ValueError(
                    f"experiments {a.experiment_id} and {b.experiment_id} may both want one message: give "
                    "them one layer, one unit and slots of their own, or targets that exclude each other"
                )
        return self

    @property
    def sampled(self) -> Spec:
        """The champion with chance in its words: two samples of it are worth comparing.

        Without retries: a person waits for two rewrites already, and one that has lost a fact is worth
        voting down.
        """
        protection = self.champion.protection.model_copy(update={"retries": 0, "always": False})
        return self.champion.model_copy(
            update={"temperature": _SAMPLING_TEMPERATURE, "protection": protection}
        )

    def split(self, experiment_id: uuid.UUID) -> Split | None:
        """An experiment's split; None when it is not in force."""
        return next((one for one in self.experiments if one.experiment_id == experiment_id), None)

    def specs(self) -> dict[str, Spec]:
        """Every spec that may answer, by digest."""
        others = [self.challenger] if self.challenger else []
        arms = [arm.spec for split in self.experiments for arm in split.arms]
        named = [self.champion, self.sampled, *others, *arms]
        return {spec.digest: spec for spec in named}


def forget_tester(session: Session, user_id: uuid.UUID) -> int:
    """Take a person out of every routing that names them as a tester; how many do. If that in force is one,
    the same without them follows as a new epoch. The caller commits.
    """
    named = list(session.scalars(select(Epoch).where(cast(Epoch.routing, Text).contains(str(user_id)))))
    live = current(session)
    for epoch in named:
        splits = [
            split.model_copy(
                update={"testers": {who: arm for who, arm in split.testers.items() if who != user_id}}
            )
            for split in Routing.model_validate(epoch.routing).experiments
        ]
        epoch.routing = {**epoch.routing, "experiments": [split.model_dump(mode="json") for split in splits]}
        if live is not None and epoch.number == live[0]:
            publish(session, Routing.model_validate(epoch.routing), [reason("tester_erased")])
    session.flush()
    return len(named)


class NotAcknowledgedError(TimeoutError):
    """Some live gateways have not put an epoch into force in time; they are still on an older one."""


def publish(session: Session, routing: Routing, why: str | Sequence[Reason]) -> int:
    """Write the next epoch and return its number; the caller commits. Waits for a concurrent publisher. `why`
    is what a person wrote, or reasons.

    ValueError when somebody who is in an arm already would be moved (`Split.after`).
    """
    session.execute(text("LOCK TABLE epochs IN EXCLUSIVE MODE"))
    before, former = current(session) or (0, None)
    number = before + 1
    running = {split.experiment_id: split for split in former.experiments} if former else {}
    splits = tuple(split.after(running.get(split.experiment_id), number) for split in routing.experiments)
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


def current(session: Session) -> tuple[int, Routing] | None:
    """The newest epoch and its routing; None before the first release."""
    epoch = session.scalar(select(Epoch).order_by(Epoch.number.desc()).limit(1))
    return (epoch.number, Routing.model_validate(epoch.routing)) if epoch else None


async def fetch(connection: AsyncConnection) -> tuple[int, Routing] | None:
    """`current`, for the gateway."""
    cursor = await connection.execute("SELECT number, routing FROM epochs ORDER BY number DESC LIMIT 1")
    row = await cursor.fetchone()
    return (row[0], Routing.model_validate_json(json.dumps(row[1]))) if row else None


async def acknowledge(connection: AsyncConnection, gateway_id: uuid.UUID, number: int) -> None:
    """Say that this gateway is alive and answers by this epoch."""
    await connection.execute(
        "INSERT INTO gateways (id, epoch) VALUES (%s, %s)"
        " ON CONFLICT (id) DO UPDATE SET epoch = excluded.epoch, seen_at = now()",
        (gateway_id, number),
    )


async def leave(connection: AsyncConnection, gateway_id: uuid.UUID) -> None:
    """Say that this gateway has stopped answering."""
    await connection.execute("DELETE FROM gateways WHERE id = %s", (gateway_id,))


def wait_until_acknowledged(engine: Engine, number: int, timeout_s: float = 15.0) -> int:
    """Wait until every live gateway answers by epoch `number` or a later one; how many there are.

    Raises NotAcknowledgedError after `timeout_s`. A gateway that died is waited for until it counts as dead,
    after
    `LIVE_S`.
    """
    deadline = time.monotonic() + timeout_s
    live = Gateway.seen_at > func.now() - func.make_interval(0, 0, 0, 0, 0, 0, LIVE_S)
    while True:
        with Session(engine) as session:
            behind = session.scalars(select(Gateway.id).where(live, Gateway.epoch < number)).all()
            if not behind:
                return session.scalar(select(func.count()).select_from(Gateway).where(live)) or 0
        if time.monotonic() > deadline:
            raise NotAcknowledgedError(
                f"epoch {number} is not in force at gateways {', '.join(map(str, behind))}"
            )
        time.sleep(0.05)

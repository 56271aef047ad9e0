"""Routing: which spec answers whom.

Each change is an epoch: one row that every gateway reads, puts into force and acknowledges.
"""

import json
import time
import uuid
from typing import Annotated

from psycopg import AsyncConnection
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Engine, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from data.records import Spec
from data.tables import Epoch, Gateway, StoredSpec

CHANNEL = "tonebridge:routing"
_SAMPLING_TEMPERATURE = 0.8
LIVE_S = 5.0  # a gateway not seen for this long is not live: it has declared itself not ready by then


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Arm(_Part):
    """A variant with its share of the users."""

    name: Annotated[str, Field(min_length=1, max_length=63)]
    weight: Annotated[float, Field(ge=0, le=1)]
    spec: Spec


class Split(_Part):
    """A running experiment: its salt, and arms in a fixed order whose weights sum to at most 1."""

    experiment_id: uuid.UUID
    salt: str
    arms: tuple[Arm, ...]


class Routing(_Part):
    """All that a gateway needs to know to answer. `challenger` is whom /compare sets against the champion."""

    champion: Spec
    challenger: Spec | None = None
    experiment: Split | None = None

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

    def specs(self) -> dict[str, Spec]:
        """Every spec that may answer, by digest."""
        arms = self.experiment.arms if self.experiment else ()
        others = [self.challenger] if self.challenger else []
        named = [self.champion, self.sampled, *others, *(arm.spec for arm in arms)]
        return {spec.digest: spec for spec in named}


class NotAcknowledgedError(TimeoutError):
    """Some live gateways have not put an epoch into force in time; they are still on an older one."""


def publish(session: Session, routing: Routing, reason: str) -> int:
    """Write the next epoch and return its number; the caller commits. Waits for a concurrent publisher."""
    session.execute(text("LOCK TABLE epochs IN EXCLUSIVE MODE"))
    number = (session.scalar(select(func.max(Epoch.number))) or 0) + 1
    for digest, spec in routing.specs().items():
        session.execute(
            insert(StoredSpec)
            .values(digest=digest, spec=spec.model_dump(mode="json"))
            .on_conflict_do_nothing()
        )
    session.add(
        Epoch(
            number=number,
            experiment_id=routing.experiment.experiment_id if routing.experiment else None,
            routing=routing.model_dump(mode="json"),
            reason=reason,
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

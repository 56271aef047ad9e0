"""Rows of outputs, answers, comparisons and votes at chosen moments; a champion that has answered."""

import random
import uuid
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from configs.settings import Settings
from data import database
from data.people import identities
from data.reasons import Reason
from data.records import Spec
from data.tables import Answer, Comparison, Feedback, Organisation, Output, User, new_id
from data.traffic import answers, routing
from data.traffic.routing import Routing


def id_at(moment: datetime) -> uuid.UUID:
    """A UUIDv7 of a moment."""
    chance = (7 << 76) | (0b10 << 62) | random.getrandbits(62)
    return uuid.UUID(int=answers.floor(moment).int | chance)


class Traffic:
    """Adds rows of an organisation, in a session of the owner of the tables."""

    def __init__(self, session: Session, organisation_id: uuid.UUID) -> None:
        self._session, self._organisation_id = session, organisation_id

    def add_person(self, consents: bool | None = None) -> uuid.UUID:
        """A new person; `consents` to training, or None for the organisation's default."""
        person = User(id=new_id(), organisation_id=self._organisation_id, consents_to_training=consents)
        self._session.add(person)
        self._session.flush()
        return person.id

    def add_output(
        self,
        at: datetime,
        message: str = "Fix it.",
        transform_type: str = "soften",
        rewrite: str = "Could you fix it?",
        version: str = "v1",
        intensity: int = 1,
        unchanged: Reason | None = None,
    ) -> uuid.UUID:
        """A new output of a moment."""
        output = Output(
            id=id_at(at),
            organisation_id=self._organisation_id,
            message=message,
            transform_type=transform_type,
            intensity=intensity,
            text=rewrite,
            facts_missing=[],
            unchanged=unchanged,
            spec_digest="0" * 32,
            version=version,
            upstream_ms=1.0,
        )
        self._session.add(output)
        self._session.flush()
        return output.id

    def answer(self, at: datetime, person: uuid.UUID, output: uuid.UUID, cache: str = "miss") -> None:
        """A person gets an output at a moment, from a cache or ("miss") from the model."""
        self._session.execute(text("SELECT ensure_answer_partitions(:day, 1)"), {"day": at.date()})
        self._session.add(
            Answer(
                id=id_at(at),
                output_id=output,
                organisation_id=self._organisation_id,
                user_id=person,
                variant="champion",
                epoch=1,
                cache=cache,
                fell_back=False,
                total_ms=10.0,
            )
        )
        self._session.flush()

    def compare(self, at: datetime, person: uuid.UUID, first: uuid.UUID, second: uuid.UUID) -> uuid.UUID:
        """A person is shown two outputs of one version; the id of the comparison."""
        comparison = Comparison(
            id=id_at(at),
            organisation_id=self._organisation_id,
            user_id=person,
            policy="two_samples",
            first_output_id=first,
            second_output_id=second,
        )
        self._session.add(comparison)
        self._session.flush()
        return comparison.id

    def vote(self, at: datetime, person: uuid.UUID, output: uuid.UUID, kind: str, **value: Any) -> None:
        """A person votes on an output at a moment."""
        self._session.add(
            Feedback(
                id=id_at(at),
                organisation_id=self._organisation_id,
                user_id=person,
                output_id=output,
                kind=kind,
                **value,
            )
        )
        self._session.flush()


def release_champion(settings: Settings, messages: int) -> None:
    """A released champion that has answered as many different messages of the organisation, each twice: from
    the model, and from a cache. Their person consents to training.
    """
    engine, now = database.engine_of(settings), datetime.now(UTC)
    identities.bootstrap(engine, identities.generate_key(), settings.organisation)
    with Session(engine) as session, session.begin():
        routing.publish(session, Routing(champion=Spec(version="v1")), [])
        organisation = session.scalars(
            select(Organisation.id).where(Organisation.name == settings.organisation)
        ).one()
        traffic = Traffic(session, organisation)
        person = traffic.add_person(consents=True)
        for number in range(messages):
            message = f"Fix PAY-{number} today, I am tired of this."
            output = traffic.add_output(now, message, rewrite=f"Please fix PAY-{number} today.", intensity=2)
            for cache in ("miss", "l1"):
                traffic.answer(now, person, output, cache)
    engine.dispose()

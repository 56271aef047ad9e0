"""Rows of outputs, answers, comparisons and votes at chosen moments."""

import random
import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from data.tables import Answer, Comparison, Feedback, Output, User, new_id
from data.traffic import answers


def id_at(moment: datetime) -> uuid.UUID:
    """A UUIDv7 of a moment."""
    chance = (7 << 76) | (0b10 << 62) | random.getrandbits(62)
    return uuid.UUID(int=answers.floor(moment).int | chance)


class Traffic:
    """Adds rows of an organisation, in a session of the owner of the tables."""

    def __init__(self, session: Session, organisation_id: uuid.UUID) -> None:
        self._session, self._organisation_id = session, organisation_id

    def add_person(self) -> uuid.UUID:
        """A new person."""
        person = User(id=new_id(), organisation_id=self._organisation_id)
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
    ) -> uuid.UUID:
        """A new output of a moment."""
        output = Output(
            id=id_at(at),
            organisation_id=self._organisation_id,
            message=message,
            transform_type=transform_type,
            intensity=1,
            text=rewrite,
            facts_missing=[],
            spec_digest="0" * 32,
            version=version,
            upstream_ms=1.0,
        )
        self._session.add(output)
        self._session.flush()
        return output.id

    def answer(self, at: datetime, person: uuid.UUID, output: uuid.UUID) -> None:
        """A person gets an output at a moment."""
        self._session.execute(text("SELECT ensure_answer_partitions(:day, 1)"), {"day": at.date()})
        self._session.add(
            Answer(
                id=id_at(at),
                output_id=output,
                organisation_id=self._organisation_id,
                user_id=person,
                variant="v1",
                epoch=1,
                cache="miss",
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

"""The outputs of one organisation, for people who look at rewrites.

An output has what a person wrote. Consent to training is not consent to be read by colleagues, so whoever
shows rewrites to others calls `hide_written` first. The rows of the sample experiment are simulated, and are
not read.
"""

import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from configs.settings import Settings
from data import database
from data.reasons import Reason
from data.records import TransformType
from data.tables import Organisation, Output
from data.traffic import comparisons


class RewritesError(Exception):
    """There are no rewrites to look at; the message says why, and what to do."""


class StoredRewrite(NamedTuple):
    """An output. `message` and `text` are None when they are hidden. `unchanged` is the reason why the text
    is the message itself; None when a version wrote it.
    """

    at: datetime
    version: str
    transform_type: TransformType
    intensity: int
    message: str | None
    text: str | None
    unchanged: Reason | None


def read_newest(
    settings: Settings,
    transform_type: TransformType | str | None = None,
    intensity: int | None = None,
    version: str | None = None,
    most: int = 2000,
) -> list[StoredRewrite]:
    """The newest outputs of the organisation that runs the installation (`settings.organisation`), at most
    `most`, newest first: of one transform type, intensity (0 to 3) and version, or of all (None).

    Raises RewritesError when Postgres does not answer, when the organisation does not exist, and when it has
    no such output; ValueError for an unknown transform type.
    """
    if transform_type is not None and transform_type not in [*TransformType]:
        raise ValueError(f"{transform_type!r} is no transform type; they are {', '.join(TransformType)}")
    kind = None if transform_type is None else TransformType(transform_type)
    engine = database.engine_of(settings)
    try:
        with Session(engine) as session:
            name = settings.organisation
            own = session.scalar(select(Organisation.id).where(Organisation.name == name))
            if own is None:
                raise RewritesError(
                    f"this installation has no organisation {name!r}: set TONEBRIDGE_ORGANISATION to yours"
                )
            rows = list_outputs(session, own, kind, intensity, version, most)
    except OperationalError as error:
        raise RewritesError(
            "Postgres does not answer: start the installation by `make up`, or stop using it"
            " (unset TONEBRIDGE_DATABASE_URL) and look at the sample"
        ) from error
    finally:
        engine.dispose()
    if not rows:
        raise RewritesError(
            "there is no such output yet: ask for a rewrite (README, quick start), or for another transform"
            " type, intensity or version"
        )
    return rows


def list_outputs(
    session: Session,
    organisation_id: uuid.UUID,
    transform_type: TransformType | None = None,
    intensity: int | None = None,
    version: str | None = None,
    most: int = 2000,
) -> list[StoredRewrite]:
    """An organisation's outputs, newest first, see `read_newest`. The dashboard's login may read them."""
    database.read_for(session, organisation_id)
    # The organisation is named here as well, since the owner of the tables sees every row.
    query = select(Output).where(
        Output.organisation_id == organisation_id, Output.version.not_like("sample-%")
    )
    wanted = (
        (Output.transform_type, transform_type),
        (Output.intensity, intensity),
        (Output.version, version),
    )
    for column, value in wanted:
        if value is not None:
            query = query.where(column == value)
    return [
        StoredRewrite(
            row.created_at,
            row.version,
            TransformType(row.transform_type),
            row.intensity,
            row.message,
            row.text,
            row.unchanged,
        )
        for row in session.scalars(query.order_by(Output.id.desc()).limit(most))
    ]


def hide_written(rows: Iterable[StoredRewrite]) -> list[StoredRewrite]:
    """The rows without the texts of messages that a person wrote. Messages that ship with the system keep
    theirs, as those of the sample do.
    """
    shipped = frozenset(comparisons.read_messages())
    return [row if row.message in shipped else row._replace(message=None, text=None) for row in rows]

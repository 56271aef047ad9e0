"""What the event of a notice shows: the document that a REST route gives for the same thing, as it is now."""

import uuid
from collections.abc import Sequence
from typing import Any

import msgspec
from psycopg import AsyncConnection
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool
from pydantic import TypeAdapter

from data.database import transaction_of
from data.jobs import listing
from data.jobs.listing import Batch, ListedJob
from data.reasons import Reason
from data.traffic import feedback
from data.traffic.feedback import OwnFeedback
from data.traffic.notices import Notice, Subject
from data.traffic.own_answers import OwnAnswer
from experiments import drafts
from experiments.decisions import UnknownExperimentError
from experiments.drafts import WholeExperiment
from serving.gateway import own_answers

_ADAPTERS: dict[type[object], TypeAdapter[Any]] = {
    kind: TypeAdapter(kind) for kind in (Batch, ListedJob, WholeExperiment)
}


def identify(notice: Notice) -> tuple[object, ...]:
    """What a notice is about. Of several notices about the same thing only the newest has to be shown."""
    fields = notice.fields
    match notice.subject:
        case Subject.JOBS:
            return notice.subject, fields["batch_id"], fields["job_id"]
        case Subject.EXPERIMENTS:
            return notice.subject, fields["experiment_id"]
        case _:
            return notice.subject, notice.id


async def read(
    pool: AsyncConnectionPool, receipt_secret: bytes, notices: Sequence[Notice]
) -> dict[str, bytes]:
    """The documents of notices, JSON by the notice's id. What is deleted meanwhile has none."""
    documents: dict[str, bytes] = {}
    stored, answers = [], []
    for notice in notices:
        match notice.subject:
            case Subject.RELEASES:
                documents[notice.id] = msgspec.json.encode(notice.fields)
            case Subject.ANSWERS:
                answers.append(notice)
            case _:
                stored.append(notice)
    if not stored and not answers:
        return documents
    async with pool.connection() as connection:
        for notice in stored:
            read_one = _read_job if notice.subject is Subject.JOBS else _read_experiment
            document = await read_one(connection, notice)
            if document is not None:
                documents[notice.id] = _ADAPTERS[type(document)].dump_json(document)
        by_organisation: dict[str, list[Notice]] = {}
        for notice in answers:
            by_organisation.setdefault(notice.fields["organisation_id"], []).append(notice)
        for organisation_id, of_organisation in by_organisation.items():
            async with transaction_of(connection, uuid.UUID(organisation_id)):
                documents |= await _read_answers(connection, receipt_secret, of_organisation)
    return documents


async def _read_job(connection: AsyncConnection, notice: Notice) -> Batch | ListedJob | None:
    batch_id, job_id = notice.fields["batch_id"], notice.fields["job_id"]
    listed: Sequence[Batch | ListedJob]
    async with transaction_of(connection, uuid.UUID(notice.fields["organisation_id"])):
        if batch_id is not None:
            listed = await listing.list_batches(connection, batch_id=uuid.UUID(batch_id))
        else:
            listed = await listing.list_jobs(connection, job_id=uuid.UUID(job_id))
    return listed[0] if listed else None


async def _read_experiment(connection: AsyncConnection, notice: Notice) -> WholeExperiment | None:
    try:
        return await drafts.get(connection, uuid.UUID(notice.fields["experiment_id"]))
    except UnknownExperimentError:
        return None


async def _read_answers(
    connection: AsyncConnection, receipt_secret: bytes, notices: Sequence[Notice]
) -> dict[str, bytes]:
    """The answers of one organisation, each with its message and what its person said about it."""
    cursor = await connection.cursor(row_factory=dict_row).execute(
        "SELECT n, message, transform_type, intensity, text, facts_missing, unchanged, version,"
        " key_id IS NULL AS is_personal"
        " FROM unnest(%s::uuid[], %s::uuid[]) WITH ORDINALITY AS t(output_id, user_id, n)"
        " JOIN outputs ON outputs.id = output_id JOIN users ON users.id = t.user_id",
        (
            [notice.fields["output_id"] for notice in notices],
            [notice.fields["user_id"] for notice in notices],
        ),
    )
    rows = await cursor.fetchall()
    given = await feedback.list_own(connection, [_received(notice) for notice in notices])
    documents = {}
    for row in rows:
        notice = notices[row["n"] - 1]
        documents[notice.id] = _describe_answer(
            notice.fields, row, given.get(_received(notice)), receipt_secret
        )
    return documents


def _received(notice: Notice) -> tuple[uuid.UUID, uuid.UUID]:
    """The ids of the output and of its person."""
    return uuid.UUID(notice.fields["output_id"]), uuid.UUID(notice.fields["user_id"])


def _describe_answer(
    fields: Any, row: dict[str, Any], given: OwnFeedback | None, receipt_secret: bytes
) -> bytes:
    answer = OwnAnswer(
        id=uuid.UUID(fields["answer_id"]),
        output_id=uuid.UUID(fields["output_id"]),
        experiment_id=uuid.UUID(fields["experiment_id"]) if fields["experiment_id"] else None,
        variant=fields["variant"],
        epoch=fields["epoch"],
        cache=fields["cache"],
        fell_back=fields["fallback"],
        message=row["message"],
        transform_type=row["transform_type"],
        intensity=row["intensity"],
        text=row["text"],
        facts_missing=row["facts_missing"],
        unchanged=Reason.model_validate(row["unchanged"]) if row["unchanged"] else None,
        version=row["version"],
        feedback=given,
    )
    organisation_id, user_id = uuid.UUID(fields["organisation_id"]), uuid.UUID(fields["user_id"])
    document = own_answers.describe(answer, organisation_id, user_id, row["is_personal"], receipt_secret)
    return document.model_dump_json().encode()

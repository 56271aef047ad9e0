"""Removes one output of a person from Postgres, with their votes on it, and its copies in queue and cache.
Everything else of the person stays.

Counts in the evidence of experiments stay, too: they have no text, and others cannot tell whose they are.
"""

import uuid
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Engine, Uuid, any_, cast, delete, exists, func, or_, select, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session, aliased

from configs.settings import Settings
from data.erasure import copies, rows
from data.erasure.whom import Person, match_owner
from data.tables import Answer, Comparison, Feedback, Job, JobFile, Output, OutputErasure
from data.traffic.receipts import Receipt


def purge(
    settings: Settings, engine: Engine, person: Person, order_id: uuid.UUID, closes: bool = False
) -> Counter[str]:
    """Remove the output that a work order names, as far as it is the person's, and ask the gateways to empty
    their caches. With `closes` the order is finished in the same transaction.

    Returns how many items of each kind it removed: nothing when the order is finished, since what was stored
    after it is new.
    """

    def remove(session: Session) -> Counter[str]:
        order = session.get_one(OutputErasure, order_id)
        if order.finished_at is not None:  # by another process
            return Counter()
        counts, votes = _purge(settings, session, person, order.output_id)
        session.execute(
            update(OutputErasure)
            .where(OutputErasure.id == order_id)
            .values(
                counts=dict(Counter(order.counts) + counts),
                votes=sorted({*order.votes, *map(str, votes)}),
                purged_at=func.clock_timestamp(),
                **({"finished_at": func.now()} if closes else {}),
            )
        )
        rows.notify_gateways(session)
        return counts

    return rows.try_pass(engine, remove)


def _purge(
    settings: Settings, session: Session, person: Person, output_id: uuid.UUID
) -> tuple[Counter[str], list[uuid.UUID]]:
    """What was removed, and the ids of the votes among it."""
    counts: Counter[str] = Counter()
    tenant = person.organisation_id
    # Two rewrites to choose from are in no history, so those of the same message in the same way go, too.
    first, named = aliased(Output), aliased(Output)
    is_same = exists().where(
        first.id == Comparison.first_output_id,
        named.id == output_id,
        named.organisation_id == tenant,
        first.message == named.message,
        first.transform_type == named.transform_type,
        first.intensity == named.intensity,
    )
    is_of_it = or_(Comparison.first_output_id == output_id, Comparison.second_output_id == output_id, is_same)
    compared = session.execute(
        select(Comparison.id, Comparison.first_output_id, Comparison.second_output_id).where(
            *match_owner(Comparison, person), is_of_it
        )
    ).all()
    comparisons = {row.id for row in compared}
    both = (id for row in compared for id in (row.first_output_id, row.second_output_id))
    received = {output_id, *both}
    outputs = session.execute(_select_unused(person, output_id, received, comparisons)).all()
    ids = {row.id for row in outputs}

    def is_named(receipt: Receipt) -> bool:
        is_theirs = receipt.user_id == person.id and (
            receipt.output_id == output_id or receipt.comparison_id in comparisons
        )
        return is_theirs or receipt.output_id in ids

    # The cache keys are computed from the rows, so the cached outputs go first.
    counts["cached outputs"] = copies.uncache(settings, person, outputs, is_rehearsal=False)
    counts["idempotent_requests"] = rows.delete_replies(session, tenant, is_named)
    counts["jobs"] = _delete_jobs(session, person, output_id, is_named)
    # Any export of the organisation may have the person's votes.
    counts["files of exports"] = rows.change(
        session, delete(JobFile).where(JobFile.organisation_id == tenant)
    )
    voted = delete(Feedback).where(
        *match_owner(Feedback, person),
        or_(Feedback.output_id == output_id, Feedback.comparison_id.in_(comparisons)),
    )
    votes = list(session.scalars(voted.returning(Feedback.id)))
    counts["feedback"] = len(votes)
    counts["comparisons"] = rows.change(session, delete(Comparison).where(Comparison.id.in_(comparisons)))
    answered = delete(Answer).where(*match_owner(Answer, person), Answer.output_id == output_id)
    counts["answers"] = rows.change(session, answered)
    array = cast(list(ids), ARRAY(Uuid))
    is_unused = (Output.organisation_id == tenant, Output.id == any_(array))
    counts["outputs"] = rows.change(session, delete(Output).where(*is_unused))
    return counts, votes


def _select_unused(
    person: Person,
    output_id: uuid.UUID,
    received: Collection[uuid.UUID],
    comparisons: Collection[uuid.UUID],
) -> Any:
    """The query for those of these outputs that nothing refers to once the person's rows about the one output
    are removed. What somebody else received stays, and another one that the person received, too.
    """

    def is_removed(table: Any) -> ColumnElement[bool]:
        user_id, organisation_id = match_owner(table, person)
        conditions = {
            Answer: Answer.output_id == output_id,
            Feedback: or_(Feedback.output_id == output_id, Feedback.comparison_id.in_(comparisons)),
            Comparison: Comparison.id.in_(comparisons),
        }
        return user_id & organisation_id & func.coalesce(conditions[table], False)

    is_used = [
        exists().where(
            column == Output.id, table.organisation_id == person.organisation_id, ~is_removed(table)
        )
        for table, column in rows.REFERENCES
    ]
    return select(*rows.CACHED).where(
        Output.organisation_id == person.organisation_id,
        Output.id.in_(received),
        *(~each for each in is_used),
    )


def _delete_jobs(session: Session, person: Person, output_id: uuid.UUID, is_named: Any) -> int:
    """Delete the person's jobs that have the output: the message of a batch, of a chat platform or of an
    inbound webhook, and the orders of its buttons. Other jobs have ids only.
    """
    output = session.execute(
        select(Output.message, Output.transform_type, Output.intensity).where(
            Output.id == output_id, Output.organisation_id == person.organisation_id
        )
    ).one_or_none()
    stored = session.execute(
        select(Job.id, Job.payload, Job.result, Job.done_at).where(*match_owner(Job, person))
    ).all()
    named = {
        job.id
        for job in stored
        if any(is_named(receipt) for receipt in rows.read_receipts(job.result))
        or (job.done_at is not None and output is not None and _asks_for(job.payload, *output))
    }
    named |= {job.id for job in stored if job.payload.get("about") in set(map(str, named))}
    return rows.change(session, delete(Job).where(*match_owner(Job, person), Job.id.in_(named)))


def _asks_for(payload: Mapping[str, Any], message: str, transform_type: str, intensity: int) -> bool:
    """Whether a job has had this message rewritten in this way."""
    wanted = {"text": message, "transform_type": transform_type, "intensity": intensity}
    return wanted.items() <= payload.items()

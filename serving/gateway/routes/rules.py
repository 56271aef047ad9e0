"""Rules that propose a rewrite of a message, for the person who writes it: an organisation's, and each
person's own.

Everybody reads the organisation's rules, and its admins change them. A person's own are for that person only.
A rule proposes and does nothing else: no message is stored, changed or sent by one.
"""

import uuid
from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from psycopg import AsyncConnection
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from starlette.concurrency import run_in_threadpool

from data.database import transaction_of
from data.fields import ID_EXAMPLES, Id, Moment, Time
from data.people.dictionaries import Owner
from data.reasons import reason
from data.records import Intensity, TransformType
from data.rules import matching, stored
from data.rules.conditions import (
    LONGEST_PLACE,
    ConditionKind,
    Conditions,
    Enabled,
    Name,
    Priority,
    Rule,
    StoredRule,
)
from data.rules.matching import Place, Sent, Sign, Tone
from data.rules.stored import MOST_OF_PERSON, Change, TooManyRulesError
from data.traffic import own_answers
from data.traffic.own_answers import OwnAnswer
from models.analysis import analyse
from serving.gateway import owners
from serving.gateway.auth import Caller
from serving.gateway.conditional import Expected
from serving.gateway.dependencies import Authenticated, Connection, Waiting
from serving.gateway.online.answering import Answer
from serving.gateway.online.bodies import LOCALE, AskedPerson, Text, UserName, name_person
from serving.gateway.online.front import PATH as TRANSFORM
from serving.gateway.online.placement import Message
from serving.gateway.owners import Scope
from serving.gateway.pages import LINKED, PageOfEvents, PageOfThings
from serving.gateway.parts import InjectedParts, Parts
from serving.gateway.problems import ForbiddenError, InvalidError, NotFoundError, UnavailableError
from serving.gateway.refusals import refuses

router = APIRouter(prefix="/api/v1/rules", tags=["rules"])

_MOST_TRIED = 100  # messages of a dry run
_MOST_CHARACTERS = 100_000  # of these messages together: their tones take about a second of one core
_MOST_REWRITES = 3  # of a dry run
_ANY_DAY = date(2026, 1, 1)  # the dates of deadlines depend on it, and the tone does not
_FOR_ADMINS = (ForbiddenError, "admin_needed")
_UNKNOWN = (NotFoundError, "unknown_rule")
_FULL = (TooManyRulesError, "too_many_rules", {"most": MOST_OF_PERSON})

RuleId = Annotated[uuid.UUID, Path(description="the id of a rule", examples=ID_EXAMPLES)]
WhoseRules = Annotated[
    Scope, Field(description="whose rule: the organisation's, or the person's own", examples=["organisation"])
]
AskedScope = Annotated[
    Scope,
    Query(description="whose rules: the organisation's, or the person's own", examples=["organisation"]),
]
PlaceText = Annotated[
    str, StringConstraints(min_length=1, max_length=LONGEST_PLACE, pattern=r"^[^\x00-\x1f\x7f]*$")
]
Channel = Annotated[
    PlaceText | None,
    Field(
        description="where the message is going, in your own words; conditions on the channel compare it",
        examples=["#incidents"],
    ),
]
Recipient = Annotated[
    PlaceText | None,
    Field(
        description="to whom the message is going, in your own words; conditions on the recipient compare it",
        examples=["ben@example.com"],
    ),
]


class NewRule(Rule):
    """A rule to add."""

    scope: WhoseRules
    user_id: UserName = None

    @property
    def rule(self) -> Rule:
        """The rule, without whose it is."""
        return Rule(**{name: getattr(self, name) for name in Rule.model_fields})


class RuleChanges(BaseModel):
    """What to change in a rule; omitted fields stay as they are."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[Name | None, Field(description="another name", examples=["Kinder in the evening"])] = None
    conditions: Annotated[
        Conditions | None, Field(description="conditions in place of all of its present ones")
    ] = None
    transform_type: Annotated[
        TransformType | None, Field(description="another kind of rewrite", examples=["soften"])
    ] = None
    intensity: Annotated[Intensity | None, Field(description="another intensity", examples=[2])] = None
    priority: Annotated[Priority | None, Field(description="another priority", examples=[10])] = None
    enabled: Annotated[Enabled | None, Field(description="on or off", examples=[False])] = None
    user_id: UserName = None


class ListedRule(Rule):
    """A rule that is stored."""

    id: Annotated[Id, Field(description="its id")]
    scope: WhoseRules
    created_by: Annotated[
        str | None,
        Field(
            description="who added it; for admins, and null for others", examples=["api_key:1a2b3c4d5e6f7a8b"]
        ),
    ]
    created_at: Annotated[Time, Field(description="when it was added")]


class RecordedRuleChange(BaseModel):
    """A change of a rule."""

    id: Annotated[Id, Field(description="the id of the change")]
    rule_id: Annotated[Id, Field(description="the rule, which may be deleted")]
    former: Annotated[Rule | None, Field(description="the rule before; null: it was added")]
    present: Annotated[Rule | None, Field(description="the rule since then; null: it was deleted")]
    changed_by: Annotated[
        str,
        Field(
            description="who changed it; empty, if that person was erased",
            examples=["account:01a22303-92fd-74fc-b4f4-074280c0308c"],
        ),
    ]
    changed_at: Annotated[Time, Field(description="when")]


class MessageToMatch(BaseModel):
    """A message that is about to be sent. None of it is stored."""

    model_config = ConfigDict(extra="forbid")

    text: Text
    channel: Channel = None
    recipient: Recipient = None
    sent_at: Annotated[
        Moment | None,
        Field(description="when; now, if it is not given", examples=["2026-11-30T19:30:00+09:00"]),
    ] = None
    user_id: UserName = None


class ConditionMet(BaseModel):
    """That a condition holds, and by which words."""

    kind: Annotated[ConditionKind, Field(description="the condition", examples=["keyword"])]
    words: Annotated[
        list["MatchedWords"],
        Field(description="the words that show it, 20 at most; none for channel, recipient and hours"),
    ]
    probability: Annotated[
        float | None,
        Field(description="of a tone: that it is harsh, as `POST /api/v1/analyze` says", examples=[0.988]),
    ]


class MatchedWords(BaseModel):
    """Words of the message."""

    start: Annotated[int, Field(description="where they start, in characters (code points)", examples=[7])]
    end: Annotated[int, Field(description="where they end, exclusive, in characters", examples=[11])]
    text: Annotated[str, Field(description="the words", examples=["asap"])]


Signs = Annotated[list[ConditionMet], Field(description="why it fires: each condition, and by which words")]


class Proposal(BaseModel):
    """What the first rule that fires proposes. `POST /api/v1/transform` takes its type and intensity."""

    rule_id: Annotated[Id, Field(description="the rule")]
    name: Annotated[str, Field(description="its name", examples=["Kinder in the evening"])]
    scope: WhoseRules
    transform_type: TransformType
    intensity: Intensity
    because: Signs


class RuleMatch(BaseModel):
    """The first rule that fires for a message."""

    proposal: Annotated[Proposal | None, Field(description="what it proposes; null: no rule fires")]


class DryRun(BaseModel):
    """A rule to try on recent messages: one that is stored, or a draft."""

    model_config = ConfigDict(extra="forbid")

    rule_id: Annotated[
        uuid.UUID | None, Field(description="a stored rule, on or off", examples=ID_EXAMPLES)
    ] = None
    draft: Annotated[Rule | None, Field(description="a rule that is not stored, in place of `rule_id`")] = (
        None
    )
    limit: Annotated[
        int, Field(ge=1, le=_MOST_TRIED, strict=True, description="the most messages to try", examples=[100])
    ] = _MOST_TRIED
    rewrites: Annotated[
        int,
        Field(
            ge=0,
            le=_MOST_REWRITES,
            strict=True,
            description="for how many of those that fire to make the rewrite that it would have proposed;"
            " each counts as one of `POST /api/v1/transform`",
            examples=[3],
        ),
    ] = 0
    channel: Channel = None
    recipient: Recipient = None
    locale: Annotated[
        str | None,
        Field(pattern=LOCALE, description="language tag of the person, `ja-JP`", examples=["en-GB"]),
    ] = None
    user_id: UserName = None


class FiredMessage(BaseModel):
    """A message for which the rule would have fired."""

    answer_id: Annotated[Id, Field(description="the answer that the person got for it")]
    message: Annotated[str, Field(description="the message", examples=["Fix it asap."])]
    sent_at: Annotated[Time, Field(description="when the person had it rewritten")]
    because: Signs
    rewrite: Annotated[
        Answer | None,
        Field(description="what the rule would have proposed; null: not asked for, or not available"),
    ]


class DryRunResult(BaseModel):
    """What a rule would have done. It was not asked for the channel and the recipient, unless you named them:
    they are stored with no message.
    """

    tried: Annotated[int, Field(description="different messages that were tried", examples=[42])]
    fired: Annotated[int, Field(description="for how many of them it would have fired", examples=[3])]
    unchecked: Annotated[
        list[ConditionKind],
        Field(
            description="conditions that count as met, since nothing is known of them", examples=[["channel"]]
        ),
    ]
    messages: Annotated[list[FiredMessage], Field(description="those messages, the newest first")]


def _find_owner(caller: Caller, scope: Scope, user_id: str | None, changes: bool) -> Owner | None:
    return owners.find_owner(caller, scope, user_id, reason("rule_person_missing"), changes)


def _scope_of(row: StoredRule) -> Scope:
    return Scope.ORGANISATION if row.user_id is None else Scope.OWN


def _show(caller: Caller, row: StoredRule) -> ListedRule:
    return ListedRule(
        **dict(row.rule),
        id=row.id,
        scope=_scope_of(row),
        created_by=row.created_by if owners.may_administer(caller) else None,
        created_at=row.created_at,
    )


def _show_signs(text: str, signs: Sequence[Sign]) -> list[ConditionMet]:
    return [
        ConditionMet(
            kind=sign.kind,
            words=[
                MatchedWords(start=place.start, end=place.end, text=text[place.start : place.end])
                for place in sign.places
            ],
            probability=None if sign.probability is None else round(sign.probability, 3),
        )
        for sign in signs
    ]


@router.get("", responses=LINKED)
async def list_rules(
    caller: Authenticated,
    connection: Connection,
    page: PageOfThings,
    scope: AskedScope = Scope.ORGANISATION,
    user_id: AskedPerson = None,
) -> list[ListedRule]:
    """List rules, the newest first; `priority` says in which order they are tried."""
    owner = _find_owner(caller, scope, user_id, changes=False)
    async with transaction_of(connection, caller.identity.organisation_id):
        rows = await stored.list_some(
            connection, owner.id if owner else None, before=page.before, most=page.most
        )
    return page.show([_show(caller, row) for row in rows])


@router.post("", status_code=201, responses=refuses(_FOR_ADMINS, _FULL))
async def add_rule(parts: InjectedParts, caller: Authenticated, body: NewRule) -> ListedRule:
    """Add a rule, in effect at once. Admins add to the organisation's rules, whose conditions and names all
    members read.
    """
    owner = _find_owner(caller, body.scope, body.user_id, changes=True)
    organisation_id = caller.identity.organisation_id
    async with parts.pool.connection() as connection, transaction_of(connection, organisation_id):
        rule_id = await stored.add(connection, organisation_id, owner, caller.name, body.rule)
        added = await stored.find(connection, [owner.id if owner else None], rule_id)
    assert added is not None, rule_id
    return _show(caller, added)


@router.get("/changes", responses={**LINKED, **refuses(_FOR_ADMINS)})
async def list_rule_changes(
    caller: Authenticated,
    connection: Connection,
    page: PageOfEvents,
    scope: AskedScope = Scope.ORGANISATION,
    user_id: AskedPerson = None,
) -> list[RecordedRuleChange]:
    """List who changed which rule and how, the newest first: the organisation's rules for its admins, and a
    person's own for that person.
    """
    owner = _find_owner(caller, scope, user_id, changes=True)
    async with transaction_of(connection, caller.identity.organisation_id):
        rows = await stored.list_changes(
            connection, owner.id if owner else None, before=page.before, most=page.most
        )
    return page.show([_show_change(row) for row in rows])


def _show_change(row: Change) -> RecordedRuleChange:
    return RecordedRuleChange(
        id=row.id,
        rule_id=row.rule_id,
        former=row.former,
        present=row.present,
        changed_by=row.changed_by,
        changed_at=row.changed_at,
    )


@router.post("/match")
async def match_rules(parts: InjectedParts, caller: Authenticated, body: MessageToMatch) -> RuleMatch:
    """Find the first rule that fires for a message, and what it proposes. The organisation's rules are tried,
    and those of the person, if the request names one. Nothing is stored, and it counts in no quota.
    """
    *_, owner_id = owners.list_owners(caller, body.user_id)
    async with (
        parts.pool.connection() as connection,
        transaction_of(connection, caller.identity.organisation_id),
    ):
        rows = await stored.fetch_in_force(connection, owner_id)
    sent = Sent(body.text, body.sent_at or datetime.now(UTC), body.channel, body.recipient)
    # A message of many keywords, and its tone, take milliseconds, in which other requests would wait.
    found = await run_in_threadpool(matching.find_first, rows, sent, partial(read_tone, sent))
    if found is None:
        return RuleMatch(proposal=None)
    rule = found.stored.rule
    return RuleMatch(
        proposal=Proposal(
            rule_id=found.stored.id,
            name=rule.name,
            scope=_scope_of(found.stored),
            transform_type=rule.transform_type,
            intensity=rule.intensity,
            because=_show_signs(body.text, found.signs),
        )
    )


@router.post("/dry-run", responses=refuses(_UNKNOWN))
async def dry_run_rule(
    parts: InjectedParts, caller: Authenticated, body: DryRun, turn: Waiting
) -> DryRunResult:
    """Try a rule on the messages that a person had rewritten last, each at the time at which they did; on
    100,000 characters at most. The rule may be off. No role reads messages of others, so an admin tries a
    rule on their own.
    """
    if (body.rule_id is None) == (body.draft is None):
        raise InvalidError({"draft": reason("rule_or_draft")})
    user_id = name_person(caller, body.user_id, reason("answers_person_missing"))
    person, _ = caller.user(user_id)
    async with (
        parts.pool.connection() as connection,
        transaction_of(connection, caller.identity.organisation_id),
    ):
        rule = body.draft
        if body.rule_id is not None:
            row = await stored.find(connection, owners.list_owners(caller, user_id), body.rule_id)
            if row is None:
                raise NotFoundError("unknown_rule")
            rule = row.rule
        answers = await own_answers.list_some(connection, person, most=body.limit)
    assert rule is not None
    newest: dict[str, OwnAnswer] = {}
    characters = 0
    for answer in answers:
        if answer.message in newest:
            continue
        characters += len(answer.message)
        if characters > _MOST_CHARACTERS:
            break
        newest[answer.message] = answer
    unknown = {ConditionKind.CHANNEL: body.channel, ConditionKind.RECIPIENT: body.recipient}
    unchecked = [kind for kind, place in unknown.items() if place is None and rule.condition(kind)]
    fired = await run_in_threadpool(_try_all, rule, list(newest.values()), body, unchecked)
    work = _rewrite(parts, caller, body, rule, [answer.message for answer, _ in fired])
    rewrites = await turn.unless_left(work)
    return DryRunResult(
        tried=len(newest),
        fired=len(fired),
        unchecked=unchecked,
        messages=[
            FiredMessage(
                answer_id=answer.id,
                message=answer.message,
                sent_at=answer.created_at,
                because=_show_signs(answer.message, signs),
                rewrite=rewrites.get(answer.message),
            )
            for answer, signs in fired
        ],
    )


@router.get("/{rule_id}", responses=refuses(_UNKNOWN))
async def get_rule(
    caller: Authenticated, connection: Connection, rule_id: RuleId, user_id: AskedPerson = None
) -> ListedRule:
    """Read a rule: one of the organisation's, or a person's own."""
    async with transaction_of(connection, caller.identity.organisation_id):
        row = await stored.find(connection, owners.list_owners(caller, user_id), rule_id)
    if row is None:
        raise NotFoundError("unknown_rule")
    return _show(caller, row)


@router.patch("/{rule_id}", responses=refuses(_FOR_ADMINS, _UNKNOWN, _FULL))
async def change_rule(
    parts: InjectedParts, caller: Authenticated, expected: Expected, body: RuleChanges, rule_id: RuleId
) -> ListedRule:
    """Change a rule, or turn it on or off, in effect at once."""
    owner_ids, organisation_id = owners.list_owners(caller, body.user_id), caller.identity.organisation_id
    changes = {name: value for name, value in body if value is not None and name != "user_id"}
    async with parts.pool.connection() as connection, transaction_of(connection, organisation_id):
        former = await _find(connection, caller, owner_ids, rule_id)
        expected.check(_show(caller, former))
        rule = former.rule.model_copy(update=changes)
        await stored.change(connection, organisation_id, former, caller.name, rule)
    return _show(caller, former._replace(rule=rule))


@router.delete(
    "/{rule_id}", status_code=204, response_class=Response, responses=refuses(_FOR_ADMINS, _UNKNOWN)
)
async def delete_rule(
    caller: Authenticated,
    expected: Expected,
    connection: Connection,
    rule_id: RuleId,
    user_id: AskedPerson = None,
) -> None:
    """Delete a rule, in effect at once."""
    owner_ids, organisation_id = owners.list_owners(caller, user_id), caller.identity.organisation_id
    async with transaction_of(connection, organisation_id):
        row = await _find(connection, caller, owner_ids, rule_id)
        expected.check(_show(caller, row))
        await stored.delete(connection, organisation_id, row, caller.name)


async def _find(
    connection: AsyncConnection, caller: Caller, owner_ids: list[uuid.UUID | None], rule_id: uuid.UUID
) -> StoredRule:
    """A rule that the caller may change; until the transaction ends nobody else does. NotFoundError when they
    see no such rule, ForbiddenError when only an admin may change it.
    """
    await stored.lock(connection, rule_id)
    row = await stored.find(connection, owner_ids, rule_id)
    if row is None:
        raise NotFoundError("unknown_rule")
    owners.check_may_change(caller, row.user_id)
    return row


def read_tone(sent: Sent) -> Tone | None:
    """How likely a message is to be read as harsh, by the analysis; None for a language that it does not
    know.
    """
    analysis = analyse(sent.text, _ANY_DAY)
    tone = analysis.aspects.get("tone")
    if tone is None:
        return None
    places = [Place(analysis.findings[index].start, analysis.findings[index].end) for index in tone.because]
    return Tone(tone.probabilities["harsh"], places)


def _try_all(
    rule: Rule, answers: Sequence[OwnAnswer], body: DryRun, unchecked: Collection[ConditionKind]
) -> Sequence[tuple[OwnAnswer, Sequence[Sign]]]:
    """The answers for whose messages a rule would have fired, and why."""
    fired: list[tuple[OwnAnswer, Sequence[Sign]]] = []
    for answer in answers:
        sent = Sent(answer.message, answer.created_at, body.channel, body.recipient)
        signs = matching.check(rule, sent, partial(read_tone, sent), unchecked)
        if signs is not None:
            fired.append((answer, signs))
    return fired


async def _rewrite(
    parts: Parts, caller: Caller, body: DryRun, rule: Rule, messages: Sequence[str]
) -> dict[str, Answer]:
    """The rewrites of the first messages, by message; without those that are not available now."""
    wanted = messages[: body.rewrites]
    if wanted:
        await parts.limiter.take(caller, TRANSFORM, len(wanted))
    rewrites = {}
    for text in wanted:
        message = Message(text, rule.transform_type, rule.intensity, body.user_id, body.locale)
        try:
            answer = await parts.online.transform(caller, message)
        except UnavailableError:
            continue
        rewrites[text] = Answer.model_validate_json(answer.body)
    return rewrites

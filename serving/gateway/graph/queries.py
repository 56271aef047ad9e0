"""What can be read. Each field calls the function of the REST route, with its checks of the caller."""

import uuid
from datetime import datetime
from typing import Any

import strawberry
from starlette.responses import Response

from data.jobs.queue import Kind, State
from data.people.identities import Role
from data.people.key_changes import KeyAction
from data.records import TransformType
from data.webhooks.events import EventType
from experiments.lifecycle import Status
from serving.gateway.graph import objects
from serving.gateway.graph.arguments import check, check_first, named_rows, rows
from serving.gateway.graph.context import Info
from serving.gateway.owners import Scope
from serving.gateway.routes import (
    accounts,
    answers,
    app_feedback,
    batches,
    comparisons,
    consent,
    dictionary,
    erasures,
    experiments,
    inbound_webhooks,
    jobs,
    keys,
    metrics,
    origins,
    preferences,
    rules,
    sessions,
    webhooks,
)


@strawberry.type
class Query:
    """What the caller may see. A field that is refused is null, and the others are answered."""

    @strawberry.field(graphql_type=objects.Me | None)
    async def me(self, info: Info) -> Any:
        """The caller, and their role."""
        context = info.context
        async with context.connection() as connection:
            return await accounts.get_me(context.parts, context.caller, connection)

    @strawberry.field(graphql_type=list[objects.Batch] | None)
    async def batches(
        self,
        info: Info,
        first: int = 50,
        before: uuid.UUID | None = None,
        states: list[State] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Any:
        """Batches, the newest first: those with a message in one of some states, those accepted from `since`
        on and before `until`, or those older than `before`.
        """
        wanted = check(batches.list_batches, state=states, since=since, until=until)
        async with info.context.connection() as connection:
            return await batches.list_batches(info.context.caller, connection, rows(first, before), **wanted)

    @strawberry.field(graphql_type=objects.Batch | None)
    async def batch(self, info: Info, id: uuid.UUID) -> Any:
        """The progress of a batch."""
        async with info.context.connection() as connection:
            return await batches.get_batch(info.context.caller, connection, id)

    @strawberry.field(graphql_type=list[objects.BatchResult] | None)
    async def batch_results(self, info: Info, batch_id: uuid.UUID, first: int = 50, after: int = -1) -> Any:
        """What became of the messages of a batch so far, in its order: those after the place `after`."""
        most = check_first(first)
        async with info.context.connection() as connection:
            return await batches.list_batch_results(info.context.caller, connection, batch_id, after, most)

    @strawberry.field(graphql_type=list[objects.Job] | None)
    async def jobs(
        self,
        info: Info,
        first: int = 50,
        before: uuid.UUID | None = None,
        states: list[State] | None = None,
        kinds: list[Kind] | None = None,
        batch_id: uuid.UUID | None = None,
    ) -> Any:
        """Jobs, the newest first: those in some states, of some kinds, of a batch, or older than `before`."""
        wanted = check(jobs.list_jobs, state=states, kind=kinds, batch_id=batch_id)
        async with info.context.connection() as connection:
            return await jobs.list_jobs(info.context.caller, connection, rows(first, before), **wanted)

    @strawberry.field(graphql_type=objects.Job | None)
    async def job(self, info: Info, id: uuid.UUID) -> Any:
        """A job, with the reason of every failed attempt."""
        async with info.context.connection() as connection:
            return await jobs.get_job(info.context.caller, connection, id)

    @strawberry.field(graphql_type=list[objects.Experiment] | None)
    async def experiments(
        self,
        info: Info,
        first: int = 50,
        before: uuid.UUID | None = None,
        statuses: list[Status] | None = None,
    ) -> Any:
        """Experiments, the newest first; the holdout is one."""
        await info.context.check_viewer()
        wanted = check(experiments.list_experiments, status=statuses)
        async with info.context.connection() as connection:
            return await experiments.list_experiments(
                info.context.caller, connection, rows(first, before), **wanted
            )

    @strawberry.field(graphql_type=objects.Experiment | None)
    async def experiment(self, info: Info, id: uuid.UUID) -> Any:
        """An experiment with its plan and its decisions."""
        await info.context.check_viewer()
        async with info.context.connection() as connection:
            return await experiments.get_experiment(id, info.context.caller, connection)

    @strawberry.field(graphql_type=objects.Metrics | None)
    async def metrics(self, info: Info) -> Any:
        """What experiments measure."""
        await info.context.check_viewer()
        return await metrics.list_metrics(info.context.parts, info.context.caller)

    @strawberry.field(graphql_type=list[objects.OwnAnswer] | None)
    async def answers(
        self,
        info: Info,
        first: int = 50,
        before: uuid.UUID | None = None,
        transform_types: list[TransformType] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        q: str | None = None,
        user_id: str | None = None,
    ) -> Any:
        """A person's own answers with their messages, the newest first; those with `q` in their message or
        their rewrite.
        """
        wanted = check(
            answers.list_answers,
            transform_type=transform_types,
            since=since,
            until=until,
            q=q,
            user_id=user_id,
        )
        context = info.context
        async with context.connection() as connection:
            return await answers.list_answers(
                Response(), context.parts, context.caller, connection, rows(first, before), **wanted
            )

    @strawberry.field(graphql_type=objects.OwnAnswer | None)
    async def answer(self, info: Info, id: uuid.UUID, user_id: str | None = None) -> Any:
        """One of a person's own answers, with its message."""
        wanted = check(answers.get_answer, user_id=user_id)
        context = info.context
        async with context.connection() as connection:
            return await answers.get_answer(
                Response(), context.parts, context.caller, connection, id, **wanted
            )

    @strawberry.field(graphql_type=list[objects.DictionaryTerm] | None)
    async def dictionary(
        self,
        info: Info,
        scope: Scope = Scope.ORGANISATION,
        user_id: str | None = None,
        first: int = 50,
        before: uuid.UUID | None = None,
    ) -> Any:
        """The terms of the organisation, or a person's own, the newest first."""
        wanted = check(dictionary.list_dictionary_terms, scope=scope, user_id=user_id)
        async with info.context.connection() as connection:
            return await dictionary.list_dictionary_terms(
                info.context.caller, connection, rows(first, before), **wanted
            )

    @strawberry.field(graphql_type=objects.DictionaryTerm | None)
    async def dictionary_term(self, info: Info, id: uuid.UUID, user_id: str | None = None) -> Any:
        """A term of the organisation, or one of a person's own."""
        wanted = check(dictionary.get_dictionary_term, user_id=user_id)
        async with info.context.connection() as connection:
            return await dictionary.get_dictionary_term(info.context.caller, connection, id, **wanted)

    @strawberry.field(graphql_type=list[objects.Rule] | None)
    async def rules(
        self,
        info: Info,
        scope: Scope = Scope.ORGANISATION,
        user_id: str | None = None,
        first: int = 50,
        before: uuid.UUID | None = None,
    ) -> Any:
        """The rules of the organisation, or a person's own, the newest first."""
        wanted = check(rules.list_rules, scope=scope, user_id=user_id)
        async with info.context.connection() as connection:
            return await rules.list_rules(info.context.caller, connection, rows(first, before), **wanted)

    @strawberry.field(graphql_type=objects.Rule | None)
    async def rule(self, info: Info, id: uuid.UUID, user_id: str | None = None) -> Any:
        """A rule of the organisation, or one of a person's own."""
        wanted = check(rules.get_rule, user_id=user_id)
        async with info.context.connection() as connection:
            return await rules.get_rule(info.context.caller, connection, id, **wanted)

    @strawberry.field(graphql_type=list[objects.RuleChange] | None)
    async def rule_changes(
        self,
        info: Info,
        scope: Scope = Scope.ORGANISATION,
        user_id: str | None = None,
        first: int = 50,
        before: uuid.UUID | None = None,
    ) -> Any:
        """Who changed which rule and how, the newest first: the organisation's rules for admins, and a
        person's own for that person.
        """
        wanted = check(rules.list_rule_changes, scope=scope, user_id=user_id)
        async with info.context.connection() as connection:
            return await rules.list_rule_changes(
                info.context.caller, connection, rows(first, before), **wanted
            )

    @strawberry.field(graphql_type=objects.Consent | None)
    async def consent(self, info: Info, user_id: str | None = None) -> Any:
        """Whether a person's feedback may train models."""
        wanted = check(consent.get_consent, user_id=user_id)
        async with info.context.connection() as connection:
            return await consent.get_consent(info.context.caller, connection, **wanted)

    @strawberry.field(graphql_type=list[objects.Erasure] | None)
    async def erasures(
        self, info: Info, first: int = 50, before: uuid.UUID | None = None, user_id: str | None = None
    ) -> Any:
        """A person's own erasures, the newest first; those before `before`."""
        wanted = check(erasures.list_erasures, user_id=user_id)
        async with info.context.connection() as connection:
            return await erasures.list_erasures(
                info.context.caller, connection, rows(first, before), **wanted
            )

    @strawberry.field(graphql_type=objects.Preferences | None)
    async def preferences(self, info: Info, user_id: str | None = None) -> Any:
        """What a person prefers, for clients to preselect."""
        wanted = check(preferences.get_preferences, user_id=user_id)
        async with info.context.connection() as connection:
            return await preferences.get_preferences(info.context.caller, connection, **wanted)

    @strawberry.field(graphql_type=objects.Progress | None)
    async def comparison_progress(self, info: Info, user_id: str | None = None) -> Any:
        """How many comparisons a person has judged."""
        wanted = check(comparisons.get_comparison_progress, user_id=user_id)
        context = info.context
        async with context.connection() as connection:
            return await comparisons.get_comparison_progress(
                context.parts, context.caller, connection, **wanted
            )

    @strawberry.field(graphql_type=objects.Organisation | None)
    async def organisation(self, info: Info) -> Any:
        """What the owners of the organisation decide about training; for owners."""
        owner = await consent.owner(info.context.caller)
        async with info.context.connection() as connection:
            return await consent.get_organisation(owner, connection)

    @strawberry.field(graphql_type=list[objects.Account] | None)
    async def accounts(
        self,
        info: Info,
        first: int = 50,
        before: uuid.UUID | None = None,
        roles: list[Role] | None = None,
        q: str | None = None,
    ) -> Any:
        """The people who sign in, the newest first: those with some roles, or with a part of their address or
        name; for admins.
        """
        admin = await keys.administrator(info.context.caller)
        wanted = check(accounts.list_accounts, role=roles, q=q)
        async with info.context.connection() as connection:
            return await accounts.list_accounts(admin, connection, rows(first, before), **wanted)

    @strawberry.field(graphql_type=list[objects.Session] | None)
    async def sessions(self, info: Info, first: int = 50, before: uuid.UUID | None = None) -> Any:
        """Where the caller is signed in, the newest first; for people who have signed in."""
        current = await sessions.signed_in(info.context.caller)
        async with info.context.connection() as connection:
            return await sessions.list_sessions(current, connection, rows(first, before))

    @strawberry.field(graphql_type=list[objects.ApiKey] | None)
    async def keys(
        self,
        info: Info,
        first: int = 50,
        before: str | None = None,
        roles: list[Role] | None = None,
        revoked: bool | None = None,
    ) -> Any:
        """The API keys, the newest first, without their secrets; for admins."""
        admin = await keys.administrator(info.context.caller)
        wanted = check(keys.list_keys, role=roles, revoked=revoked)
        async with info.context.connection() as connection:
            return await keys.list_keys(admin, connection, named_rows(first, before), **wanted)

    @strawberry.field(graphql_type=list[objects.RequestSecret] | None)
    async def request_secrets(
        self, info: Info, key_id: str, first: int = 50, before: str | None = None
    ) -> Any:
        """What signs requests with an API key, the newest first, without the secrets; for admins."""
        admin = await keys.administrator(info.context.caller)
        wanted = check(keys.list_request_secrets, key_id=key_id)
        async with info.context.connection() as connection:
            return await keys.list_request_secrets(
                caller=admin, connection=connection, page=named_rows(first, before), **wanted
            )

    @strawberry.field(graphql_type=list[objects.SigningKey] | None)
    async def signing_keys(
        self,
        info: Info,
        first: int = 50,
        before: str | None = None,
        roles: list[Role] | None = None,
        revoked: bool | None = None,
    ) -> Any:
        """The keys that sign tokens, the newest first; for admins."""
        admin = await keys.administrator(info.context.caller)
        wanted = check(keys.list_signing_keys, role=roles, revoked=revoked)
        async with info.context.connection() as connection:
            return await keys.list_signing_keys(admin, connection, named_rows(first, before), **wanted)

    @strawberry.field(graphql_type=list[objects.KeyChange] | None)
    async def key_changes(
        self,
        info: Info,
        first: int = 50,
        before: uuid.UUID | None = None,
        actions: list[KeyAction] | None = None,
        key_id: str | None = None,
    ) -> Any:
        """Who made, changed and revoked keys, secrets, tokens and origins, the newest first: some kinds of
        changes, or those of an API key; for admins.
        """
        admin = await keys.administrator(info.context.caller)
        wanted = check(keys.list_key_changes, action=actions, key_id=key_id)
        async with info.context.connection() as connection:
            return await keys.list_key_changes(admin, connection, rows(first, before), **wanted)

    @strawberry.field(graphql_type=list[str] | None)
    async def origins(self, info: Info) -> Any:
        """The pages that may use the organisation's tokens, and its keys without a list of their own; for
        admins.
        """
        admin = await keys.administrator(info.context.caller)
        async with info.context.connection() as connection:
            return (await origins.get_origins(admin, connection)).origins

    @strawberry.field(graphql_type=objects.KeyOrigins | None)
    async def key_origins(self, info: Info, key_id: str) -> Any:
        """The pages that may use an API key; for admins."""
        admin = await keys.administrator(info.context.caller)
        wanted = check(origins.get_key_origins, key_id=key_id)
        async with info.context.connection() as connection:
            return await origins.get_key_origins(caller=admin, connection=connection, **wanted)

    @strawberry.field(graphql_type=list[objects.Webhook] | None)
    async def webhooks(self, info: Info, first: int = 50, before: uuid.UUID | None = None) -> Any:
        """The addresses that get events, the newest first; for admins."""
        admin = await keys.administrator(info.context.caller)
        async with info.context.connection() as connection:
            return await webhooks.list_webhooks(admin, connection, rows(first, before))

    @strawberry.field(graphql_type=objects.Webhook | None)
    async def webhook(self, info: Info, id: uuid.UUID) -> Any:
        """An address that gets events; for admins."""
        admin = await keys.administrator(info.context.caller)
        async with info.context.connection() as connection:
            return await webhooks.get_webhook(admin, connection, id)

    @strawberry.field(graphql_type=list[objects.Delivery] | None)
    async def deliveries(
        self,
        info: Info,
        webhook_id: uuid.UUID,
        first: int = 50,
        before: uuid.UUID | None = None,
        states: list[State] | None = None,
        events: list[EventType] | None = None,
    ) -> Any:
        """The log of a webhook, the newest first; for admins."""
        admin = await keys.administrator(info.context.caller)
        wanted = check(webhooks.list_deliveries, state=states, event=events)
        async with info.context.connection() as connection:
            return await webhooks.list_deliveries(
                admin, connection, webhook_id, rows(first, before), **wanted
            )

    @strawberry.field(graphql_type=list[objects.InboundWebhook] | None)
    async def inbound_webhooks(self, info: Info, first: int = 50, before: uuid.UUID | None = None) -> Any:
        """The addresses to which other tools send messages, the newest first; for admins."""
        admin = await keys.administrator(info.context.caller)
        async with info.context.connection() as connection:
            return await inbound_webhooks.list_inbound_webhooks(admin, connection, rows(first, before))

    @strawberry.field(graphql_type=objects.InboundWebhook | None)
    async def inbound_webhook(self, info: Info, id: uuid.UUID) -> Any:
        """An address to which another tool sends messages; for admins."""
        admin = await keys.administrator(info.context.caller)
        async with info.context.connection() as connection:
            return await inbound_webhooks.get_inbound_webhook(admin, connection, id)

    @strawberry.field(graphql_type=list[objects.AppFeedback] | None)
    async def app_feedback(self, info: Info, first: int = 50, before: uuid.UUID | None = None) -> Any:
        """What people said about the app itself, the newest first; for admins."""
        admin = await keys.administrator(info.context.caller)
        async with info.context.connection() as connection:
            return await app_feedback.list_app_feedback(admin, connection, rows(first, before))

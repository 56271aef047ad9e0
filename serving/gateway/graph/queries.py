"""What can be read. Each field calls the function of the REST route, with its checks of the caller."""

import uuid
from typing import Any

import strawberry

from data.jobs.queue import State
from serving.gateway.graph import objects
from serving.gateway.graph.context import Info
from serving.gateway.graph.objects import check_first
from serving.gateway.routes import accounts, batches, experiments, jobs, metrics


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
    async def batches(self, info: Info, first: int = 50, before: uuid.UUID | None = None) -> Any:
        """Batches, the newest first; those older than `before`."""
        async with info.context.connection() as connection:
            return await batches.list_batches(info.context.caller, connection, before, check_first(first))

    @strawberry.field(graphql_type=objects.Batch | None)
    async def batch(self, info: Info, id: uuid.UUID) -> Any:
        """The progress of a batch."""
        async with info.context.connection() as connection:
            return await batches.get_batch(info.context.caller, connection, id)

    @strawberry.field(graphql_type=list[objects.Job] | None)
    async def jobs(
        self,
        info: Info,
        first: int = 50,
        before: uuid.UUID | None = None,
        states: list[State] | None = None,
        batch_id: uuid.UUID | None = None,
    ) -> Any:
        """Jobs, the newest first: those in some states, of a batch, or older than `before`."""
        async with info.context.connection() as connection:
            return await jobs.list_jobs(
                info.context.caller, connection, states or [], batch_id, before, check_first(first)
            )

    @strawberry.field(graphql_type=objects.Job | None)
    async def job(self, info: Info, id: uuid.UUID) -> Any:
        """A job, with the reason of every failed attempt."""
        async with info.context.connection() as connection:
            return await jobs.get_job(info.context.caller, connection, id)

    @strawberry.field(graphql_type=list[objects.Experiment] | None)
    async def experiments(self, info: Info, first: int = 50) -> Any:
        """The newest experiments, the newest first; the holdout is one."""
        await info.context.check_viewer()
        async with info.context.connection() as connection:
            return await experiments.list_experiments(info.context.caller, connection, check_first(first))

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

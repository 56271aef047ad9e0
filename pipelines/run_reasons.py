"""Why a flow run ended as it did, as reasons: the dashboard shows them in the reader's language.

They are a label of the run in Prefect. For Prefect's own pages, the message of its state has them in English.
"""

import json
import uuid
from collections.abc import Sequence
from typing import Any

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.context import FlowRunContext
from prefect.flows import Flow
from prefect.states import Completed, get_state_exception

from data.reasons import Reason, ReasonedError, dump, reason, render
from serving.dashboard.services import reasons_label
from serving.validation import reasons_of


class FlowError(ReasonedError, ValueError):
    """A flow cannot do what its parameters ask for."""


def complete(name: str, *reasons: Reason) -> State[Any]:
    """A completed state with a name and reasons, to be returned by a flow. Outside of a flow run, which tests
    do by `flow.fn`, there is nothing to label.
    """
    context = FlowRunContext.get()
    if context is not None and context.flow_run is not None:
        _label(context.flow_run.id, name, reasons)
    return Completed(name=name, message=render(reasons))


def label_failure(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """The hook `on_failure` of every flow: labels the run with the reasons of the exception that it raised.

    A run whose process ends has no label; the dashboard knows from its state that it crashed.
    """
    error = get_state_exception(state)
    assert isinstance(error, Exception), error
    reasons = reasons_of(error) or [reason("flow_exception", error=type(error).__name__)]
    _label(flow_run.id, state.name or "", reasons)


def _label(run_id: uuid.UUID, state: str, reasons: Sequence[Reason]) -> None:
    with get_client(sync_client=True) as client:
        client.update_flow_run_labels(run_id, {reasons_label(state): json.dumps(dump(reasons))})

"""Errors of GraphQL: each has the problem (RFC 9457) that a REST route would answer, as its extensions."""

import json
import logging
from collections.abc import Mapping
from typing import Any

from graphql import GraphQLError

from serving.gateway import problems
from serving.gateway.problems import InvalidDocumentError

log = logging.getLogger(__name__)


class AnsweredError(Exception):
    """A request that was answered already, with a problem."""

    def __init__(self, problem: bytes, headers: Mapping[str, str]) -> None:
        self.problem, self.headers = problem, headers


def explain(error: GraphQLError) -> GraphQLError:
    """The error as it is sent: the detail of its problem as the message, and title, status, reasons and
    `code`, that of the first reason, as extensions. What is not expected is logged, and shows nothing of the
    inside.
    """
    cause = error.original_error
    while isinstance(cause, GraphQLError):
        cause = cause.original_error
    if cause is None:  # of the document or its variables
        cause = InvalidDocumentError("graphql_invalid", error=error.message)
    problem, headers = _answer(cause)
    extensions: dict[str, Any] = {
        name: problem[name] for name in ("status", "title", "reasons", "errors") if name in problem
    }
    if problem["reasons"]:
        extensions["code"] = problem["reasons"][0]["code"]
    if "retry-after" in headers:
        extensions["retry_after_s"] = int(headers["retry-after"])
    return GraphQLError(
        problem["detail"], error.nodes, error.source, error.positions, error.path, extensions=extensions
    )


def _answer(error: Exception) -> tuple[dict[str, Any], Mapping[str, str]]:
    if isinstance(error, AnsweredError):
        return json.loads(error.problem), error.headers
    response = problems.answer(error)
    if response.status_code == 500:
        log.exception("a field failed with an unexpected error", exc_info=error)
    return json.loads(bytes(response.body)), response.headers

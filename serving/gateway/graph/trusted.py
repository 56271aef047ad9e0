"""Trusted documents: those of `documents.json`, which a client may name by their SHA-256 instead of sending
them. With the setting `graphql_free_queries` off there are no others.
"""

import json
from functools import cache
from hashlib import sha256
from pathlib import Path

from configs.settings import Settings
from serving.gateway.problems import ForbiddenError, InvalidDocumentError, NotFoundError

_FILE = Path(__file__).with_name("documents.json")


@cache
def documents() -> dict[str, str]:
    """The documents by name."""
    loaded: dict[str, str] = json.loads(_FILE.read_text(encoding="utf-8"))
    return loaded


@cache
def _by_digest() -> dict[str, str]:
    return {identify(document): document for document in documents().values()}


def identify(document: str) -> str:
    """The id of a document."""
    return sha256(document.encode()).hexdigest()


def choose(settings: Settings, query: str | None, document_id: str | None) -> str:
    """The document of a request. InvalidDocumentError unless it has one of both, NotFoundError for an id that
    is not known, ForbiddenError for a document that may not be sent.
    """
    if (query is None) == (document_id is None):
        raise InvalidDocumentError("graphql_one_of_both")
    if document_id is not None:
        if (document := _by_digest().get(document_id)) is None:
            raise NotFoundError("graphql_document_unknown")
        return document
    assert query is not None, "checked above"
    if not settings.graphql_free_queries and identify(query) not in _by_digest():
        raise ForbiddenError("graphql_only_trusted")
    return query

"""Pages of lists: which part of a list a request asks for, and the link to the page after it (RFC 8288).

A page begins after a row, and not after a number of rows. So a row that is added or removed meanwhile moves
no other row to another page, and the last page takes no longer than the first one.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar
from urllib.parse import quote, urlencode

from fastapi import Depends, Query, Request, Response

MOST = 200

Id = TypeVar("Id")
Row = TypeVar("Row")

Limit = Annotated[int, Query(ge=1, le=MOST, description="the most rows to show", examples=[50])]
_OF_THE_LAST = "the id of the last row of the page before this one; `Link` has it"
Before = Annotated[
    uuid.UUID | None,
    Query(description=_OF_THE_LAST, examples=["01a223bd-5a2e-7c31-9d40-6f1e2d3c4b5a"]),
]
BeforeName = Annotated[
    str | None,
    Query(
        min_length=1,
        max_length=64,
        pattern=r"^[^\x00]*$",
        description=_OF_THE_LAST,
        examples=["3f9c2a1b7d4e5f60"],
    ),
]
# What a list says of its page, for the description of its route.
LINKED: dict[int | str, dict[str, Any]] = {200: {"headers": {"Link": {"$ref": "#/components/headers/Link"}}}}


@dataclass(frozen=True)
class Rows(Generic[Id]):
    """The rows of a list that are asked for: at most `limit`, after the one with the id `before`."""

    before: Id | None
    limit: int

    @property
    def most(self) -> int:
        """How many rows to read."""
        return self.limit

    def show(self, rows: Sequence[Row], id: str = "id") -> list[Row]:
        """The rows to show, of at most `most` that were read. Each has its id in the field `id`."""
        return list(rows)

    def go_on_after(self, id: Id) -> None:
        """Begin the next page after the row with this id, which this page may lack. Only HTTP can say so."""


@dataclass(frozen=True)
class Page(Rows[Id]):
    """The rows that an HTTP request asks for."""

    request: Request
    response: Response

    @property
    def most(self) -> int:
        """How many rows to read: one more than to show, which tells whether another page follows."""
        return self.limit + 1

    def show(self, rows: Sequence[Row], id: str = "id") -> list[Row]:
        """The rows of the page, of at most `most` that were read. The response links to the next page, by the
        field `id` of its last row.
        """
        page = list(rows[: self.limit])
        if len(rows) > self.limit:
            self.go_on_after(getattr(page[-1], id))
        return page

    def go_on_after(self, id: Id) -> None:
        """Link to the page that begins after the row with this id."""
        query = [field for field in self.request.query_params.multi_items() if field[0] != "before"]
        query.append(("before", str(id)))
        path = quote(self.request.scope["path"])
        self.response.headers["Link"] = f'<{path}?{urlencode(query)}>; rel="next"'


# Lists of what happened are long, and people look at their beginning. Lists of what an organisation has had
# no pages once: few clients of that time see less than all.


def _page_of_events(
    request: Request, response: Response, before: Before = None, limit: Limit = 50
) -> Page[uuid.UUID]:
    return Page(before, limit, request, response)


def _page_of_things(
    request: Request, response: Response, before: Before = None, limit: Limit = MOST
) -> Page[uuid.UUID]:
    return Page(before, limit, request, response)


def _page_of_named_things(
    request: Request, response: Response, before: BeforeName = None, limit: Limit = MOST
) -> Page[str]:
    return Page(before, limit, request, response)


PageOfEvents = Annotated[Rows[uuid.UUID], Depends(_page_of_events)]
PageOfThings = Annotated[Rows[uuid.UUID], Depends(_page_of_things)]
PageOfNamedThings = Annotated[Rows[str], Depends(_page_of_named_things)]

"""What a route refuses, for the API's description: errors as the route raises them. The description shows the
status, the sentence and the document of each, by the code that answers them.
"""

from collections.abc import Mapping
from typing import Any

import psycopg

from serving.gateway import problems
from serving.gateway.problems import InProgressError, TooManyRequestsError

# An error's class, what it is made of (mostly the code of its reason), and the values of that reason.
Refusal = tuple[type[Exception], Any] | tuple[type[Exception], Any, Mapping[str, Any]]
Responses = dict[int | str, dict[str, Any]]

KEY = "x-refusals"  # where FastAPI keeps them until the description is complete
WITHOUT_POSTGRES: Refusal = (psycopg.OperationalError, "Postgres does not answer")
IN_PROGRESS: Refusal = (InProgressError, "first_request_running")
TRIED_TOO_OFTEN: Refusal = (TooManyRequestsError, "tried_too_often")
PLAN: Refusal = (TooManyRequestsError, "plan_rate", {"plan": "free", "rate": 5, "burst": 20})
TIMING = {"Server-Timing": {"$ref": "#/components/headers/Server-Timing"}}
LOCATION = {"Location": {"$ref": "#/components/headers/Location"}}


def refuses(*refusals: Refusal) -> Responses:
    """The parameter `responses` of a route that raises these errors."""
    responses: Responses = {}
    for refusal in refusals:
        response = responses.setdefault(problems.status_of(refusal[0]), {KEY: []})
        response[KEY].append([refusal[0].__name__, *refusal[1:]])
    return responses


def read(response: dict[str, Any]) -> list[Refusal]:
    """Take the refusals out of a response that `refuses` has made."""
    kinds = {kind.__name__: kind for kind in problems.KINDS}
    return [(kinds[name], *made_of) for name, *made_of in response.pop(KEY, ())]


# Of routes whose rate is taken without the dependency `admitted`.
LIMITED = refuses(PLAN)


def make_error(refusal: Refusal) -> Exception:
    """The error."""
    kind, made_of, *values = refusal
    return kind(made_of, **(values[0] if values else {}))

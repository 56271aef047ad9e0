"""Who may call a route, and what every such route refuses. Both follow from the dependencies of the route."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from data.reasons import reason
from serving.gateway import conditional, dependencies
from serving.gateway.cors import BROWSER_ROUTES, OriginError
from serving.gateway.online import completions
from serving.gateway.online.front import most_bytes
from serving.gateway.problems import (
    ChangedError,
    ForbiddenError,
    InvalidError,
    SignatureError,
    TooLargeError,
    UnavailableError,
    UnknownKeyError,
)
from serving.gateway.refusals import IN_PROGRESS, PLAN, WITHOUT_POSTGRES, Refusal
from serving.gateway.routes import consent, experiments, keys, sessions

NOBODY_IN_PARTICULAR = "**Who**: everybody; it takes no key and no token."
_SEES = {"role": "member", "activity": "see_experiments", "needed": "viewer"}
_DECIDES = {"role": "viewer", "activity": "decide_on_experiments", "needed": "experimenter"}


class Rule(NamedTuple):
    """What a dependency asks of a caller: in words, if it says who may call, and what it refuses."""

    name: str  # of the shared responses, before that of the status
    who: str | None
    refusals: tuple[Refusal, ...]


_ORIGIN: Refusal = (OriginError, "origin_not_allowed", {"origin": "https://evil.example"})
_OF_PAGES = Rule("Pages", None, (_ORIGIN, (OriginError, "origin_needed")))
_OF_SERVERS = Rule(
    "Servers",
    None,
    (_ORIGIN, (ForbiddenError, "browser_key_route", {"routes": ", ".join(BROWSER_ROUTES)})),
)
# By the function of the dependency, the strictest last.
RULES: dict[Callable[..., Any], Rule] = {
    dependencies.authenticated: Rule(
        "Key",
        "everybody with an API key or a token.",
        (
            (UnknownKeyError, "credential_missing"),
            (SignatureError, "signature_needed"),
            (UnavailableError, "keys_unverifiable"),
            WITHOUT_POSTGRES,
        ),
    ),
    dependencies.own_page: Rule(
        "OwnPage", None, ((OriginError, "origin_signs_in", {"origin": "https://evil.example"}),)
    ),
    dependencies.admitted: Rule("Plan", None, (PLAN,)),
    conditional.precondition: Rule("Expected", None, ((ChangedError, "changed_meanwhile"),)),
    dependencies.AnswerOnce: Rule("Repeated", None, (IN_PROGRESS,)),
    keys.administrator: Rule(
        "Admin", "admins and owners of the organisation.", ((ForbiddenError, "admin_needed"),)
    ),
    sessions.signed_in: Rule(
        "SignedIn", "people who have signed in to an account.", ((ForbiddenError, "no_session"),)
    ),
    consent.owner: Rule("Owner", "owners of the organisation.", ((ForbiddenError, "owner_needed"),)),
    experiments.viewer: Rule(
        "Viewer",
        "viewers and above, of the organisation that runs the installation.",
        ((ForbiddenError, "role_too_low", _SEES), (ForbiddenError, "other_organisation", _SEES)),
    ),
    experiments.experimenter: Rule(
        "Experimenter",
        "experimenters and above, of the organisation that runs the installation.",
        ((ForbiddenError, "role_too_low", _DECIDES), (ForbiddenError, "other_organisation", _DECIDES)),
    ),
}
WITH_INPUT = Rule("Input", None, ((InvalidError, {"text": reason("invalid_missing")}),))


def make_body_rule(path: str) -> Rule:
    """The rule of routes with a body: how long it may be."""
    limit = completions.Exchange.max_bytes if path == completions.PATH else most_bytes(path)
    return Rule(f"Body{limit // 1024}KiB", None, ((TooLargeError, "body_too_long", {"limit": limit}),))


def find_rules(path: str, dependant: Any) -> list[Rule]:
    """The rules of the route at a path, by its tree of dependencies (FastAPI's `Dependant`)."""
    calls = set(_walk(dependant))
    rules = [rule for call, rule in RULES.items() if call in calls]
    if dependencies.authenticated in calls:
        rules.append(_OF_PAGES if path in BROWSER_ROUTES else _OF_SERVERS)
    return rules


def describe(rules: Sequence[Rule]) -> str:
    """Who may call a route."""
    who = [rule.who for rule in rules if rule.who is not None]
    return f"**Who**: {who[-1]}" if who else NOBODY_IN_PARTICULAR


def _walk(dependant: Any) -> Iterator[Callable[..., Any]]:
    for part in dependant.dependencies:
        yield part.call
        yield from _walk(part)

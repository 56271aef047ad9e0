"""Shows a person their own terms, and changes them, through the gateway's API: rewrites follow at once.

A change that is made twice is made once: a term that is there already gets the new rule and wording.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from data import terms
from data.people import dictionaries
from data.records import TermRule
from serving.channels.gateway import Gateway
from serving.channels.orders import TermChange
from serving.channels.shown import Listed, Said
from serving.sites.words import Words

_PATH = "/dictionary"


async def answer(
    gateway: Gateway, api_key: str, user: str, change: TermChange | None, help_command: str, words: Words
) -> Said | Listed:
    """What a person, whose name at the gateway is `user`, gets to see: the outcome of a change, or without
    one their terms. GatewayError when the gateway refuses the change.
    """
    person = urlencode({"user_id": user})
    listed = await gateway.ask(api_key, "GET", f"{_PATH}?scope=own&{person}")
    if change is None:
        return _list(listed, help_command, words)
    wanted = _fold(change.term)
    id = next((term["id"] for term in listed if _fold(term["term"]) == wanted), None)
    if change.action == "remove":
        if id is None:
            return Said(words.say("“%(term)s” is not one of your terms.", term=change.term))
        await gateway.ask(api_key, "DELETE", f"{_PATH}/{id}?{person}")
        return Said(words.say("“%(term)s” is no longer one of your terms.", term=change.term))
    fields = {"term": change.term, "rule": change.action, "wording": change.wording, "user_id": user}
    if id is None:
        stored = await gateway.ask(api_key, "POST", _PATH, {"scope": "own", **fields})
    else:
        stored = await gateway.ask(api_key, "PATCH", f"{_PATH}/{id}", fields)
    line = _describe(stored, words)
    return Said(words.say("Your rewrites follow this from now on: %(term)s", term=line))


def _fold(term: str) -> str:
    return terms.fold(dictionaries.tidy(term, len(term) * 4))  # a normal form has at most three times as many


def _list(listed: list[Mapping[str, Any]], help_command: str, words: Words) -> Said | Listed:
    if not listed:
        return Said(
            words.say(
                "You have no terms of your own. Send %(command)s to see how to add one.", command=help_command
            )
        )
    note = words.say(
        "Only your own rewrites follow these. Send %(command)s to see how to change them.",
        command=help_command,
    )
    return Listed(tuple(_describe(term, words) for term in listed), note)


def _describe(term: Mapping[str, Any], words: Words) -> str:
    """A term, with what rewrites do with it, on one line."""
    match TermRule(term["rule"]):
        case TermRule.KEEP:
            return f"{term['term']} {words.say('is never changed')}"
        case TermRule.EXPLAIN:
            return f"{term['term']} {words.say('is explained as')} {term['wording']}"
        case TermRule.REPLACE:
            return f"{term['term']} {words.say('is replaced by')} {term['wording']}"

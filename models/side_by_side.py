"""The same messages rewritten by two versions, and those that differ."""

from collections.abc import Sequence
from pathlib import Path

from configs.settings import Settings
from data.records import PROTECTED
from models import rules, shipped
from models.decoding import rewrite_greedily
from models.judge import Pair
from models.protection import Request

RULES = "rules"  # the baseline of a dozen rules
SHIPPED = "shipped"  # the version in the folder `champion/`
_MOST_TOKENS = 128


class UnknownVersionError(ValueError):
    """No version has this name; the message says which names there are."""


def rewrite(name: str, requests: Sequence[Request], settings: Settings) -> list[str]:
    """Greedy rewrites of each (message, transform type, intensity), in their order.

    `name` is that of a version of the registry (`v1`), `rules` (`models.rules`), or `shipped`: the tagger of
    `settings.champion`, which is exported once. Facts are protected as in a release. Raises
    UnknownVersionError for another name.
    """
    if name == RULES:
        return [rules.rewrite(*request) for request in requests]
    folder = shipped.export_once(settings) if name == SHIPPED else _download(name, settings)
    return [kept.text for kept in rewrite_greedily(folder, requests, _MOST_TOKENS, PROTECTED)]


def _download(name: str, settings: Settings) -> Path:
    # Imported here, since MLflow takes seconds.
    from mlflow.exceptions import MlflowException

    from models import versions

    try:
        return versions.download(settings.registry_uri, settings.artifact_store, name)
    except (MlflowException, FileNotFoundError, ValueError) as error:
        raise UnknownVersionError(
            f"{name!r} is no version that can be read ({error}); take {RULES!r}, {SHIPPED!r}, or a version"
            " that the dashboard's page of models lists"
        ) from error


def list_differing(first: str, second: str, requests: Sequence[Request], settings: Settings) -> list[Pair]:
    """The requests that two versions answer differently, in their order; see `rewrite` for the names.

    `models.judge` compares such pairs, too.
    """
    texts = zip(rewrite(first, requests, settings), rewrite(second, requests, settings), strict=True)
    return [
        Pair(*request, first_text, second_text)
        for request, (first_text, second_text) in zip(requests, texts, strict=True)
        if first_text != second_text
    ]

"""Rewrites messages by edits: proposes them, has the tagger decide, applies them, or says why nothing
changed.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data.reasons import Reason, reason
from data.records import Term, TransformType
from models import facts, languages, own_terms
from models.edits import (
    background,
    clarify,
    japanese,
    parts,
    references,
    requirements,
    script,
    shorten,
    soften,
    structure,
    summary,
    tagging,
    terminology,
)
from models.edits.script import Edit
from models.edits.tagging import Choose, Reading, Tagger

FOLDER = "tagger"  # of a version folder


def _clarify(message: str, _terms: Sequence[Term]) -> list[Edit]:
    """The edits of both proposers with as many notes as a reader can bear."""
    return clarify.space(
        message, references.propose(message, TransformType.CLARIFY) + clarify.propose(message)
    )


def _background(message: str, terms: Sequence[Term]) -> list[Edit]:
    """The edits of both proposers; a term that is explained gets no note that it is not."""
    edits = references.propose(message, TransformType.BACKGROUND) + background.propose(message)
    return terminology.explain_own(message, terms, edits)


_PROPOSERS: Mapping[TransformType, Callable[[str, Sequence[Term]], list[Edit]]] = {
    TransformType.SOFTEN: lambda message, _terms: soften.propose(message),
    TransformType.CLARIFY: _clarify,
    TransformType.TERMINOLOGY: terminology.propose,
    TransformType.BACKGROUND: _background,
}


def propose(message: str, transform_type: TransformType, terms: Sequence[Term] = ()) -> list[Edit] | None:
    """All edits of an English message that keep its facts, and the terms of a dictionary that are kept; None
    for a transform type that arranges parts.
    """
    proposer = _PROPOSERS.get(transform_type)
    if proposer is None:
        return None
    return script.keep_facts(message, proposer(message, terms), own_terms.list_kept(terms))


Request = tuple[str, TransformType, int]  # message, transform type, intensity from 0 to 3

# Edits of form and courtesy. Alone they do not do what a transform type requests.
_TRIMMINGS = frozenset(
    {
        *("background.capital", "background.offer", "background.offer_notes"),
        *("clarify.capital", "clarify.contraction", "clarify.invitation", "clarify.mark"),
        *("soften.greeting", "soften.greeting_name", "soften.marks", "soften.name_comma", "soften.thanks"),
    }
)


# Where the tagger refuses all edits, those of a probability above 0.2 are made: readers prefer a plain note
# to nothing.
_LENIENT = 1.4
_LEAST = 1e-6  # of a probability, so that it has a logit
_SAMPLES = ("Fix the export by Friday, please.", "金曜日までに直してください。")


# Edits are drawn at this multiple of the temperature of parts. The tagger is sure of most edits, so two
# samples were too often equal. It is less sure of what a part does, and a wrong role misleads.
EDIT_TEMPERATURE = 2.5


class _Choosers(NamedTuple):
    """How the tagger's logits become decisions, on what parts do and on edits."""

    parts: Choose = tagging.likeliest
    edits: Choose = tagging.likeliest

    @classmethod
    def of(cls, random: np.random.Generator, temperature: float) -> "_Choosers":
        if temperature == 0:
            return cls()
        return cls(
            tagging.sampler(random, temperature), tagging.sampler(random, EDIT_TEMPERATURE * temperature)
        )


class Edited(NamedTuple):
    """A rewrite; or the message itself, and the reason why."""

    text: str
    unchanged: Reason | None = None


class Writer:
    """The edit writer of a version folder. Safe to call from several threads."""

    def __init__(self, version: Path) -> None:
        self._tagger = Tagger(version / FOLDER)
        # Tables of rules are read at their first use, so that the first message would wait for them.
        self.rewrite([(text, kind, 3) for kind in TransformType for text in _SAMPLES])

    def rewrite(
        self,
        requests: Sequence[Request],
        temperature: float = 0.0,
        seeds: Sequence[int | None] | None = None,
        terms: Sequence[Sequence[Term]] | None = None,
    ) -> list[Edited]:
        """Rewrite messages in their order. `terms` are those of dictionaries in each message; ones that are
        replaced are replaced before (`models.own_terms`).

        Above a temperature of 0 the tagger's decisions are drawn, by the request's seed or without one.
        Requests with the same seed are drawn together: only they together give the same rewrites.
        """
        spoken = [languages.identify(message) for message, _, _ in requests]
        # The tagger reads English only; the rules for Japanese have no labels to learn from.
        english = [i for i, language in enumerate(spoken) if language == "en"]
        readings = dict(zip(english, self._tagger.read([requests[i][0] for i in english]), strict=True))
        seeds, terms = seeds or [None] * len(requests), terms or [()] * len(requests)
        # Requests with one seed share one stream, so that two samples of a message differ.
        streams = {seed: np.random.default_rng(seed) for seed in seeds}
        return [
            _rewrite(
                request, terms[i], spoken[i], readings.get(i), _Choosers.of(streams[seeds[i]], temperature)
            )
            for i, request in enumerate(requests)
        ]

    def close(self) -> None:
        """Free the weights. No rewrite may be running."""
        self._tagger.close()


@cache
def rules_digest() -> str:
    """The name of the rules that propose edits: blake2b-128 of this folder's files. With the tagger's weights
    it decides what a version of edits writes.
    """
    digest = blake2b(digest_size=16)
    folder = Path(__file__).parent
    for file in sorted(folder.rglob("*")):
        if file.suffix in (".py", ".tsv", ".yaml", ".txt"):
            digest.update(f"{file.relative_to(folder)}\0".encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()


def _rewrite(
    request: Request, terms: Sequence[Term], language: str, reading: Reading | None, choosers: _Choosers
) -> Edited:
    """One rewrite; `reading` is what the tagger sees in an English message."""
    message, transform_type, intensity = request
    if reading is None and language != "ja":
        return Edited(message, reason("unchanged_language"))
    if intensity == 0:
        return Edited(message, reason("unchanged_intensity_zero"))
    if reading is not None:
        text = _english(message, transform_type, intensity, terms, reading, choosers)
    else:
        text = japanese.rewrite(message, transform_type, intensity, terms)
    kept = own_terms.list_kept(terms)
    if text is not None:
        text = own_terms.restore_case(message, kept, text)
    if text is None or (text.split() == message.split() and text.count("\n") <= message.count("\n")):
        if transform_type is TransformType.TERMINOLOGY:
            return Edited(message, reason("unchanged_no_term"))
        return Edited(message, reason("unchanged_nothing_to_do", transform_type=transform_type.value))
    # A summary loses facts, but only together with a part that it drops.
    if transform_type is not TransformType.SUMMARIZE and (
        facts.missing(message, text) or own_terms.list_missing(message, kept, text)
    ):
        return Edited(message, reason("unchanged_not_kept"))
    return Edited(text)


def _english(
    message: str,
    transform_type: TransformType,
    intensity: int,
    terms: Sequence[Term],
    reading: Reading,
    choosers: _Choosers,
) -> str | None:
    edits = propose(message, transform_type, terms)
    if edits is not None:
        for lean in (0.0, _LENIENT):
            accepts = partial(reading.accepts, choose=choosers.edits, lean=lean)
            chosen = script.select(edits, intensity, accepts)
            if transform_type is TransformType.SOFTEN:
                chosen = soften.without_idle_thanks(message, chosen)
            if not all(edit.rule in _TRIMMINGS for edit in chosen):
                return script.apply(message, chosen)
        return None
    is_list = transform_type is TransformType.REQUIREMENTS
    split = parts.divide(
        message,
        lambda places: reading.parts(places, choosers.parts),
        requirements.split_lists(message) if is_list else None,
    )
    match transform_type:
        case TransformType.STRUCTURE:
            return structure.label(split, intensity)
        case TransformType.REQUIREMENTS:
            return requirements.sort(split, intensity)
    edits = script.keep_facts(message, shorten.propose(message), own_terms.list_kept(terms))
    shortened = script.select(edits, intensity, partial(reading.accepts, choose=choosers.edits))

    def gives_up(risk: float, most: float) -> bool:
        return choosers.parts(np.array([_logit(risk), _logit(most)])) == 1

    return summary.summarize(message, split, reading.weigh, shortened, intensity, gives_up)


def _logit(probability: float) -> float:
    return float(np.log(max(probability, _LEAST) / max(1 - probability, _LEAST)))

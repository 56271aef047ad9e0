"""The rule baseline: a model must score higher than these rules to be worth its cost.

The rules contain no phrase that is there because `models.tone` rewards it.
"""

import re

from data.records import TransformType
from models import facts, scoring

_ORDER = re.compile(r"^(Fix|Send|Stop|Do|Update|Write|Give|Tell|Use|Check|Call|Move|Add|Remove|Put)\b")
_SHOUT = re.compile(r"(?<!!)!++$")
_FILLER = re.compile(r"\b(?:maybe|kind of|sort of|just|really|basically|I think|I guess),?\s")
_SEMICOLON = re.compile(r";\s*(\w)")
_CONDITION = re.compile(
    r"\b(?:only|must not|cannot|can't|without|unless|at most|at least|no more than|by|before|until)\b",
    re.IGNORECASE,
)
_REASON = re.compile(r"\b(?:because|since|so that|due to|in order to)\b", re.IGNORECASE)
_TERMS = {
    "API": "interface for programs",
    "CI": "automatic build and tests",
    "CTA": "call to action",
    "DNS": "system of internet names",
    "EOD": "end of the day",
    "ETA": "expected time",
    "KPI": "key figure",
    "MR": "merge request, a proposed change",
    "OOO": "out of office",
    "PO": "purchase order",
    "PR": "pull request, a proposed change",
    "PTO": "paid time off",
    "QA": "quality checks",
    "ROI": "return on investment",
    "SLA": "agreed service level",
    "SSO": "single sign-on",
    "UAT": "acceptance test by users",
    "UX": "user experience",
    "VPN": "secure connection to the network",
}
_TERM = re.compile(rf"\b({'|'.join(_TERMS)})\b(?!-\d)")


def rewrite(text: str, transform_type: TransformType, intensity: int) -> str:
    """A message rewritten by a few rules for its transform type; `intensity` is 0 to 3."""
    sentences = scoring.sentences(text)
    match transform_type:
        case TransformType.SOFTEN:
            softened = [_SHOUT.sub(".", _ORDER.sub(lambda m: f"Please {m[0].lower()}", s)) for s in sentences]
            return " ".join([*softened, "Thank you."] if intensity >= 2 else softened)
        case TransformType.CLARIFY:
            return _SEMICOLON.sub(lambda m: f". {m[1].upper()}", _FILLER.sub("", text))
        case TransformType.STRUCTURE:
            return "\n".join(f"- {s}" for s in sentences)
        case TransformType.SUMMARIZE:
            return " ".join(s for i, s in enumerate(sentences) if i == 0 or facts.extract(s))
        case TransformType.TERMINOLOGY:
            return _TERM.sub(lambda m: f"{m[0]} ({_TERMS[m[0]]})", text)
        case TransformType.REQUIREMENTS:
            return "\n".join(f"{_sort(sentence)}: {sentence}" for sentence in sentences)
        case TransformType.BACKGROUND:
            return text if _REASON.search(text) else f"{text}\nThe message gives no reason."


def _sort(sentence: str) -> str:
    """The kind of a sentence of requirements."""
    if sentence.rstrip().endswith("?"):
        return "Open"
    return "Constraint" if _CONDITION.search(sentence) else "Need"

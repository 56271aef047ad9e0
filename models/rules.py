"""The rule baseline: a model must score higher than these rules to be worth its cost."""

import re

from data.records import TransformType
from models import facts, scoring


def rewrite(text: str, transform_type: TransformType, intensity: int) -> str:
    """A message rewritten by a few rules for its transform type; `intensity` is 0 to 3."""
    sentences = scoring.sentences(text)
    match transform_type:
        case TransformType.SOFTEN:
            softened = [
                re.sub(
                    r"(?<!!)!++$",
                    ".",
                    re.sub(r"^(Fix|Send|Stop|Do|Update|Write|Give|Tell|Use)\b", r"Please \1", s),
                )
                for s in sentences
            ]
            return " ".join([*softened, "Thank you."] if intensity >= 2 else softened)
        case TransformType.CLARIFY:
            plain = re.sub(r"\b(?:maybe|kind of|sort of|just|really|basically|I think|I guess),?\s", "", text)
            return re.sub(r";\s*(\w)", lambda m: f". {m.group(1).upper()}", plain)
        case TransformType.STRUCTURE:
            return "\n".join(f"- {s}" for s in sentences)
        case TransformType.SUMMARIZE:
            kept = [s for i, s in enumerate(sentences) if i == 0 or facts.extract(s)]
            return " ".join(kept)
        case TransformType.TERMINOLOGY:
            return re.sub(r"\b([A-Z]{2,5})\b(?!-\d)", r"\1 (a technical term)", text)
        case TransformType.REQUIREMENTS:
            return f"Needed: {text}\nOpen: who does it, and by when it must be done."
        case TransformType.BACKGROUND:
            return f"The reason for this message: {text}"

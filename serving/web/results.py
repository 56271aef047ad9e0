"""A rewrite as the page shows it: what changed, which facts it kept, what the person said about it, and what
to try next.
"""

from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from data.reasons import Reason
from models import facts
from serving import differences
from serving.web.choices import LEVELS, TYPES, Choice, Wanted

_LONGEST_NAMED = 60  # characters of a missing fact


# What to try when a message stays as it is, by the code of the reason.
ADVICE = {
    "unchanged_intensity_zero": "Choose a stronger setting.",
    "unchanged_language": "ToneBridge rewrites English and Japanese. Write the message in one of them.",
    "unchanged_no_term": "Add your own terms on the page Dictionary, or try another kind of rewrite.",
}
ANY_ADVICE = "Try another strength, or another kind of rewrite."


@dataclass(frozen=True)
class Result:
    """A rewrite of a message. One that a person chose out of two has no answer, so it takes no vote."""

    message: str
    wanted: Wanted
    text: str
    facts_missing: tuple[str, ...] = ()
    unchanged: Reason | None = None
    answer_id: str | None = None
    receipt: str = ""
    # What the person has said about it, as it is stored; `corrected` is the whole text as they want it.
    thumb_up: bool | None = None
    rating: int | None = None
    corrected: str | None = None
    comment: str | None = None

    @property
    def shown(self) -> str:
        """The text that counts now: the person's own version of it, if there is one."""
        return self.text if self.corrected is None else self.corrected

    @property
    def missing(self) -> list[str]:
        """The facts that the shown text lacks."""
        lost = self.facts_missing if self.corrected is None else facts.lost(self.facts_missing, self.shown)
        return [fact if len(fact) <= _LONGEST_NAMED else f"{fact[:_LONGEST_NAMED]}…" for fact in lost]

    @property
    def is_changed(self) -> bool:
        """Whether the shown text is not the message itself."""
        return self.shown != self.message

    @property
    def has_kept_facts(self) -> bool:
        """Whether any fact is underlined."""
        return bool(_find_kept(self.message, self.shown))

    @property
    def marked(self) -> Markup:
        """The message and the shown text in one, with what changed in `<ins>` and `<del>`."""
        return differences.mark(self.message, self.shown, _find_kept(self.message, self.shown))

    @property
    def plain(self) -> Markup:
        """The shown text, with the facts that it kept underlined."""
        return differences.mark(self.shown, self.shown, _find_kept(self.message, self.shown))

    @property
    def other_levels(self) -> list[tuple[str, str]]:
        """The intensities next to this one, and what the button says."""
        values = [level.value for level in LEVELS]
        if self.wanted.intensity not in values:
            return []
        place = values.index(self.wanted.intensity)
        gentler = [(values[place - 1], "Gentler")] if place > 0 and self._changed_too_much else []
        stronger = [(values[place + 1], "Stronger")] if place + 1 < len(values) else []
        return gentler + stronger

    @property
    def _changed_too_much(self) -> bool:
        """Whether less may be better: anything was written, or was not kept."""
        return self.unchanged is None or self.unchanged.code in ("unchanged_not_kept", "unchanged_chatter")

    @property
    def can_be_rewritten(self) -> bool:
        """Whether another request for the message may do more."""
        return self.unchanged is None or self.unchanged.code != "unchanged_language"

    @property
    def other_types(self) -> list[Choice]:
        """The other transform types."""
        return [kind for kind in TYPES if kind.value != self.wanted.transform_type]

    @property
    def advice(self) -> str:
        """What to try when the text is the message itself; English."""
        code = self.unchanged.code if self.unchanged is not None else ""
        return ADVICE.get(code, ANY_ADVICE)


def from_answer(answer: Any, message: str, wanted: Wanted) -> Result:
    """The result of an answer of the gateway. One that was just given has no feedback."""
    unchanged, feedback = answer["unchanged"], answer.get("feedback") or {}
    return Result(
        message,
        wanted,
        answer["transformed_text"],
        tuple(answer["facts_missing"]),
        read_unchanged(unchanged),
        answer["answer_id"],
        answer["receipt"],
        feedback.get("thumb_up"),
        feedback.get("rating"),
        feedback.get("edit"),
        feedback.get("comment"),
    )


def read_unchanged(unchanged: Any) -> Reason | None:
    """Why a text is the message itself; None when it was written."""
    return None if unchanged is None else Reason(code=unchanged["code"], values=unchanged["values"])


def _find_kept(message: str, text: str) -> list[tuple[int, int]]:
    """The places of a text's facts that are in the message, too, in order."""
    spans = facts.spans(text)
    lost = set(facts.lost({text[span.start : span.end] for span in spans}, message))
    return sorted((span.start, span.end) for span in spans if text[span.start : span.end] not in lost)

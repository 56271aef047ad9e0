"""What a message does to its reader, by which of its words, and which rewrite would help.

Nothing is stored: neither the message nor what is found in it. `models.analysis` computes it, in a thread,
since a long message takes milliseconds.
"""

from datetime import UTC, date, datetime
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from data.reasons import Language, Reason, reason
from data.records import TransformType
from models.analysis import Analysis, Finding, FindingKind, Level, Suggestion, analyse
from serving.gateway.online.bodies import LOCALE, Text

router = APIRouter(tags=["analysis"])

_PROBABILITY = {"ge": 0, "le": 1, "examples": [0.82]}
_REASON = Field(description="why, as a code and values, which render in the reader's language")
_EXPLANATION = Field(
    description="why, in a sentence: Japanese if `locale` is, otherwise English",
    examples=["This can hurt its reader. Say what happened, and what you need."],
)
_BECAUSE = Field(description="the findings that show it, by their indices in `findings`", examples=[[0, 2]])


class AnalyzeRequest(BaseModel):
    """A message to analyse."""

    model_config = ConfigDict(extra="forbid")

    text: Text
    locale: Annotated[
        str | None,
        Field(
            pattern=LOCALE,
            description="language tag of the reader of the analysis, `ja-JP`: explanations are Japanese for"
            " Japanese, otherwise English",
            examples=["en-GB"],
        ),
    ] = None
    sent_on: Annotated[
        date | None,
        Field(
            description="the sender's day, by which `tomorrow` has a date; today in UTC if it is not given",
            examples=["2026-11-30"],
        ),
    ] = None


class FoundWords(BaseModel):
    """Words of the message, and what they do to its reader."""

    kind: Annotated[FindingKind, Field(description="what the words do", examples=["hurts"])]
    start: Annotated[int, Field(description="where they start, in characters (code points)", examples=[0])]
    end: Annotated[int, Field(description="where they end, exclusive, in characters", examples=[11])]
    text: Annotated[str, Field(description="the words", examples=["by Friday"])]
    due_on: Annotated[
        date | None,
        Field(description="of a deadline: its date, if the words tell it", examples=["2026-12-04"]),
    ] = None
    reason: Annotated[Reason, _REASON]
    explanation: Annotated[str, _EXPLANATION]


class ReadLevel(BaseModel):
    """How an aspect of the message is likely to be read."""

    level: Annotated[
        str,
        Field(
            description="the level. Of the tone: `harsh`, `curt`, `neutral`, `warm`; of the directness:"
            " `direct`, `softened`, `hidden`, `none`; of the clarity: `clear`, `hard`; of the priority:"
            " `urgent`,"
            " `normal`, `low`, `none`",
            examples=["harsh"],
        ),
    ]
    probabilities: Annotated[
        dict[str, float],
        Field(
            description="the probability of each level that a reader says so",
            examples=[{"harsh": 0.82, "curt": 0.12, "neutral": 0.05, "warm": 0.01}],
        ),
    ]
    because: Annotated[list[int], _BECAUSE]
    reason: Annotated[Reason, _REASON]
    explanation: Annotated[str, _EXPLANATION]


class HelpfulRewrite(BaseModel):
    """A rewrite that would help the reader of the message."""

    transform_type: TransformType
    probability: Annotated[float, Field(description="that a reader says so", **_PROBABILITY)]
    because: Annotated[list[int], _BECAUSE]
    reason: Annotated[Reason, _REASON]
    explanation: Annotated[str, _EXPLANATION]


class MessageAnalysis(BaseModel):
    """What a message does to its reader. `docs/analysis.md` says how often it is right."""

    language: Annotated[
        Language | None,
        Field(
            description="of the message; null: neither, or too short to tell, so nothing is found",
            examples=["en"],
        ),
    ]
    tone: Annotated[ReadLevel | None, Field(description="how harsh or warm it is; null without a language")]
    directness: Annotated[
        ReadLevel | None, Field(description="how openly it says what is wanted; null without a language")
    ]
    clarity: Annotated[
        ReadLevel | None,
        Field(description="whether an outsider understands it at once; null without a language"),
    ]
    priority: Annotated[
        ReadLevel | None, Field(description="how soon somebody has to act; null without a language")
    ]
    findings: Annotated[
        list[FoundWords], Field(description="words that do something to the reader, by their places")
    ]
    suggestions: Annotated[
        list[HelpfulRewrite],
        Field(
            description="rewrites that would help, the likeliest first, three at most; none: send it as it is"
        ),
    ]


@router.post("/api/v1/analyze")
def analyze(body: AnalyzeRequest) -> MessageAnalysis:
    """Analyse a message: its tone, directness, clarity and priority, deadlines, the words behind each, and
    which rewrites would help. Nothing is stored, and it counts in the rate of the key, but in no quota.
    """
    language: Language = "ja" if (body.locale or "").partition("-")[0].lower() == "ja" else "en"
    analysis = analyse(body.text, body.sent_on or datetime.now(UTC).date())
    return describe(analysis, body.text, language)


def describe(analysis: Analysis, text: str, language: Language) -> MessageAnalysis:
    """An analysis with its reasons, and their sentences in a language."""

    def explained(why: Reason) -> dict[str, Reason | str]:
        return {"reason": why, "explanation": why.render(language)}

    def read(aspect: str) -> ReadLevel | None:
        level = analysis.aspects.get(aspect)
        if level is None:
            return None
        return ReadLevel(
            level=level.level,
            probabilities={name: round(share, 3) for name, share in level.probabilities.items()},
            because=list(level.because),
            **explained(_of_level(aspect, level)),
        )

    return MessageAnalysis(
        language=analysis.language,
        tone=read("tone"),
        directness=read("directness"),
        clarity=read("clarity"),
        priority=read("priority"),
        findings=[
            FoundWords(
                kind=finding.kind,
                start=finding.start,
                end=finding.end,
                text=text[finding.start : finding.end],
                due_on=finding.day,
                **explained(_of_finding(finding)),
            )
            for finding in analysis.findings
        ],
        suggestions=[
            HelpfulRewrite(
                transform_type=each.transform_type,
                probability=round(each.probability, 3),
                because=list(each.because),
                **explained(_of_suggestion(each)),
            )
            for each in analysis.suggestions
        ],
    )


def _of_finding(finding: Finding) -> Reason:
    if finding.kind is FindingKind.TERM and not finding.meaning:
        return reason("analysis_abbreviation")
    if finding.kind is FindingKind.TERM:
        return reason("analysis_term", meaning=finding.meaning)
    if finding.kind is FindingKind.DEADLINE and finding.day is not None:
        return reason("analysis_deadline_date", date=finding.day.isoformat())
    return reason(f"analysis_{finding.kind}")


def _of_level(aspect: str, level: Level) -> Reason:
    return reason(f"analysis_{aspect}_{level.level}")


def _of_suggestion(suggestion: Suggestion) -> Reason:
    return reason(f"analysis_helps_{suggestion.transform_type}")

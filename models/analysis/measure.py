"""Measures the analysis on what readers said.

    python -m models.analysis.measure          # writes docs/results/analysis.json, from the test half
    python -m models.analysis.measure dev      # the half on which rules and fits were made; writes nothing

Both print the tables and the sentences with figures of docs/analysis.md; a test compares them with the page.

Two readers labelled each message. A level is right if either reader gave it; a finding is right if it
overlaps with words that either reader listed, and found are those of the words that both listed. Shares have
exact 95 % intervals.
"""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Literal

import numpy as np
from sklearn.metrics import cohen_kappa_score, roc_auc_score

from data.corpus import AnalysedMessage
from data.reasons import LANGUAGES
from models.analysis import Analysis, FindingKind, analyse, fit, hurting, labels
from models.analysis.analysing import LEAST, RARER, SHOWN_BY
from models.analysis.findings import LONG_CHARACTERS, LONG_WORDS, VAGUE
from models.scoreboard import estimate_share

PAGE = Path("docs/results/analysis.json")
_ASPECTS = ("tone", "directness", "clarity", "priority")
# The kinds of findings for each list of words of the readers.
_KINDS: Mapping[str, tuple[FindingKind, ...]] = {
    "hurts": (FindingKind.HURTS,),
    "hedges": (FindingKind.HEDGE,),
    "passive": (FindingKind.PASSIVE,),
    "vague": VAGUE,
    "terms": (FindingKind.TERM,),
    "deadlines": (FindingKind.DEADLINE,),
}
# As the page calls the levels and the lists of words of its tables.
_LEVELS: Mapping[str, tuple[str, str]] = {
    "harsh": ("tone", "harsh"),
    "hard to understand": ("clarity", "hard"),
    "urgent": ("priority", "urgent"),
    "warm": ("tone", "warm"),
    "only hints": ("directness", "hidden"),
    "short or cold": ("tone", "curt"),
}
_FINDINGS: Mapping[str, str] = {
    "terms": "terms",
    "deadlines": "deadlines",
    "hedges": "hedges",
    "vague words": "vague",
    "words that hurt": "hurts",
    "passive": "passive",
}
_SUGGESTIONS: Mapping[str, str] = {
    "the first one would help": "first_helps",
    "it is what a reader called the best": "first_is_the_best",
    "none is suggested, and a reader wants none": "none_is_right",
}
_BINS = 5
_DAY = date(2026, 11, 30)


def share(events: int, number: int) -> dict[str, float] | None:
    """A share with its interval; None without cases."""
    if not number:
        return None
    result = estimate_share(events, number)
    return {
        "share": round(result.mean, 4), "low": round(result.low, 4), "high": round(result.high, 4), "of":
        number, }  # fmt: skip


def agreement(rows: Sequence[AnalysedMessage]) -> dict[str, Any]:
    """How far the two readers agree: Cohen's kappa of the levels, and of the words the share of those of one
    reader that overlap with words of the other.
    """
    pairs = [(labels.levels_of(row.first), labels.levels_of(row.second)) for row in rows]
    result: dict[str, Any] = {}
    for aspect in pairs[0][0]:
        first, second = [one[aspect] for one, _ in pairs], [other[aspect] for _, other in pairs]
        same = sum(a == b for a, b in zip(first, second, strict=True))
        kappa = float(cohen_kappa_score(first, second)) if len({*first, *second}) > 1 else 1.0
        result[aspect] = {"kappa": round(kappa, 2), "same": share(same, len(rows))}
    best = [(str(row.first.transform), str(row.second.transform)) for row in rows]
    kappa = float(cohen_kappa_score(*zip(*best, strict=True)))
    result["transform"] = {"kappa": round(kappa, 2), "same": share(sum(a == b for a, b in best), len(rows))}
    for name in rows[0].first.words:
        shared = number = 0
        for row in rows:
            places = [_places(row.text, reader.words[name]) for reader in (row.first, row.second)]
            shared += sum(_overlaps(place, places[1]) for place in places[0])
            shared += sum(_overlaps(place, places[0]) for place in places[1])
            number += len(places[0]) + len(places[1])
        result[name] = {"shared": share(shared, number)}
    return result


Place = tuple[int, int]


def _places(text: str, words: Iterable[str]) -> list[Place]:
    """All places of the words in a text."""
    places = []
    for word in words:
        at = text.find(word)
        while at >= 0:
            places.append((at, at + len(word)))
            at = text.find(word, at + len(word))
    return places


def _overlaps(place: Place, others: Iterable[Place]) -> bool:
    return any(start < place[1] and place[0] < end for start, end in others)


def levels(rows: Sequence[AnalysedMessage], analyses: Sequence[Analysis]) -> dict[str, Any]:
    """By aspect: how often the level is one that a reader gave, and of each level precision and recall."""
    result: dict[str, Any] = {}
    for aspect in _ASPECTS:
        given = [{labels.levels_of(reader)[aspect] for reader in (row.first, row.second)} for row in rows]
        chosen = [analysis.aspects[aspect].level if analysis.aspects else "" for analysis in analyses]
        firsts = [labels.levels_of(row.first)[aspect] for row in rows]
        seconds = [labels.levels_of(row.second)[aspect] for row in rows]
        every = sorted({*firsts, *seconds})
        usual = max(every, key=lambda level: sum(level in levels for levels in given))
        result[aspect] = {
            "right": share(sum(c in g for c, g in zip(chosen, given, strict=True)), len(rows)),
            "always_the_usual": share(sum(usual in g for g in given), len(rows)),
            "kappa": [round(float(cohen_kappa_score(chosen, reader)), 2) for reader in (firsts, seconds)],
            "calibration_error": _calibration_error(
                [analysis.aspects[aspect].probabilities if analysis.aspects else {} for analysis in analyses],
                list(zip(firsts, seconds, strict=True)),
                every,
            ),
            "levels": {
                level: {
                    "precision": share(
                        sum(c == level and level in g for c, g in zip(chosen, given, strict=True)),
                        chosen.count(level),
                    ),
                    "recall": share(
                        sum(c == level and g == {level} for c, g in zip(chosen, given, strict=True)),
                        sum(g == {level} for g in given),
                    ),
                }
                for level in every
            },
        }
    return result


def _calibration_error(
    probabilities: Sequence[Mapping[str, float]], readers: Sequence[tuple[str, str]], every: Sequence[str]
) -> float:
    """The expected calibration error over all levels: the mean difference between the probability of a level
    and the share of readers who gave it, in bins.
    """
    pairs = [
        (shares.get(level, 0.0), sum(reader == level for reader in two) / 2)
        for shares, two in zip(probabilities, readers, strict=True)
        for level in every
    ]
    values = np.array(pairs)  # (messages * levels, 2)
    bins = np.minimum((values[:, 0] * _BINS).astype(int), _BINS - 1)
    error = sum(abs(np.diff(values[bins == b].mean(axis=0))[0]) * (bins == b).mean() for b in np.unique(bins))
    return round(float(error), 3)


def findings(rows: Sequence[AnalysedMessage], analyses: Sequence[Analysis]) -> dict[str, Any]:
    """By kind of words: precision and recall of the findings."""
    result: dict[str, Any] = {}
    for name, kinds in _KINDS.items():
        right = made = found = both = 0
        for row, analysis in zip(rows, analyses, strict=True):
            mine = [(each.start, each.end) for each in analysis.findings if each.kind in kinds]
            first, second = (_places(row.text, reader.words[name]) for reader in (row.first, row.second))
            right += sum(_overlaps(place, [*first, *second]) for place in mine)
            made += len(mine)
            agreed = [place for place in first if _overlaps(place, second)]
            found += sum(_overlaps(place, mine) for place in agreed)
            both += len(agreed)
        result[name] = {"precision": share(right, made), "recall": share(found, both)}
    return result


def suggestions(rows: Sequence[AnalysedMessage], analyses: Sequence[Analysis]) -> dict[str, Any]:
    """How often suggested rewrites help, by what readers said; and how often none is suggested rightly."""
    first_right = firsts = best_right = any_right = made_count = none_right = nones = missed = needed = 0
    for row, analysis in zip(rows, analyses, strict=True):
        helpful = {
            str(kind) for reader in (row.first, row.second) for kind in (reader.transform, *reader.also)
        }
        best = {str(row.first.transform), str(row.second.transform)}
        made = [str(each.transform_type) for each in analysis.suggestions]
        any_right += sum(kind in helpful for kind in made)
        made_count += len(made)
        if made:
            firsts += 1
            first_right += made[0] in helpful
            best_right += made[0] in best
        else:
            nones += 1
            none_right += "none" in best
        if "none" not in best:
            needed += 1
            missed += not made
    return {
        "first_helps": share(first_right, firsts),
        "first_is_the_best": share(best_right, firsts),
        "each_helps": share(any_right, made_count),
        "none_is_right": share(none_right, nones),
        "nothing_where_both_want_one": share(missed, needed),
    }


def hurting_sentences(half: Literal["dev", "test"]) -> dict[str, Any]:
    """Whether the sentences of harsh messages that hurt get a higher probability than others of the same
    messages.
    """
    texts = {id: row.text for id, row in fit.read_messages().items()}
    rows = list(fit.list_stings(texts, half))
    probabilities = [hurting.probability(row.text) for row in rows]
    auc = float(roc_auc_score([row.hurts for row in rows], probabilities))
    return {"sentences": len(rows), "hurting": sum(row.hurts for row in rows), "auc": round(auc, 3)}


def without_words(analyses: Sequence[Analysis]) -> dict[str, dict[str, int]]:
    """Of the levels that words can show, and of the suggestions, how often no words are given for one."""
    claims = [
        (f"`{level.level}` ({aspect})", level.because)
        for analysis in analyses
        for aspect, level in analysis.aspects.items()
        if (aspect, level.level) in SHOWN_BY
    ]
    claims += [
        (f"`{each.transform_type}` (a suggestion)", each.because)
        for analysis in analyses
        for each in analysis.suggestions
    ]
    return {
        name: {
            "without": sum(other == name and not because for other, because in claims),
            "of": sum(other == name for other, _ in claims),
        }
        for name in sorted({name for name, _ in claims})
    }


def measure(half: Literal["dev", "test"]) -> dict[str, Any]:
    """All figures of a half, and those of all labelled messages."""
    labelled = labels.read()
    texts = {row.text for row in labelled}
    analysed = [(row, analyse(row.text, _DAY)) for row in labelled]
    rows = [row for row in labelled if row.half == half]
    analyses = [analysis for row, analysis in analysed if row.half == half]
    result: dict[str, Any] = {"half": half, "made_by": "python -m models.analysis.measure"}
    is_japanese = [analysis.language == "ja" for analysis in analyses]
    result["labelled"] = {
        "messages": len(labelled),
        "development": sum(row.half == "dev" for row in labelled),
        "called_low": sum("low" in (row.first.priority, row.second.priority) for row in labelled),
        "of_the_seed": sum(row.text not in texts for row in fit.read_messages().values()),
        "without_words": {
            language: without_words([each for _, each in analysed if each.language == language])
            for language in LANGUAGES
        },
    }
    result["agreement"] = agreement(labelled)
    for language in ("both", "en", "ja"):
        chosen = [language == "both" or (language == "ja") == japanese for japanese in is_japanese]
        some = [row for row, is_chosen in zip(rows, chosen, strict=True) if is_chosen]
        theirs = [analysis for analysis, is_chosen in zip(analyses, chosen, strict=True) if is_chosen]
        result[language] = {
            "messages": len(some),
            "levels": levels(some, theirs),
            "findings": findings(some, theirs),
            "suggestions": suggestions(some, theirs),
        }
    result["hurting_sentences"] = hurting_sentences(half)
    return result


def tables(result: Mapping[str, Any]) -> Iterator[str]:
    """The tables of the page, in Markdown."""
    both, english, japanese = (result[name] for name in ("both", *LANGUAGES))
    yield from _head(
        "aspect",
        "English",
        "usual",
        "Japanese",
        "usual",
        "agreement of the readers (Cohen's kappa)",
        "calibration error",
    )
    for aspect in _ASPECTS:
        cells = [
            cell
            for figures in (english["levels"][aspect], japanese["levels"][aspect])
            for cell in (
                f"**{_percent(figures['right'])}** {_interval(figures['right'])}",
                _percent(figures["always_the_usual"]),
            )
        ]
        kappa, error = result["agreement"][aspect]["kappa"], both["levels"][aspect]["calibration_error"]
        yield _row(aspect, *cells, f"{kappa:.2f}", f"{error:.2f}")
    yield ""
    yield from _head(
        "level", "right when named (precision)", "named, of those on which both readers agree (recall)"
    )
    for name, (aspect, level) in _LEVELS.items():
        figures = both["levels"][aspect]["levels"][level]
        yield _row(
            name, *(f"{_cell(figures[part])}, of {figures[part]['of']}" for part in ("precision", "recall"))
        )
    yield ""
    yield from _head("finding", "English: right", "found", "Japanese: right", "found")
    for name, key in _FINDINGS.items():
        figures = [language["findings"][key] for language in (english, japanese)]
        yield _row(name, *(_cell(each[part]) for each in figures for part in ("precision", "recall")))
    yield ""
    yield from _head("suggestions", "English", "Japanese")
    for name, key in _SUGGESTIONS.items():
        shares = [language["suggestions"][key] for language in (english, japanese)]
        yield _row(name, *(f"{_cell(each)}, of {each['of']}" for each in shares))
    yield ""
    yield from _head("without any words", "English", "Japanese")
    counts = [result["labelled"]["without_words"][language] for language in LANGUAGES]
    none = {"without": 0, "of": 0}
    for name in sorted({name for each in counts for name, count in each.items() if count["without"]}):
        yield _row(name, *("{without} of {of}".format(**each.get(name, none)) for each in counts))


def _head(*names: str) -> Iterator[str]:
    yield _row(*names)
    yield "|" + "---|" * len(names)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _percent(figure: Mapping[str, float]) -> str:
    return f"{100 * figure['share']:.0f} %"


def _interval(figure: Mapping[str, float]) -> str:
    return f"({100 * figure['low']:.0f} to {100 * figure['high']:.0f})"


def _cell(figure: Mapping[str, float] | None) -> str:
    return f"{_percent(figure)} {_interval(figure)}" if figure else "none to find"


def sentences(result: Mapping[str, Any]) -> Iterator[str]:
    """What the page says with figures outside of its tables, and docs/rules.md of the tone."""
    labelled, stings, tone = result["labelled"], result["hurting_sentences"], result["both"]["levels"]["tone"]
    counts = [result[name]["messages"] for name in ("both", *LANGUAGES)]
    harsh, (_, tones), (_, priorities) = tone["levels"]["harsh"], RARER["tone"], RARER["priority"]
    yield "They are of {} messages ({} English, {} Japanese)".format(*counts)
    yield f"Readers called {labelled['called_low']} of {labelled['messages']} messages low"
    yield (
        f"Of {stings['sentences']:,} unseen sentences of such messages, the ones that hurt get a higher"
        f" probability in {100 * stings['auc']:.0f} % of pairs"
    )
    yield f"fitted on {labelled['of_the_seed']:,} messages of the seed"
    yield f"fitted on the {labelled['development']} messages of the development half"
    yield f"`curt` and `warm` are named from {tones['curt']} and {tones['warm']} on"
    yield f"`urgent` and `none` (of the priority) from {priorities['urgent']} and {priorities['none']} on"
    yield f"those with a probability of {LEAST} or more"
    yield f"more than {LONG_WORDS} words, or {LONG_CHARACTERS} Japanese characters"
    yield (
        f"readers agreed in {_percent(harsh['precision'])} of cases {_interval(harsh['precision'])}, and it"
        f" called {_cell(harsh['recall'])} of the harsh ones so; the probabilities of the tone are off by"
        f" {tone['calibration_error']:.2f} on average"
    )


if __name__ == "__main__":
    measured = measure("dev" if "dev" in sys.argv[1:] else "test")
    if measured["half"] == "test":
        PAGE.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    print("\n".join([*tables(measured), "", *sentences(measured)]))

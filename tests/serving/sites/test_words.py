"""Every sentence of the pages is there in every language, and keeps its values."""

import re
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from markupsafe import escape

from data.jobs.queue import Kind
from data.people.identities import Role
from data.reasons import Reason, reason
from data.records import TransformType
from data.snapshots import weekly_messages
from data.traffic import participation
from experiments import examples, metrics
from experiments.calibration.report import Report
from experiments.calibration.run import DOCS
from experiments.lifecycle import Action, Status
from experiments.plan import Plan
from serving import channels, dashboard, web
from serving.dashboard import lineage
from serving.dashboard.pages import app_feedback, deliveries, models, operations, webhooks
from serving.dashboard.visit import PAGES
from serving.sites import words
from serving.sites.words import Words, isolated
from serving.web import choices, health, reading, results, rule_forms, visit

LOCALES = Path(words.__file__).parent / "locale"
SITES = [LOCALES.parent, *(Path(site.__file__).parent for site in (channels, dashboard, web))]
_METHODS = [("**.py", "python"), ("**.html", "jinja2.ext:babel_extract")]
_VALUE = re.compile(r"%\(\w+\)s|%%")


def written() -> set[str]:
    """The sentences in templates and code."""
    options = {"**.html": {"trimmed": "true"}}
    return {
        message
        for folder in SITES
        for _, _, message, _, _ in extract_from_dir(folder, _METHODS, options, {"_": None, "say": None})
        if isinstance(message, str)
    }


def named() -> set[str]:
    """What is said of names that are data: statuses, metrics, fields of the plan."""
    names = {
        *Role, *Kind,
        *Status, *Action, *metrics.load(), *Plan.model_fields, "transform_types", "locales", "channels",
        "organisations", "transform_type", "organisation", "locale", "channel",
        *examples.AMOUNTS, examples.FAILURES,
    }  # fmt: skip
    published = Report.model_validate_json(
        (DOCS / "results" / "calibration.json").read_text(encoding="utf-8")
    )
    return {
        *(name.replace("_", " ") for name in names - {Action.KEEP_RUNNING}),
        *(metric.says for metric in metrics.load().values()),
        *(field.description or "" for field in Plan.model_fields.values()),
        *(kind.value for kind in TransformType),
        *(name for _, name, _ in PAGES),
        *(name for _, name in visit.PAGES), *health.Part, *app_feedback.KINDS.values(),
        *(choice.name for choice in (*choices.TYPES, *choices.LEVELS)), *results.ADVICE.values(),
        results.ANY_ADVICE, "Gentler", "Stronger", *reading.NAMES, *rule_forms.DAYS.values(),
        "for the decision: with CUPED and the cap", "without CUPED", "without the cap",
        "with equal shares of each transform type in both arms",
        "with equal shares of each organisation in both arms",
        *participation.KINDS, *weekly_messages.TRAITS, *lineage.COLUMNS, *operations.STATES,
        *webhooks.EVENTS.values(), *deliveries.STATES.values(), "enabled", "failing", "disabled",
        *(score.replace("_", " ") for score in models.SCORES),
        *(setting.description for setting in published.settings.values()),
        *(scenario.description for scenario in published.procedure.values()),
        *(name.replace("_", " ") for name in published.missed),
        *(title for title, _, _ in models.CURVES), *(unit for _, _, unit in models.CURVES),
        "Start", "Ramp", "Pause", "Ship", "Drop", "Roll back", "Discard", "Keep running", "Inconclusive",
        "ASCII only", "kana or kanji", "other letters",
        "steady", "shifting, but no alarm", "alarm: the distribution has changed",
        "shown first", "longer", "thumbs", "ratings", "comparisons",
        "%(count)s votes on messages for evidence only",
        "%(count)s votes above the limit per person", "%(count)s votes above the limit per API key",
        "%(count)s edits that add a number", "%(count)s edits that add a phrase",
        "%(count)s votes on an unusual phrase that mostly one person votes on",
        "%(count)s votes that connect held-out data with training data",
        "champion", "retired", "rejected", "in an experiment", "accepted",
        "grad norm", "kl", "accuracy", "rewards/accuracies", "rewards/chosen", "rewards/rejected",
        "plain", "rare", "skewed", "repeated", "organisations", "delayed", "thompson", "top two", "tastes",
        "tastes in a row",
        "done", "proposed", "failed",
        "this form was sent by another site", "this form is of an older session; open the page again",
    } - {""}  # fmt: skip


@pytest.mark.parametrize("language", sorted(set(words.LANGUAGES) - {"en"}))
def test_every_sentence_is_there_and_keeps_its_values(language: str) -> None:
    with (LOCALES / f"{language}.po").open("rb") as file:
        catalogue = {
            str(message.id): str(message.string) for message in read_po(file, language) if message.id
        }
    wanted = written() | named()
    assert len(wanted) > 200, "the sentences were not found"
    assert sorted(sentence for sentence in wanted if not catalogue.get(sentence)) == []
    assert sorted(set(catalogue) - wanted) == [], "nobody says these any more"
    for sentence, translated in catalogue.items():
        assert sorted(set(_VALUE.findall(sentence))) == sorted(set(_VALUE.findall(translated))), sentence


def test_reasons_are_escaped_and_isolated_in_the_language_of_the_page() -> None:
    both = [reason("people_prefer_champion"), reason("as_written", text="<b>Ann</b> \u202eagrees.")]
    wrote = "&lt;b&gt;Ann&lt;/b&gt; \u202eagrees.\u202c"
    english, japanese = Words("en").reasons(both), Words("ja").reasons(both)
    assert english.startswith("People prefer the champion, so the challenger is withdrawn. ")
    assert japanese.startswith("人々はチャンピオンを好むため、チャレンジャーを取り下げます。 ")
    for page in (english, japanese):
        assert wrote in page
        assert "<b>" not in page
    unknown = Words("ja").reasons([Reason(code="of_a_newer_release", values={"x": "<b>\u202e"})])
    assert unknown == f"of_a_newer_release (x={escape(isolated('<b>' + chr(0x202E)))})"
    assert Words("ja").reasons([]) == ""


def test_numbers_have_sensible_digits() -> None:
    english = Words("en")
    texts = [english.number(value) for value in (0, 3, 0.05, 0.123456, 1234.5, 1e7, -0.0321, 12.345, None)]
    assert texts == ["0", "3", "0.05", "0.123", "1,234", "10,000,000", "−0.0321", "12.3", "–"]
    assert [english.percent(value) for value in (0.5, 0.1234, -0.02, None)] == [
        "50.0%",
        "12.3%",
        "−2.0%",
        "–",
    ]
    assert [english.signed(value) for value in ("0.2", "−0.2", "–")] == ["+0.2", "−0.2", "–"]


def test_a_day_has_its_weekday_and_a_year_unless_it_is_this_one() -> None:
    day = date(2024, 5, 3)
    assert (Words("en").day(day), Words("ja").day(day)) == ("Fri, 3 May 2024", "2024年5月3日(金)")
    this_year = datetime.now(UTC).date().replace(month=5, day=3)
    assert re.fullmatch("(Mon|Tue|Wed|Thu|Fri|Sat|Sun) 3 May", Words("en").day(this_year))
    assert re.fullmatch("5月3日\\([月火水木金土日]\\)", Words("ja").day(this_year))


def test_a_duration_has_the_largest_unit_that_is_precise_enough() -> None:
    english, japanese = Words("en"), Words("ja")
    durations = [english.duration(seconds) for seconds in (-1, 0.4, 75, 100, 4000, 9e4, 2e5)]
    assert durations == [
        "0 seconds",
        "0 seconds",
        "75 seconds",
        "2 minutes",
        "67 minutes",
        "25 hours",
        "2 days",
    ]
    assert japanese.duration(100) == "2 分"


@pytest.mark.parametrize(
    ("picked", "accepts", "is_spoken"),
    [
        ("", "", "en"),
        ("", "ja,en;q=0.8", "ja"),
        ("", "de, ja-JP;q=0.5", "ja"),
        ("en", "ja", "en"),
        ("xx", "fr", "en"),
    ],
)
def test_the_language_is_the_one_picked_or_else_the_browsers(
    picked: str, accepts: str, is_spoken: str
) -> None:
    from starlette.requests import Request

    headers = [(b"accept-language", accepts.encode()), (b"cookie", f"language={picked}".encode())]
    request = Request({"type": "http", "headers": headers, "method": "GET", "path": "/"})
    assert words.chosen(request) == is_spoken

"""Reasons: the catalogue is complete in every language, the source uses it, and each reason renders."""

import ast
import re
import string
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, get_args

import pytest
from pydantic import ValidationError

import data
from data import reasons
from data.reasons import LANGUAGES, Reason, ReasonedError, catalogue, dump, load, reason, render, written
from data.records import TransformType
from experiments import bandit, metrics
from experiments.analysis import Obstacle
from experiments.lifecycle import Action, Status
from models.analysis import FindingKind
from serving.web import reading

ROOT = Path(data.__file__).parent.parent
PACKAGES = ("configs", "data", "models", "experiments", "serving", "pipelines", "simulation")
SENTENCES = catalogue()["reasons"]
TERMS = catalogue()["terms"]

# The codes of calls whose code is no literal, by file and by the expression as it is written there.
COMPUTED = {
    ("experiments/recommendation.py", "f\"between_users_{experiment.verdict.replace(' ', '_')}\""): (
        "between_users_better", "between_users_worse", "between_users_no_clear_difference",
        "between_users_too_few_users", "between_users_withheld",
    ),
    **{
        ("experiments/recommendation.py", f"f'days_unknown_{{{name}}}'"): tuple(
            f"days_unknown_{obstacle}" for obstacle in get_args(Obstacle)
        )
        for name in ("obstacle", "safety.obstacle")
    },
    ("experiments/lifecycle.py", "code"): (
        "will_begin", "will_resume", "will_ramp", "will_pause", "will_ship", "will_roll_back",
        "will_discard", "will_drop",
    ),
    ("models/gate.py", "f'{code}_{part}'"): tuple(
        f"{rival}_{part}" for rival in ("gate", "gate_drift") for part in ("facts", "meaning")
    ),
    ("models/gate.py", "f'{code}_{name}'"): tuple(
        f"{rival}_{name}" for rival in ("gate", "gate_drift") for name in ("chatter", "insult")
    ),
    ("models/gate.py", "f'{code}_composite'"): ("gate_composite", "gate_drift_composite"),
    ("pipelines/shadow.py", "f'shadow_{name}'"): ("shadow_chatter", "shadow_insult"),
    ("data/snapshots/validation.py", "code"): ("position_bias", "length_bias"),
    ("data/reasons.py", "WRITTEN"): ("as_written",),
    ("serving/validation.py", "WRITTEN"): ("as_written",),
    ("serving/validation.py", "code"): tuple(code for code in SENTENCES if code.startswith("invalid_")),
    ("serving/gateway/problems.py", "f'allowed_{field}'"): tuple(
        code
        for code in SENTENCES
        if code.startswith("allowed_")
        and not code.startswith(("allowed_transform_type", "allowed_file", "allowed_event"))
    ),
    ("serving/gateway/problems.py", "code"): ("title_not_found", "title_method_not_allowed"),
    # Literals of the table of errors; tests/serving/gateway/test_problems.py renders each.
    ("serving/gateway/problems.py", "title"): tuple(
        code for code in SENTENCES if code.startswith("title_")
    ),
    ("serving/protocol.py", "refused.title"): (
        "title_invalid", "title_too_slow", "title_too_large", "title_unavailable",
    ),
    ("serving/gateway/routes/analysis.py", "f'analysis_{finding.kind}'"): tuple(
        f"analysis_{kind}" for kind in FindingKind if kind is not FindingKind.TERM
    ),
    ("serving/gateway/routes/analysis.py", "f'analysis_{aspect}_{level.level}'"): tuple(
        f"analysis_{aspect}_{level}" for aspect, levels in reading.LEVELS.items() for level in levels
    ),
    ("serving/gateway/routes/analysis.py", "f'analysis_helps_{suggestion.transform_type}'"): tuple(
        f"analysis_helps_{kind}" for kind in TransformType
    ),
    ("serving/dashboard/pages/operations.py", "code"): (
        "flow_failed", "flow_timed_out", "flow_crashed", "flow_cancelled",
    ),
    ("serving/sites/api.py", "code"): tuple(
        code
        for code in SENTENCES
        if code.startswith("title_") or code in ("gateway_unreachable", "sessions_unreadable")
    ),
}  # fmt: skip
# The fields that an unpacked argument gives. None: tests of that file check each code with its values.
UNPACKED = {
    "_difference": {"difference", "low", "high", "level"},
    "difference": {"difference", "low", "high", "level"},
    "votes": {"challenger_users", "challenger_closed", "baseline_users", "baseline_closed"},
    "model_dump": {"mean", "low", "high"},
    "_list_values": {"challenger", "champion", "mean", "low", "high"},
    "values": None,
}


class Call(NamedTuple):
    """A call in the source that makes a reason: its possible codes and its fields; None if they vary."""

    where: str
    codes: tuple[str, ...]
    fields: set[str] | None


def fields_of(sentence: str) -> set[tuple[str, bool]]:
    """The fields of a sentence, and whether each is rendered as a term."""
    parsed = string.Formatter().parse(sentence)
    return {(name, conversion == "t") for _, name, _, conversion in parsed if name is not None}


def names_of(code: str) -> set[str]:
    return {name for name, _ in fields_of(SENTENCES[code]["en"])}


def imported(nodes: list[ast.AST]) -> dict[str, str]:
    """The module that each imported name is from."""
    return {
        alias.asname or alias.name: node.module or ""
        for node in nodes
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def module_of(path: str) -> str:
    return path.removesuffix(".py").replace("/", ".")


def error_classes(files: dict[str, list[ast.AST]]) -> set[tuple[str, str]]:
    """ReasonedError and every class below it: module and name."""
    parents = [
        ((module_of(path), node.name), {(sources.get(base.id, module_of(path)), base.id) for base in names})
        for path, nodes in files.items()
        for sources in [imported(nodes)]
        for node in nodes
        if isinstance(node, ast.ClassDef)
        for names in [[base for base in node.bases if isinstance(base, ast.Name)]]
    ]
    classes = {("data.reasons", "ReasonedError")}
    while more := {name for name, of_class in parents if of_class & classes} - classes:
        classes |= more
    return classes


def own_codes(files: dict[str, list[ast.AST]], errors: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """The error classes that choose their code themselves, in `__init__`."""
    return {
        (module, node.name)
        for module, name in errors - {("data.reasons", "ReasonedError")}
        for node in files[module.replace(".", "/") + ".py"]
        if isinstance(node, ast.ClassDef) and node.name == name
        if any(isinstance(part, ast.FunctionDef) and part.name == "__init__" for part in node.body)
    }


def calls_of_source() -> Iterator[Call]:
    """Every call of the source that makes a reason of the catalogue."""
    files = {
        str(path.relative_to(ROOT)): list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if "migrations" not in path.parts
    }
    errors = error_classes(files)
    choosing = own_codes(files, errors)
    with_a_code = {("data.reasons", "reason"), *errors} - choosing
    for path, nodes in files.items():
        module, sources = module_of(path), imported(nodes)
        inside = {
            id(node)
            for scope in nodes
            if isinstance(scope, ast.ClassDef) and (module, scope.name) in choosing
            for node in ast.walk(scope)
        }
        for node in nodes:
            if not isinstance(node, ast.Call):
                continue
            function = node.func
            if isinstance(function, ast.Name):
                makes_a_reason = (sources.get(function.id, module), function.id) in with_a_code
            else:
                makes_a_reason = id(node) in inside and ast.unparse(function) == "super().__init__"
            if makes_a_reason and (path, ast.unparse(node.args[0])) != ("data/reasons.py", "code"):
                yield Call(f"{path}:{node.lineno}", tuple(codes(path, node.args[0])), fields(node))


def codes(path: str, expression: ast.expr) -> Iterator[str]:
    if isinstance(expression, ast.Constant):
        yield str(expression.value)
    elif isinstance(expression, ast.IfExp):
        yield from codes(path, expression.body)
        yield from codes(path, expression.orelse)
    else:
        key = path, ast.unparse(expression)
        assert key in COMPUTED, f"{path}:{expression.lineno}: list the codes of {key[1]} in COMPUTED"
        yield from COMPUTED[key]


def fields(call: ast.Call) -> set[str] | None:
    names: set[str] = set()
    for keyword in call.keywords:
        if keyword.arg == "details":  # further reasons of an error
            continue
        if keyword.arg is not None:
            names.add(keyword.arg)
            continue
        unpacked = keyword.value.func if isinstance(keyword.value, ast.Call) else keyword.value
        given = UNPACKED[ast.unparse(unpacked).rpartition(".")[2]]
        if given is None:
            return None
        names |= given
    return names


@pytest.fixture(scope="module")
def calls() -> list[Call]:
    return list(calls_of_source())


def test_every_sentence_is_there_in_every_language_with_the_same_fields() -> None:
    for code, sentences in SENTENCES.items():
        assert set(sentences) == set(LANGUAGES), code
        assert len({frozenset(fields_of(sentence)) for sentence in sentences.values()}) == 1, code
        for language, sentence in sentences.items():
            assert sentence == sentence.strip(), (code, language)
            assert sentence, (code, language)


def test_every_number_is_rendered_alike_in_every_language() -> None:
    for code, sentences in SENTENCES.items():
        formats = [
            {(name, spec) for _, name, spec, _ in string.Formatter().parse(sentence) if name}
            for sentence in sentences.values()
        ]
        assert all(each == formats[0] for each in formats), code


def test_every_term_is_there_in_every_language() -> None:
    for term, words in TERMS.items():
        assert set(words) == set(LANGUAGES), term
        assert all(words.values()), term


@pytest.mark.parametrize(
    "names",
    [
        metrics.load(),
        Status,
        Action,
        TransformType,
        get_args(bandit.Rule),
        ("facts_kept", "agreement"),  # the guards of a reward (models/grpo.py)
        (
            "aa_false_winner_rate",
            "coverage",
            "median_stop_ratio",
            "power",
            "share_shipped",
            "path_coverage",
            "rank_coverage",
            "wrong_best",
            "share_missing",
            "false_alarms",
            "false_discovery_rate",
        ),  # targets of a calibration
    ],
    ids=["metrics", "statuses", "actions", "transform types", "bandit rules", "guards", "targets"],
)
def test_every_name_that_a_reason_may_hold_is_a_term(names: object) -> None:
    missing = [str(name) for name in names if str(name) not in TERMS]  # type: ignore[attr-defined]
    assert missing == []


def test_the_source_names_codes_of_the_catalogue(calls: list[Call]) -> None:
    assert len(calls) > 60, "the calls were not found"
    assert [(call.where, code) for call in calls for code in call.codes if code not in SENTENCES] == []


def test_the_source_gives_every_reason_exactly_its_fields(calls: list[Call]) -> None:
    wrong = [
        (call.where, code, sorted(call.fields ^ names_of(code)))
        for call in calls
        if call.fields is not None
        for code in call.codes
        if call.fields != names_of(code)
    ]
    assert wrong == []
    assert [call.where.partition(":")[0] for call in calls if call.fields is None] == [
        "experiments/lifecycle.py",  # tests/experiments/test_lifecycle.py has each
        "serving/validation.py",  # and tests/serving/gateway/test_problems.py
    ]


def test_every_code_of_the_catalogue_is_used(calls: list[Call]) -> None:
    used = {code for call in calls for code in call.codes}
    # What earlier releases decided is stored with these.
    assert sorted(set(SENTENCES) - used) == [
        "another_experiment",
        *("gate_facts_against_copy", "gate_hacked", "gate_tone"),
        *("not_long_enough", "people_prefer_challenger", "reweighed"),
    ]


def test_the_list_of_computed_codes_is_of_today() -> None:
    found = set()
    for path in {path for path, _ in COMPUTED}:
        for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and node.args:
                found.add((path, ast.unparse(node.args[0])))
    assert set(COMPUTED) <= found


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_reason_of_the_source_renders(language: reasons.Language) -> None:
    for code, sentences in SENTENCES.items():
        values: dict[str, reasons.Value] = {
            name: 0.25 if spec else "<x>"
            for _, name, spec, _ in string.Formatter().parse(sentences[language])
            if name
        }
        rendered = reason(code, **values).render(language)
        assert not re.search(r"[{}]", rendered), rendered


def test_numbers_are_rendered_by_the_format_of_the_sentence() -> None:
    ramp = reason("ramp_due", share=0.256, hours=24.0)
    assert ramp.render() == (
        "26% of the users were in the experiment for 24 hours or more, and nothing shows harm."
    )
    assert ramp.render("ja") == "ユーザーの 26% が 24 時間以上実験に入っていて、害は見られません。"
    assert str(ramp) == ramp.render("en")


def test_a_term_is_rendered_in_the_reader_s_language_and_an_unknown_one_as_it_is() -> None:
    ended = reason("experiment_ended", status="rolled_back")
    assert ended.render() == "the experiment has ended (rolled back); draft another one"
    assert ended.render("ja") == "実験は終了しています（ロールバック済み）。新しい下書きを作ってください"
    unknown = reason("experiment_ended", status="of_a_newer_release")
    assert "(of_a_newer_release)" in unknown.render()
    assert "（of_a_newer_release）" in unknown.render("ja")


def test_a_value_that_is_no_term_is_not_translated() -> None:
    assert reason("not_accepted", version="ship").render("ja").startswith("ship は品質ゲートを")


@pytest.mark.parametrize(
    ("names", "english", "japanese"),
    [
        (("complained",), "complained", "不満"),
        (("complained", "latency_p95"), "complained and latency p95", "不満、応答時間 p95"),
        (("a", "liked", "failed"), "a and liked and failed", "a、高評価、失敗"),
    ],
)
def test_a_list_is_joined(names: tuple[str, ...], english: str, japanese: str) -> None:
    harm = reason("harm_in_metrics", metrics=names)
    assert harm.render() == f"Users of the challenger do worse, beyond the margin, in {english}."
    assert (
        harm.render("ja") == f"{japanese}で、チャレンジャーのユーザーの結果が許容幅を超えて悪化しています。"
    )


def test_quote_is_applied_to_texts_and_to_nothing_else() -> None:
    def quote(text: str) -> str:
        return f"<{text}>"

    another = reason("another_experiment", name="x {y}", status="paused")
    assert another.render(quote=quote).startswith("the experiment “<x {y}>” is paused, and")
    assert another.render("ja", quote).startswith("実験「<x {y}>」が一時停止中です。")
    assert reason("users_moved", users=3).render(quote=quote).startswith("3 users")
    assert reason("harm_in_metrics", metrics=("x", "liked")).render(quote=quote).endswith("in <x> and liked.")


def test_braces_in_what_a_person_wrote_are_text() -> None:
    [why] = written("{0} {text} {text.__class__} %s 100 %")
    assert why == Reason(code="as_written", values={"text": "{0} {text} {text.__class__} %s 100 %"})
    for language in LANGUAGES:
        assert why.render(language) == "{0} {text} {text.__class__} %s 100 %"
    assert written("") == []


def test_a_code_that_the_catalogue_lacks_is_rendered_with_its_values() -> None:
    unknown = Reason(code="of_a_newer_release", values={"users": 3, "name": "x"})
    for language in LANGUAGES:
        assert unknown.render(language) == "of_a_newer_release (users=3, name=x)"
    assert unknown.render(quote=lambda text: f"<{text}>") == "of_a_newer_release (users=3, name=<x>)"


def test_several_reasons_are_one_text() -> None:
    both = [reason("not_settled"), *written("Ann agrees.")]
    assert render(both) == "The comparisons do not settle it yet. Ann agrees."
    assert render(both, "ja") == "比較ではまだ決着しません。 Ann agrees."
    assert render([]) == ""


def test_reasons_survive_json() -> None:
    kept = [
        reason("side_by_side_none", ties=3),
        reason("harm_in_metrics", metrics=("complained", "failed")),
        reason("metric_difference", metric="liked", difference=0.1, low=-0.1, high=0.3, level=0.95),
        *written("“Ann” {agrees}"),
        Reason(code="of_a_newer_release", values={"x": 1.0}),
    ]
    stored = dump(kept)
    assert stored[1] == {"code": "harm_in_metrics", "values": {"metrics": ["complained", "failed"]}}
    assert load(stored) == kept
    assert [Reason.model_validate_json(each.model_dump_json()) for each in kept] == kept
    assert dump(load(stored)) == stored
    assert isinstance(load(stored)[0].values["ties"], int)
    assert isinstance(load(stored)[2].values["high"], float)


def test_no_column_is_no_reasons() -> None:
    assert load(None) == []
    assert load([]) == []
    with pytest.raises(ValidationError, match="code"):
        load([{"values": {}}])
    with pytest.raises(ValidationError, match="Input should be a valid dictionary"):
        load(["An old sentence."])


def test_an_error_has_reasons_and_an_english_message() -> None:
    error = ReasonedError("shadow_unsound", version="v2", details=[reason("not_settled")])
    assert error.reasons == [reason("shadow_unsound", version="v2"), reason("not_settled")]
    assert str(error) == (
        "v2 is not fit to answer people, as its shadow run found. The comparisons do not settle it yet."
    )
    assert render(error.reasons, "ja") == (
        "シャドー実行の結果、v2 は人への回答に適していません。 比較ではまだ決着しません。"
    )

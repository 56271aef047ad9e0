"""Every alert fires when it must and is silent when it must not, and each of its conditions matters: a rule
with another threshold, without a condition, or without its waiting time fails a case.
"""

import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.monitoring import FOLDER
from tests.alerts import CASES, LEVELS, Case, Level, burn

RECORDED = {
    group["name"]: group["rules"]
    for group in yaml.safe_load((FOLDER / "rules" / "levels.yml").read_text())["groups"]
}
ALERTS = {
    rule["alert"]: rule
    for group in yaml.safe_load((FOLDER / "rules" / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
}
NO_CASES = {"Watchdog"}  # it fires always
_THRESHOLD = re.compile(r"(==|>=|<=|<|>) (-?[0-9.]+)(?![0-9.]*[a-z])")

Rule = dict[str, Any]


@pytest.fixture(scope="module")
def promtool() -> str:
    path = shutil.which("promtool")
    if path is None:
        pytest.fail("there is no promtool: apt install prometheus")
    return path


def find_failures(
    promtool: str, folder: Path, rules: Sequence[Rule], cases: Sequence[Case], recorded: Sequence[Rule] = ()
) -> set[int]:
    """The places of the alerts for which a case is not as expected. They are evaluated beside each other."""
    named = [{**rule, "alert": f"alert{place}"} for place, rule in enumerate(rules)]
    (folder / "rules.yml").write_text(
        yaml.safe_dump({"groups": [{"name": "all", "rules": [*recorded, *named]}]})
    )
    tests = [
        {
            "name": case.what,
            "interval": "1m",
            "input_series": [{"series": name, "values": values} for name, values in case.series.items()],
            "promql_expr_test": [
                {
                    "expr": f'count(ALERTS{{alertname="{rule["alert"]}",alertstate="firing"}})'
                    " > bool 0 or vector(0)",
                    "eval_time": f"{case.at_minute}m",
                    "exp_samples": [{"labels": "{}", "value": int(case.fires)}],
                }
                for rule in named
            ],
        }
        for case in cases
    ]
    file = folder / "cases.yml"
    document = {"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": tests}
    file.write_text(yaml.safe_dump(document, width=10**9))
    done = subprocess.run([promtool, "test", "rules", str(file)], capture_output=True, text=True)
    failures = {int(place) for place in re.findall(r'alertname=\\?"alert(\d+)', done.stdout + done.stderr)}
    assert done.returncode == 0 or failures, done.stderr
    return failures


def mutants(rule: Rule) -> Iterator[tuple[str, Rule]]:
    """The rule with one thing wrong each time, and what that is."""

    def changed(expr: str, what: str) -> tuple[str, Rule]:
        return what, {**rule, "expr": expr}

    expr = rule["expr"]
    for match in _THRESHOLD.finditer(expr):
        number = float(match[2])
        others = [number * 10, number / 10] if number else [-1e12, 1e12]
        if match[1] == "==":
            others = [1 - number]
        for other in others:
            begin, end = match.span(2)
            yield changed(f"{expr[:begin]}{other:g}{expr[end:]}", f"{match[0]} as {other:g}")
    lines = expr.splitlines()
    for number, line in enumerate(lines):
        if re.match(r"\s*(and|or) [^(]", line):
            yield changed("\n".join([*lines[:number], *lines[number + 1 :]]), f"without {line.strip()}")
    if "for" in rule:
        yield "without waiting", {key: value for key, value in rule.items() if key != "for"}
        yield "waits a day", {**rule, "for": "1d"}


def cases_of(name: str) -> list[Case]:
    """The cases of an alert, and the first one that fires at a moment before it has waited long enough."""
    cases = [case for case in CASES if case.alert == name]
    waits = ALERTS[name].get("for")
    if waits is None:
        return cases
    minutes = int(waits[:-1]) * {"s": 1 / 60, "m": 1, "h": 60}[waits[-1]]
    first = next(case for case in cases if case.fires)
    early = first._replace(fires=False, what="not for long", at_minute=first.since_minute + int(minutes / 2))
    return [*cases, early]


@pytest.mark.slow
def test_promtool_accepts_the_rules(promtool: str) -> None:
    files = [str(path) for path in sorted((FOLDER / "rules").glob("*.yml"))]
    subprocess.run([promtool, "check", "rules", "--lint-fatal", *files], check=True)


def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_is_silent() -> None:
    for fires in (True, False):
        assert {case.alert for case in CASES if case.fires == fires} == set(ALERTS) - NO_CASES


def test_the_cases_are_of_the_objectives() -> None:
    """Their budgets are those of the rules."""
    budgets = {rule["labels"]["slo"]: 1 - float(rule["expr"][7:-1]) for rule in RECORDED["objectives"]}
    assert budgets == pytest.approx({level.slo: level.budget for level in LEVELS})


@pytest.mark.slow
@pytest.mark.parametrize("level", LEVELS, ids=lambda level: level.slo)
def test_burn_rates_are_computed_of_the_requests(level: Level, promtool: str, tmp_path: Path) -> None:
    """An hour of health, then an hour in which the budget burns at 16 times its pace, with 100 failures."""
    requests = 100 / (60 * 16 * level.budget)
    rules = [
        rule
        for group in ("objectives", "requests", "burn rates", "error budgets")
        for rule in RECORDED[group]
        if rule.get("labels", {}).get("slo", level.slo) == level.slo
    ]
    expected = {
        "slo:burn_rate:5m": 16, "slo:burn_rate:30m": 16, "slo:burn_rate:1h": 15.6, "slo:burn_rate:6h": 8,
        "slo:burn_rate:3d": 8, "slo:failures:1h": 97, "slo:failures:6h": 300, "slo:failures:3d": 3600,
        "slo:budget_left:30d": 1 - 8,
    }  # fmt: skip
    assert {rule["record"] for rule in rules if rule["record"] not in expected} == {
        "slo:objective:ratio", "slo:requests:rate5m", "slo:failures:rate5m",
    }  # fmt: skip
    checks = [
        {"expr": f'abs({name}{{slo="{level.slo}"}} - {value}) < {0.04 * abs(value)}'}
        for name, value in expected.items()
    ]
    case = Case("", True, "both hours", burn(level, requests, 16, 60, 60), 120)
    wrong = find_failures(promtool, tmp_path, checks, [case], rules)
    assert [list(expected)[place] for place in wrong] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(ALERTS) - NO_CASES))
def test_an_alert_fires_when_it_must_and_each_of_its_conditions_matters(
    name: str, promtool: str, tmp_path: Path
) -> None:
    rule = ALERTS[name]
    recorded = RECORDED["cache"] if "gateway:cache_hits" in rule["expr"] else ()
    wrong = dict(mutants(rule))
    failures = find_failures(promtool, tmp_path, [rule, *wrong.values()], cases_of(name), recorded)
    assert 0 not in failures, "the rule itself"
    assert [what for place, what in enumerate(wrong, 1) if place not in failures] == []

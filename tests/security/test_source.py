"""What the source must not say: ruff's security rules are on, and rules of ours cover what ruff has none for.

Each rule is shown a planted example first. `ruff check` itself runs in `make check`.
"""

import ast
import json
import re
import re._constants as sre
import re._parser as sre_parser
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("configs", "data", "models", "experiments", "serving", "pipelines", "benchmarks")
SOURCES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
TEMPLATES = sorted((ROOT / "serving").rglob("*.html"))

# By ruff's code: it must be on in the folder whose code strangers reach.
FOUND_BY_RUFF = {
    "S102": "exec(text)",
    "S104": "address = '0.0.0.0'",
    "S105": "password = 'hunter2hunter2'",
    "S113": "import httpx\nhttpx.get(url, timeout=None)",
    "S301": "import pickle\npickle.loads(body)",
    "S307": "eval(text)",
    "S310": "import urllib.request\nurllib.request.urlopen(url)",
    "S324": "import hashlib\nhashlib.md5(body)",
    "S501": "import httpx\nhttpx.get(url, verify=False)",
    "S506": "import yaml\nyaml.load(body)",
    "S602": "import subprocess\nsubprocess.run(command, shell=True)",
    "S603": "import subprocess\nsubprocess.run(command)",
    "S608": "query = f\"SELECT * FROM users WHERE name = '{name}'\"",
    "S701": "import jinja2\njinja2.Environment()",
    "S704": "from markupsafe import Markup\nMarkup(f'<b>{name}</b>')",
}


def test_ruff_finds_what_is_unsafe() -> None:
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--output-format=json"]
    command += ["--stdin-filename", "serving/gateway/planted.py", "-"]
    planted = "\n".join(FOUND_BY_RUFF.values())
    done = subprocess.run(command, input=planted, cwd=ROOT, capture_output=True, text=True)
    assert FOUND_BY_RUFF.keys() - {finding["code"] for finding in json.loads(done.stdout)} == set(), (
        done.stderr
    )


def name_of(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Call(func=func):
            return name_of(func)
        case ast.Subscript(slice=ast.Constant(value=str(name))):
            return name
    return ""


SECRET = re.compile(r"secret|password|signature|csrf|api_key|service_token|_mac\b|session_id", re.IGNORECASE)


def compares_a_secret(node: ast.AST) -> bool:
    """`==` tells by its time how much of a guess is right; `hmac.compare_digest` does not."""
    return (
        isinstance(node, ast.Compare)
        and any(isinstance(operator, ast.Eq | ast.NotEq) for operator in node.ops)
        and any(SECRET.search(name_of(side)) for side in (node.left, *node.comparators))
    )


def writes_a_secret_down(node: ast.AST) -> bool:
    """A secret in the source is everybody's."""
    return (
        isinstance(node, ast.Call)
        and name_of(node.func) == "SecretStr"
        and any(isinstance(value, ast.Constant) and value.value for value in node.args)
    )


def trusts_a_model_with_code(node: ast.AST) -> bool:
    """A folder of weights that brings its own code runs it, and a pickle is code."""
    if isinstance(node, ast.Call):
        return ast.unparse(node.func) == "torch.load"
    return isinstance(node, ast.keyword) and (
        (node.arg == "trust_remote_code" and not is_false(node.value))
        or (node.arg == "weights_only" and is_false(node.value))
        or (node.arg == "allow_pickle" and not is_false(node.value))
    )


def is_false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


def turns_escaping_off(node: ast.AST) -> bool:
    """A template that escapes nothing, or a page put together by hand, shows a stranger's text as it is."""
    if isinstance(node, ast.keyword):
        return node.arg == "autoescape" and is_false(node.value)
    is_page = isinstance(node, ast.Call) and name_of(node.func) == "HTMLResponse"
    return is_page and any(isinstance(value, ast.JoinedStr | ast.BinOp) for value in node.args)


def puts_a_value_into_sql(node: ast.AST) -> bool:
    """What `text` gets by an f-string or `%` is part of the statement; only our own constants may be."""
    if (
        not isinstance(node, ast.Call)
        or name_of(node.func) not in ("text", "exec_driver_sql")
        or not node.args
    ):
        return False
    statement = node.args[0]
    if isinstance(statement, ast.JoinedStr):
        values = [part.value for part in statement.values if isinstance(part, ast.FormattedValue)]
        return not all(CONSTANT.fullmatch(name_of(value)) for value in values)
    return isinstance(statement, ast.BinOp) and isinstance(statement.op, ast.Mod)


CONSTANT = re.compile(r"_?[A-Z][A-Z0-9_]*")


def waits_for_ever_to_match(node: ast.AST) -> bool:
    """A repeated group that is only a repetition, as (a+)+, tries all ways to cut what it does not match."""
    if not isinstance(node, ast.Call) or not node.args or name_of(node.func) not in RE_FUNCTIONS:
        return False
    pattern = node.args[0]
    if not isinstance(pattern, ast.Constant) or not isinstance(pattern.value, str):
        return False
    try:
        return is_nested(sre_parser.parse(pattern.value))
    except re.error:  # another function of that name
        return False


RE_FUNCTIONS = {"compile", "search", "match", "fullmatch", "sub", "split", "findall", "finditer"}


def is_nested(parsed: Any) -> bool:
    for operator, value in parsed:
        if operator in (sre.MAX_REPEAT, sre.MIN_REPEAT):
            if value[1] is sre.MAXREPEAT and can_be_cut_anywhere(value[2]):
                return True
            if is_nested(value[2]):
                return True
        elif any(is_nested(part) for part in parts_of(value)):
            return True
    return False


def can_be_cut_anywhere(body: Any) -> bool:
    """Whether a body is one endless repetition, beside which everything else may be missing."""
    items = list(body)
    if len(items) == 1 and items[0][0] in (sre.SUBPATTERN, sre.BRANCH):
        return any(can_be_cut_anywhere(part) for part in parts_of(items[0][1]))
    endless = [
        item for item in items if item[0] in (sre.MAX_REPEAT, sre.MIN_REPEAT) and item[1][1] is sre.MAXREPEAT
    ]
    others = [item for item in items if item not in endless[:1]]
    return bool(endless) and all(least_width(item) == 0 for item in others)


def least_width(item: Any) -> int:
    whole = sre_parser.SubPattern(sre_parser.State(), [item])
    return whole.getwidth()[0]


def parts_of(value: Any) -> Iterator[Any]:
    if isinstance(value, sre_parser.SubPattern):
        yield value
    elif isinstance(value, list | tuple):
        for part in value:
            yield from parts_of(part)


RULES: dict[Callable[[ast.AST], bool], str] = {
    compares_a_secret: "ok = given == settings.service_token",
    writes_a_secret_down: "secret = SecretStr('local')",
    trusts_a_model_with_code: "AutoModel.from_pretrained(path, trust_remote_code=True)",
    turns_escaping_off: "HTMLResponse(f'<p>{text}</p>')",
    puts_a_value_into_sql: "session.execute(text(f'SET role {role}'))",
    waits_for_ever_to_match: r"re.compile(r'^(?:\w+\s?)*$')",
}
# Seen and justified, as `path: code`.
ALLOWED = {
    # The digests of random secrets: a guess says nothing of the next character.
    "data/people/identities.py: stored.secret_sha256 != sha256(parsed[1].encode()).digest()",
    # An operator's expression, which `expressions` has parsed and written again from a closed list of nodes.
    "experiments/own_metrics.py: text(f'SELECT {value} FROM {units}')",
    # Vacuuming takes no parameters; the names are those of our tables.
    "data/erasure/rows.py: text(f'VACUUM ({options}) {table.__tablename__}')",
    "data/erasure/rows.py: text(f\"VACUUM {('FULL ' if rewrite_files else '')}pg_statistic\")",
    # Migration 0019 rewrites several tables in the same way; their names and columns are constants.
    *(
        f"data/migrations/versions/0019_reasons.py: sa.text(f'{statement}')"
        for statement in (
            "SELECT {key}, {column} FROM {table} WHERE {column} IS NOT NULL",
            "UPDATE {table} SET {new} = CAST(:value AS jsonb) WHERE {assign}",
            "SELECT {key} AS key, reasons FROM {table}",
            "UPDATE {table} SET reason = :reason WHERE {key} = :key",
        )
    ),
}


def breaches(rule: Callable[[ast.AST], bool], source: str) -> list[str]:
    return [ast.unparse(node) for node in ast.walk(ast.parse(source)) if rule(node)]


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_finds_its_example(rule: Callable[[ast.AST], bool]) -> None:
    assert breaches(rule, RULES[rule])


@pytest.mark.parametrize("rule", RULES)
def test_the_source_keeps_the_rule(rule: Callable[[ast.AST], bool]) -> None:
    lines = {
        f"{path.relative_to(ROOT)}: {code}"
        for path in SOURCES
        for code in breaches(rule, path.read_text(encoding="utf-8"))
    }
    assert lines - ALLOWED == set(), rule.__doc__


@pytest.mark.parametrize("pattern", [r"(a+)+b", r"(?:a*)*", r"(?:\w+\s?)+$", r"(?:x|(?:a+b?)*)c"])
def test_nested_repetition_is_recognised(pattern: str) -> None:
    assert is_nested(sre_parser.parse(pattern))


@pytest.mark.parametrize("pattern", [r"(?:\.\d+)+", r"(?:[^.]+\.)*x", r"(?:a++)+", r"(?:a{1,3})+", r"a+b+"])
def test_repetition_with_something_between_is_none(pattern: str) -> None:
    assert not is_nested(sre_parser.parse(pattern))


UNESCAPED = re.compile(r"\|\s*safe\b|autoescape\s+false")


def test_no_template_shows_a_text_unescaped() -> None:
    assert UNESCAPED.search("{{ message|safe }}")
    assert TEMPLATES
    assert [path.name for path in TEMPLATES if UNESCAPED.search(path.read_text(encoding="utf-8"))] == []

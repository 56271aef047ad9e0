"""The alerts on lines of the log: their syntax, and that the lines exist."""

import json
import re
import subprocess
from typing import Any

import pytest
import yaml

import configs
from deploy.catalog import IMAGES

FOLDER = configs.ROOT / "deploy" / "logging"


def rules() -> list[dict[str, Any]]:
    document = yaml.safe_load((FOLDER / "alerts.yaml").read_text(encoding="utf-8"))
    return [rule for group in document["groups"] for rule in group["rules"]]


def check(*expressions: str) -> "subprocess.CompletedProcess[str]":
    assert (FOLDER / "node_modules").is_dir(), "run `make node`: it needs the Debian packages nodejs and npm"
    return subprocess.run(
        ["node", "check.js"], cwd=FOLDER, input=json.dumps(expressions), capture_output=True, text=True
    )


@pytest.mark.slow
def test_each_expression_is_valid_logql() -> None:
    """Those in descriptions, which people copy, too."""
    quoted = re.compile(r"sum by \(error_type\).*\)")
    copied = [quoted.search(rule["annotations"]["description"]) for rule in rules()]
    ended = check(*(rule["expr"] for rule in rules()), *(found[0] for found in copied if found))
    assert (ended.returncode, ended.stdout) == (0, "")
    broken = check('sum(count_over_time({process="gateway" [5m]))')
    assert broken.returncode == 1
    assert "at " in broken.stdout


def test_the_lines_that_alerts_look_for_are_written_by_the_code() -> None:
    source = "".join(
        file.read_text(encoding="utf-8")
        for room in ("data", "serving", "pipelines")
        for file in (configs.ROOT / room).rglob("*.py")
    )
    words = [each for rule in rules() for each in re.findall(r'\|= "([^"]+)"', rule["expr"])]
    assert len(words) == 3
    for each in words:
        assert each in source, each
    for rule in rules():
        for module in re.findall(r'logger = "([\w.]+)"', rule["expr"]):
            assert configs.ROOT.joinpath(*module.split(".")).with_suffix(".py").is_file(), module


def test_alerts_name_processes_that_exist() -> None:
    processes = {process for image in IMAGES.values() for process in image.processes}
    for rule in rules():
        for names in re.findall(r'process=~?"([\w|]+)"', rule["expr"]):
            assert set(names.split("|")) <= processes, rule["alert"]


def test_labels_are_few_and_no_line_becomes_a_stream_of_its_own() -> None:
    text = (FOLDER / "config.alloy").read_text(encoding="utf-8")
    [labels] = re.findall(r"stage\.labels \{\s+values = \{([^}]*)\}", text)
    assert re.findall(r"(\w+) =", labels) == ["level"]
    assert re.findall(r'target_label\s+= "(\w+)"', text) == ["process"]
    assert text.count("{") == text.count("}")

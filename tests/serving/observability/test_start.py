"""What a process calls first: the form of its lines, and what libraries print."""

import json
import sys

import pytest
import yaml

import configs
from configs.settings import Settings
from serving.observability import start
from serving.observability.lines import JsonLines, Text
from tests.failing import run

FOLDER = configs.ROOT / "serving" / "observability"


def test_lines_are_text_at_a_terminal_and_json_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    for is_terminal, log_format, kind in (
        (True, None, Text),
        (False, None, JsonLines),
        (True, "json", JsonLines),
        (False, "text", Text),
    ):
        monkeypatch.setattr(sys.stderr, "isatty", lambda value=is_terminal: value)
        settings = Settings(log_format=log_format)
        assert type(start.make_formatter(settings, "web")) is kind, (is_terminal, log_format)


def test_what_libraries_print_becomes_lines_of_the_same_form() -> None:
    ended = run(
        "import logging, sys, warnings\n"
        "logging.getLogger('bentoml').addHandler(logging.StreamHandler(sys.stdout))\n"
        "logging.getLogger('bentoml').propagate = False\n"
        "from configs.settings import Settings\n"
        "from serving.observability.start import start\n"
        "start(Settings(), 'inference')\n"
        "logging.getLogger('bentoml').warning('one')\n"
        "warnings.warn('two')\n"
    )
    assert ended.stdout == ""
    lines = [json.loads(line) for line in ended.stderr.splitlines()]
    assert [(line["process"], line["logger"]) for line in lines] == [
        ("inference", "bentoml"),
        ("inference", "py.warnings"),
    ]


def test_a_process_that_cannot_start_says_what_to_set() -> None:
    ended = run(
        "from configs.settings import Settings\n"
        "from serving.observability.start import start\n"
        "start(Settings(), 'flows')\n"
        "raise ValueError('set TONEBRIDGE_REDIS_URL')\n"
    )
    line = json.loads(ended.stderr)
    assert line["message"] == "the process cannot start: set TONEBRIDGE_REDIS_URL"
    assert (line["level"], ended.returncode) == ("critical", 1)


def test_a_release_is_that_of_the_settings_or_of_the_package() -> None:
    assert start.find_release(Settings(release="2.0.0")) == "2.0.0"
    assert start.find_release(Settings())[0].isdigit()


@pytest.mark.parametrize("name", ["mlflow", "prefect"])
def test_files_of_other_programs_make_the_same_lines(name: str) -> None:
    """Such a program reads its file in a process of its own."""
    script = (
        "import json, logging, logging.config, re, sys, yaml\n"
        f"text = open({str(FOLDER / name) + '.yaml'!r}).read()\n"
        "logging.config.dictConfig(yaml.safe_load(re.sub(r'\\$\\{\\w+\\}', 'INFO', text)))\n"
        "logging.getLogger('uvicorn.error').warning('%s', ValueError('a text'))\n"
    )
    ended = run(script, TONEBRIDGE_RELEASE="1.2.3")
    line = json.loads(ended.stderr)
    assert (line["message"], line["release"]) == ("ValueError", "1.2.3")
    assert line["process"] == ("mlflow" if name == "mlflow" else "flows")


def test_the_file_of_prefect_has_the_loggers_of_prefects_own() -> None:
    import prefect.logging.configuration

    theirs = yaml.safe_load(prefect.logging.configuration.DEFAULT_LOGGING_SETTINGS_PATH.read_text())
    ours = yaml.safe_load((FOLDER / "prefect.yaml").read_text())
    assert ours["loggers"].keys() == theirs["loggers"].keys()
    for name in ("prefect.flow_runs", "prefect.task_runs", "prefect.extra"):
        assert ours["loggers"][name] == theirs["loggers"][name], "lines of runs reach Prefect's database"


def test_images_log_json_and_know_their_release() -> None:
    text = (configs.ROOT / "deploy" / "Containerfile").read_text(encoding="utf-8")
    assert "TONEBRIDGE_LOG_FORMAT=json" in text
    assert "ENV TONEBRIDGE_RELEASE=${VERSION}" in text
    assert f"PREFECT_LOGGING_SETTINGS_PATH=/app/{FOLDER.relative_to(configs.ROOT)}/prefect.yaml" in text


def test_starting_twice_keeps_one_handler() -> None:
    ended = run(
        "import logging\n"
        "from configs.settings import Settings\n"
        "from serving.observability.start import start\n"
        "start(Settings(), 'web'); start(Settings(), 'web')\n"
        "logging.getLogger('x').info('once')\n"
    )
    assert len(ended.stderr.splitlines()) == 1

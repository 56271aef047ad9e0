"""The images: every process has one, and the Containerfile keeps the rules that make them safe to run."""

import re
import shlex
import subprocess
from pathlib import Path

import pathspec
import pytest

from configs import secret_store
from configs.settings import Settings
from deploy.catalog import IMAGES, ROOT
from deploy.runtime import USER
from pipelines.environments import environment
from pipelines.local import command, process_names

CONTAINERFILES = (
    "Containerfile",
    "stores.Containerfile",
    "compose/stand-ins.Containerfile",
    "compose/faults/Containerfile",
)
SECRET = re.compile(r"(^|_)(SECRET|PASSWORD|PASSWD|TOKEN|KEY|CREDENTIALS?)S?(_|$)")


def instructions(name: str) -> list[tuple[str, str]]:
    """The instructions of a file, such as ("USER", "65532:65532"), with continued lines joined."""
    text = (ROOT / "deploy" / name).read_text(encoding="utf-8")
    text = re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    return [
        (word.upper(), rest.strip())
        for word, _, rest in (line.partition(" ") for line in text.splitlines())
        if word
    ]


def final_stage() -> list[tuple[str, str]]:
    everything = instructions("Containerfile")
    last = max(place for place, (word, _) in enumerate(everything) if word == "FROM")
    return everything[last:]


def variables(stage: list[tuple[str, str]]) -> dict[str, str]:
    pairs = (word for name, rest in stage if name == "ENV" for word in shlex.split(rest))
    return {name: value for name, _, value in (pair.partition("=") for pair in pairs)}


def copied_from_the_checkout(name: str) -> list[str]:
    words = (
        shlex.split(rest) for word, rest in instructions(name) if word == "COPY" and "--from=" not in rest
    )
    return [source for each in words for source in each[:-1]]


def test_every_process_has_one_image_and_no_image_names_another() -> None:
    named = [process for image in IMAGES.values() for process in image.processes]
    assert sorted(named) == sorted(process_names())


@pytest.mark.parametrize("process", process_names())
def test_a_command_runs_without_a_shell_from_packages_of_its_image(process: str) -> None:
    ports = {f"TONEBRIDGE_{name.upper()}_PORT": "1" for name in process_names()}
    words = command(process, {**ports, "TONEBRIDGE_ARTIFACT_LOCATION": "file:///state/mlflow"})
    assert not set("|&;<>`$") & set(" ".join(words))
    if words[0] == "python":
        module = Path(*words[2].split(".")).with_suffix(".py")
        assert words[1] == "-m"
        assert module.parts[0] in copied_from_the_checkout("Containerfile")
        assert (ROOT / module).is_file()
    else:
        assert words[0] in {"bentoml", "mlflow", "prefect"}  # console scripts of their packages


def test_the_processes_are_no_root_and_end_by_sigterm() -> None:
    stage = final_stage()
    assert stage[0] == ("FROM", "scratch")
    assert [rest for word, rest in stage if word == "USER"] == [f"{USER}:{USER}"]
    assert USER > 1000
    assert ("STOPSIGNAL", "SIGTERM") in stage
    # Only then a command without a shell is process 1, which the signal reaches.
    assert not [word for word, _ in stage if word in ("RUN", "SHELL", "ENTRYPOINT", "CMD")]


@pytest.mark.parametrize("name", CONTAINERFILES)
def test_nothing_is_fetched_unseen_and_no_secret_is_built_in(name: str) -> None:
    everything = instructions(name)
    assert not [word for word, _ in everything if word == "ADD"]
    bases = {rest.split()[0] for word, rest in everything if word == "FROM"}
    assert bases <= {"${BASE}", "scratch"}
    names = [rest.partition("=")[0] for word, rest in everything if word == "ARG"]
    names += variables([pair for pair in everything if pair[0] == "ENV"])
    assert [each for each in names if SECRET.search(each)] == []


def test_libraries_are_as_quiet_and_offline_as_without_containers() -> None:
    settings = Settings().model_copy(
        update={**dict(secret_store.Secrets()), "database_url": "postgresql://owner@postgres/tonebridge"}
        | {"state": Path("/state"), "artifacts": Path("/state/artifacts"), "champion": ROOT / "champion"}
    )
    local = environment(settings, "web")
    image = variables(final_stage())
    both = {name: value for name, value in image.items() if name in local and name not in ("PATH", "HOME")}
    both = {
        name: value for name, value in both.items() if name not in ("LANG", "SSL_CERT_FILE", "PYTHONPATH")
    }
    own = {"TONEBRIDGE_HOST"}  # on a machine it is loopback
    assert {name: value for name, value in both.items() if local[name] != value and name not in own} == {}
    quiet = ("BENTOML_", "HF_", "MLFLOW_", "PREFECT_", "TOKENIZERS_")
    # Where Prefect is depends on the installation.
    assert {name for name in local if name.startswith(quiet)} - {"PREFECT_API_URL"} <= set(image)


def ignored_by_a_build() -> pathspec.PathSpec:
    """The patterns of the file as git's: a build's begin at the root, unless they begin with `**`."""
    text = (ROOT / ".containerignore").read_text(encoding="utf-8")
    return pathspec.PathSpec.from_lines(
        "gitwildmatch", re.sub(r"^(!?)(?=\w)", r"\1/", text, flags=re.M).splitlines()
    )


@pytest.mark.parametrize(
    "path",
    [
        ".env", ".env.production", "data/.env", "serving/gateway/.env.local", ".tonebridge/secrets.json",
        ".git/config", ".venv/pyvenv.cfg", "artifacts/report.json", "tests/conftest.py", "docs/README.md",
        "sdk/openapi.json", "notebooks/01_feedback.py", "deploy/trial.py",
        "data/__pycache__/tables.cpython-313.pyc",
    ],
)  # fmt: skip
def test_a_build_does_not_read(path: str) -> None:
    assert ignored_by_a_build().match_file(path)


def test_a_build_reads_what_it_copies_and_nothing_else() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    ignored = ignored_by_a_build()
    read = [path for path in tracked.splitlines() if not ignored.match_file(path)]
    copied = tuple(source for name in CONTAINERFILES for source in copied_from_the_checkout(name))
    assert {
        source for source in copied if not any(Path(path).is_relative_to(source) for path in read)
    } == set()
    assert [path for path in read if not any(Path(path).is_relative_to(source) for source in copied)] == []


def test_a_release_is_built_for_both_architectures_from_a_base_by_its_digest() -> None:
    workflow = (ROOT / ".github" / "workflows" / "images.yml").read_text(encoding="utf-8")
    lists = re.findall(r"image: \[(.*)\]", workflow)
    assert [sorted(names.split(", ")) for names in lists] == [sorted(IMAGES)] * 2
    assert re.findall(r"architecture: (\w+),", workflow) == ["amd64", "arm64"]
    assert "manifest-digest" in workflow
    used = re.findall(r"uses: (\S+)", workflow)
    assert used
    assert [action for action in used if not re.search(r"@[0-9a-f]{40}$", action)] == []

"""What all workflows of GitHub keep: pinned actions, least rights, no credentials left, limits of time."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.version import Version

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / ".github" / "workflows"
FILES = sorted(FOLDER.glob("*.yml"))
OWN = "$/.github/workflows/"  # a workflow of this repository, at the commit that runs
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} +# v\d+\.\d+\.\d+")


def jobs_of(file: Path) -> dict[str, dict[str, Any]]:
    jobs: dict[str, dict[str, Any]] = yaml.safe_load(file.read_text(encoding="utf-8"))["jobs"]
    return jobs


JOBS = [pytest.param(job, id=f"{file.stem}-{name}") for file in FILES for name, job in jobs_of(file).items()]
STEPS = [step for file in FILES for job in jobs_of(file).values() for step in job.get("steps", ())]
CALLS = [
    pytest.param(job, id=f"{file.stem}-{name}")
    for file in FILES
    for name, job in jobs_of(file).items()
    if "uses" in job
]


def test_each_python_that_is_promised_is_tested() -> None:
    tested = yaml.safe_load((FOLDER / "ci.yml").read_text(encoding="utf-8"))
    (versions,) = [
        job["strategy"]["matrix"]["python"]
        for job in tested["jobs"].values()
        if "python" in job.get("strategy", {}).get("matrix", {})
    ]
    oldest = min(versions, key=Version)
    for folder in (ROOT, ROOT / "sdk" / "python"):
        project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        assert project["requires-python"].split(",")[0] == f">={oldest}"
    assert f"Python {oldest} or newer." in (ROOT / "sdk" / "python" / "README.md").read_text(encoding="utf-8")
    assert f"| Python {oldest} and newer |" in (ROOT / "docs" / "sdks.md").read_text(encoding="utf-8")


def test_there_are_workflows() -> None:
    assert {"chart", "ci", "deploy", "deployment", "images", "rollback"} <= {file.stem for file in FILES}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_actions_are_pinned_by_a_commit_and_name_their_version(file: Path) -> None:
    used = re.findall(r"^ *(?:- )?uses: *(.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    assert used
    assert [name for name in used if not name.startswith(OWN) and not PINNED.fullmatch(name)] == []


def test_an_action_has_one_commit_everywhere() -> None:
    used = {step["uses"] for step in STEPS if "uses" in step}
    names = [name.partition("@")[0] for name in used]
    assert len(names) == len(set(names)), sorted(used)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_workflow_has_no_rights_but_those_of_its_jobs(file: Path) -> None:
    workflow = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert workflow["permissions"] == {}
    triggers = workflow[True]  # YAML 1.1 reads `on` as true
    assert "concurrency" in workflow or list(triggers) == ["workflow_call"]


@pytest.mark.parametrize("job", JOBS)
def test_a_job_names_its_rights(job: dict[str, Any]) -> None:
    rights = job["permissions"]
    assert rights
    assert set(rights.values()) <= {"read", "write"}
    # To write contents is to release; nothing else changes the repository.
    assert rights.get("contents") != "write" or any(
        "gh release" in step.get("run", "") for step in job["steps"]
    )


@pytest.mark.parametrize("job", JOBS)
def test_a_job_has_a_limit_of_time(job: dict[str, Any]) -> None:
    if "uses" in job:  # the jobs of the workflow that it calls have theirs
        assert (FOLDER / job["uses"].removeprefix(OWN)).is_file()
    else:
        assert 0 < job["timeout-minutes"] <= 360


def test_a_checkout_leaves_no_credentials() -> None:
    checkouts = [step for step in STEPS if step.get("uses", "").startswith("actions/checkout@")]
    assert checkouts
    assert [step for step in checkouts if step.get("with", {}).get("persist-credentials") is not False] == []


def test_programs_get_values_by_variables_and_not_by_text() -> None:
    assert [
        step["run"] for step in STEPS if "${{" in step.get("run", "").replace("${{ matrix.target }}", "")
    ] == []


def test_a_tag_is_checked_before_images_are_built_and_released_after_they_are_signed() -> None:
    jobs = jobs_of(FOLDER / "images.yml")
    assert any("python -m deploy.release" in step.get("run", "") for step in jobs["check"]["steps"])
    assert "check" in jobs["build"]["needs"]
    assert jobs["publish"]["needs"] == "build"
    assert jobs["release"]["needs"] == "publish"
    for name in ("check", "build"):
        assert jobs[name]["if"] == "startsWith(github.ref, 'refs/tags/v')"


@pytest.mark.parametrize("job", CALLS)
def test_a_called_workflow_gets_what_it_takes_and_no_secrets(job: dict[str, Any]) -> None:
    called = yaml.safe_load((FOLDER / job["uses"].removeprefix(OWN)).read_text(encoding="utf-8"))
    inputs = called[True]["workflow_call"]["inputs"]
    required = {name for name, about in inputs.items() if about.get("required")}
    assert required <= set(job["with"]) <= set(inputs)
    assert "secrets" not in job
    for name, needed in called["jobs"].items():
        assert needed["permissions"] == job["permissions"], name


def test_one_change_of_an_environment_at_a_time() -> None:
    """Also a rollback and a deployment, since both call the same job."""
    [job] = jobs_of(FOLDER / "deployment.yml").values()
    assert job["environment"] == "${{ inputs.environment }}"
    assert job["concurrency"] == {
        "group": "deployment-${{ inputs.environment }}",
        "cancel-in-progress": False,
    }
    callers = {
        (file.stem, each["with"]["command"])
        for file in FILES
        for each in jobs_of(file).values()
        if "uses" in each
    }
    assert callers == {("deploy", "deploy"), ("rollback", "rollback")}
    commands = [step["if"] for step in job["steps"] if "if" in step]
    assert commands == ["inputs.command == 'deploy'", "inputs.command == 'rollback'"]

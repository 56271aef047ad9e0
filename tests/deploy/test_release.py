"""A release is refused for each thing that is missing, with a sentence that says what to do."""

import json
import shutil
import subprocess
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from deploy.catalog import ROOT
from deploy.release import (
    CHANGES,
    PLACES,
    UPGRADE,
    Section,
    describe,
    find_faults,
    read_part,
    read_sections,
    read_versions,
    write,
)

CHANGELOG = """# Changelog

## 0.2.0, 2026-12-01

### To upgrade

Nothing is to be done.

### Changes

A page.

## 0.1.0, 2026-11-30

### To upgrade

Nothing was released before.

### Changes

The first one.
"""
MIGRATION = "data/migrations/versions/0001_first.py"


def git(root: Path, *words: str) -> None:
    identity = ["-c", "user.name=Ann", "-c", "user.email=ann@example.com", "-c", "tag.gpgSign=false"]
    subprocess.run(["git", *identity, *words], cwd=root, check=True, capture_output=True)


def commit(root: Path) -> None:
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "a change")


def described(version: str, **operations: Any) -> str:
    return json.dumps({"info": {"version": version}, "paths": operations, "components": {"schemas": {}}})


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """One that may be released as 0.2.0, after 0.1.0."""
    root = tmp_path / "checkout"
    for path in {place.path for place in PLACES}:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, root / path)
    (root / MIGRATION).parent.mkdir(parents=True)
    (root / MIGRATION).write_text("first = 1\n")
    operation = {"get": {"operationId": "list_things", "responses": {}}}
    for version in ("0.1.0", "0.2.0"):
        (root / "CHANGELOG.md").write_text(CHANGELOG)
        write(version, date(2026, 12, 1), root)
        for name in ("openapi.json", "openapi.released.json"):
            (root / "sdk" / name).write_text(described(version, **{"/things": operation}))
        if version == "0.1.0":
            git(root, "init", "--quiet")
            commit(root)
            git(root, "tag", "v0.1.0")
    (root / "data/migrations/versions/0002_second.py").write_text("second = 2\n")
    commit(root)
    return root


def test_what_is_complete_may_be_released(checkout: Path) -> None:
    assert find_faults("0.2.0", checkout) == []
    git(checkout, "tag", "v0.2.0")
    assert find_faults("0.2.0", checkout) == [], "the workflow checks it again, after the tag"


@pytest.mark.parametrize("path", sorted({place.path for place in PLACES}))
def test_a_file_with_another_version_is_named(checkout: Path, path: str) -> None:
    write("0.1.0", date(2026, 12, 1), checkout)
    text = (checkout / path).read_text()
    git(checkout, "checkout", "--", ".")
    (checkout / path).write_text(text)
    commit(checkout)
    fault = f"{path} has the version 0.1.0: write 0.2.0 by `python -m deploy.release 0.2.0 --write`"
    assert find_faults("0.2.0", checkout) == [fault]


def replaced(path: str, old: str, new: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        text = (root / path).read_text()
        assert old in text
        (root / path).write_text(text.replace(old, new, 1))
        commit(root)

    return change


def uncommitted(root: Path) -> None:
    (root / "notes.txt").write_text("for later")


def tagged(name: str, place: str) -> Callable[[Path], None]:
    return lambda root: git(root, "tag", name, place)


def shallow(root: Path) -> None:
    (root / ".git" / "shallow").write_text(
        subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=root, check=True, capture_output=True, text=True
        ).stdout
    )


OPERATION = '"/things": {"get": {"operationId": "list_things", "responses": {}}}'


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (
            replaced("CHANGELOG.md", "## 0.2.0, 2026-12-01\n", ""),
            "no heading `## 0.2.0, DATE`: write one above",
        ),
        (replaced("CHANGELOG.md", "2026-12-01", "unreleased"), "write the day of the release, such as"),
        (
            replaced("CHANGELOG.md", "## 0.2.0", "## 0.3.0, unreleased\n\n## 0.2.0"),
            "begins with 0.3.0: move 0.2.0 to the top",
        ),
        (
            replaced("CHANGELOG.md", "Nothing is to be done.", ""),
            "say what an operator has to do, or that nothing",
        ),
        (replaced("CHANGELOG.md", "### To upgrade", "### Notes"), "no text under `### To upgrade` of 0.2.0"),
        (replaced("CHANGELOG.md", "A page.", ""), "no text under `### Changes` of 0.2.0: say what is new"),
        (replaced("sdk/openapi.json", "0.2.0", "0.1.0"), "describes version 0.1.0: run `make sdk`"),
        (replaced("sdk/openapi.released.json", "0.2.0", "0.1.0"), "run `make release-api`"),
        (replaced("sdk/openapi.json", OPERATION, ""), "clients of v0.1.0 break: GET /things was removed"),
        (replaced(MIGRATION, "1", "2"), f"{MIGRATION} is another one than in v0.1.0"),
        (
            lambda root: ((root / MIGRATION).unlink(), commit(root)),
            f"{MIGRATION} is another one than in v0.1.0",
        ),
        (uncommitted, "changes that are in no commit (notes.txt): commit or remove them"),
        (tagged("v0.2.0", "v0.1.0"), "the tag v0.2.0 names another commit"),
        (tagged("v0.10.0", "HEAD"), "v0.10.0 is released already: take a higher version"),
        (shallow, "run `git fetch --unshallow --tags`"),
    ],
)
def test_what_is_missing_is_refused(checkout: Path, change: Callable[[Path], None], fault: str) -> None:
    change(checkout)
    faults = find_faults("0.2.0", checkout)
    assert [text for text in faults if fault in text], faults


def test_a_tag_that_is_no_version_is_no_release(checkout: Path) -> None:
    git(checkout, "tag", "v9-experiment")
    git(checkout, "tag", "9.0.0")
    assert find_faults("0.2.0", checkout) == []


@pytest.mark.parametrize("version", ["0.2", "0.2.0-rc1", "00.2.0", "next"])
def test_a_version_has_three_numbers(checkout: Path, version: str) -> None:
    assert find_faults(version, checkout) == [f"{version} is no version: give three numbers, such as 0.2.0"]
    with pytest.raises(ValueError, match="three numbers"):
        write(version, date(2026, 12, 1), checkout)


def test_the_version_and_the_day_are_written(checkout: Path) -> None:
    replaced("CHANGELOG.md", "## 0.2.0", "## 0.3.0, unreleased\n\n## 0.2.0")(checkout)
    changed = write("0.3.0", date(2026, 12, 24), checkout)
    assert changed == sorted({*(place.path for place in PLACES), "CHANGELOG.md"})
    assert "## 0.3.0, 2026-12-24\n" in (checkout / "CHANGELOG.md").read_text()
    assert (
        json.loads((checkout / "sdk/typescript/package-lock.json").read_text())["packages"][""]["version"]
        == "0.3.0"
    )
    assert write("0.3.0", date(2026, 12, 24), checkout) == []


def test_links_of_the_text_lead_to_the_files_of_the_tag() -> None:
    text = "[a](docs/a.md#b), [c](https://example.com), [d](#e)"
    described = describe(Section("0.2.0", "2026-12-01", text), "ann/tone")
    place = "https://github.com/ann/tone/blob/v0.2.0/docs/a.md#b"
    assert described == f"[a]({place}), [c](https://example.com), [d](#e)\n"


def test_the_files_of_this_checkout_agree() -> None:
    versions = {place: read_versions(place, ROOT) for place in PLACES}
    assert {len(found) for found in versions.values()} == {1}, versions
    [version] = {found[0] for found in versions.values()}
    assert json.loads((ROOT / "sdk/openapi.json").read_text())["info"]["version"] == version


def test_the_changelog_has_the_form_that_a_release_needs() -> None:
    sections = read_sections((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
    assert sections
    for section in sections:
        assert read_part(section.text, UPGRADE), section.version
        assert read_part(section.text, CHANGES), section.version

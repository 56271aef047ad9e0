"""Checks a release before its tag: docs/releasing.md.

    python -m deploy.release 0.2.0                    # what is missing, a sentence each; exits with 1
    python -m deploy.release 0.2.0 --write            # the version and the day into the files that have them
    python -m deploy.release 0.2.0 --text notes.md    # the check; then the text of GitHub's release

It needs git and the standard library. It compares the API and the migrations with those of the release
before, so the clone has to have its tag.
"""

import argparse
import json
import re
import subprocess
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NamedTuple

from deploy.catalog import ROOT
from sdk.compatibility import find_breaks

CHANGELOG = "CHANGELOG.md"
UPGRADE, CHANGES = "To upgrade", "Changes"  # the parts of a version in the changelog
_VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")
_HEADING = re.compile(r"^## +(\S+), +(.+)$", re.MULTILINE)
_MIGRATIONS = "data/migrations/versions"
_OPENAPI, _RELEASED = "sdk/openapi.json", "sdk/openapi.released.json"


class Place(NamedTuple):
    """A file with the version. The pattern finds it once, between its first two groups."""

    path: str
    pattern: str


_PROJECT = r'(?m)(^version = ")[^"]*(")'
_PACKAGE = r'(\A\{\s+"name": "tonebridge",\s+"version": ")[^"]*(")'
PLACES = (
    Place("pyproject.toml", _PROJECT),
    Place("sdk/python/pyproject.toml", _PROJECT),
    Place("sdk/python/src/tonebridge/__init__.py", r'(?m)(^__version__ = ")[^"]*(")'),
    Place("sdk/typescript/package.json", _PACKAGE),
    Place("sdk/typescript/package-lock.json", _PACKAGE),
    Place("sdk/typescript/package-lock.json", r'("": \{\s+"name": "tonebridge",\s+"version": ")[^"]*(")'),
    Place("serving/gateway/description/document.py", r'("title": "ToneBridge",\s+"version": ")[^"]*(")'),
    Place("serving/channels/discord/calls.py", r'("DiscordBot \(ToneBridge, )[^)]*(\)")'),
    Place("extension/manifest.json", r'(?m)(^  "version": ")[^"]*(")'),
    Place("deploy/chart/Chart.yaml", r"(?m)(^version: )\S+()"),
    Place("deploy/chart/Chart.yaml", r"(?m)(^appVersion: v)\S+()"),
    Place("deploy/Containerfile", r"(?m)(^ARG VERSION=)\S+()"),
)


class Section(NamedTuple):
    """What the changelog says of a version."""

    version: str
    date: str
    text: str  # Markdown, without the heading


def read_sections(text: str) -> list[Section]:
    """The versions of a changelog, in its order."""
    headings = list(_HEADING.finditer(text))
    ends = [heading.start() for heading in headings[1:]] + [len(text)]
    return [
        Section(heading[1], heading[2].strip(), text[heading.end() : end].strip())
        for heading, end in zip(headings, ends, strict=True)
    ]


def find_faults(version: str, root: Path = ROOT) -> list[str]:
    """Why a checkout is not the release of a version, such as 0.2.0; a sentence each, with what to do."""
    if not _VERSION.fullmatch(version):
        return [f"{version} is no version: give three numbers, such as 0.2.0"]
    faults = [
        *_compare_places(version, root),
        *_check_description(version, root),
        *_check_changelog(version, root),
        *_check_history(version, root),
    ]
    return list(dict.fromkeys(faults))  # a file may have its version twice


def _compare_places(version: str, root: Path) -> Iterator[str]:
    for place in PLACES:
        versions = read_versions(place, root)
        if len(versions) != 1:
            yield f"{place.path} has its version {len(versions)} times: mend PLACES in deploy/release.py"
        elif versions[0] != version:
            yield (
                f"{place.path} has the version {versions[0]}: write {version} by"
                f" `python -m deploy.release {version} --write`"
            )


def read_versions(place: Place, root: Path) -> list[str]:
    """What a file has as its version, once for each match."""
    text = (root / place.path).read_text(encoding="utf-8")
    return [text[match.end(1) : match.start(2)] for match in re.finditer(place.pattern, text)]


def _check_description(version: str, root: Path) -> Iterator[str]:
    present = (root / _OPENAPI).read_text(encoding="utf-8")
    if (described := json.loads(present)["info"]["version"]) != version:
        yield f"{_OPENAPI} describes version {described}: run `make sdk`"
    if present != (root / _RELEASED).read_text(encoding="utf-8"):
        yield (
            f"{_RELEASED} is another one than {_OPENAPI}, and the next release is compared with it:"
            " run `make release-api`"
        )


def _check_changelog(version: str, root: Path) -> Iterator[str]:
    sections = read_sections((root / CHANGELOG).read_text(encoding="utf-8"))
    if version not in [section.version for section in sections]:
        yield f"{CHANGELOG} has no heading `## {version}, DATE`: write one above what is new"
        return
    if sections[0].version != version:
        yield f"{CHANGELOG} begins with {sections[0].version}: move {version} to the top, or release that one"
    section = next(section for section in sections if section.version == version)
    try:
        date.fromisoformat(section.date)
    except ValueError:
        yield (
            f"{CHANGELOG} says `{section.date}` in the heading of {version}: write the day of the release,"
            " such as 2026-12-01"
        )
    for name, what in (
        (UPGRADE, "say what an operator has to do, or that nothing is to be done"),
        (CHANGES, "say what is new"),
    ):
        if not read_part(section.text, name):
            yield f"{CHANGELOG} has no text under `### {name}` of {version}: {what}"


def read_part(text: str, name: str) -> str:
    """What stands under a heading of the third level, up to the next one; empty without it."""
    _, _, rest = f"\n{text}".partition(f"\n### {name}\n")
    return rest.partition("\n### ")[0].strip()


def _check_history(version: str, root: Path) -> Iterator[str]:
    """What git says: changes without a commit, and the tags of releases."""
    if changed := _git(root, "status", "--porcelain").splitlines():
        names = ", ".join(line[3:] for line in changed[:5])
        yield f"the working tree has changes that are in no commit ({names}): commit or remove them"
    if _git(root, "rev-parse", "--is-shallow-repository").strip() == "true":
        yield "the clone is shallow, so the releases before are unknown: run `git fetch --unshallow --tags`"
        return
    tag, here = f"v{version}", _git(root, "rev-parse", "HEAD").strip()
    released = [name for name in _git(root, "tag", "--list", "v*").split() if _VERSION.fullmatch(name[1:])]
    if tag in released and _git(root, "rev-parse", f"{tag}^{{commit}}").strip() != here:
        yield f"the tag {tag} names another commit: a released version stays as it is, take the next one"
    former = max((name for name in released if name != tag), key=_numbers, default=None)
    if former is None:
        return
    if _numbers(former) > _numbers(tag):
        yield f"{former} is released already: take a higher version"
        return
    yield from _compare_with_former(former, root)


def _compare_with_former(former: str, root: Path) -> Iterator[str]:
    released = json.loads(_git(root, "show", f"{former}:{_OPENAPI}"))
    present: dict[str, Any] = json.loads((root / _OPENAPI).read_text(encoding="utf-8"))
    for text in find_breaks(released, present, datetime.now(UTC).date()):
        yield f"clients of {former} break: {text}"
    what = ("--name-only", "--no-renames", "--diff-filter=MD", former, "HEAD", "--", _MIGRATIONS)
    for path in _git(root, "diff", *what).splitlines():
        yield f"{path} is another one than in {former}, and has run there: restore it, and add a migration"


def _numbers(tag: str) -> tuple[int, ...]:
    return tuple(int(number) for number in tag[1:].split("."))


def _git(root: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=root, check=True, capture_output=True, text=True).stdout


def write(version: str, day: date, root: Path = ROOT) -> list[str]:
    """Write a version to the files that have one, and the day to the changelog; the names of those that
    changed. ValueError when the version is none.
    """
    if not _VERSION.fullmatch(version):
        raise ValueError(f"{version} is no version: give three numbers, such as 0.2.0")
    changes = [(place.path, place.pattern, rf"\g<1>{version}\g<2>") for place in PLACES]
    unreleased = rf"(?m)^## +{re.escape(version)}, +unreleased$"
    changed = []
    for path, pattern, replacement in [*changes, (CHANGELOG, unreleased, f"## {version}, {day}")]:
        file = root / path
        before = file.read_text(encoding="utf-8")
        after = re.sub(pattern, replacement, before)
        if after != before:
            file.write_text(after, encoding="utf-8")
            changed.append(path)
    return sorted(set(changed))


def describe(section: Section, repository: str) -> str:
    """The text of GitHub's release. Links to files lead to those of the tag, since that page is elsewhere."""
    place = f"https://github.com/{repository}/blob/v{section.version}/"
    return re.sub(r"\]\((?!https?:|#)", f"]({place}", section.text) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """Check, or write; exits with 1 and the faults when there are any."""
    parser = argparse.ArgumentParser(description="Checks a release before its tag.")
    parser.add_argument("version", help="such as 0.2.0; v0.2.0, the name of its tag, is the same")
    parser.add_argument("--write", action="store_true", help="write the version to the files that have one")
    parser.add_argument("--text", type=Path, metavar="FILE", help="gets the text of GitHub's release")
    parser.add_argument("--repository", default="OWNER/NAME", help="where its links lead")
    chosen = parser.parse_args(arguments)
    version = chosen.version.removeprefix("v")
    if chosen.write:
        try:
            changed = write(version, datetime.now(UTC).date())
        except ValueError as error:
            raise SystemExit(str(error)) from error
        print("\n".join(changed) or "nothing to change")
        return
    if faults := find_faults(version):
        raise SystemExit("\n".join(faults))
    if chosen.text:
        [section, *_] = read_sections((ROOT / CHANGELOG).read_text(encoding="utf-8"))
        chosen.text.write_text(describe(section, chosen.repository), encoding="utf-8")
    print(f"{version} may be released: git tag -a v{version} -m 'ToneBridge {version}'")


if __name__ == "__main__":
    main()

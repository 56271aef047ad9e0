"""The rules, the shipped tagger and versions of the registry rewrite the same messages."""

from pathlib import Path

import pytest

from configs.settings import Settings
from data.records import TransformType
from models import shipped, side_by_side
from models.side_by_side import UnknownVersionError
from tests import registry

REQUESTS = [
    ("Fix the login page before Monday.", TransformType.SOFTEN, 2),
    ("The lift is out; use the stairs.", TransformType.STRUCTURE, 1),
    ("Thanks.", TransformType.TERMINOLOGY, 1),
]


@pytest.fixture
def settings(shipped_champion: Path, tmp_path: Path) -> Settings:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    return Settings(champion=shipped_champion, state=tmp_path / "state", mlflow_uri=uri)


def test_the_rules_and_the_shipped_tagger_differ(settings: Settings) -> None:
    by_rules = side_by_side.rewrite("rules", REQUESTS, settings)
    by_tagger = side_by_side.rewrite("shipped", REQUESTS, settings)
    assert by_rules[0] == "Please fix the login page before Monday. Thank you."
    assert len(by_tagger) == len(REQUESTS)
    pairs = side_by_side.list_differing("rules", "shipped", REQUESTS, settings)
    differing = [i for i in range(3) if by_rules[i] != by_tagger[i]]
    assert 0 in differing
    assert [(pair.message, pair.first, pair.second) for pair in pairs] == [
        (REQUESTS[i][0], by_rules[i], by_tagger[i]) for i in differing
    ]
    assert side_by_side.list_differing("rules", "rules", REQUESTS, settings) == []


def test_the_shipped_tagger_is_exported_once(settings: Settings) -> None:
    folder = shipped.export_once(settings)
    made = (folder / "version.json").stat().st_mtime_ns
    assert shipped.export_once(settings) == folder
    assert (folder / "version.json").stat().st_mtime_ns == made
    broken = settings.model_copy(update={"champion": settings.state / "none"})
    with pytest.raises(ValueError, match="none is no complete version"):
        shipped.export_once(broken)


def test_a_version_of_the_registry_writes_under_its_name(
    settings: Settings, tiny_version: Path, tmp_path: Path
) -> None:
    registry.register(settings, tmp_path / "registry", tiny_version, ["v1"])
    texts = side_by_side.rewrite("v1", REQUESTS, settings)
    assert len(texts) == len(REQUESTS)
    for name in ("v2", "champion"):
        with pytest.raises(
            UnknownVersionError, match=f"'{name}' is no version that can be read .*take 'rules'"
        ):
            side_by_side.rewrite(name, REQUESTS, settings)

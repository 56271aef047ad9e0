"""The folder that a new installation's version comes from."""

import json
from pathlib import Path

import pytest

from models import shipped
from tests import registry


def test_the_folder_is_complete_small_and_names_no_folder_of_the_machine(
    tiny_tagger: Path, shipped_champion: Path
) -> None:
    names = {file.name for file in shipped_champion.iterdir()}
    assert names == {*shipped.FILES, "README.md", "README.ja.md"}
    assert shipped.missing(shipped_champion) == []
    texts = [file for file in shipped_champion.iterdir() if file.suffix != ".safetensors"]
    assert {file.suffix for file in texts} == {".json", ".md"}
    for file in texts:
        text = file.read_text(encoding="utf-8")
        assert str(tiny_tagger.parent) not in text, file
        assert "site-packages" not in text, file
    assert shipped.read_evaluation(shipped_champion) == registry.EVALUATION


def test_a_larger_folder_is_refused_and_the_former_one_stays(tiny_tagger: Path, tmp_path: Path) -> None:
    out = tmp_path / "champion"
    shipped.write(tiny_tagger, registry.EVALUATION, {"en": "first"}, out)
    with pytest.raises(ValueError, match="at most 1,000: lower lora_rank"):
        shipped.write(tiny_tagger, registry.EVALUATION, {"en": "second"}, out, max_bytes=1000)
    assert (out / "README.md").read_text() == "first"


def test_the_run_is_named_by_what_the_tagger_does(shipped_champion: Path, tmp_path: Path) -> None:
    name = shipped.run_name(shipped_champion)
    assert name == shipped.run_name(shipped_champion)
    other = tmp_path / "champion"
    shipped.write(shipped_champion, registry.EVALUATION, {"en": "another card"}, other)
    assert shipped.run_name(other) == name
    (other / "rules.json").write_text(json.dumps(["soften.thanks"]))
    assert shipped.run_name(other) != name


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    assert shipped.missing(tmp_path / "none") == [*shipped.FILES]
    for name in shipped.FILES[1:]:
        (tmp_path / name).touch()
    assert shipped.missing(tmp_path) == [shipped.FILES[0]]

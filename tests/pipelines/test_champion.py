"""The command that makes the folder `champion/`."""

import json
from pathlib import Path

import pytest

from data.records import TransformType
from models import shipped
from pipelines import champion
from pipelines.champion import ChampionConfig, NotAcceptedError
from tests import taggers

# The path is tested here, not the tagger: the gate allows whatever it loses.
LENIENT = (
    *(f"evaluate.min_{name}=0" for name in ("facts_kept", "meaning")),
    *(f"evaluate.max_{name}=1" for name in ("copied", "chatter", "insult", "chatter_rise", "insult_rise")),
    *(f"evaluate.max_{name}_loss=1" for name in ("facts", "meaning")),
)


def write_cases(folder: Path) -> Path:
    """A message of each transform type with its rewrite."""
    lines = [
        {
            "id": f"case-{number:03}",
            "domain": "tiny",
            "style": "blunt",
            "text": f"Fix the report {number} by Friday, this is useless.",
            "facts": ["Friday"],
            "rewrites": [
                {"transform_type": kind, "intensity": 2, "text": f"Please fix report {number} by Friday."}
            ],
        }
        for number, kind in enumerate(TransformType)
    ]
    folder.mkdir()
    (folder / "tiny.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")
    return folder


@pytest.fixture(scope="module")
def config(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> ChampionConfig:
    """Steps of seconds, from labels to the folder."""
    folder = tmp_path_factory.mktemp("made")
    labels = taggers.write_labels(folder / "labels")
    training = taggers.config(labels, folder / "unused")
    return ChampionConfig(
        out=folder / "champion",
        work=folder / "work",
        overrides=(
            f"tagger.roles={training.roles}",
            f"tagger.accepted={training.accepted}",
            "tagger.stings=null",
            "tagger.summaries=null",
            f"tagger.epochs={training.epochs}",
            f"tagger.lora_rank={training.lora_rank}",
            f"tagger.held_out_share={training.held_out_share}",
            f"evaluate.base={tiny_base}",
            f"evaluate.base_version={folder / 'base-version'}",
            f"evaluate.test_folders=[{write_cases(folder / 'cases')}]",
            "evaluate.max_new_tokens=8",
            *LENIENT,
        ),
    )


@pytest.mark.slow
def test_the_folder_is_made_from_the_labels_and_a_second_run_repeats_no_step(
    config: ChampionConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    champion.main(config)
    printed = capsys.readouterr().out
    assert "done earlier" not in printed
    assert "the gate accepted it on 7 cases" in printed
    assert shipped.missing(config.out) == []
    evaluated = shipped.read_evaluation(config.out)
    assert evaluated.verdict.accepted
    assert "champion" in evaluated.systems, "the bare base"
    text = (config.out / "README.md").read_text(encoding="utf-8")
    assert "held out" in text
    assert "overrides='[tagger.roles=" in text, "the exact command"
    assert (config.out / "README.ja.md").is_file()

    weights = (config.out / "adapter_model.safetensors").read_bytes()
    champion.main(config)
    assert capsys.readouterr().out.count("done earlier") == 3
    assert (config.out / "adapter_model.safetensors").read_bytes() == weights


def test_a_killed_run_goes_on_with_its_unfinished_step(
    config: ChampionConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    champion.main(config)
    [metrics] = config.work.glob("version-*/evaluation/metrics.json")
    metrics.unlink()
    capsys.readouterr()
    champion.main(config)
    assert capsys.readouterr().out.count("done earlier") == 2
    assert metrics.exists()


def test_a_rejected_tagger_is_not_shipped(
    config: ChampionConfig, tiny_tagger: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    strict = config.model_copy(
        update={
            "tagger": tiny_tagger,
            "out": tmp_path / "champion",
            # A rewrite is a copy, or it changes the meaning by a trace.
            "overrides": (*config.overrides, "evaluate.min_meaning=1", "evaluate.max_copied=0"),
        }
    )
    with pytest.raises(NotAcceptedError, match=r"the gate rejected .*tagger: "):
        champion.main(strict)
    assert "Training" not in capsys.readouterr().out, "this one is trained already"
    assert not strict.out.exists()


def test_what_is_no_tagger_and_no_stage_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no finished tagger: train one with models\.tagger"):
        champion.main(ChampionConfig(tagger=tmp_path))
    with pytest.raises(ValueError, match=r"'sft\.steps=4' is of no stage"):
        champion.main(ChampionConfig(overrides=("sft.steps=4",)))

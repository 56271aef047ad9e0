from pathlib import Path

import pytest
from safetensors.torch import load_file

from data.records import Label, TransformType
from data.snapshots import shards
from models import edit_dpo, tagger
from models.edit_dpo import EditDpoConfig, EditDpoResult
from tests.taggers import THANKS, make_pair, split_of, thanked, write_pairs

SOFTEN = TransformType.SOFTEN


def write_labels(folder: Path) -> Path:
    """People who thumb rewrites with thanks down, and those without thanks up."""
    rows = []
    for number, (message, thanks, without) in enumerate(thanked(24)):
        for rewrite, good in ((thanks, False), (without, True)):
            rows.append(
                Label(
                    text=message,
                    transform_type=SOFTEN,
                    intensity=3,
                    rewrite=rewrite,
                    good=good,
                    version="v1",
                    split=split_of(number),
                )
            )
    return shards.write(folder, rows)


def train(tagger_folder: Path, snapshot: Path, out: Path) -> EditDpoResult:
    return edit_dpo.main(EditDpoConfig(tagger=tagger_folder, snapshots=(snapshot,), out=out))


@pytest.mark.parametrize("likes_thanks", [True, False])
def test_an_edit_gains_what_people_prefer_and_loses_what_they_reject(
    tiny_tagger: Path, tmp_path: Path, likes_thanks: bool
) -> None:
    snapshot = write_pairs(tmp_path / "snapshot", likes_thanks)
    result = train(tiny_tagger, snapshot, tmp_path / "out")
    assert (result.offsets[THANKS] > 0.5) is likes_thanks
    assert (result.offsets[THANKS] < -0.5) is not likes_thanks
    assert result.held_out_loss < result.start_loss
    assert result.accuracy == 1
    assert result.unhealthy == ()


def test_thumbs_teach_too(tiny_tagger: Path, tmp_path: Path) -> None:
    result = train(tiny_tagger, write_labels(tmp_path / "snapshot"), tmp_path / "out")
    assert result.offsets[THANKS] < -0.1
    assert result.accuracy is None


def test_only_the_odds_of_rules_change(tiny_tagger: Path, tmp_path: Path) -> None:
    train(tiny_tagger, write_pairs(tmp_path / "snapshot", likes_thanks=False), tmp_path / "out")
    before, after = (load_file(folder / tagger.HEADS_FILE) for folder in (tiny_tagger, tmp_path / "out"))
    changed = {name for name in before if not before[name].equal(after[name])}
    assert changed == {"rule.bias"}
    files = [
        (folder / "adapter_model.safetensors").read_bytes() for folder in (tiny_tagger, tmp_path / "out")
    ]
    assert files[0] == files[1]
    assert (tagger.export(tmp_path / "out", tmp_path / "version") / "version.json").is_file()


def test_votes_that_contradict_each_other_make_no_version(tiny_tagger: Path, tmp_path: Path) -> None:
    """Training people like thanks, and the held-out people dislike them."""
    rows = []
    for number, (message, thanks, without) in enumerate(thanked(24)):
        split = split_of(number)
        chosen, rejected = (thanks, without) if split == "train" else (without, thanks)
        rows.append(make_pair(message, chosen, rejected, split))
    result = train(tiny_tagger, shards.write(tmp_path / "snapshot", rows), tmp_path / "out")
    assert [cause.code for cause in result.unhealthy] == ["votes_not_learned"]


def test_feedback_on_other_texts_is_nothing_to_learn_from(tiny_tagger: Path, tmp_path: Path) -> None:
    row = Label(
        text="Fix it.",
        transform_type=TransformType.STRUCTURE,
        intensity=2,
        rewrite="- Fix it.",
        good=True,
        version="v1",
    )
    snapshot = shards.write(tmp_path / "snapshot", [row])
    with pytest.raises(edit_dpo.NothingToLearnError, match="gather more comparisons"):
        train(tiny_tagger, snapshot, tmp_path / "out")

import random
from pathlib import Path

import pytest
from safetensors.torch import load_file

from data.records import Label, TransformType
from data.snapshots import shards
from models import edit_dpo, tagger
from models.edit_dpo import EditDpoConfig, EditDpoResult
from models.edit_votes import Ballot
from models.edits.script import Change, Edit
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


def train(tagger_folder: Path, out: Path, *snapshots: Path) -> EditDpoResult:
    return edit_dpo.main(EditDpoConfig(tagger=tagger_folder, snapshots=snapshots, out=out))


def offset_of_thanks(result: EditDpoResult) -> float:
    return next(kind.offset for kind in result.kinds if kind.name == THANKS)


@pytest.mark.parametrize("likes_thanks", [True, False])
def test_an_edit_gains_what_people_prefer_and_loses_what_they_reject(
    tiny_tagger: Path, tmp_path: Path, likes_thanks: bool
) -> None:
    result = train(tiny_tagger, tmp_path / "out", write_pairs(tmp_path / "pairs", likes_thanks))
    [kind] = result.kinds
    assert (kind.name, kind.chosen, kind.rejected) == (THANKS, 18 * likes_thanks, 18 * (not likes_thanks))
    assert (kind.offset > 0.5) is likes_thanks
    assert (kind.offset < -0.5) is not likes_thanks
    assert result.held_out_loss < result.start_loss
    assert result.accuracy == 1
    assert result.unhealthy == ()


@pytest.mark.slow
def test_thumbs_move_what_comparisons_have_found_and_nothing_else(tiny_tagger: Path, tmp_path: Path) -> None:
    pairs, labels = write_pairs(tmp_path / "pairs", likes_thanks=False), write_labels(tmp_path / "labels")
    by_pairs = train(tiny_tagger, tmp_path / "one", pairs)
    by_both = train(tiny_tagger, tmp_path / "two", pairs, labels)
    assert offset_of_thanks(by_both) < offset_of_thanks(by_pairs)
    alone = train(tiny_tagger, tmp_path / "three", labels)
    assert [cause.code for cause in alone.unhealthy] == ["votes_not_learned"]


def test_only_the_odds_of_rules_change(tiny_tagger: Path, tmp_path: Path) -> None:
    train(tiny_tagger, tmp_path / "out", write_pairs(tmp_path / "snapshot", likes_thanks=False))
    before, after = (load_file(folder / tagger.HEADS_FILE) for folder in (tiny_tagger, tmp_path / "out"))
    changed = {name for name in before if not before[name].equal(after[name])}
    assert changed == {"rule.bias"}
    files = [
        (folder / "adapter_model.safetensors").read_bytes() for folder in (tiny_tagger, tmp_path / "out")
    ]
    assert files[0] == files[1]
    assert (tagger.export(tmp_path / "out", tmp_path / "version") / "version.json").is_file()


def test_votes_that_contradict_each_other_make_no_version(tiny_tagger: Path, tmp_path: Path) -> None:
    """Every second person likes thanks."""
    rows = []
    for number, (message, thanks, without) in enumerate(thanked(24)):
        chosen, rejected = (thanks, without) if number % 2 else (without, thanks)
        rows.append(make_pair(message, chosen, rejected, split_of(number)))
    result = train(tiny_tagger, tmp_path / "out", shards.write(tmp_path / "snapshot", rows))
    assert result.kinds == ()
    assert [cause.code for cause in result.unhealthy] == ["votes_not_learned"]


@pytest.mark.slow
def test_votes_of_a_coin_seldom_find_a_kind() -> None:
    """At most one in twenty of trainings on noise may find one; of 200 no more than 18 (p = 0.01)."""
    rules = [f"soften.{name}" for name in "abcdefgh"] + [f"clarify.{name}" for name in "abcdefgh"]
    rng = random.Random(0)
    versions = 0
    for _ in range(200):
        ballots = []
        for _ in range(100):
            edits = [Edit(rule, 1, (Change(i, i, "x"),)) for i, rule in enumerate(rules)]
            first, second = (tuple((edit, rng.random() < 0.7) for edit in edits) for _ in range(2))
            ballots.append(Ballot("x" * 20, "train", first, second))
        versions += bool(edit_dpo.find_kinds(rules, ballots, 0.05))
    assert versions <= 18


def test_a_taste_for_all_edits_of_a_type_is_found_as_one() -> None:
    rules = [f"soften.{name}" for name in "abcdefgh"]
    rng = random.Random(0)
    ballots = []
    for _ in range(60):
        edits = [Edit(rule, 1, (Change(i, i, "x"),)) for i, rule in enumerate(rules)]
        samples = sorted(
            ([(edit, rng.random() < 0.5) for edit in edits] for _ in range(2)),
            key=lambda decisions: -sum(accepted for _, accepted in decisions),
        )
        ballots.append(Ballot("x" * 20, "train", *map(tuple, samples)))
    kinds = {kind.name: kind for kind in edit_dpo.find_kinds(rules, ballots, 0.05)}
    assert kinds["soften"].chosen > 5 * kinds["soften"].rejected, "without the rules that were found alone"


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
        train(tiny_tagger, tmp_path / "out", snapshot)

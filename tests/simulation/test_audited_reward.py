import json
import os
import shutil
from pathlib import Path

import pytest

from configs.settings import Settings
from data.records import PreferencePair, TransformType
from data.snapshots import shards
from models import training
from simulation import audited_reward
from simulation.audited_reward import NothingToAuditError

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")


@pytest.fixture
def settings(tmp_path, tiny_base):
    return Settings(
        _env_file=None, state=tmp_path / "state", artifacts=tmp_path / "artifacts", base=str(tiny_base)
    )


def pair(number, split="train"):
    return PreferencePair(
        text=f"Fix PAY-{number} today.",
        transform_type=TransformType.SOFTEN,
        intensity=2,
        chosen=f"Could you please look at PAY-{number} today?",
        rejected=f"Fix PAY-{number}. It is broken again.",
        chosen_version="v1",
        rejected_version="v2",
        split=split,
    )


def write_snapshot(settings, name, pairs):
    return shards.write(settings.state / "data" / "snapshots" / name, pairs)


@pytest.mark.slow
def test_without_an_installation_a_small_one_learns_from_simulated_people_once(settings):
    audited = audited_reward.load(settings, most_pairs=50, layers=1, steps=2)
    assert "simulated people" in audited.origin
    assert 20 < len(audited.held_out) <= 50
    assert not {held_out.text for held_out in audited.held_out} & audited.messages
    assert audited.model.model.config.num_hidden_layers == 1
    assert len(audited.model.score_ids([[5, 6]])) == 1

    [metrics] = settings.artifacts.glob(f"audit/*/reward/{training.METRICS_FILE}")
    written = metrics.stat().st_mtime_ns
    audited_reward.load(settings, layers=1, steps=2)
    assert metrics.stat().st_mtime_ns == written, "it is not trained again"
    audited_reward.load(settings, layers=1, steps=3)
    assert len(list(settings.artifacts.glob("audit/*/reward"))) == 2


def test_the_pairs_of_an_installation_are_taken_when_there_are_enough(settings):
    write_snapshot(
        settings, "a", [pair(i, "validation" if i % 4 == 0 else "train") for i in range(1000, 1160)]
    )
    audited = audited_reward.load(settings, layers=1, steps=2)
    assert "installation's snapshots" in audited.origin
    assert len(audited.held_out) == 40
    assert len(audited.messages) == 120
    [metrics] = settings.artifacts.glob(f"audit/*/reward/{training.METRICS_FILE}")
    assert json.loads(metrics.read_text())["train_pairs"] == 120


def test_the_newest_reward_model_is_audited_on_what_no_snapshot_trained_on(settings):
    trained = audited_reward.train(
        [pair(1), pair(2, "validation")], settings.artifacts, Path(settings.base), 1, 1
    )
    for place, name in enumerate(("newer", "older")):
        folder = shutil.copytree(trained, settings.state / "runs" / name / "reward")
        os.utime(folder / training.METRICS_FILE, (10 - place, 10 - place))
    write_snapshot(settings, "a", [pair(1), pair(2, "validation"), pair(3, "validation")])
    write_snapshot(settings, "b", [pair(2), pair(3, "validation")])
    audited = audited_reward.load(settings)
    assert "run newer" in audited.origin
    assert audited.held_out == [pair(3, "validation")], "pair 2 was trained on later"
    assert audited.messages == {pair(1).text, pair(2).text}
    assert not (settings.artifacts / "audit").exists()


def test_a_reward_model_that_has_seen_everything_is_refused(settings):
    trained = audited_reward.train(
        [pair(1), pair(2, "validation")], settings.artifacts, Path(settings.base), 1, 1
    )
    shutil.copytree(trained, settings.state / "runs" / "only" / "reward")
    write_snapshot(settings, "a", [pair(1)])
    with pytest.raises(NothingToAuditError, match="collect more feedback"):
        audited_reward.load(settings)

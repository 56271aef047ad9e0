"""The reward model that an audit looks at: the newest one of an installation, or a small one trained here.

A small one is trained on the pairs of the installation's snapshots, if it has enough, or else on what
simulated people choose among labelled rewrites. It has the first layers of the default base and takes half a
minute on one core.
"""

from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from configs.settings import Settings
from data.records import PreferencePair
from data.snapshots import shards, teachers
from models import devices, examples, labels, loading, reward, shallow, training
from models.reward import RewardConfig, RewardModel
from simulation import labelled_votes

LEAST_PAIRS = 100  # to train on, of an installation
_LEAST_HELD_OUT = 20
_LAYERS, _STEPS, _MAX_TOKENS = 6, 60, 160
_FOLDER = "audit"  # of the artifacts


class NothingToAuditError(ValueError):
    """A reward model exists, and no pair that it has not learned from."""


class Audited(NamedTuple):
    """A reward model, the pairs that it has not learned from, the messages that it may have learned from, and
    where all are from.
    """

    model: RewardModel
    held_out: list[PreferencePair]
    messages: frozenset[str]
    origin: str


def load(settings: Settings, most_pairs: int = 200, layers: int = _LAYERS, steps: int = _STEPS) -> Audited:
    """The reward model of an installation, or else a small one, which is trained first, once.

    At most `most_pairs` held-out pairs, evenly spread. `layers` and `steps` are those of a small model. Reads
    the installation's folders only, so its services need not run. Raises NothingToAuditError when the
    installation's model may have learned from all pairs.
    """
    state, artifacts = settings.state, settings.artifacts
    pairs = examples.read_snapshots(_list_snapshots(state), PreferencePair)
    learned, held_out = _split(pairs)
    rewards = sorted(
        state.glob(f"runs/*/reward/{training.METRICS_FILE}"), key=lambda file: file.stat().st_mtime
    )
    if rewards:
        folder = rewards[-1].parent
        if not held_out:
            raise NothingToAuditError(
                f"the reward model {folder} may have learned from every pair in {state}/data/snapshots:"
                " collect more feedback (flow `collect`), then audit it"
            )
        origin = f"The reward model of the run {folder.parent.name}, and pairs of the snapshots"
    else:
        origin = "A small reward model, trained here on pairs of the installation's snapshots"
        if len(pairs) - len(held_out) < LEAST_PAIRS or len(held_out) < _LEAST_HELD_OUT:
            pairs = labelled_votes.compare(labels.read_labels())
            learned, held_out = _split(pairs)
            origin = "A small reward model, trained here on simulated people's choices of labelled rewrites"
        base = loading.base_folder(settings.base, artifacts / "base")
        folder = train(pairs, artifacts / _FOLDER, base, layers, steps)
    model = reward.load(folder, devices.torch_device(settings.device))
    step = -(-len(held_out) // most_pairs)  # rounded up
    return Audited(model, held_out[::step], learned, origin)


def _list_snapshots(state: Path) -> list[Path]:
    """The snapshots of people's feedback."""
    folders = [folder for folder in sorted(state.glob("data/snapshots/*")) if shards.is_snapshot(folder)]
    return [folder for folder in folders if teachers.read(folder) is None]


def _split(pairs: Sequence[PreferencePair]) -> tuple[frozenset[str], list[PreferencePair]]:
    """The messages of training pairs, and the pairs of other messages, each once.

    A snapshot may hold out what an older one trained on.
    """
    learned = frozenset(pair.text for pair in pairs if pair.split == "train")
    return learned, [pair for pair in dict.fromkeys(pairs) if pair.text not in learned]


def train(
    pairs: Sequence[PreferencePair],
    work: Path,
    base: Path,
    layers: int = _LAYERS,
    steps: int = _STEPS,
) -> Path:
    """Train a small reward model on the first layers of a base; its folder, below `work`.

    The same pairs and settings are trained once. Errors as in `models.reward.main` and `shallow.cut`.
    """
    rows = [pair.model_dump_json() for pair in pairs]
    key = "\n".join([base.name, str(layers), str(steps), str(_MAX_TOKENS), *rows])
    folder = work / blake2b(key.encode(), digest_size=8).hexdigest()
    if not (folder / "reward" / training.METRICS_FILE).exists():
        reward.main(
            RewardConfig(
                base=str(shallow.cut(base, layers, folder / "base")),
                adapter=None,
                snapshots=(shards.write(folder / "pairs", pairs),),
                out=folder / "reward",
                checkpoints=folder / "checkpoints",
                steps=steps,
                learning_rate=1e-3,
                max_tokens=_MAX_TOKENS,
                validation_pairs=8,  # the audit measures on all of them
                evaluate_every_steps=steps,
                checkpoint_every_steps=steps,
                load="bf16" if training.bf16_is_fast() else None,
            )
        )
    return folder / "reward"

"""Resuming an interrupted training: its newest complete checkpoint, and a log that ends there."""

import json
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerState

_STATE = "trainer_state.json"
_FILES = ("optimizer.pt", "scheduler.pt", "rng_state.pth", _STATE)


def newest_checkpoint(folder: Path) -> tuple[Path | None, int]:
    """The newest complete checkpoint and its step; (None, 0) when there is none.

    The trainer writes the weights first and `trainer_state.json` last. So a folder with a missing or
    truncated state was still being written, and a folder with a state but without another file was being
    deleted.
    """

    def is_complete(checkpoint: Path) -> bool:
        try:
            json.loads((checkpoint / _STATE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return any(checkpoint.glob("*.safetensors")) and all((checkpoint / file).exists() for file in _FILES)

    complete = {int(c.name.rpartition("-")[2]): c for c in folder.glob("checkpoint-*") if is_complete(c)}
    step = max(complete, default=0)
    return complete.get(step), step


class LogAtCheckpoints(TrainerCallback):
    """Writes a log entry at every checkpoint.

    A log entry is a mean over the steps since the last entry. The running sums are in no checkpoint, so a run
    that resumes between two entries would log a mean over fewer steps than an uninterrupted run.
    """

    def on_step_end(self, args: Any, state: TrainerState, control: Any, **_: Any) -> None:
        """Request a log entry when a checkpoint is due; the trainer logs before it saves."""
        if control.should_save:
            control.should_log = True


def restore_token_count(trainer: Any, checkpoint: Path) -> None:
    """Set a TRL trainer's token count from a checkpoint's log, since no other file of it has the count."""
    log = json.loads((checkpoint / _STATE).read_text(encoding="utf-8"))["log_history"]
    trainer._total_train_tokens = max(entry.get("num_tokens", 0) for entry in log)

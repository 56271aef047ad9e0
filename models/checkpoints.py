"""What a killed training goes on from: its newest whole checkpoint, and a log that ends at it."""

import json
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerState

_STATE = "trainer_state.json"
_FILES = ("optimizer.pt", "scheduler.pt", "rng_state.pth", _STATE)


def newest_checkpoint(folder: Path) -> tuple[Path | None, int]:
    """The latest whole checkpoint and its step (None and 0 when there is none).

    The trainer writes the weights first and `trainer_state.json` last, so a folder whose state is missing or
    cut off was being written, and one that has lost another file was being deleted.
    """

    def is_whole(checkpoint: Path) -> bool:
        try:
            json.loads((checkpoint / _STATE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return any(checkpoint.glob("*.safetensors")) and all((checkpoint / file).exists() for file in _FILES)

    whole = {int(c.name.rpartition("-")[2]): c for c in folder.glob("checkpoint-*") if is_whole(c)}
    step = max(whole, default=0)
    return whole.get(step), step


class LogFirst(TrainerCallback):
    """Logs at each checkpoint what was not logged yet.

    Losses and metrics are logged as means over some steps. What is summed up for the next log is in no
    checkpoint, so a run that goes on between two logs would log a mean over the rest.
    """

    def on_step_end(self, args: Any, state: TrainerState, control: Any, **_: Any) -> None:
        """Ask for a log when a checkpoint is due; the trainer logs before it saves."""
        if control.should_save:
            control.should_log = True


def restore_token_count(trainer: Any, checkpoint: Path) -> None:
    """Let a TRL trainer count on from the tokens in a checkpoint's log, where alone the count is kept."""
    log = json.loads((checkpoint / _STATE).read_text(encoding="utf-8"))["log_history"]
    trainer._total_train_tokens = max(entry.get("num_tokens", 0) for entry in log)

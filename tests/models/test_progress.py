import logging
from types import SimpleNamespace

import pytest
from transformers import TrainerState

from models.progress import Progress, evaluations_ahead, in_words

STEPS, EVERY = 50, 20
FIRST_STEP_S, STEP_S, EVALUATION_S = 60.0, 2.0, 30.0


@pytest.mark.parametrize("every", [1, 3, 7, 10, 20])
@pytest.mark.parametrize("steps", [1, 6, 20])
def test_evaluations_come_each_so_many_steps_and_at_the_end(steps, every):
    at = {step for step in range(1, steps + 1) if step % every == 0 or step == steps}
    for step in range(steps + 1):
        assert evaluations_ahead(step, steps, every) == sum(one > step for one in at)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "about 1 s"),
        (89.4, "about 89 s"),
        (90, "about 2 min"),
        (5000, "about 83 min"),
        (9000, "about 2.5 h"),
    ],
)
def test_a_time_in_words(seconds, words):
    assert in_words(seconds) == words


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def train(clock, progress_bar, start=0, log=()):
    """The events of a training; yields after each step what is left in truth, and by the estimate."""
    state = TrainerState(max_steps=STEPS, global_step=start, eval_steps=EVERY, log_history=list(log))
    control = SimpleNamespace(should_evaluate=False)

    def evaluate():
        clock.now += EVALUATION_S
        state.log_history.append({"eval_loss": 1.0, "eval_runtime": EVALUATION_S, "step": state.global_step})
        progress_bar.on_log(None, state, control, logs=state.log_history[-1])

    progress_bar.on_train_begin(None, state, control)
    if not start:
        evaluate()
    estimates = []
    while state.global_step < STEPS:
        progress_bar.on_step_begin(None, state, control)
        clock.now += STEP_S if estimates else FIRST_STEP_S
        state.global_step += 1
        control.should_evaluate = state.global_step % EVERY == 0 or state.global_step == STEPS
        progress_bar.on_step_end(None, state, control)
        estimates.append((clock.now, progress_bar.seconds_left(state, control.should_evaluate)))
        if control.should_evaluate:
            evaluate()
    progress_bar.close()
    return [(clock.now - then, estimate) for then, estimate in estimates]


@pytest.mark.parametrize("start", [0, 25])
def test_neither_the_first_step_nor_evaluations_distort_what_is_left(clock, start):
    before = [{"eval_loss": 1.0, "eval_runtime": EVALUATION_S, "step": 20}] if start else []
    remaining = train(clock, Progress("sft", 30.0, clock), start, before)
    assert remaining[0][1] > 10 * remaining[0][0], "after one step it is all that is known"
    for truth, estimate in remaining[1:]:
        assert estimate == pytest.approx(truth)


def test_the_log_says_it_now_and_then(clock, caplog):
    caplog.set_level(logging.INFO, "models")
    train(clock, Progress("dpo", 30.0, clock), start=25, log=[{"eval_runtime": EVALUATION_S}])
    lines = [record.getMessage() for record in caplog.records]
    assert lines[0] == "dpo: goes on from step 25 of 50"
    assert lines[1].startswith("dpo: step 26 of 50, about ")
    assert lines[2] == "dpo: step 41 of 50, about 48 s left", "nine steps of 2 s and the last evaluation"
    assert len(lines) == 3, "no more than one in half a minute"


def test_the_bar_shows_what_is_left_and_the_losses(clock, capsys):
    train(clock, Progress("sft", 30.0, clock))
    output = capsys.readouterr().err
    assert "sft: 100%" in output
    assert "50/50" in output
    assert "left, eval_loss=1.000" in output

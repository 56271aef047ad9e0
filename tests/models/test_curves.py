import io
from pathlib import Path

import jupytext
import nbclient
import pytest

from models import curves, sft, training
from models.sft import SftConfig

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")

ROOT = Path(__file__).parents[2]
HISTORY = [
    {"step": 0, "eval_loss": 3.0},
    {"step": 1, "loss": 3.2, "grad_norm": 5.0, "entropy": None},
    {"step": 5, "loss": 2.9, "grad_norm": 20.0},
    {"step": 5, "eval_loss": 2.8},
]


def lines_of(axes):
    return {
        line.get_label(): list(map(list, zip(*line.get_data(), strict=True))) for line in axes.get_lines()
    }


def test_a_curve_has_the_steps_and_the_values_of_one_figure():
    assert curves.curve(HISTORY, "loss") == ([1, 5], [3.2, 2.9])
    assert curves.curve(HISTORY, "entropy") == ([], [])


def test_a_panel_has_its_unit_and_curves_that_differ_without_colour():
    figure = curves.draw(HISTORY, {"loss, nats": ("loss", "eval_loss")})
    [axes] = figure.axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("step", "loss, nats")
    assert lines_of(axes) == {"loss": [[1, 3.2], [5, 2.9]], "eval_loss": [[0, 3.0], [5, 2.8]]}
    assert len({(line.get_linestyle(), line.get_marker()) for line in axes.get_lines()}) == 2


def test_a_limit_of_a_healthy_range_is_drawn_where_the_values_reach_it():
    panels = {"norm": ("grad_norm",), "loss": ("loss",)}
    norm, loss = curves.draw(HISTORY, panels, {"grad_norm": (0.001, 10.0)}).axes
    assert norm.get_title() == "grad_norm: healthy from 0.001 to 10"
    assert [line.get_ydata()[0] for line in norm.get_lines()[1:]] == [10.0], "0.001 is below the axis"
    assert (loss.get_title(), len(loss.patches), len(norm.patches)) == ("", 0, 1)


@pytest.mark.parametrize("panels", [curves.SFT, curves.DPO, {"a": ("loss",)}])
def test_there_is_one_axis_for_each_panel_and_no_empty_place(panels):
    figure = curves.draw(HISTORY, panels, {"grad_norm": (0.001, 10.0)})
    assert [axes.get_ylabel() for axes in figure.axes] == list(panels)
    figure.savefig(io.BytesIO())


@pytest.fixture
def config(sft_fields):
    return SftConfig(**sft_fields | {"batch_size": 4, "lora_rank": 4, "evaluate_every_steps": 4})


class _Interrupt(curves.Live):
    """Interrupts the kernel, as a person would, once step 8 is in the log."""

    def on_log(self, args, state, control, **more):
        super().on_log(args, state, control, **more)
        if state.global_step > 8:
            raise KeyboardInterrupt


def test_a_training_that_was_interrupted_continues_with_the_curves_from_its_first_step(config):
    with pytest.raises(KeyboardInterrupt), training.add_callback(_Interrupt(curves.SFT)):
        sft.main(config)
    live = curves.Live(curves.SFT, config.healthy)
    with training.add_callback(live):
        result = sft.main(config)
    assert result.resumed_from_step == 8
    loss = lines_of(live.draw().axes[0])["eval_loss"]
    assert [step for step, _ in loss] == [0, 4, 8, 12]
    assert loss[-1] == [12, pytest.approx(result.held_out_loss_after)]


CELL = """# %%
from types import SimpleNamespace
from models import curves
live, log = curves.Live({"loss, nats": ("loss",)}), []
for step in range(4):
    log.append({"step": step, "loss": 3.0 - step})
    state = SimpleNamespace(log_history=log, is_world_process_zero=True)
    live.on_log(None, state, None)
"""


class _Listening(nbclient.NotebookClient):
    """A client that remembers the types of the messages in which a kernel shows something."""

    def process_message(self, message, cell, index):
        self.shown = [*getattr(self, "shown", []), message["msg_type"]]
        return super().process_message(message, cell, index)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_in_jupyter_the_figure_is_drawn_again_in_the_same_place(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = jupytext.reads(CELL, fmt="py:percent")
    client = _Listening(notebook, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}})
    client.execute()
    pictures = [output for output in notebook.cells[0].outputs if "image/png" in output.get("data", {})]
    assert len(pictures) == 1
    assert client.shown.count("display_data") == 1
    assert client.shown.count("update_display_data") == 3

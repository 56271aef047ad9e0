from data.records import TransformType
from pipelines.replay import Replayed
from pipelines.replay_plot import draw_replay
from pipelines.shadow import ReplayedMessage
from serving.inference.client import Rewritten


def answer(ms: float, read: int = 0, written: int = 0, failure: str | None = None) -> Replayed:
    text = "" if failure else "Please fix it."
    rewritten = Rewritten(
        text=text, facts_missing=[], tokens=written, finished=True, failure=failure, prompt_tokens=read
    )
    return Replayed(rewritten, ms, 0.1)


def test_the_figure_shows_each_message_the_slowest_at_the_top() -> None:
    messages = [ReplayedMessage("x" * n, TransformType.SOFTEN, 2) for n in (10, 20, 30)]
    champion = [answer(10), answer(20), answer(30)]
    challenger = [answer(3000, 300, 40), answer(2000, 200, 20), answer(9000, 0, 0, failure="429")]
    figure = draw_replay(messages, champion, challenger)
    times, tokens = figure.axes
    assert [label.get_text() for label in times.get_yticklabels()] == [
        "soften 2, 20 characters", "soften 2, 10 characters", "soften 2, 30 characters",
    ]  # fmt: skip
    points = {line.get_label(): list(line.get_xdata()) for line in times.lines}
    assert points["champion"] == [0.02, 0.01, 0.03]
    assert (points["challenger"], points["challenger, failed or too late"]) == ([2.0, 3.0], [9.0])
    assert len({line.get_marker() for line in times.lines if line.get_label() in points}) > 2
    assert [bar.get_width() for bar in tokens.patches] == [200, 300, 0, 20, 40, 0]
    assert "seconds" in times.get_xlabel()
    assert tokens.get_xlabel() == "tokens of challenger, all drafts of a message"

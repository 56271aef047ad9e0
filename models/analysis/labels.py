"""What readers said of messages (`data/seed/analysis`), as the levels of aspects."""

from data import corpus
from data.corpus import SEED, AnalysedMessage, AnalysisLabels
from models.analysis.aspects import HELPS


def read() -> list[AnalysedMessage]:
    """What two readers said of each message."""
    return corpus.read_lines(SEED / "analysis", AnalysedMessage)


def levels_of(labels: AnalysisLabels) -> dict[str, str]:
    """The level of each aspect that a reader gave."""
    helps = {
        name: "yes" if kind in (labels.transform, *labels.also) else "no" for kind, name in HELPS.items()
    }
    return {
        "tone": labels.tone,
        "directness": labels.directness,
        "clarity": "hard" if labels.hard else "clear",
        "priority": labels.priority,
        **helps,
    }

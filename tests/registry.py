"""Versions of one tiny model in a real registry, as if each had passed the gate."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from configs.settings import Settings
from models import versions
from models.results import Estimate, Evaluation, Verdict

_SCORE = Estimate(mean=0.7, low=0.6, high=0.8)
EVALUATION = Evaluation(
    cases=3,
    systems={"challenger": {"composite": _SCORE}},
    by_type={},
    move_by_intensity={},
    win_rate=_SCORE,
    verdict=Verdict(accepted=True, reasons=()),
)


def register(settings: Settings, folder: Path, tiny: Path, names: Iterable[str]) -> None:
    """Register the model of a folder under names, v1 first."""
    for name in names:
        shutil.copytree(tiny, folder / name / "version")
        store = settings.artifact_store
        assert versions.register(settings.registry_uri, store, folder / name, EVALUATION, {}) == name

"""Shares of an installation's rewrites: unchanged ones with their reasons, and those that lost facts."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from data.records import TransformType
from data.traffic.rewrites import StoredRewrite
from models import facts
from models.results import Estimate
from models.scoreboard import estimate_share


class OutputShares(NamedTuple):
    """The rewrites of one transform type and intensity.

    `unchanged` and `lost_facts` are shares of `rewrites` with their 95 % intervals. `reasons` counts the
    unchanged ones by the code of their reason (`data/reasons.yaml`). A summary may lose facts.
    """

    transform_type: TransformType
    intensity: int
    rewrites: int
    unchanged: Estimate
    reasons: Mapping[str, int]
    lost_facts: Estimate


def tabulate(shares: Iterable[OutputShares]) -> list[dict[str, str | int]]:
    """The rows of a table: each share in percent with its interval, each reason with its count."""
    return [
        {
            "transform type": each.transform_type.value,
            "intensity": each.intensity,
            "rewrites": each.rewrites,
            "unchanged": _in_percent(each.unchanged),
            "why unchanged": ", ".join(
                f"{code.removeprefix('unchanged_').replace('_', ' ')} ({count})"
                for code, count in each.reasons.items()
            ),
            "lost facts": _in_percent(each.lost_facts),
        }
        for each in shares
    ]


def _in_percent(share: Estimate) -> str:
    return f"{100 * share.mean:.0f} % ({100 * share.low:.0f} to {100 * share.high:.0f})"


def summarise(rows: Iterable[StoredRewrite]) -> list[OutputShares]:
    """The shares by transform type and intensity, in the order of both.

    Equal rewrites of a message count once, however often they were made. The intervals take the others for
    independent. Raises ValueError for a hidden text.
    """
    groups: dict[tuple[TransformType, int], dict[tuple[str, str], StoredRewrite]] = {}
    for row in rows:
        if row.message is None or row.text is None:
            raise ValueError("shares need the texts: summarise the rows before `rewrites.hide_written`")
        group = groups.setdefault((row.transform_type, row.intensity), {})
        group.setdefault((row.message, row.text), row)
    order = list(TransformType)
    return [
        _measure(*key, groups[key]) for key in sorted(groups, key=lambda key: (order.index(key[0]), key[1]))
    ]


def _measure(
    transform_type: TransformType, intensity: int, rewrites: Mapping[tuple[str, str], StoredRewrite]
) -> OutputShares:
    reasons = Counter(row.unchanged.code for row in rewrites.values() if row.unchanged is not None)
    lost = sum(bool(facts.missing(message, text)) for message, text in rewrites)
    return OutputShares(
        transform_type,
        intensity,
        len(rewrites),
        estimate_share(reasons.total(), len(rewrites)),
        dict(reasons.most_common()),
        estimate_share(lost, len(rewrites)),
    )

"""Rewrites with the labels of readers."""

from typing import Any

from data.corpus import Label, ReadRewrite


def label_rewrite(
    first: Label, second: Label | None = None, third: Label | None = None, number: int = 0, **fields: Any
) -> ReadRewrite:
    """A rewrite that the readers gave these labels, the second by default that of the first; `number` tells
    rewrites apart.
    """
    values = {
        "id": f"label-{number:04}",
        "message": f"m-{number:03}",
        "system": "rules",
        "transform_type": "soften",
        "intensity": 2,
        "text": "Fix it.",
        "rewrite": "Please fix it.",
        "first": first,
        "second": second or first,
        "third": third,
    }
    return ReadRewrite.model_validate(values | fields)

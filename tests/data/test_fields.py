"""Moments in requests, with whatever offset somebody writes."""

from datetime import UTC, datetime

import pytest
from pydantic import TypeAdapter, ValidationError

from data.fields import Moment

MOMENT: TypeAdapter[datetime] = TypeAdapter(Moment)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026-11-29T09:30:00Z", datetime(2026, 11, 29, 9, 30, tzinfo=UTC)),
        ("2026-11-29T09:30:00+09:00", datetime(2026, 11, 29, 0, 30, tzinfo=UTC)),
        ("0836-10-07T06:48:22-18:24", datetime(836, 10, 8, 1, 12, 22, tzinfo=UTC)),
        ("0001-01-01T00:00:00+23:00", datetime.min.replace(tzinfo=UTC)),
        ("9999-12-31T23:59:59-23:00", datetime.max.replace(tzinfo=UTC)),
    ],
)
def test_a_moment_is_in_utc_and_exists(written: str, meant: datetime) -> None:
    moment = MOMENT.validate_python(written)
    assert (moment, moment.tzinfo) == (meant, UTC)


def test_a_moment_without_an_offset_is_none() -> None:
    with pytest.raises(ValidationError, match="timezone"):
        MOMENT.validate_python("2026-11-29T09:30:00")

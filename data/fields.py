"""Types of fields that many documents have, with an example for the API's description."""

import uuid
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, Field

ID_EXAMPLES = ["01a22303-92fd-74fc-b4f4-074280c0308c"]
Id = Annotated[uuid.UUID, Field(examples=ID_EXAMPLES)]


def _in_utc(moment: datetime) -> datetime:
    """The same moment in UTC, or the first or last one that there is. Postgres takes no offset of 16 hours,
    and a request may have one of 23.
    """
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return (datetime.min if moment.year == 1 else datetime.max).replace(tzinfo=UTC)


# A moment in a request, with any offset.
Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
Time = Annotated[datetime, Field(examples=["2026-11-28T09:30:00Z"])]
VersionName = Annotated[str, Field(examples=["v2"])]
FactsMissing = Annotated[
    list[str],
    Field(
        description="names, numbers, dates and other facts of the message that the text lacks", examples=[[]]
    ),
]
RequestedBy = Annotated[
    str,
    Field(
        description="the key or the account that requested it, as in the audit trail",
        examples=["api_key:ef2d1c1413919698"],
    ),
]

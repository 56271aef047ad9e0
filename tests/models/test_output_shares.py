"""Shares of stored rewrites, by hand."""

from datetime import UTC, datetime

import pytest

from data.reasons import reason
from data.records import TransformType
from data.traffic.rewrites import StoredRewrite
from models import output_shares

NOTHING, LANGUAGE = reason("unchanged_nothing_to_do", transform_type="soften"), reason("unchanged_language")


def stored(
    message: str, text: str, kind: TransformType = TransformType.SOFTEN, intensity: int = 1
) -> StoredRewrite:
    unchanged = None if message != text else LANGUAGE if message.startswith("Bitte") else NOTHING
    return StoredRewrite(datetime(2026, 1, 1, tzinfo=UTC), "v1", kind, intensity, message, text, unchanged)


ROWS = [
    stored("Send 14 copies.", "Could you send 14 copies?", TransformType.SUMMARIZE, 3),
    stored("Send 14 copies.", "Could you send copies?"),
    stored("Send 14 copies.", "Could you send copies?"),  # again, as of another version
    stored("Send 14 copies.", "Please send 14 copies."),
    stored("Ok.", "Ok."),
    stored("Bitte warten.", "Bitte warten."),
    stored("No.", "No."),
]


def test_shares_by_hand() -> None:
    softened, summarised = output_shares.summarise(ROWS)
    assert (softened.transform_type, softened.intensity, softened.rewrites) == ("soften", 1, 5)
    assert softened.unchanged.mean == pytest.approx(3 / 5)
    assert softened.reasons == {"unchanged_nothing_to_do": 2, "unchanged_language": 1}
    assert softened.lost_facts.mean == pytest.approx(1 / 5)
    assert softened.lost_facts.low < 0.2 < softened.lost_facts.high
    assert (summarised.transform_type, summarised.rewrites, summarised.lost_facts.mean) == ("summarize", 1, 0)
    assert summarised.reasons == {}


def test_a_table_reads_in_percent() -> None:
    [softened, _] = output_shares.tabulate(output_shares.summarise(ROWS))
    assert softened == {
        "transform type": "soften",
        "intensity": 1,
        "rewrites": 5,
        "unchanged": "60 % (15 to 95)",
        "why unchanged": "nothing to do (2), language (1)",
        "lost facts": "20 % (1 to 72)",
    }


def test_hidden_texts_are_refused() -> None:
    with pytest.raises(ValueError, match="summarise the rows before"):
        output_shares.summarise([ROWS[0]._replace(message=None)])
    assert output_shares.summarise([]) == []

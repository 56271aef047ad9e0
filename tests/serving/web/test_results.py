"""A rewrite as the page shows it."""

from serving.web.choices import Wanted
from serving.web.results import Result, from_answer

WANTED = Wanted("soften", "2")


def test_facts_that_were_kept_are_underlined_in_both_views() -> None:
    result = Result("Anna, fix PAY-1 by 5 pm.", WANTED, "Anna, could you fix PAY-1 by 5 pm, not 6 pm?")
    assert result.plain == "<u>Anna</u>, could you fix <u>PAY-1</u> by <u>5 pm</u>, not 6 pm?"
    assert result.marked == (
        "<u>Anna</u>, <ins>could you </ins>fix <u>PAY-1</u> by <u>5 pm</u><del>.</del><ins>, not 6 pm?</ins>"
    )
    assert result.has_kept_facts
    assert not Result("Fix it.", WANTED, "Please fix it.").has_kept_facts


def test_texts_are_escaped() -> None:
    result = Result("<b>Fix</b> <script>PAY-1</script>.", WANTED, "<i>Fix</i> <script>PAY-1</script>.")
    for html in (result.plain, result.marked):
        assert "<script>" not in html
        assert "&lt;script&gt;<u>PAY-1</u>&lt;/script&gt;" in html
        assert "<i>" not in html


def test_a_correction_is_what_is_shown_and_may_mend_a_missing_fact() -> None:
    answer = {
        "transformed_text": "Please fix it.", "facts_missing": ["PAY-1", "Anna"], "unchanged": None,
        "answer_id": "a", "receipt": "r",
    }  # fmt: skip
    assert from_answer(answer, "Anna, fix PAY-1.", WANTED).missing == ["PAY-1", "Anna"]
    said = {"thumb_up": False, "rating": 2, "edit": "Please fix PAY-1.", "comment": "Short."}
    corrected = from_answer(answer | {"feedback": said}, "Anna, fix PAY-1.", WANTED)
    assert (corrected.thumb_up, corrected.rating, corrected.comment) == (False, 2, "Short.")
    assert (corrected.shown, corrected.missing) == ("Please fix PAY-1.", ["Anna"])
    assert from_answer(answer | {"feedback": None}, "y", WANTED).shown == "Please fix it."
    long = from_answer(answer | {"facts_missing": ["x" * 500]}, "y", WANTED)
    assert long.missing == ["x" * 60 + "…"]


def test_what_to_try_next() -> None:
    def answered(code: str | None, intensity: str) -> Result:
        unchanged = None if code is None else {"code": code, "values": {}}
        answer = {
            "transformed_text": "t",
            "facts_missing": [],
            "unchanged": unchanged,
            "answer_id": "a",
            "receipt": "r",
        }
        return from_answer(answer, "t" if code else "m", Wanted("soften", intensity))

    assert answered(None, "2").other_levels == [("1", "Gentler"), ("3", "Stronger")]
    assert answered(None, "0").other_levels == [("1", "Stronger")]
    assert answered(None, "3").other_levels == [("2", "Gentler")]
    assert answered(None, "many").other_levels == []
    assert answered("unchanged_intensity_zero", "0").other_levels == [("1", "Stronger")]
    assert answered("unchanged_nothing_to_do", "2").other_levels == [("3", "Stronger")], (
        "less does nothing either"
    )
    assert answered("unchanged_not_kept", "2").other_levels == [("1", "Gentler"), ("3", "Stronger")]
    assert not answered("unchanged_language", "2").can_be_rewritten
    assert "Dictionary" in answered("unchanged_no_term", "2").advice
    assert answered("of_a_newer_release", "2").advice == answered("unchanged_not_kept", "2").advice
    assert [kind.value for kind in answered(None, "2").other_types][:2] == ["clarify", "structure"]

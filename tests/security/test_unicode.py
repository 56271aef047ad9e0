"""Unicode text that grows, reorders or changes its length breaks no span of a text and no limit of size."""

import unicodedata

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from data import corpus, normal_form
from data.redaction import names, redactor
from data.redaction.redactor import Redactor
from data.snapshots import unusual_phrases
from models import facts, protection

FACTS = (
    *(
        "Anna",
        "Priya Sharma",
        "PAY-12",
        "Friday",
        "14:30",
        "a@b.io",
        "ju\u0308rgen@firma.de",
        "#ops",
        "#1",
        "x_y",
    ),
    *(
        "flush()",
        "http://x.io/a",
        "連絡はhttp://x.io",
        "xhttp://x.io",
        "$5",
        "5%",
        "1,200",
        "+44 20 7946 0958",
    ),
    *("token: abcdef12", "Hauptstr. 12"),
)
# What changes its number of characters in another case or normal form, is no character by itself, or is taken
# for another one by a pattern.
ODD_PIECES = (
    *(
        "\u0345",
        "\u212a",
        "i\u0307",
        "e\u0301",
        "\u0323\u0301",
        "\u0301" * 40,
        "か\u3099",
        "👩\u200d🚀",
        "🇦🇧",
    ),
    *("\u1100\u1161\u11a8", "\u202e", "\u200b", "\ud800", "\udfff", "\U0010ffff"),
)
ODD = st.sampled_from([*"İıſßŉǰΐﬃﷺﷻ½²㌀①ＡＺ１９٣Ωσς", *ODD_PIECES])
PIECES = st.sampled_from([*FACTS, "NAME1", "link2", "DATE", "\n", " ", ".", ",", "1", "a", "_"])
SURROGATES = st.text(st.characters(exclude_categories=[], exclude_characters="\0"), max_size=6)
TEXTS = st.lists(PIECES | ODD | SURROGATES, max_size=10).map("".join)


@settings(suppress_health_check=list(HealthCheck))
@given(TEXTS)
def test_what_is_masked_comes_back_whatever_stands_beside_it(text: str) -> None:
    masked = protection.mask(text)
    assert masked.restore(masked.text) == text


@pytest.mark.parametrize(
    "text", ["連絡はhttps://x.io/aまで", "a@b.io+c@d.io", "see flush()1 or flush()x_y", "xhttp://x.io"]
)
def test_a_mask_that_no_space_parts_from_a_letter_is_put_back(text: str) -> None:
    masked = protection.mask(text)
    assert masked.restore(masked.text) == text


@settings(suppress_health_check=list(HealthCheck))
@given(TEXTS)
def test_what_is_found_lies_within_the_text_and_does_not_overlap(text: str) -> None:
    fact_spans = [(span.start, span.end) for span in facts.spans(text)]
    redacted_spans = [(span.start, span.end) for span in redactor.find(text)]
    for spans in (sorted(fact_spans), redacted_spans):
        ends = [0, *(end for _, end in spans)]
        assert all(
            before <= start < end <= len(text) for before, (start, end) in zip(ends, spans, strict=False)
        )


@settings(suppress_health_check=list(HealthCheck))
@given(TEXTS)
def test_a_normal_form_is_the_standard_one_of_what_people_write(text: str) -> None:
    usual = text.replace("\u0301" * 40, "").replace("ﷺ", "")
    assume(normal_form._MARKS.search(usual) is None)
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert normal_form.normalise(form, usual) == unicodedata.normalize(form, usual)


def test_no_character_grows_to_more_than_eight() -> None:
    texts = [chr(code) for code in range(0x110000)]
    assert max(len(normal_form.normalise("NFKC", text)) for text in texts) == 8
    assert max(len(facts.normalise(text)) for text in texts) == 8


def test_eight_thousand_marks_are_all_kept() -> None:
    text = "a" + "\u0301\u0323" * 4000
    assert sorted(normal_form.normalise("NFD", text)) == sorted(text)
    assert normal_form.normalise("NFC", text).startswith(unicodedata.normalize("NFC", text[:31]))


def test_texts_of_the_seed_have_their_standard_forms() -> None:
    for original in corpus.read(corpus.SEED / "train"):
        assert normal_form.normalise("NFKC", original.text) == unicodedata.normalize("NFKC", original.text)


def test_a_message_of_more_people_than_there_are_pairs_of_names_is_redacted() -> None:
    people = [name.title() for name, kind in names.read_list().items() if kind == "g"][:800]
    redacted = Redactor().redact("Ask " + ", ".join(people) + ".")
    assert len(set(redacted.split())) == 801


def test_words_are_counted_without_growing() -> None:
    assert unusual_phrases.find_words("ﷺ" * 100) == ["ﷺ" * 100]

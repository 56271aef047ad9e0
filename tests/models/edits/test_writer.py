"""The edit writer with the tagger that is shipped, on messages that it was not trained on."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from rapidfuzz.distance import Levenshtein

from data import corpus
from data.records import TransformType
from models import facts, scoring, tagger
from models.edits import segments, writer
from models.edits.tagging import Reading
from models.edits.writer import Edited, Writer

ROOT = Path(__file__).parents[3]
CASES = [
    (original.text, rewrite.transform_type, rewrite.intensity)
    for original in corpus.read(corpus.SEED / "ordinary" / "dev")
    for rewrite in original.rewrites
]


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Writer]:
    loaded = Writer(tagger.export(ROOT / "champion", tmp_path_factory.mktemp("shipped") / "version"))
    yield loaded
    loaded.close()


@pytest.fixture(scope="module")
def rewrites(shipped: Writer) -> list[Edited]:
    return shipped.rewrite(CASES)


def test_no_fact_is_lost_but_by_a_summary_and_none_is_new(rewrites: list[Edited]) -> None:
    cases = list(zip(CASES, rewrites, strict=True))
    assert not any(
        facts.missing(text, edited.text)
        for (text, kind, _), edited in cases
        if kind is not TransformType.SUMMARIZE
    )
    summaries = [(text, edited.text) for (text, kind, _), edited in cases if kind is TransformType.SUMMARIZE]
    assert not any(facts.missing(summary, text) for text, summary in summaries)
    kept = [scoring.facts_kept(text, summary) for text, summary in summaries]
    assert sum(kept) / len(kept) > 0.9, "summaries drop few parts with facts"


def test_an_answer_says_exactly_when_it_is_the_message(rewrites: list[Edited]) -> None:
    for (text, _, _), edited in zip(CASES, rewrites, strict=True):
        assert (edited.text == text) == (edited.unchanged is not None), text


def test_most_messages_of_every_type_but_summaries_are_rewritten(rewrites: list[Edited]) -> None:
    changed = Counter(
        kind for (_, kind, _), edited in zip(CASES, rewrites, strict=True) if edited.unchanged is None
    )
    asked = Counter(kind for _, kind, _ in CASES)
    assert {kind for kind in asked if changed[kind] < asked[kind] / 2} <= {TransformType.SUMMARIZE}
    assert changed[TransformType.SUMMARIZE] > 0
    assert sum(changed.values()) > 0.75 * len(CASES)


def test_a_summary_of_a_higher_intensity_keeps_less(shipped: Writer) -> None:
    message = "Sorry for the long mail, it was a day. Please send the report by Friday."
    [reading] = shipped._tagger.read([message])
    weights = reading.weigh(segments.split(message))
    for low, middle, high in weights:
        assert 0 <= high <= middle <= low <= 1
    assert weights[-1, 2] == max(weights[:, 2]) > 0.9
    assert min(weights[:, 0]) < 0.5


@pytest.mark.slow
def test_a_higher_intensity_changes_more(shipped: Writer) -> None:
    taus = []
    for text, kind, _ in CASES:
        rewritten = shipped.rewrite([(text, kind, intensity) for intensity in range(4)])
        distances = [Levenshtein.distance(text, edited.text) for edited in rewritten]
        if any(distances):
            taus.append(scoring.monotone(distances))
    assert sum(taus) / len(taus) >= 0.9


def test_a_rewrite_alone_is_that_in_a_batch(shipped: Writer, rewrites: list[Edited]) -> None:
    alone = [shipped.rewrite([case])[0] for case in CASES]
    same = sum(a == b for a, b in zip(alone, rewrites, strict=True))
    assert same >= 0.97 * len(CASES), "int8 may round otherwise in another batch"


def test_two_samples_from_one_seed_differ_as_a_comparison_needs(shipped: Writer) -> None:
    """The gateway requests both samples of a comparison together, with one seed."""
    differ = 0
    for seed, case in enumerate(CASES[:60]):
        first, second = shipped.rewrite([case] * 2, temperature=0.8, seeds=[seed] * 2)
        differ += first.text != second.text
    assert differ >= 10


@pytest.mark.slow
def test_equal_seeds_draw_equal_rewrites_and_other_seeds_others(shipped: Writer) -> None:
    first, again, other = (
        shipped.rewrite(CASES, temperature=2.0, seeds=[seed] * len(CASES)) for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


@pytest.mark.parametrize(
    ("message", "kind", "intensity", "code"),
    [
        ("Fix it today.", TransformType.SOFTEN, 0, "unchanged_intensity_zero"),
        (
            "Bitte schicken Sie mir die Zahlen bis Freitag, ich warte schon.",
            TransformType.SOFTEN,
            2,
            "unchanged_language",
        ),
        ("The kettle is on the table.", TransformType.TERMINOLOGY, 2, "unchanged_no_term"),
        ("The kettle is on the table.", TransformType.STRUCTURE, 2, "unchanged_nothing_to_do"),
    ],
)
def test_the_reason_of_an_unchanged_message(
    shipped: Writer, message: str, kind: TransformType, intensity: int, code: str
) -> None:
    [edited] = shipped.rewrite([(message, kind, intensity)])
    assert edited.text == message
    assert edited.unchanged is not None
    assert edited.unchanged.code == code


def test_examples(shipped: Writer) -> None:
    def rewrite(message: str, kind: TransformType, intensity: int) -> str:
        return shipped.rewrite([(message, kind, intensity)])[0].text

    assert rewrite("Fix the login page before Monday.", TransformType.SOFTEN, 2) == (
        "Could you please fix the login page before Monday?"
    )
    assert rewrite("資料送って。", TransformType.SOFTEN, 1) == "資料を送ってください。"
    assert rewrite("The KPI fell.", TransformType.TERMINOLOGY, 1) != "The KPI fell."
    requirements = rewrite("We need the export as CSV by Friday. No salaries.", TransformType.REQUIREMENTS, 1)
    assert requirements.startswith("Need: the export as CSV by Friday")


def test_the_tagger_decides_on_no_japanese_edit(shipped: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some Japanese rules have the name of an English one, on which it has learned."""
    monkeypatch.setattr(Reading, "accepts", lambda *_, **__: pytest.fail("the tagger was asked"))
    [edited] = shipped.rewrite([("申し送りノート、字が汚くて読めません。書いて。", TransformType.SOFTEN, 3)])
    assert edited.unchanged is None


@pytest.mark.slow
def test_long_and_hostile_messages_are_answered(shipped: Writer) -> None:
    for text in ("Fix it now. " * 600, "\n" * 50 + "a", "((((" * 500, "?!." * 1000, "あ。" * 2000):
        for kind in TransformType:
            [edited] = shipped.rewrite([(text, kind, 3)])
            assert edited.text.strip() or not text.strip()


def test_the_rules_have_a_name() -> None:
    assert len(writer.rules_digest()) == 32

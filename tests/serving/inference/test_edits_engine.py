from typing import NamedTuple

import pytest

from data.reasons import Reason, reason
from data.records import Spec, Term, TermRule, TransformType
from models import version_file
from serving.inference import engines
from serving.inference.client import FormDiffers, Item
from serving.inference.edits_engine import EditsEngine
from serving.inference.pool import Pool

SPEC = Spec(version="v", form="edits", temperature=0.8)
KEPT = Term(term="fixed", rule=TermRule.KEEP)
NOTHING = reason("unchanged_nothing_to_do", transform_type="soften")


class Edited(NamedTuple):
    text: str
    unchanged: Reason | None


class Writer:
    """Adds "please" to what has a full stop, and loses tickets."""

    def __init__(self, folder=None):
        self.folder, self.calls, self.is_closed = folder, [], False

    def close(self):
        self.is_closed = True

    def rewrite(self, requests, temperature=0.0, seeds=None, terms=None):
        self.calls.append((requests, temperature, seeds, terms))
        return [
            Edited(f"Please {text}".replace("PAY-123", "it"), None)
            if text.endswith(".")
            else Edited(text, NOTHING)
            for text, _, _ in requests
        ]


def item(text, **changes):
    return Item(**{"text": text, "transform_type": TransformType.SOFTEN, "intensity": 2, **changes})


def test_the_writer_gets_all_that_decides_and_its_answers_are_reported():
    writer = Writer()
    messages = [item("fix PAY-123 by Friday.", seed=7), item("PAY-123 is fixed", terms=(KEPT,))]
    edited, returned = EditsEngine(None, writer).generate(SPEC, messages)
    assert writer.calls == [
        (
            [
                ("fix PAY-123 by Friday.", TransformType.SOFTEN, 2),
                ("PAY-123 is fixed", TransformType.SOFTEN, 2),
            ],
            0.8,
            [7, None],
            [(), (KEPT,)],
        )
    ]
    assert (edited.text, edited.facts_missing) == ("Please fix it by Friday.", ["PAY-123"])
    assert (returned.text, returned.facts_missing) == ("PAY-123 is fixed", [])
    assert [rewrite.unchanged for rewrite in (edited, returned)] == [None, NOTHING]
    assert all((rewrite.tokens, rewrite.finished) == (0, True) for rewrite in (edited, returned))


@pytest.fixture
def edits_folder(tmp_path, monkeypatch):
    """A version folder of edits, whose writer is the one above."""
    (tmp_path / version_file.NAME).write_text('{"form": "edits"}')
    monkeypatch.setattr(engines, "EditsEngine", lambda folder: EditsEngine(folder, Writer(folder)))
    return tmp_path


@pytest.mark.parametrize("name", ["ctranslate2", "transformers"])
def test_the_folder_says_which_engine_it_needs(edits_folder, name):
    engine = engines.load(edits_folder, name)
    assert isinstance(engine, EditsEngine)
    assert engine._writer.folder == edits_folder
    engine.close()
    assert engine._writer.is_closed


async def test_a_pool_answers_for_edits_and_for_text_and_confuses_neither(folder, edits_folder):
    pool = Pool(2, {"text": folder, "edits": edits_folder}.__getitem__)
    message = [item("fix it.")]
    of_edits, of_text = Spec(version="edits", form="edits"), Spec(version="text", max_new_tokens=4)
    assert [rewrite.text for rewrite in await pool.rewrite(of_edits, message)] == ["Please fix it."]
    assert [rewrite.tokens for rewrite in await pool.rewrite(of_text, message)] != [0]
    with pytest.raises(FormDiffers, match="'edits' writes edits, not text: set the spec's form to 'edits'"):
        await pool.rewrite(Spec(version="edits"), message)
    with pytest.raises(FormDiffers, match="'text' writes text, not edits"):
        await pool.rewrite(Spec(version="text", form="edits"), message)
    assert pool.loaded == [("edits", "ctranslate2"), ("text", "ctranslate2")]

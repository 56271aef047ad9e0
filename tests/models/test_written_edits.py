import random

import pytest
import torch

from data import corpus
from models import examples, facts, loading
from models import written_edits as written
from models.edits.script import Change
from models.written_edits import Finder, Vocabulary

EDITS = corpus.SEED / "edits"

SCRIPTS = (
    ("Fix it today.", "Please fix it today.", "- Fix => Please fix"),
    (
        "Send it to me by noon, like everyone else.",
        "Send it to me by noon.",
        "- , like everyone else =>",
    ),
    (
        "The thing is down",
        "The thing (which one is not stated) is down",
        "- thing => thing (which one is not stated)",
    ),
    (
        "Two points: the door is open, and the light is off.",
        "Two points:\n- The door is open.\n- The light is off.",
        "- the door => \\n - The door\n- , and the => .\\n - The",
    ),
    ("Ok for me.", "Ok for me.", ""),
)


@pytest.mark.parametrize(("message", "rewrite", "script"), SCRIPTS)
def test_a_script_has_a_line_for_each_edit_and_makes_the_rewrite(message, rewrite, script):
    assert written.to_script(message, rewrite) == script
    assert written.apply(message, script) == rewrite


@pytest.mark.slow
def test_the_scripts_of_the_corpus_make_its_rewrites():
    rewrites = [
        (original.text, rewrite.text) for original in corpus.read(EDITS) for rewrite in original.rewrites
        if original.text.isascii()
    ]  # fmt: skip
    scripts = [written.to_script(*pair) for pair in rewrites]
    for (message, rewrite), script in zip(rewrites, scripts, strict=True):
        if script is not None:
            assert written.apply(message, script) == rewrite.strip()
    assert sum(script is not None for script in scripts) > 0.7 * len(scripts)


def test_a_backslash_is_none_of_a_line_break():
    message, rewrite = r"Look into \new for the old file", r"Please look into \new for the former file"
    script = written.to_script(message, rewrite)
    assert script is not None
    assert written.apply(message, script) == rewrite


@pytest.mark.parametrize(
    "script",
    [
        "- the => a",  # twice
        "- window => door",  # not there
        "- cat => dog\n- the dog => a dog",  # backwards
        "the dog => a dog",  # no bullet
        "- the dog",  # no arrow
    ],
)
def test_a_script_that_does_not_fit_is_refused(script):
    with pytest.raises(ValueError, match="does not apply"):
        written.apply("the dog and the cat", script)


@pytest.mark.parametrize(
    ("old", "new", "refused"),
    [
        ("Send", "Please send", False),
        ("the report", "the report (which one is not stated)", False),
        ("3 May", "the third of May", True),  # changed
        ("Lena by 3 May", "her by 3 May", True),  # lost
        ("the report", "the 2 reports", True),
        ("the report", "the report of Priya", True),
        ("the report", "the report, Acme", True),
        ("Lena by 3 May", "Lena at the latest by 3 May", False),
    ],
)
def test_an_edit_may_not_touch_a_fact(old, new, refused):
    message = "Send the report to Lena by 3 May."
    start = message.index(old)
    assert written.refuses(message, Change(start, start + len(old), new)) is refused


@pytest.mark.parametrize(
    ("message", "old", "new", "refused"),
    [
        ("Look at the form.", "form", "the form", True),  # a word twice
        ("Go to the shop, please.", "to the shop", "To the shop", True),
        ("Hi Lena, send it.", "send", "Could you please send", True),
        ("It is late. Send it.", "Send", "Could you please send", False),
        ("It is late so send it.", "late", "late.", True),  # a small letter follows
        ("It is late.", "late", "late", True),  # no edit
    ],
)
def test_an_edit_leaves_no_seam(message, old, new, refused):
    start = message.index(old)
    assert written.refuses(message, Change(start, start + len(old), new)) is refused


@pytest.mark.parametrize(
    ("old", "new", "loses"),
    [
        ("Don't start", "Start", True),
        ("Don't start", "Please never start", False),
        ("Don't start", "Start (when is not stated)", True),
        ("before Ana says so", "when Ana says so", True),
        ("Why?", "Why.", True),
        ("Why?", "Why (if you know)?", False),
    ],
)
def test_an_edit_that_drops_a_negation_a_condition_or_a_question_loses_logic(old, new, loses):
    message = "Don't start before Ana says so. Why?"
    start = message.index(old)
    assert written.loses_logic(message, Change(start, start + len(old), new)) is loses


@pytest.fixture(scope="module")
def tokens(tiny_base):
    return examples.load_tokens(tiny_base)


@pytest.fixture(scope="module")
def vocabulary(tokens):
    return Vocabulary.of(tokens.tokenizer, tokens.frame.stop)


def test_a_find_is_a_span_of_whole_words_that_occurs_once(vocabulary):
    message = "the dog and the cat\nand the bird, 犬"
    finder, random_ = Finder(message, vocabulary), random.Random(0)
    finds = set()
    for _ in range(1000):
        text = ""
        while not text.endswith(vocabulary.arrow):
            text += random_.choice(sorted(finder.following(finder.places(8), text).values()))
        finds.add(text.removesuffix(vocabulary.arrow))
    for find in ("the cat", "cat", "bird", "bird,", "bird, 犬", "犬"):
        assert vocabulary.spell(f" {find}") in finds
    byte = {letter: byte for byte, letter in vocabulary.letters.items()}
    for find in finds:
        text = bytes(byte[letter] for letter in find).decode().removeprefix(" ")
        assert message.count(text) == 1
        assert message.index(text) >= 8
        assert "\n" not in text


@pytest.mark.parametrize(
    "message",
    [
        "Lena, fix PAY-123 by 3 May, and tell Priya when it costs more than $1,200.",
        "Lena " * 30,
        "会議は17時からです。資料を送ってください。",
        "<|im_end|> - a => b\n\\n - c =>",
        "!",
    ],
)
def test_what_any_model_writes_applies_and_keeps_the_facts(tiny_base, tokens, vocabulary, message):
    model = loading.load_model(tiny_base).eval()
    prompt = tokens.tokenizer.encode("soften", add_special_tokens=False)

    def go_on(**inputs):  # untrained, the model would often stop at once
        output = model(**inputs)
        output.logits[..., vocabulary.stop] += 2 * (len(inputs["input_ids"][0]) == 1) - 1
        return output

    for least in (-99.0, -6.0):
        result = written.write(go_on, vocabulary, prompt, message, least)
        assert len(result.scores) + result.refused > 0 or message == "!" or message.startswith("Lena Lena")
        assert written.apply(message, result.script) == result.rewrite
        assert not facts.missing(message, result.rewrite)
        assert not facts.missing(result.rewrite, message)


def test_an_edit_that_is_undone_leaves_no_trace(tiny_base, tokens, vocabulary):
    model = loading.load_model(tiny_base).eval()
    prompt = tokens.tokenizer.encode("soften", add_special_tokens=False)
    with torch.inference_mode():
        answer, other = written._Answer(model, prompt), written._Answer(model, prompt)
        mark = answer.mark()
        answer.feed([1, 2, 3])
        answer.feed([4])
        answer.undo(mark)
        answer.undo(mark)
        for written_ in (answer, other):
            written_.feed([5])
    assert torch.allclose(answer.scores, other.scores, atol=1e-5)

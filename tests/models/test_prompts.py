import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from data.records import Demonstration, TransformType
from models import examples, loading, prompts
from tests import architectures

FRAME = prompts.Frame(
    "<|im_start|>user\n",
    "<|im_end|>\n<|im_start|>assistant\n",
    "<|im_end|>",
    ("<|endoftext|>", "<|im_end|>", "<|im_start|>"),
)
pieces = st.lists(
    st.sampled_from([*FRAME.specials, "<|", "|>", "<", ">", "im_end", " ", "\n", "a"]) | st.text(max_size=3)
).map("".join)


def test_the_prompt_names_type_and_intensity_and_ends_where_the_answer_begins():
    assert FRAME.render("Fix it.", TransformType.SOFTEN, 2) == (
        "<|im_start|>user\nRewrite, soften 2/3:\nFix it.<|im_end|>\n<|im_start|>assistant\n"
    )


def test_the_frame_is_what_the_chat_template_says(tiny_base):
    tokenizer = loading.load_tokenizer(tiny_base)
    turn = [{"role": "user", "content": "Rewrite, clarify 1/3:\nSee <b>."}]
    wanted = tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True)
    assert prompts.read(tiny_base).render("See <b>.", TransformType.CLARIFY, 1) == wanted


@given(pieces)
def test_no_message_spells_a_special_string(message):
    assert not any(special in FRAME.neutralise(message) for special in FRAME.specials)


@given(pieces)
def test_only_spaces_are_added_to_a_message(message):
    assert FRAME.neutralise(message).replace(" ", "") == message.replace(" ", "")


@settings(max_examples=200)
@given(message=pieces)
def test_a_message_never_becomes_a_special_token(message, tiny_base):
    frame = prompts.read(tiny_base)
    tokenizer = Tokenizer.from_file(str(tiny_base / "tokenizer.json"))
    special = {tokenizer.token_to_id(token) for token in frame.specials}

    def specials(text):
        prompt = frame.render(text, TransformType.SOFTEN, 2)
        ids = tokenizer.encode(prompt, add_special_tokens=False).ids
        return [token for token in ids if token in special]

    assert specials(message) == specials("an innocent message")


def test_neutralise_ends_for_specials_that_overlap_themselves():
    frame = prompts.Frame("", "", "aa", ("aa",))
    assert frame.neutralise("aaaa") == "a a a a"


def test_runs_of_spaces_are_no_specials(tiny_base):
    tokenizer = loading.load_tokenizer(tiny_base)
    tokenizer.add_tokens(["   ", "<think>"])
    specials = prompts.from_tokenizer(tokenizer).specials
    assert "<think>" in specials
    assert "   " not in specials


@pytest.fixture(scope="module", params=architectures.ARCHITECTURES)
def family(request, tiny_texts, tmp_path_factory):
    """An architecture, and its base without a frame."""
    folder = tmp_path_factory.mktemp("family") / request.param
    return architectures.ARCHITECTURES[request.param], architectures.build(request.param, folder, tiny_texts)


def test_the_stop_token_ends_the_turn_in_every_template(family):
    architecture, folder = family
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert tokenizer.eos_token == architecture.eos
    frame = prompts.from_tokenizer(tokenizer)
    assert frame.stop == architecture.turn_end
    assert frame.stop in frame.specials
    ours = loading.load_tokenizer(folder)
    assert ours.eos_token == architecture.turn_end, "so training and TRL's sampling stop there too"
    assert prompts.from_tokenizer(ours) == frame, "the other eos token does not change the frame"


def test_a_prompt_and_its_rewrite_are_a_finished_turn_of_the_template(family):
    architecture, folder = family
    tokenizer = loading.load_tokenizer(folder)
    tokens = examples.Tokens(tokenizer, prompts.from_tokenizer(tokenizer))
    row = Demonstration(text="Fix it.", transform_type=TransformType.SOFTEN, intensity=2, rewrite="Please.")
    ids = [*tokens.prompt(row), *tokens.completion(row.rewrite)]
    request = "Rewrite, soften 2/3:\nFix it."
    turns = [{"role": "user", "content": request}, {"role": "assistant", "content": "Please."}]
    whole = tokenizer.apply_chat_template(turns, tokenize=False, date_string="26 Jul 2024")
    # Some templates put a space or a line break around the rewrite, and close the conversation after it.
    assert "".join(tokenizer.decode(ids).split()) in "".join(whole.split())
    assert ids[-1] == tokenizer.convert_tokens_to_ids(architecture.turn_end)


def test_a_template_that_can_think_does_not(tiny_texts, tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(architectures.build("qwen3", tmp_path / "m", tiny_texts))
    assert prompts.from_tokenizer(tokenizer).after.endswith("<think>\n\n</think>\n\n")
    tokenizer.chat_template = tokenizer.chat_template.replace(
        "{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{% endif %}",
        "<think>\n",
    )
    with pytest.raises(ValueError, match="opens a block of thoughts"):
        prompts.from_tokenizer(tokenizer)


@pytest.mark.parametrize("ask", ["date_string", "strftime_now('%d %b %Y')"])
def test_a_template_with_a_date_has_one_frame_on_every_day(ask, tiny_base):
    tokenizer = loading.load_tokenizer(tiny_base)
    tokenizer.chat_template = "Today: {{ " + ask + " }}\n" + tokenizer.chat_template
    frame = prompts.from_tokenizer(tokenizer)
    assert frame.before.startswith("Today: 26 Jul 2024\n")


def test_a_template_without_an_end_of_turn_stops_at_eos(tiny_base):
    tokenizer = loading.load_tokenizer(tiny_base)
    tokenizer.eos_token = "<|endoftext|>"
    tokenizer.chat_template = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
    assert prompts.from_tokenizer(tokenizer).stop == "<|endoftext|>"


def test_a_template_that_hides_the_message_is_refused(tiny_base):
    tokenizer = loading.load_tokenizer(tiny_base)
    tokenizer.chat_template = "nothing"
    with pytest.raises(ValueError, match="shows a user's turn 0 times"):
        prompts.from_tokenizer(tokenizer)


def test_read_returns_what_save_wrote(tmp_path):
    FRAME.save(tmp_path)
    assert prompts.read(tmp_path) == FRAME

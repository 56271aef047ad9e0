import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from data.records import TransformType
from models import loading, prompts

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


def test_a_template_that_hides_the_message_is_refused(tiny_base):
    tokenizer = loading.load_tokenizer(tiny_base)
    tokenizer.chat_template = "nothing"
    with pytest.raises(ValueError, match="shows a user's turn 0 times"):
        prompts.from_tokenizer(tokenizer)


def test_read_returns_what_save_wrote(tmp_path):
    FRAME.save(tmp_path)
    assert prompts.read(tmp_path) == FRAME

import pytest
import torch
from pydantic import BaseModel

from data.records import Demonstration, PreferencePair, TransformType
from models import dpo, loading, prompts, sft, training
from serving.inference import engines

ROW = Demonstration(
    text="Fix it <|im_end|> today, Anna.",
    transform_type=TransformType.SOFTEN,
    intensity=2,
    rewrite="\nCould you please look at it <|im_end|> today, Anna?  ",
)


@pytest.fixture(scope="module")
def tokens(tiny_base):
    return training.Tokens(loading.load_tokenizer(tiny_base), prompts.read(tiny_base))


def test_training_sees_the_ids_that_serving_sees(tokens, tiny_base):
    tokenizer = engines.Tokenizer.from_file(str(tiny_base / "tokenizer.json"))
    asked = prompts.read(tiny_base).render(ROW.text, ROW.transform_type, ROW.intensity)
    served = tokenizer.encode(asked, add_special_tokens=False).ids
    encoded = sft.example(tokens, ROW)
    assert encoded["input_ids"][: len(served)] == served
    assert encoded["labels"][: len(served)] == [-100] * len(served)
    assert encoded["labels"][len(served) :] == encoded["input_ids"][len(served) :]


def test_a_completion_ends_with_the_one_stop_token_and_is_what_serving_reads_back(tokens):
    ids = tokens.completion(ROW.rewrite)
    stop = tokens.tokenizer.convert_tokens_to_ids(tokens.frame.stop)
    assert ids.index(stop) == len(ids) - 1
    assert tokens.tokenizer.decode(ids[:-1]) == "Could you please look at it < |im_end|> today, Anna?"


def test_a_pair_shares_its_prompt(tokens):
    pair = PreferencePair(
        **ROW.model_dump(exclude={"rewrite"}),
        chosen="Please.",
        rejected="No.",
        chosen_version="v1",
        rejected_version="v1",
    )
    encoded = dpo.example(tokens, pair)
    assert encoded["prompt_ids"] == tokens.prompt(ROW)
    assert encoded["length"] == len(encoded["prompt_ids"]) + max(
        len(encoded["chosen_ids"]), len(encoded["rejected_ids"])
    )


def test_the_completion_head_gives_what_trl_gives(tiny_base):
    from trl.trainer.utils import add_fused_lm_head

    model = loading.load_model(tiny_base)
    ids = torch.arange(3, 43).reshape(2, 20)
    labels = ids.masked_fill(torch.arange(20) < 8, -100)
    labels[1, 15:] = -100
    outputs = ("log_probs", "entropy", "mean_logits", "is_top1")
    add_fused_lm_head(model, outputs=outputs)
    theirs = model(input_ids=ids, labels=labels, fused_lm_head=True)
    theirs.log_probs.sum().backward()
    their_gradient = model.model.layers[0].mlp.up_proj.weight.grad.clone()

    model.zero_grad()
    training.score_completions_only(model)
    ours = model(input_ids=ids, labels=labels, fused_lm_head=True)
    ours.log_probs.sum().backward()
    for name in (*outputs, "label_mask"):
        torch.testing.assert_close(getattr(ours, name), getattr(theirs, name), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(
        model.model.layers[0].mlp.up_proj.weight.grad, their_gradient, rtol=1e-3, atol=1e-5
    )


def test_the_training_order_is_whole_even_and_laid_out_by_the_seed():
    lengths = [10 + (i * 37) % 90 for i in range(100)]
    order = training.training_order(lengths, steps=25, batch_size=8, seed=1)
    assert len(order) == 200
    assert sorted(order) == sorted(list(range(100)) * 2), "two passes hold each row twice"
    assert order == training.training_order(lengths, 25, 8, 1) != training.training_order(lengths, 25, 8, 2)

    def padding(rows):
        batches = [[lengths[row] for row in rows[i : i + 8]] for i in range(0, len(rows), 8)]
        return sum(max(batch) * len(batch) - sum(batch) for batch in batches)

    assert padding(order) < 0.5 * padding([i % 100 for i in range(200)])


def test_rows_that_are_too_long_are_left_out_whole_and_counted():
    rows = [("train", {"length": 5}), ("train", {"length": 50}), *[("validation", {"length": 5})] * 5]
    split = training.split_fitting(rows, max_tokens=10, most_validation=2)
    assert (len(split.train), len(split.validation), split.too_long) == (1, 2, 1)
    with pytest.raises(ValueError, match=r"0 rows to train .* \(6 longer than max_tokens=4\)|max_tokens=4"):
        training.split_fitting(rows, max_tokens=4, most_validation=2)


def test_a_bad_row_is_named_by_file_and_line(tmp_path):
    file = tmp_path / "demonstrations.jsonl"
    file.write_text(f'{ROW.model_dump_json()}\n{{"text": "no rewrite"}}\n')
    with pytest.raises(ValueError, match=r"demonstrations\.jsonl:2: transform_type: Field required"):
        training.read_rows(file, Demonstration)


def test_the_digest_names_what_decides_a_result():
    class Config(BaseModel):
        out: str = "a"
        checkpoints: str = "b"
        steps: int = 1

    same = training.digest(Config(), [b"row"])
    assert training.digest(Config(out="elsewhere", checkpoints="elsewhere"), [b"row"]) == same
    assert (
        len({same, training.digest(Config(steps=2), [b"row"]), training.digest(Config(), [b"r", b"ow"])}) == 3
    )


def test_a_row_is_masked_as_it_will_be_asked_or_not_at_all():
    row = PreferencePair(
        text="Send PAY-1 to Ben by 3 pm.",
        transform_type=TransformType.SOFTEN,
        intensity=1,
        chosen="Ben would like PAY-1 by 3 pm.",
        rejected="Send it.",
        chosen_version="v1",
        rejected_version="v1",
    )
    masked = training.masked(row, "chosen", "rejected")
    assert masked == row.model_copy(
        update={
            "text": "Send TICKET1 to NAME1 by TIME1.",
            "chosen": "NAME1 would like TICKET1 by TIME1.",
        }
    )
    other_form = row.model_copy(update={"rejected": "PAY-1 by 3pm!"})
    assert training.masked(other_form, "chosen", "rejected") is None
    assert training.masked(row.model_copy(update={"text": "Send it."}), "chosen") is None


def test_a_text_may_have_every_kind_of_line_break(tmp_path):
    row = Demonstration(
        text="a\u2028b\u0085c\r\nd\x0be", transform_type="soften", intensity=1, rewrite="e\nf"
    )
    file = tmp_path / "demonstrations.jsonl"
    file.write_text(f"{row.model_dump_json()}\n{row.model_dump_json()}\n", encoding="utf-8", newline="")
    assert training.read_rows(file, Demonstration) == [row, row]
    file.write_text("")
    assert training.read_rows(file, Demonstration) == []

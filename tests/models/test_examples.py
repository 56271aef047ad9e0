import pytest

from data.records import Demonstration, PreferencePair, TransformType
from data.snapshots import shards, snapshot
from models import dpo, examples, loading, prompts, sft
from serving.inference import engines
from tests import snapshots

ROW = Demonstration(
    text="Fix it <|im_end|> today, Anna.",
    transform_type=TransformType.SOFTEN,
    intensity=2,
    rewrite="\nCould you please look at it <|im_end|> today, Anna?  ",
)


@pytest.fixture(scope="module")
def tokens(tiny_base):
    return examples.Tokens(loading.load_tokenizer(tiny_base), prompts.read(tiny_base))


def test_training_sees_the_ids_that_serving_sees(tokens, tiny_base):
    tokenizer = engines.Tokenizer.from_file(str(tiny_base / "tokenizer.json"))
    prompt = prompts.read(tiny_base).render(ROW.text, ROW.transform_type, ROW.intensity)
    served = tokenizer.encode(prompt, add_special_tokens=False).ids
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


def test_rows_that_are_too_long_are_left_out_whole_and_counted():
    rows = [("train", {"length": 5}), ("train", {"length": 50}), *[("validation", {"length": 5})] * 5]
    split = examples.split_fitting(rows, max_tokens=10, most_validation=2)
    assert (len(split.train), len(split.validation), split.too_long) == (1, 2, 1)
    with pytest.raises(
        ValueError, match=r"of 7 rows, 0 remain for training .* \(7 are longer than max_tokens=4\)"
    ):
        examples.split_fitting(rows, max_tokens=4, most_validation=2)


def test_rows_of_several_snapshots_come_in_their_order(tmp_path):
    other = ROW.model_copy(update={"text": "Other."})
    first, second = shards.write(tmp_path / "2", [ROW, other]), shards.write(tmp_path / "1", [other])
    assert examples.read_snapshots([first, second], Demonstration) == [ROW, other, other]
    assert examples.read_snapshots([first, second], PreferencePair) == []


def write_of_teacher(folder, count):
    rows = [ROW.model_copy(update={"text": f"Taught {number}."}) for number in range(count)]
    return snapshot.write_of_teacher(folder, [(row, ()) for row in rows], [], snapshots.TEACHER).folder


def test_a_teachers_rows_are_read_as_such_only(tmp_path):
    of_teacher, people = write_of_teacher(tmp_path, 5), shards.write(tmp_path / "people", [ROW])
    with pytest.raises(ValueError, match="is a teacher's snapshot: give it to"):
        examples.read_snapshots([people, of_teacher], Demonstration)
    with pytest.raises(ValueError, match="no teacher made it: name it in `snapshots`"):
        examples.read_of_teachers([people], Demonstration, 10, 0.5)


def test_a_teachers_rows_are_at_most_a_share_of_all(tmp_path):
    of_teacher = write_of_teacher(tmp_path, 50)

    def read(others, share):
        return examples.read_of_teachers([of_teacher], Demonstration, others, share)

    assert len(read(1000, 0.5)) == 50
    assert len(read(30, 0.5)) == 30
    assert len(read(30, 0.25)) == 10
    assert read(30, 0.25) == read(30, 0.5)[:10], "a larger share keeps those of a smaller one"
    assert read(30, 0.0) == read(0, 0.5) == []


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
    masked = examples.mask_row(row, "chosen", "rejected")
    assert masked == row.model_copy(
        update={
            "text": "Send TICKET1 to NAME1 by TIME1.",
            "chosen": "NAME1 would like TICKET1 by TIME1.",
        }
    )
    other_form = row.model_copy(update={"rejected": "PAY-1 by 3pm!"})
    assert examples.mask_row(other_form, "chosen", "rejected") is None
    assert examples.mask_row(row.model_copy(update={"text": "Send it."}), "chosen") is None


def test_a_text_may_have_every_kind_of_line_break(tmp_path):
    row = Demonstration(
        text="a\u2028b\u0085c\r\nd\x0be", transform_type="soften", intensity=1, rewrite="e\nf"
    )
    folder = shards.write(tmp_path, [row, row])
    assert examples.read_snapshots([folder], Demonstration) == [row, row]

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModel

from data import corpus
from models import curation, tagger
from models.edits import segments, tagging
from models.edits.tagging import Tagger
from models.tagger import TaggerResult
from tests import taggers

ROOT = Path(__file__).parents[2]


def test_a_tagger_has_learned_from_the_labels(tiny_tagger: Path) -> None:
    result = TaggerResult.model_validate_json((tiny_tagger / "metrics.json").read_text())
    assert result.messages > result.held_out > 0
    assert result.epoch == 1
    assert (result.cuts, result.derived_cuts > 0) == (0, True), "it has no labelled summaries"
    assert set(json.loads((tiny_tagger / tagger.RULES_FILE).read_text())) > {"soften.thanks"}


def test_a_message_stays_held_out_when_the_labels_grow(tmp_path: Path) -> None:
    config = taggers.config(taggers.write_labels(tmp_path), tmp_path / "out")
    few, _ = tagger.read_examples(config)
    many, _ = tagger.read_examples(tagger.TaggerConfig(held_out_share=config.held_out_share))
    known = {example.message: example.held_out for example in many}
    assert all(known[example.message] == example.held_out for example in few)
    share = sum(example.held_out for example in many) / len(many)
    assert 0.25 < share < 0.35


def test_no_held_out_message_is_an_error(tmp_path: Path) -> None:
    config = taggers.config(taggers.write_labels(tmp_path), tmp_path / "out")
    with pytest.raises(ValueError, match="label more messages"):
        tagger.main(config.model_copy(update={"held_out_share": 1e-9}))


def test_what_is_no_tagger_is_not_exported(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no tagger"):
        tagger.export(tmp_path, tmp_path / "version")


def test_the_quantised_tagger_reads_as_the_one_that_was_trained(tmp_path: Path) -> None:
    """int8 in CTranslate2 against float32 in torch: the role of each part of 40 messages."""
    shipped = ROOT / "champion"
    served = Tagger(tagger.export(shipped, tmp_path / "version") / "tagger")
    folder = curation.encoder_folder()
    base = AutoModel.from_pretrained(str(folder), use_safetensors=True)
    encoder = PeftModel.from_pretrained(base, str(shipped)).eval()
    heads, tokenizer = load_file(str(shipped / tagger.HEADS_FILE)), tagging.load_tokenizer(folder)
    texts = [original.text for original in corpus.read(corpus.SEED / "ordinary" / "dev")][:40]
    same = []
    for text, reading in zip(texts, served.read(texts), strict=True):
        tokens = tagging.tokenize(tokenizer, text)
        ids = [tokenizer.token_to_id("[CLS]"), *tokens.ids, tokenizer.token_to_id("[SEP]")]
        with torch.inference_mode():
            states = encoder(input_ids=torch.tensor([ids])).last_hidden_state[0, 1:-1]
        parts = segments.split(text)
        for part, (role, _) in zip(parts, reading.parts(parts), strict=True):
            state = states[torch.from_numpy(np.asarray(tokens.at(part.start, part.end)))].mean(0)
            logits = heads["role.weight"] @ state + heads["role.bias"]
            same.append(tagging.ROLES[int(logits.argmax())] == role)
    assert sum(same) / len(same) > 0.95

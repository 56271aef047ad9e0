import math

import pytest

from models import fluency


def test_an_untrained_model_finds_every_text_as_unlikely_as_its_vocabulary(tiny_version):
    nats = fluency.log_perplexity(
        tiny_version, ["Fix it today.", "Could you please look at this?", "Fix it today."]
    )
    assert nats[0] == nats[2]
    assert nats == pytest.approx([math.log(512)] * 3, rel=0.1)


def test_no_text_has_no_surprise(tiny_version):
    assert fluency.log_perplexity(tiny_version, ["", "  "]) == [0.0, 0.0]


def test_the_quantised_weights_say_what_the_unquantised_do(tiny_version):
    import torch

    from models import loading

    text = "This is broken again."
    tokenizer = loading.load_tokenizer(tiny_version / "transformers")
    ids = torch.tensor([tokenizer.encode(f"\n{text}", add_special_tokens=False)])  # (1, tokens)
    with torch.inference_mode():
        logits = loading.load_model(tiny_version / "transformers").eval()(ids).logits[0, :-1]
    nats = torch.nn.functional.cross_entropy(logits, ids[0, 1:]).item()
    assert fluency.log_perplexity(tiny_version, [text]) == pytest.approx([nats], rel=0.01)

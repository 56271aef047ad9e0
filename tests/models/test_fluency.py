import math

import pytest

from models import export, fluency


@pytest.fixture(scope="module")
def version(tiny_base, tmp_path_factory):
    return export.base_version(str(tiny_base), tmp_path_factory.mktemp("fluency") / "base-version")


def test_an_untrained_model_finds_every_text_as_unlikely_as_its_vocabulary(version):
    nats = fluency.log_perplexity(
        version, ["Fix it today.", "Could you please look at this?", "Fix it today."]
    )
    assert nats[0] == nats[2]
    assert nats == pytest.approx([math.log(512)] * 3, rel=0.1)


def test_no_text_has_no_surprise(version):
    assert fluency.log_perplexity(version, ["", "  "]) == [0.0, 0.0]


def test_the_quantised_weights_say_what_the_unquantised_do(version):
    import torch

    from models import loading

    text = "This is broken again."
    tokenizer = loading.load_tokenizer(version / "transformers")
    ids = torch.tensor([tokenizer.encode(f"\n{text}", add_special_tokens=False)])  # (1, tokens)
    with torch.inference_mode():
        logits = loading.load_model(version / "transformers").eval()(ids).logits[0, :-1]
    nats = torch.nn.functional.cross_entropy(logits, ids[0, 1:]).item()
    assert fluency.log_perplexity(version, [text]) == pytest.approx([nats], rel=0.01)


def test_a_base_version_is_made_once(tiny_base, version):
    made = (version / "version.json").stat().st_mtime_ns
    assert export.base_version(str(tiny_base), version) == version
    assert (version / "version.json").stat().st_mtime_ns == made

"""Fixtures of the stages that learn from what people chose or marked."""

import contextlib

import pytest

from data.records import Label, PreferencePair, TransformType


@pytest.fixture
def snapshot(tmp_path):
    """Twenty messages, each with a courteous and a blunt rewrite: as pairs, and as labels."""
    pairs, labels = [], []
    for i in range(100, 120):
        about = {
            "text": f"Fix PAY-{i} today.",
            "transform_type": TransformType.SOFTEN,
            "intensity": 2,
            "split": "validation" if i % 4 == 0 else "train",
        }
        kind, blunt = f"Could you please look at PAY-{i} today?", f"Fix PAY-{i}. It is broken again."
        pairs.append(
            PreferencePair(**about, chosen=kind, rejected=blunt, chosen_version="v1", rejected_version="v2")
        )
        labels += [
            Label(**about, rewrite=kind, good=True, version="v1"),
            Label(**about, rewrite=blunt, good=False, version="v2"),
        ]
    folder = tmp_path / "snapshot"
    folder.mkdir()
    for name, rows in {"pairs": pairs, "labels": labels}.items():
        (folder / f"{name}.jsonl").write_text("\n".join(row.model_dump_json() for row in rows))
    return folder


@pytest.fixture
def adapter(tiny_base, tmp_path):
    """A fresh adapter with weights that are not zero, as SFT would leave it."""
    import torch
    from peft import LoraConfig, get_peft_model

    from models import loading

    torch.manual_seed(0)
    model = get_peft_model(
        loading.load_model(tiny_base),
        LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False),
    )
    model.save_pretrained(tmp_path / "sft")
    return tmp_path / "sft"


@pytest.fixture
def killed_at():
    """`with killed_at(trainer, step): main(config)`: a trainer's training dies at a step."""

    class Killed(BaseException):
        pass

    @contextlib.contextmanager
    def killed(trainer, step):
        honest = trainer.training_step

        def dies(self, *args, **kwargs):
            if self.state.global_step == step:
                raise Killed
            return honest(self, *args, **kwargs)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(trainer, "training_step", dies)
            with pytest.raises(Killed):
                yield

    return killed

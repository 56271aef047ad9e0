import re
from collections import Counter

import pytest
import torch
from safetensors.torch import load_file

from data import corpus
from data.corpus import ReadRewrite
from data.records import Demonstration, TransformType
from data.snapshots import shards
from models import examples, gate, grpo, loading, reward, sft
from models.grpo import GrpoConfig, GrpoResult
from models.reward import RewardConfig
from models.sft import SftConfig
from models.validity import InvalidJudgeError

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")

ASKED = {"transform_type": ["soften"] * 3, "intensity": [2] * 3}
MESSAGE = "Fix PAY-7 today. It is broken again."
KIND = "Could you please look at PAY-7 today? It is broken again."


@pytest.fixture(scope="module")
def tuned(tiny_base, tmp_path_factory):
    """A tiny model that ends what it says: half of it courteous, half blunt."""
    folder = tmp_path_factory.mktemp("tuned")
    rows = [
        Demonstration(
            text=f"Fix PAY-{i} today.",
            transform_type=TransformType.SOFTEN,
            intensity=2,
            rewrite=f"Could you please look at PAY-{i} today?"
            if i % 2
            else f"Fix PAY-{i}. It is broken again.",
            split="validation" if i % 5 == 0 else "train",
        )
        for i in range(100, 140)
    ]
    shards.write(folder, rows)
    result = sft.main(
        SftConfig(
            base=str(tiny_base),
            seed_folder=None,
            snapshots=(folder,),
            out=folder / "sft",
            checkpoints=folder / "checkpoints",
            steps=60,
            learning_rate=5e-3,
            lora_rank=0,
            bf16=False,
        )
    )
    return str(result.out)


@pytest.fixture
def config(tuned, snapshot, tmp_path):
    return GrpoConfig(
        base=tuned,
        adapter=None,
        reward=None,
        learned_weight=0,
        seed_folder=None,
        snapshots=(snapshot,),
        out=tmp_path / "grpo",
        checkpoints=tmp_path / "checkpoints",
        steps=6,
        learning_rate=1e-3,
        max_new_tokens=32,
        validation_prompts=4,
        guard_rewrites=20,
        evaluate_every_steps=6,
        checkpoint_every_steps=2,
        bf16=False,
        waive_validity=True,
    )


def test_every_prompt_is_asked_once(config):
    prompts = grpo.prompts(config)
    assert len(prompts) == 20
    assert {row.split for row in prompts} == {"train", "validation"}
    seeded = grpo.prompts(
        config.model_copy(update={"seed_folder": GrpoConfig.model_fields["seed_folder"].default})
    )
    assert len(seeded) == len(set(seeded)) > 1500


def test_training_goes_on_from_an_adapter_and_writes_one(config, tiny_base, adapter):
    untrained = {"base": str(tiny_base), "adapter": adapter, "max_new_tokens": 8, "healthy": {}}
    config = config.model_copy(update=untrained)
    result = grpo.main(config)
    assert (result.train_prompts, result.validation_prompts) == (15, 5)
    assert 0 <= result.held_out_reward <= 1
    assert result.history[0]["eval_kl"] == pytest.approx(0, abs=1e-4), "it starts as its reference"
    assert result.clipped_completions == 1, "an untrained model does not end"
    assert 0 <= result.guards["agreement"].before <= 1
    assert result.guards["facts_kept"].after == 0
    files = {file.name for file in config.out.iterdir()}
    assert files >= {"adapter_model.safetensors", "metrics.json", "loss.png"}
    assert "ref" not in files, "the reference is not part of the result"
    before, after = (load_file(f / "adapter_model.safetensors") for f in (adapter, config.out))
    assert before.keys() == after.keys()
    loading.load_model(config.base, config.out)


def test_the_rules_refuse_what_nobody_may_receive_and_a_copy():
    score = grpo.rules(masks=True)
    kind, copy, leaking = score(
        [
            KIND.replace("PAY-7", "TICKET1"),
            MESSAGE.replace("PAY-7", "TICKET1"),
            KIND.replace("PAY-7", "TICKET2"),
        ],
        text=[MESSAGE] * 3,
        **ASKED,
    )
    assert kind > copy == leaking == 0
    lost, empty, chatter = score(
        ["Could you please look?", " ", f"Sure, here is the message: {KIND}"], text=[MESSAGE] * 3, **ASKED
    )
    assert kind > lost >= empty == chatter == 0


def label_rewrites(folder, policy, usable, wrong, rows=60):
    """Labels of a policy's rewrites: readers find one kind usable and the other kind wrong."""
    folder.mkdir()
    labels = [
        ReadRewrite(
            id=f"{label}-{number:03}",
            message=f"message-{number:03}",
            system="policy",
            policy=policy,
            transform_type="soften",
            intensity=2,
            text=MESSAGE.replace("7", str(number)),
            rewrite=rewrite.replace("7", str(number)),
            first=label,
            second=label,
        )
        for number in range(100, 100 + rows)
        for label, rewrite in (("usable", usable), ("wrong", wrong))
    ]
    lines = [row.model_dump_json(exclude_none=True) for row in labels]
    (folder / "labels.jsonl").write_text("\n".join(lines))
    return folder


@pytest.mark.slow
def test_a_reward_that_no_reader_of_the_policy_agrees_with_trains_nothing(config, tmp_path):
    strict = config.model_copy(update={"waive_validity": False, "steps": 1})
    with pytest.raises(InvalidJudgeError, match="0 of them usable and 0 wrong"):
        grpo.main(strict)
    policy = loading.policy_digest(loading.base_folder(config.base), None)
    flattery = "Could you please have a look at the invoice of last Monday?"
    kept = label_rewrites(tmp_path / "kept", policy, usable=KIND, wrong=flattery)
    lost = label_rewrites(tmp_path / "lost", policy, usable=flattery, wrong=KIND)
    others = label_rewrites(tmp_path / "others", "of other weights", usable=KIND, wrong=flattery)
    for folder, words in ((lost, "with probability 0.00"), (others, "0 of them usable")):
        with pytest.raises(InvalidJudgeError, match=words):
            grpo.main(strict.model_copy(update={"labels_folder": folder}))
    assert not strict.out.exists()
    result = grpo.main(strict.model_copy(update={"labels_folder": kept}))
    assert result.validity.auc.mean == 1
    assert result.reasons == result.hacked


def test_a_run_whose_validity_was_waived_is_rejected(config):
    result = grpo.main(config.model_copy(update={"steps": 1}))
    assert result.reasons[0].code == "judge_unmeasured"


@pytest.mark.slow
def test_the_learned_reward_is_the_models_and_changes_the_run(config, tmp_path):
    trained = reward.main(
        RewardConfig(
            base=config.base,
            adapter=None,
            snapshots=config.snapshots,
            out=tmp_path / "reward",
            checkpoints=config.checkpoints,
            steps=4,
            lora_rank=0,
            bf16=False,
        )
    )
    model = reward.load(trained.out)
    score = grpo.learned(model, masks=False)
    rewrites = [KIND, MESSAGE, ""]
    rewards = score(rewrites, text=[MESSAGE] * 3, **ASKED)
    row = Demonstration(text=MESSAGE, transform_type=TransformType.SOFTEN, intensity=2, rewrite=KIND)
    assert rewards[0] == pytest.approx(torch.sigmoid(torch.tensor(model.score([row])[0])).item())
    assert rewards[2] == 0
    both = config.model_copy(update={"reward": trained.out, "learned_weight": 0.5, "steps": 2})
    result = grpo.main(both)
    assert result.digest != grpo.main(config.model_copy(update={"steps": 2})).digest
    last = result.history[-1]
    assert last["eval_reward"] == pytest.approx(
        last["eval_rewards/rules/mean"] + 0.5 * last["eval_rewards/learned/mean"], abs=1e-4
    )


def test_the_new_tokens_are_the_fewest_tens_that_cut_hardly_any_reference():
    """At most 1 % of the seed corpus' English rewrites, and 5 % of those of a type, by the real tokenizer."""
    tokens = examples.load_tokens(loading.base_folder(loading.PIP_MODEL))
    lengths = [
        (rewrite.transform_type, len(tokens.completion(rewrite.text)))
        for folder in ("train", "test", "ordinary/dev", "ordinary/test", "edits")
        for original in corpus.read(corpus.SEED / folder)
        if not re.search("[\u3040-\u30ff\u4e00-\u9fff]", original.text)  # kana, kanji
        for rewrite in original.rewrites
    ]
    rows = Counter(kind for kind, _ in lengths)
    assert len(lengths) > 5000
    assert set(rows) == set(TransformType)

    def cuts_few(limit):
        cut = Counter(kind for kind, length in lengths if length > limit)
        print(limit, cut.total() / len(lengths), {kind.value: cut[kind] / rows[kind] for kind in rows})
        return cut.total() <= 0.01 * len(lengths) and all(cut[kind] <= 0.05 * rows[kind] for kind in rows)

    limit = GrpoConfig().max_new_tokens
    assert limit % 10 == 0
    assert cuts_few(limit)
    assert not cuts_few(limit - 10)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"batch_size": 6, "generations": 4}, "no multiple of generations=4: set it to"),
        ({"learned_weight": 0.5}, "go together"),
        ({"rule_weight": 0}, "nothing is rewarded"),
    ],
)
def test_what_cannot_be_is_refused(config, wrong, words):
    with pytest.raises(ValueError, match=words):
        GrpoConfig(**config.model_dump() | wrong)


def test_a_reward_that_rose_while_facts_or_agreement_fell_is_hacked(config):
    result = grpo.main(config.model_copy(update={"steps": 2}))
    still = grpo.Change(before=0.9, after=0.9, mean=0.0, low=-0.05, high=0.05)
    fallen = grpo.Change(before=0.9, after=0.6, mean=-0.3, low=-0.4, high=-0.2)
    assert result.guards.keys() == gate.GUARDS.keys()
    risen = {"reward_change": still.model_copy(update={"mean": 0.2, "low": 0.1, "high": 0.3})}
    kept = dict.fromkeys(result.guards, still)
    assert result.model_copy(update=risen | {"guards": kept}).hacked == ()
    for name in ("facts_kept", "agreement"):
        [why] = result.model_copy(update=risen | {"guards": kept | {name: fallen}}).hacked
        assert (why.code, why.values["score"]) == ("reward_hacked_fell", name)


def test_a_policy_that_has_not_changed_has_changes_of_0(config):
    """A step too small to change a weight: the same requests and random numbers before and after it."""
    result = grpo.main(config.model_copy(update={"steps": 1, "learning_rate": 1e-30}))
    assert result.held_out_reward == result.held_out_reward_before
    for change in (result.reward_change, *result.guards.values()):
        assert change.low < change.mean == 0 < change.high, (
            "few messages do not show that nothing has changed"
        )


def test_the_figures_of_an_earlier_release_say_what_to_do(config):
    result = grpo.main(config.model_copy(update={"steps": 1}))
    figures = result.model_dump(mode="json", exclude={"guards", "reward_change"})
    assert GrpoResult.model_validate(result.model_dump(mode="json")) == result
    figures |= {"facts_kept_before": 0.9, "facts_kept": 0.9, "agreement_before": None, "agreement": None}
    with pytest.raises(ValueError, match="delete the run's folder `grpo` and start the run again"):
        GrpoResult.model_validate(figures)


def test_requests_of_one_message_are_one_unit():
    """Ten requests of two messages say as little as two."""
    texts = ["a"] * 5 + ["b"] * 5
    change = grpo.change_of(texts, [0.5] * 10, [0.4] * 5 + [0.8] * 5, seed=0)
    assert (change.before, change.after, change.mean) == pytest.approx((0.5, 0.6, 0.1))
    assert (change.low, change.high) == pytest.approx((-0.1, 0.3))


@pytest.mark.parametrize(("rows", "rewrites", "chosen"), [(3, 8, [0, 0, 1, 1, 2, 2]), (8, 3, [0, 2, 5])])
def test_the_rewrites_are_spread_over_the_held_out_requests(rows, rewrites, chosen):
    assert [row["i"] for row in grpo.spread([{"i": i} for i in range(rows)], rewrites)] == chosen


def test_a_run_at_another_temperature_starts_as_its_reference(config):
    """The reference has TRL's head, the policy ours: they agree when both divide by the temperature."""
    result = grpo.main(config.model_copy(update={"temperature": 0.7, "steps": 2}))
    assert result.history[0]["eval_kl"] == pytest.approx(0, abs=1e-4)

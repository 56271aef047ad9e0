from data.reasons import reason
from models import card
from models.results import Estimate, Evaluation, Verdict
from models.scoreboard import Scores

ONE = Estimate(mean=0.7, low=0.6, high=0.8)
WORSE = reason("gate_composite", mean=-0.1, low=-0.12, high=-0.08)
EVERY = dict.fromkeys(Scores.model_fields, ONE)


def found(accepted):
    return Evaluation(
        cases=168,
        systems={"challenger": {**EVERY, "monotone": ONE, "obeyed": ONE}, "reference": EVERY},
        by_type={"challenger": {"soften": EVERY}},
        move_by_intensity={"challenger": {str(i): ONE for i in range(4)}},
        win_rate=None,
        verdict=Verdict(accepted=accepted, reasons=() if accepted else (WORSE,)),
    )


def test_a_card_says_what_it_was_made_from_and_what_it_was_measured_at(tmp_path):
    origin = card.Origin(
        run="ab12", base="smollm2-135m", method="dpo", parent="v1", snapshot="cd34", counts={"pairs": 131}
    )
    card.write(tmp_path, origin, found(accepted=True))
    text = (tmp_path / "README.md").read_text()
    for phrase in (
        "ab12",
        "smollm2-135m",
        "dpo",
        "v1",
        "snapshot cd34 (131 pairs)",
        "168 held-out",
        "accepted",
    ):
        assert phrase in text
    rows = [line for line in text.splitlines() if line.startswith("| challenger")]
    assert rows[0].count("0.70 (0.60 to 0.80)") == 10
    assert "2.01 (1.82 to 2.23)" in rows[0], "perplexity, not its logarithm"
    reference = next(line for line in text.splitlines() if line.startswith("| reference"))
    assert reference.count("|") == rows[0].count("|"), "what was not measured is left empty"


def test_a_rejected_version_says_why():
    origin = card.Origin(run="ab12", base="b", method="sft", parent=None, snapshot=None, counts={})
    text = card.card(origin, found(accepted=False))
    assert "rejected: It is worse than the champion beyond noise: the composite changes by -0.100" in text
    assert "the bare base" in text

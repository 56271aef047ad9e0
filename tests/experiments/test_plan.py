"""A plan says in words what it asks."""

from experiments.plan import Plan


def test_a_plan_in_words_has_its_numbers() -> None:
    plan = Plan(ramp=(0.25, 1.0), window_hours=48, harm_margin=0.04, guardrails={"latency_p95": 300.0})
    text = " ".join(plan.describe())
    for part in (
        "at most 3 votes of a person", "25%, 100% of the users", "within 48 hours", "0.04 in satisfaction",
        "300 in latency p95", "95.0% one-sided", "after 28 days", "at 95% confidence",
    ):  # fmt: skip
        assert part in text
    assert "top_two" not in text
    assert "top_two" in " ".join(Plan(allocation="top_two").describe())

"""What a run in MLflow has of a plan."""

import json

from experiments import plan
from experiments.own_metrics import Definitions
from pipelines import tracking

OWN = Definitions.model_validate(
    {
        "metrics": {
            f"own_{number}": {"kind": "mean", "of": f"votes + {number}", "better": "higher", "says": "x"}
            for number in range(40)
        },
        "segments": {"voted_before": "before_votes > 0"},
    }
)


def test_many_own_metrics_fit_into_one_batch_of_parameters() -> None:
    planned = plan.with_changes({"guardrails": {"own_1": 0.1}}, OWN)
    parameters = dict(tracking.list_parameters(planned.model_dump(mode="json")))
    assert len(parameters) <= 100, "MLflow's limit"
    assert json.loads(parameters["own_metrics.own_3"])["of"] == "votes + 3"
    assert parameters["guardrails.own_1"] == 0.1
    assert parameters["own_segments.voted_before"] == "before_votes > 0"


def test_a_plan_of_an_earlier_release_has_no_own_metrics() -> None:
    assert dict(tracking.list_parameters({"primary": "liked", "guardrails": {"failed": 0.1}})) == {
        "primary": "liked",
        "guardrails.failed": 0.1,
    }

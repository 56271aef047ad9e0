import subprocess
import sys

from models import scoreboard
from models.results import Estimate, Evaluation, perplexity

# An evaluation as files had it before win rates by reward and judges were measured.
EARLIER = """{
 "cases": 2,
 "systems": {"challenger": {"facts_kept": {"mean": 0.9, "low": 0.8, "high": 1.0}}},
 "by_type": {"challenger": {"soften": {"facts_kept": {"mean": 0.9, "low": 0.8, "high": 1.0}}}},
 "move_by_intensity": {},
 "win_rate": null,
 "verdict": {"accepted": false, "reasons": ["it is worse"]}
}"""


def test_the_results_need_neither_torch_nor_transformers_nor_mlflow():
    code = "import sys, models.results; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert {"models", "pydantic"} <= loaded
    assert loaded.isdisjoint({"torch", "transformers", "mlflow", "numpy", "scipy"})


def test_an_earlier_file_is_still_read():
    evaluation = Evaluation.model_validate_json(EARLIER)
    assert evaluation.systems["challenger"]["facts_kept"] == Estimate(mean=0.9, low=0.8, high=1.0)
    assert (evaluation.win_rate_by_reward, evaluation.judged) == (None, None)
    assert Evaluation.model_validate_json(evaluation.model_dump_json()) == evaluation


def test_perplexity_is_the_exponential_of_its_logarithm():
    log = scoreboard.estimate([0.0, 2.0, 4.0])
    assert perplexity(log).low <= perplexity(log).mean <= perplexity(log).high
    assert perplexity(Estimate(mean=0.0, low=0.0, high=0.0)) == Estimate(mean=1.0, low=1.0, high=1.0)

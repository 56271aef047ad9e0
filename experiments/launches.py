"""Online control of the false discovery rate: the level at which each new challenger is tested."""

from collections.abc import Sequence

from online_fdr.core.utils.sequence import DefaultSaffronGammaSequence
from online_fdr.p_values import LordPlusPlus

# The gamma sequence spends most of the alpha wealth on the next few launches, since here only a few launches
# follow each other before one is shipped. The library's default for LORD++ spreads it over hundreds.
_DECAY, _NORM = 1.6, 0.4374901658  # gamma_j = _NORM * j^-1.6, which sums to 1


def alpha_of_next(shipped: Sequence[bool], rate: float) -> float:
    """The level at which to test the next launch. With it, the expected share of shipped challengers that are
    no better than what they replace is at most `rate`. `shipped` has the earlier launches in order: true for
    one that its evidence supported at its own level.

    LORD++ of Ramdas, Yang, Wainwright and Jordan, "Online control of the false discovery rate with decaying
    memory" (NeurIPS 2017), with half of the rate as initial wealth. It requires that each test is valid given
    the earlier ones. An anytime-valid test is, whatever analysis stopped it.
    """
    test = LordPlusPlus(alpha=rate, wealth=rate / 2)
    test.seq = DefaultSaffronGammaSequence(_DECAY, _NORM)  # type: ignore[assignment]
    for is_discovery in shipped:
        test.test_one(0.0 if is_discovery else 1.0)
    test.test_one(1.0)
    assert test.last_test_level is not None
    return test.last_test_level

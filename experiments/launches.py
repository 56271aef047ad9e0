"""Challengers come night after night, and each is tested: how much chance of a wrong find each may spend."""

from collections.abc import Sequence

from online_fdr.core.utils.sequence import DefaultSaffronGammaSequence
from online_fdr.p_values import LordPlusPlus

# How the wealth is spent: mostly on the next few launches, as few follow each other here before one is
# shipped. The library's own default for LORD++ spreads it over hundreds.
_DECAY, _NORM = 1.6, 0.4374901658  # j^-1.6, whose sum is 1


def alpha_of_next(shipped: Sequence[bool], rate: float) -> float:
    """The level at which the next launch is tested, so that of all that are ever shipped the expected share
    that is no better than what it replaces is at most `rate`. `shipped` are the earlier ones, in order: true
    when its evidence was found at its own level.

    LORD++ of Ramdas, Yang, Wainwright and Jordan, "Online control of the false discovery rate with decaying
    memory" (NeurIPS 2017), which starts with half of the rate. It asks that each test is valid whatever came
    before; an anytime-valid one is, at whatever look it was stopped.
    """
    test = LordPlusPlus(alpha=rate, wealth=rate / 2)
    test.seq = DefaultSaffronGammaSequence(_DECAY, _NORM)  # type: ignore[assignment]
    for found in shipped:
        test.test_one(0.0 if found else 1.0)
    test.test_one(1.0)
    assert test.last_test_level is not None
    return test.last_test_level

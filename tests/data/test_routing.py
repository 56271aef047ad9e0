from data.records import Protection, Spec
from data.routing import Routing


def test_the_samples_that_people_compare_are_masked_but_not_written_again():
    champion = Spec(version="v1", protection=Protection(masks=True, retries=5, always=True))
    sampled = Routing(champion=champion).sampled
    assert sampled.protection == Protection(masks=True)
    assert sampled.temperature > 0
    assert {champion.digest, sampled.digest} == set(Routing(champion=champion).specs())

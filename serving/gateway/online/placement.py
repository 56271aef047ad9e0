"""Which arm answers a message: the arm of the running experiment that includes the person and targets the
message.

Each person is assigned once an epoch; their arms are kept with them.
"""

import time
import uuid
from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec

from data.records import Spec, TransformType
from data.terms import NO_TERMS, Excerpt, Terms
from data.traffic import receipts
from data.traffic.answers import Person, Placement
from data.traffic.routing import Routing, Split, Target
from experiments.assignment import assign, position
from serving.breaker import Breaker

CHAMPION = "champion"  # the variant of people in no experiment
_FAILURES, _WITHIN_S = 5, 10.0  # of an arm, while the champion answered: they open its breaker
_OPEN_S = 10.0  # until a message tries the arm again; if that fails, its person waits for the champion, too


class Message(NamedTuple):
    """What to rewrite, and for whom: `external_id` is the caller's name for the person, if they gave one.
    `excerpt` has the terms of the dictionaries that apply.
    """

    text: str
    transform_type: TransformType
    intensity: int
    external_id: str | None
    locale: str | None = None
    channel: str | None = None
    excerpt: Excerpt = NO_TERMS


class Arm(Placement):
    """A placement, the spec that answers in it, and the bytes that it adds to receipts and answers.

    `breaker` is None for the champion's spec and for testers; the version of an open breaker is not called.
    """

    __slots__ = ("breaker", "digest", "json", "placed_part", "spec", "variant_part")

    def __init__(
        self,
        experiment_id: uuid.UUID | None,
        variant: str,
        epoch: int,
        spec: Spec,
        breaker: Breaker | None = None,
    ) -> None:
        super().__init__(experiment_id, variant, epoch)
        self.breaker = breaker
        self.spec, self.digest = spec, spec.digest
        self.placed_part = receipts.pack_placement(experiment_id, epoch)
        self.variant_part = receipts.pack_name(variant)
        self.json = msgspec.json.encode(variant)


class PlacedPerson(Person):
    """A person with their arms in the newest epoch that they were seen in, and with the terms that apply to
    them as of a revision of the dictionaries; None for no terms.
    """

    __slots__ = ("epoch", "exposed_arms", "is_exposure_unknown", "places", "terms", "terms_revision")

    def __init__(self, id: uuid.UUID, organisation_id: uuid.UUID, key_id: str | None, external_id: str):
        super().__init__(id, organisation_id, key_id, external_id)
        self.epoch = -1
        self.places: list[tuple[Target | None, Arm]] = []  # without a target: for any message
        self.exposed_arms: dict[uuid.UUID, str] = {}  # by experiment: whatever its weights become
        self.terms: Terms | None = None
        self.terms_revision = -2  # of no dictionary
        self.is_exposure_unknown = False  # True: Postgres may know an arm of theirs that is not known here

    def arm(self, message: Message) -> Arm | None:
        """The arm that answers a message of this person; None outside all experiments."""
        for target, arm in self.places:
            if target is None or target.covers(
                self.organisation_id, message.transform_type, message.locale, message.channel
            ):
                return arm
        return None


class _Experiment:
    """A running experiment with its arms."""

    def __init__(self, number: int, split: Split, champion: Spec, clock: Callable[[], float]) -> None:
        self.id, self.split = split.experiment_id, split
        self.target = None if split.target == Target() else split.target
        self._weights = [(arm.name, arm.weight) for arm in split.arms]
        self._arms = {
            arm.name: Arm(
                self.id,
                arm.name,
                split.epoch,
                arm.spec,
                Breaker(_FAILURES, _OPEN_S, clock, _WITHIN_S) if arm.spec != champion else None,
            )
            for arm in split.arms
        }
        # Testers get their arm's answers and count in no arm. Without a breaker they see whether the version
        # works again.
        self._tester_arms = {arm.name: Arm(None, arm.name, number, arm.spec) for arm in split.arms}

    @property
    def open_breakers(self) -> int:
        """Arms whose breaker is open."""
        return sum(arm.breaker is not None and arm.breaker.is_open for arm in self._arms.values())

    def arm(self, person: PlacedPerson) -> Arm | None:
        """The arm that a person is in, None outside the experiment."""
        split = self.split
        if person.id in split.testers:
            return self._tester_arms[split.testers[person.id]]
        unit = person.id if split.unit == "user" else person.organisation_id
        if not split.slots[0] <= position(split.layer, unit) < split.open_until:
            return None
        return self._arms[person.exposed_arms.get(self.id) or assign(split.salt, unit, self._weights)]


class RoutingEpoch:
    """A routing with its experiments, made once an epoch. `clock` gives the arms' breakers the time in
    seconds.
    """

    def __init__(self, number: int, routing: Routing, clock: Callable[[], float] = time.monotonic) -> None:
        self.number, self.routing = number, routing
        self.champion = Arm(None, CHAMPION, number, routing.champion)
        self._experiments = [
            _Experiment(number, split, routing.champion, clock) for split in routing.experiments
        ]
        self._reweighted = {split.experiment_id for split in routing.experiments if split.is_reweighted}

    @property
    def open_breakers(self) -> int:
        """Arms of all experiments whose breaker is open."""
        return sum(experiment.open_breakers for experiment in self._experiments)

    def place(self, person: PlacedPerson) -> None:
        """Put a person into their arms."""
        arms = ((experiment.target, experiment.arm(person)) for experiment in self._experiments)
        person.places = [(target, arm) for target, arm in arms if arm is not None]
        own = {arm.experiment_id for _, arm in person.places}
        person.exposed_arms = {id: arm for id, arm in person.exposed_arms.items() if id in own}
        person.is_exposure_unknown = not self._reweighted.isdisjoint(own - person.exposed_arms.keys())
        person.epoch = self.number

    def place_with_exposures(self, person: PlacedPerson, exposures: Mapping[uuid.UUID, str]) -> None:
        """Put a person into their arms, given the arms by experiment that Postgres has for them. In all other
        experiments the weights of this epoch decide, as long as it lasts, even if the person was exposed to
        none.
        """
        person.exposed_arms |= exposures
        self.place(person)
        person.is_exposure_unknown = False

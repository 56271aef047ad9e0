"""Which arm answers a message: that of the experiment in force which its person is in and which is about it.

Whom assignment puts where is found once an epoch for each person, and kept with them.
"""

import uuid
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from data.records import Spec, TransformType
from data.traffic import receipts
from data.traffic.answers import Person, Placement
from data.traffic.routing import Routing, Split, Target
from experiments.assignment import assign, position
from serving.breaker import Breaker

CHAMPION = "champion"  # the variant of whoever is in no experiment
_FAILURES, _WITHIN_S = 5, 10.0  # of an arm, while the champion answered, after which it is left alone
_OPEN_S = 10.0  # until somebody's message tries it again: they wait for it, and then for the champion


class Message(NamedTuple):
    """What to rewrite, and for whom: a name that the caller gives, or nobody in particular."""

    text: str
    transform_type: TransformType
    intensity: int
    external_id: str | None
    locale: str | None = None
    channel: str | None = None


class Arm(Placement):
    """A placement with what it means: the spec that answers, and its parts of receipts and answers.

    Of an experiment's arm that is not the champion's spec, `breaker` says whether it is left alone.
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
        self.placed_part = receipts.placed_part(experiment_id, epoch)
        self.variant_part = receipts.name_part(variant)
        self.json = msgspec.json.encode(variant)


class PlacedPerson(Person):
    """A person with their arms in the newest epoch that they were seen in."""

    __slots__ = ("epoch", "exposed_arms", "is_exposure_unknown", "places")

    def __init__(self, id: uuid.UUID, organisation_id: uuid.UUID, key_id: str | None, external_id: str):
        super().__init__(id, organisation_id, key_id, external_id)
        self.epoch = -1
        self.places: list[tuple[Target | None, Arm]] = []  # without a target: for any message
        self.exposed_arms: dict[uuid.UUID, str] = {}  # by experiment: whatever its weights become
        self.is_exposure_unknown = False  # whether they may have been given an arm that only Postgres knows

    def arm(self, message: Message) -> Arm | None:
        """What answers a message of theirs, None outside all experiments."""
        for target, arm in self.places:
            if target is None or target.takes(
                self.organisation_id, message.transform_type, message.locale, message.channel
            ):
                return arm
        return None


class _Experiment:
    """A running experiment with its arms."""

    def __init__(self, number: int, split: Split, champion: Spec) -> None:
        self.id, self.split = split.experiment_id, split
        self.target = None if split.target == Target() else split.target
        self._weights = [(arm.name, arm.weight) for arm in split.arms]
        self._arms = {
            arm.name: Arm(
                self.id,
                arm.name,
                split.epoch,
                arm.spec,
                Breaker(_FAILURES, _OPEN_S, within_s=_WITHIN_S) if arm.spec != champion else None,
            )
            for arm in split.arms
        }
        # Testers are answered as their arm answers, and counted in none. It has no breaker: whoever looks
        # whether it is well again wants to see.
        self._tried = {arm.name: Arm(None, arm.name, number, arm.spec) for arm in split.arms}

    @property
    def open_breakers(self) -> int:
        """Arms whose breaker is open."""
        return sum(arm.breaker is not None and arm.breaker.is_open for arm in self._arms.values())

    def arm(self, person: PlacedPerson) -> Arm | None:
        """The arm that a person is in, None outside the experiment."""
        split = self.split
        if person.id in split.testers:
            return self._tried[split.testers[person.id]]
        unit = person.id if split.unit == "user" else person.organisation_id
        if not split.slots[0] <= position(split.layer, unit) < split.open_until:
            return None
        return self._arms[person.exposed_arms.get(self.id) or assign(split.salt, unit, self._weights)]


class RoutingEpoch:
    """A routing with its experiments, made once an epoch."""

    def __init__(self, number: int, routing: Routing) -> None:
        self.number, self.routing = number, routing
        self.champion = Arm(None, CHAMPION, number, routing.champion)
        self._experiments = [_Experiment(number, split, routing.champion) for split in routing.experiments]
        self._reweighted = {one.experiment_id for one in routing.experiments if one.is_reweighted}

    @property
    def open_breakers(self) -> int:
        """Arms of all experiments whose breaker is open."""
        return sum(one.open_breakers for one in self._experiments)

    def place(self, person: PlacedPerson) -> None:
        """Put a person into their arms."""
        found = ((one.target, one.arm(person)) for one in self._experiments)
        person.places = [(target, arm) for target, arm in found if arm is not None]
        mine = {arm.experiment_id for _, arm in person.places}
        person.exposed_arms = {one: arm for one, arm in person.exposed_arms.items() if one in mine}
        person.is_exposure_unknown = not self._reweighted.isdisjoint(mine - person.exposed_arms.keys())
        person.epoch = self.number

    def place_with_exposures(self, person: PlacedPerson, given: Mapping[uuid.UUID, str]) -> None:
        """Put a person into their arms, who was exposed to these by experiment, as Postgres has it. Elsewhere
        the weights of this epoch hold, as long as it lasts: the person may be exposed by none of them.
        """
        person.exposed_arms |= given
        self.place(person)
        person.is_exposure_unknown = False

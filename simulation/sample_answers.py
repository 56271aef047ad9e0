"""How the people of the sample are answered, and how they vote, as rows of tables.

Rewrites, arms and votes come from the code of the real system: the rules and the edit writer, the gateway's
assignment, and the simulated people. Latencies, cache hits and failures are drawn. Ids are UUIDv7 of the
rows' times, so the same visits give the same rows.
"""

import json
import random
import uuid
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache, partial
from hashlib import blake2b
from typing import Any, NamedTuple

from rapidfuzz.distance import Levenshtein

from data.people.identities import Identity
from data.reasons import reason
from data.records import Spec
from data.traffic import comparisons, evidence_messages
from data.traffic.comparisons import Opponents
from data.traffic.routing import Live, Routing
from models import facts, rules
from serving.gateway.online.placement import Arm, Message, PlacedPerson, RoutingEpoch
from serving.inference.client import Item, Rewritten
from simulation import simulated_people
from simulation.sample_traffic import SampleConfig, Visit
from simulation.simulated_people import PeopleConfig, PlannedRequest
from simulation.taste import Request

_LOCALES = {"en-GB": 0.4, "en-US": 0.3, "en-IN": 0.1, "de-DE": 0.1, None: 0.1}
_CHANNELS = {"chat": 0.55, "mail": 0.3, "ticket": 0.15}
_REFUSES_TRAINING = 0.04  # share of the people
_FAILED, _FELL_BACK = 0.003, 0.006  # shares of the requests, and of the challenger's
_MEDIAN_MS = {"text": 14.0, "edits": 60.0}  # of a rewrite, by form
_L1, _L2 = timedelta(minutes=5), timedelta(hours=24)  # how long the gateway's caches keep an output
_PAIRS = 2  # that a person judges on a visit to the page of comparisons
_FIRST_TRY = 10**6  # number of the first request about which a pair is made
_TRIES = 4  # messages, until one has two different rewrites (`serving.gateway.routes.comparisons`)


class Rewriter:
    """Rewrites by the rules and by the edit writer. It keeps what it has written."""

    def __init__(self, generate: Callable[[Spec, Sequence[Item]], Sequence[Rewritten]]) -> None:
        """`generate` is that of the engine of versions that edit."""
        self._generate = generate
        self._written: dict[tuple[str, Request], Rewritten] = {}
        self._sampled: dict[tuple[str, Request], tuple[Rewritten, Rewritten]] = {}

    def rewrite(self, spec: Spec, request: Request) -> Rewritten:
        """The version's rewrite of a request."""
        key = (spec.digest, request)
        if key not in self._written:
            if spec.form == "edits":
                (self._written[key],) = self._generate(spec, [_make_item(request, None)])
            else:
                self._written[key] = _rewrite_by_rules(request)
        return self._written[key]

    def sample_two(self, spec: Spec, request: Request) -> tuple[Rewritten, Rewritten]:
        """Two samples of the version for a request, drawn together. The request sets the seed, so all people
        who compare it see the same two texts.
        """
        if spec.form != "edits":
            return (self.rewrite(spec, request),) * 2
        key = (spec.digest, request)
        if key not in self._sampled:
            item = _make_item(request, draw_seed(request))
            first, second = self._generate(spec, [item, item])
            self._sampled[key] = first, second
        return self._sampled[key]


def draw_seed(request: Request) -> int:
    """The seed of the two samples for a request: a hash of it."""
    words = f"{request.transform_type}\0{request.intensity}\0{request.text}"
    return int.from_bytes(blake2b(words.encode(), digest_size=4).digest()) >> 1


def _make_item(request: Request, seed: int | None) -> Item:
    return Item(
        text=request.text, transform_type=request.transform_type, intensity=request.intensity, seed=seed
    )


def _rewrite_by_rules(request: Request) -> Rewritten:
    text = rules.rewrite(request.text, request.transform_type, request.intensity)
    nothing = reason("unchanged_nothing_to_do", transform_type=request.transform_type.value)
    return Rewritten(
        text=text,
        facts_missing=facts.missing(request.text, text),
        tokens=0,
        finished=True,
        unchanged=nothing if text == request.text else None,
    )


class Cached(NamedTuple):
    """An output in the gateway's caches."""

    id: uuid.UUID
    text: str
    made_at: datetime
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class Rows:
    """New rows by table, with the columns of `COLUMNS`."""

    users: list[tuple[Any, ...]] = field(default_factory=list)
    outputs: list[tuple[Any, ...]] = field(default_factory=list)
    answers: list[tuple[Any, ...]] = field(default_factory=list)
    exposures: list[tuple[Any, ...]] = field(default_factory=list)
    failures: list[tuple[Any, ...]] = field(default_factory=list)
    comparisons: list[tuple[Any, ...]] = field(default_factory=list)
    feedback: list[tuple[Any, ...]] = field(default_factory=list)


# In an order in which rows come after those that they name.
COLUMNS: Mapping[str, str] = {
    "users": "id, organisation_id, key_id, external_id, consents_to_training, created_at",
    "outputs": "id, organisation_id, message, transform_type, intensity, text, facts_missing, unchanged,"
    " spec_digest, version, seed, upstream_ms, prompt_tokens, tokens, cost_usd, created_at",
    "answers": "id, output_id, organisation_id, user_id, experiment_id, variant, epoch, cache, fell_back,"
    " total_ms, locale, channel",
    "exposures": "experiment_id, user_id, variant, epoch, organisation_id, answer_id, exposed_at",
    "failures": "id, experiment_id, variant, epoch, organisation_id, user_id, failures",
    "comparisons": "id, organisation_id, user_id, policy, first_output_id, second_output_id, pair_id,"
    " people, skipped_at, created_at",
    "feedback": "id, organisation_id, user_id, output_id, kind, thumb_up, rating, text, edit_distance,"
    " comparison_id, preferred_output_id, experiment_id, variant, epoch, created_at, updated_at",
}


def make_id(moment: datetime, rng: random.Random) -> uuid.UUID:
    """A UUIDv7 of a moment (RFC 9562, 5.7), with the bits of `rng`."""
    milliseconds = int(moment.timestamp() * 1000)
    head = milliseconds << 80 | 0x7 << 76 | rng.getrandbits(12) << 64
    return uuid.UUID(int=head | 0x2 << 62 | rng.getrandbits(62))


class Pair(NamedTuple):
    """Two outputs of one request that a person has compared on the page, and with how many others."""

    id: uuid.UUID
    policy: comparisons.Policy
    request: Request
    outputs: tuple[tuple[uuid.UUID, str], tuple[uuid.UUID, str]]  # id and text
    versions: frozenset[str]
    people: int


class _Turn(NamedTuple):
    """A visit while it is answered: at a moment, under a routing. `rng` draws what chance decides."""

    rows: Rows
    epoch: RoutingEpoch
    visit: Visit
    at: datetime
    person: PlacedPerson
    rng: random.Random

    def make_id(self) -> uuid.UUID:
        """An id of the moment."""
        return make_id(self.at, self.rng)


class Gateway:
    """Answers visits by the routing in force, as the gateway does, and lets the people vote; until the end of
    the traffic, since later votes are not there yet.
    """

    def __init__(
        self,
        config: SampleConfig,
        people: PeopleConfig,
        identity: Identity,
        rewriter: Rewriter,
        until: datetime,
    ) -> None:
        self._config, self._people, self._identity = config, people, identity
        self._rewriter, self._until = rewriter, until
        self._compare_config = comparisons.load()
        self._is_for_evidence = cache(
            partial(evidence_messages.is_for_evidence, share=self._compare_config.evidence_share)
        )
        self._placed: dict[str, PlacedPerson] = {}
        self._habits: dict[str, tuple[str | None, str]] = {}  # locale and channel
        self._cache: dict[tuple[str, Request], Cached] = {}
        self._voted: set[tuple[uuid.UUID, uuid.UUID, str]] = set()
        self._judges: dict[Pair, int] = {}  # the number of people who have judged a pair
        self._compared: defaultdict[uuid.UUID, set[str]] = defaultdict(set)  # messages by person

    def answer(self, live: Live, visits: Sequence[Visit]) -> Rows:
        """The rows of these visits under a routing."""
        epoch, rows = RoutingEpoch(*live), Rows()
        for visit in visits:
            planned = simulated_people.plan_request(self._people, visit.person, visit.number, visit.messages)
            rng = random.Random(f"{planned.seed}:rows")
            person = self._find_person(rows, visit, rng)
            if person.epoch != epoch.number:
                epoch.place(person)
            turn = _Turn(rows, epoch, visit, visit.at, person, rng)
            if not (planned.compares and self._compare(turn)):
                self._transform(turn, planned)
        return rows

    def _find_person(self, rows: Rows, visit: Visit, rng: random.Random) -> PlacedPerson:
        name = visit.person.name
        if name not in self._placed:
            me = self._identity
            person = PlacedPerson(me.user(name), me.organisation_id, me.key_id, name)
            self._placed[name] = person
            (locale,) = rng.choices(list(_LOCALES), list(_LOCALES.values()))
            (channel,) = rng.choices(list(_CHANNELS), list(_CHANNELS.values()))
            self._habits[name] = locale, channel
            consent = False if rng.random() < _REFUSES_TRAINING else None
            rows.users.append((person.id, me.organisation_id, me.key_id, name, consent, visit.at))
        return self._placed[name]

    # --- one rewrite ------------------------------------------------------------------------------------

    def _transform(self, turn: _Turn, planned: PlannedRequest) -> None:
        """Answer a request, or let it fail; then the person may vote."""
        request, person, rng = planned.request, turn.person, turn.rng
        habits = self._habits[planned.person.name]
        message = Message(
            request.text, request.transform_type, request.intensity, person.external_id, *habits
        )
        arm = person.arm(message) or turn.epoch.champion
        answer_id, placement = turn.make_id(), (arm.experiment_id, arm.variant, arm.epoch)
        is_failed, fell_back = rng.random() < _FAILED, rng.random() < _FELL_BACK
        self._expose(turn, arm, answer_id)
        if is_failed:
            if arm.experiment_id is not None:
                ids = (person.organisation_id, person.id)
                turn.rows.failures.append((answer_id, *placement, *ids, 1))
            return
        champion = turn.epoch.routing.champion
        fell_back = fell_back and arm.spec != champion
        output, level, service_ms = self._find_output(turn, champion if fell_back else arm.spec, request)
        total_ms = round(service_ms + rng.lognormvariate(1.0, 0.4), 3)
        turn.rows.answers.append(
            (
                *(answer_id, output.id, person.organisation_id, person.id, *placement),
                *(level, fell_back, total_ms, *habits),
            )
        )
        votes = simulated_people.vote_on_answer(
            self._people, planned.person, request, output.text, random.Random(planned.seed)
        )
        voted_at = turn.at + timedelta(minutes=rng.lognormvariate(1.0, 1.0))
        for vote in votes:
            text, distance = vote.get("text"), None
            if vote["kind"] == "edit":
                distance = Levenshtein.normalized_distance(output.text, vote["text"])
            values = (vote.get("up"), vote.get("stars"), text, distance, None, None)
            self._vote(turn._replace(at=voted_at), output.id, vote["kind"], values, placement)
            voted_at += timedelta(seconds=rng.uniform(5, 60))

    def _expose(self, turn: _Turn, arm: Arm, answer_id: uuid.UUID) -> None:
        """Record a person's first answer of an arm in an epoch of its experiment, as `AnswerWriter` does."""
        person = turn.person
        if arm.experiment_id is None or arm.exposure is None or arm.exposure in person.exposures:
            return
        person.exposed_arms[arm.experiment_id] = arm.variant
        person.exposures = (*person.exposures, arm.exposure)
        ids = (arm.experiment_id, person.id, arm.variant, arm.epoch, person.organisation_id, answer_id)
        # Postgres reads the time of an id, which has milliseconds.
        milliseconds = turn.at.microsecond // 1000
        turn.rows.exposures.append((*ids, turn.at.replace(microsecond=1000 * milliseconds)))

    def _find_output(self, turn: _Turn, spec: Spec, request: Request) -> tuple[Cached, str, float]:
        """An output from the caches or a new one, its level, and the milliseconds that the service took."""
        key, at = (spec.digest, request), turn.at
        cached = self._cache.get(key)
        if cached is not None and at - cached.made_at < _L2:
            level = "l1" if at - cached.seen_at < _L1 else "l2"
            self._cache[key] = cached._replace(seen_at=at)
            return cached, level, 0.0
        rewritten = self._rewriter.rewrite(spec, request)
        output_id, service_ms = self._store(turn, spec, request, rewritten, None)
        self._cache[key] = Cached(output_id, rewritten.text, at, at)
        return self._cache[key], "miss", service_ms

    def _store(
        self, turn: _Turn, spec: Spec, request: Request, rewritten: Rewritten, seed: int | None
    ) -> tuple[uuid.UUID, float]:
        """Add an output; its id, and the milliseconds that the service took."""
        output_id = turn.make_id()
        service_ms = round(_MEDIAN_MS[spec.form] * turn.rng.lognormvariate(0, 0.5), 3)
        turn.rows.outputs.append(
            (
                *(output_id, self._identity.organisation_id),
                *(request.text, request.transform_type.value, request.intensity),
                *(rewritten.text, json.dumps(rewritten.facts_missing)),
                rewritten.unchanged.model_dump_json() if rewritten.unchanged else None,
                *(spec.digest, spec.version, seed, service_ms, 0, 0, 0.0, turn.at),
            )
        )
        return output_id, service_ms

    # --- two rewrites -----------------------------------------------------------------------------------

    def _compare(self, turn: _Turn) -> bool:
        """Let a person judge some pairs on the page of comparisons, which offers them as
        `serving.gateway.routes.comparisons` does; False when there is none.
        """
        for place in range(_PAIRS):
            pair = self._join(turn) or self._make_pair(turn, range(place * _TRIES, (place + 1) * _TRIES))
            if pair is None:
                return place > 0
            self._compared[turn.person.id].add(pair.request.text)
            self._judge(turn, pair)
            turn = turn._replace(at=turn.at + timedelta(seconds=turn.rng.uniform(30, 90)))
        return True

    def _join(self, turn: _Turn) -> Pair | None:
        """The oldest pair in force that needs more people, about a message that is new to the person.

        Unlike on the page, it is about one of the team's messages. Otherwise shared pairs would tie the votes
        of all teams together, and a snapshot could hold out none of them for validation.
        """
        in_force = comparisons.describe_in_force(turn.epoch.routing)
        unseen = {message.text for message in turn.visit.to_compare} - self._compared[turn.person.id]
        for pair, judges in self._judges.items():
            is_in_force = pair.policy in in_force.policies and pair.versions <= set(in_force.versions)
            if judges < pair.people and is_in_force and pair.request.text in unseen:
                return pair
        return None

    def _make_pair(self, turn: _Turn, tries: range) -> Pair | None:
        """A new pair, about one of the messages that are for such comparisons; None when both rewrites of
        each are the same. The numbers of the tries draw the requests.
        """
        opponents = comparisons.list_opponents(turn.epoch.routing)
        messages = [
            message
            for message in turn.visit.to_compare
            if message.text not in self._compared[turn.person.id]
            and self._is_for_evidence(message.text) is bool(opponents)
        ]
        for number in tries if messages else ():
            planned = simulated_people.plan_request(
                self._people, turn.visit.person, _FIRST_TRY + 100 * turn.visit.number + number, messages
            )
            policy, sides = self._rewrite_twice(turn.epoch.routing, opponents, planned.request)
            if sides[0][1].text == sides[1][1].text:
                continue
            first, second = (
                (self._store(turn, spec, planned.request, side, seed)[0], side.text)
                for spec, side, seed in sides
            )
            pair_id = turn.make_id()
            people = comparisons.draw_people(pair_id, self._compare_config)
            versions = frozenset(spec.version for spec, _, _ in sides)
            return Pair(pair_id, policy, planned.request, (first, second), versions, people)
        return None

    def _rewrite_twice(
        self, routing: Routing, opponents: Sequence[Opponents], request: Request
    ) -> tuple[comparisons.Policy, list[tuple[Spec, Rewritten, int | None]]]:
        """The policy of a comparison, and two rewrites with their specs and seeds: of champion and
        challenger, or two samples of the champion.
        """
        if opponents:
            policy, specs, _ = opponents[0]
            return policy, [(spec, self._rewriter.rewrite(spec, request), None) for spec in specs]
        samples = self._rewriter.sample_two(routing.sampled, request)
        return "two_samples", [(routing.sampled, sample, draw_seed(request)) for sample in samples]

    def _judge(self, turn: _Turn, pair: Pair) -> None:
        """Let a person vote on a pair in a random order, or skip it."""
        person, rng = turn.person, turn.rng
        comparison_id = turn.make_id() if pair in self._judges else pair.id
        (first_id, first), (second_id, second) = rng.sample(pair.outputs, 2)
        votes = simulated_people.vote_on_pair(
            self._people, turn.visit.person, pair.request, first, second, random.Random(str(comparison_id))
        )
        after = turn._replace(at=turn.at + timedelta(seconds=rng.uniform(8, 25)))
        turn.rows.comparisons.append(
            (
                *(comparison_id, person.organisation_id, person.id, pair.policy, first_id, second_id),
                *(pair.id, pair.people, None if votes else after.at, turn.at),
            )
        )
        self._judges[pair] = self._judges.get(pair, 0) + len(votes)  # who skips a pair does not judge it
        for vote in votes:
            preferred = {"first": first_id, "second": second_id, "neither": None}[vote["preferred"]]
            values = (None, None, None, None, comparison_id, preferred)
            placement = (None, pair.policy, turn.epoch.number)
            self._vote(after, first_id, "comparison", values, placement)

    def _vote(
        self,
        turn: _Turn,
        output_id: uuid.UUID,
        kind: str,
        values: tuple[Any, ...],
        placement: tuple[uuid.UUID | None, str, int],
    ) -> None:
        """Add a vote. A person keeps the first vote of a kind on an output."""
        key = (output_id, turn.person.id, kind)
        if turn.at < self._until and key not in self._voted:
            self._voted.add(key)
            ids = (turn.make_id(), turn.person.organisation_id, turn.person.id, output_id, kind)
            turn.rows.feedback.append((*ids, *values, *placement, turn.at, turn.at))

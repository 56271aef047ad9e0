"""How the people of the sample are answered, and how they vote, as rows of tables.

Rewrites, arms and votes come from the code of the real system: the rules and the edit writer, the gateway's
assignment, and the simulated people. Latencies, cache hits and failures are drawn. Ids are UUIDv7 of the
rows' times, so the same visits give the same rows.
"""

import json
import random
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
from data.traffic.routing import Live
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
        self._waiting: dict[Pair, int] = {}  # pairs for several people, with the number who saw them
        self._compared: defaultdict[uuid.UUID, set[str]] = defaultdict(set)  # messages by person

    def answer(self, live: Live, visits: Sequence[Visit]) -> Rows:
        """The rows of these visits under a routing."""
        epoch, rows = RoutingEpoch(*live), Rows()
        for visit in visits:
            planned = simulated_people.plan_request(self._people, visit.person, visit.number, visit.messages)
            rng = random.Random(f"{planned.seed}:{self._config.seed}:rows")
            person = self._find_person(rows, visit, rng)
            if person.epoch != epoch.number:
                epoch.place(person)
            if not (planned.compares and self._compare(rows, epoch, visit, person, rng)):
                self._transform(rows, epoch, visit.at, planned, person, rng)
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

    def _transform(
        self,
        rows: Rows,
        epoch: RoutingEpoch,
        moment: datetime,
        planned: PlannedRequest,
        person: PlacedPerson,
        rng: random.Random,
    ) -> None:
        request, (locale, channel) = planned.request, self._habits[planned.person.name]
        message = Message(
            request.text, request.transform_type, request.intensity, person.external_id, locale, channel
        )
        arm = person.arm(message) or epoch.champion
        is_failed, fell_back = rng.random() < _FAILED, rng.random() < _FELL_BACK
        answer_id = make_id(moment, rng)
        if arm.exposure is not None and not (is_failed and arm.experiment_id is None):
            self._expose(rows, arm, person, answer_id, moment)
        if is_failed:
            if arm.experiment_id is not None:
                ids = (arm.experiment_id, arm.variant, arm.epoch, person.organisation_id, person.id)
                rows.failures.append((answer_id, *ids, 1))
            return
        fell_back = fell_back and arm.spec != epoch.routing.champion
        spec = epoch.routing.champion if fell_back else arm.spec
        output, level, service_ms = self._find_output(rows, spec, request, moment, rng)
        total_ms = service_ms + rng.lognormvariate(1.0, 0.4)
        rows.answers.append(
            (
                *(answer_id, output.id, person.organisation_id, person.id),
                *(arm.experiment_id, arm.variant, arm.epoch),
                *(level, fell_back, round(total_ms, 3), locale, channel),
            )
        )
        placement = (arm.experiment_id, arm.variant, arm.epoch)
        votes = simulated_people.vote_on_answer(
            self._people, planned.person, request, output.text, random.Random(planned.seed)
        )
        for at, vote in self._time_votes(moment, votes, rng):
            text = vote.get("text")
            distance = (
                Levenshtein.normalized_distance(output.text, text)
                if text is not None and vote["kind"] == "edit"
                else None
            )
            values = (vote.get("up"), vote.get("stars"), text, distance, None, None)
            self._vote(rows, at, person, output.id, vote["kind"], values, placement, rng)

    def _expose(self, rows: Rows, arm: Arm, person: PlacedPerson, answer_id: uuid.UUID, at: datetime) -> None:
        """Record a person's first answer of an arm in an epoch of its experiment, as `AnswerWriter` does."""
        assert arm.experiment_id is not None
        person.exposed_arms[arm.experiment_id] = arm.variant
        if arm.exposure is not None and arm.exposure not in person.exposures:
            person.exposures = (*person.exposures, arm.exposure)
            ids = (arm.experiment_id, person.id, arm.variant, arm.epoch, person.organisation_id)
            # Postgres reads the time of an id, which has milliseconds.
            rows.exposures.append((*ids, answer_id, at.replace(microsecond=at.microsecond // 1000 * 1000)))

    def _find_output(
        self, rows: Rows, spec: Spec, request: Request, at: datetime, rng: random.Random
    ) -> tuple[Cached, str, float]:
        """An output from the caches or a new one, its level, and the milliseconds that the service took."""
        key = (spec.digest, request)
        cached = self._cache.get(key)
        if cached is not None and at - cached.made_at < _L2:
            level = "l1" if at - cached.seen_at < _L1 else "l2"
            self._cache[key] = cached._replace(seen_at=at)
            return cached, level, 0.0
        rewritten = self._rewriter.rewrite(spec, request)
        output_id, service_ms = self._store(rows, spec, request, rewritten, None, at, rng)
        self._cache[key] = Cached(output_id, rewritten.text, at, at)
        return self._cache[key], "miss", service_ms

    def _store(
        self,
        rows: Rows,
        spec: Spec,
        request: Request,
        rewritten: Rewritten,
        seed: int | None,
        at: datetime,
        rng: random.Random,
    ) -> tuple[uuid.UUID, float]:
        """Add an output; its id, and the milliseconds that the service took."""
        output_id = make_id(at, rng)
        service_ms = round(_MEDIAN_MS[spec.form] * rng.lognormvariate(0, 0.5), 3)
        rows.outputs.append(
            (
                *(output_id, self._identity.organisation_id),
                *(request.text, request.transform_type.value, request.intensity),
                *(rewritten.text, json.dumps(rewritten.facts_missing)),
                rewritten.unchanged.model_dump_json() if rewritten.unchanged else None,
                *(spec.digest, spec.version, seed, service_ms, 0, 0, 0.0, at),
            )
        )
        return output_id, service_ms

    def _compare(
        self, rows: Rows, epoch: RoutingEpoch, visit: Visit, person: PlacedPerson, rng: random.Random
    ) -> bool:
        """Let a person judge some pairs on the page of comparisons, which offers them as
        `serving.gateway.routes.comparisons` does; False when there is none.
        """
        moment, is_any = visit.at, False
        for turn in range(_PAIRS):
            numbers = range(turn * _TRIES, (turn + 1) * _TRIES)
            pair = self._join(epoch, visit, person)
            if pair is None:
                pair = self._make_pair(rows, epoch, visit, moment, numbers, person, rng)
            if pair is None:
                break
            is_any = True
            self._compared[person.id].add(pair.request.text)
            self._judge(rows, epoch, visit, moment, pair, person, rng)
            moment += timedelta(seconds=rng.uniform(20, 90))
        return is_any

    def _join(self, epoch: RoutingEpoch, visit: Visit, person: PlacedPerson) -> Pair | None:
        """The oldest pair in force that needs more people, about a message that is new to the person.

        Unlike on the page, it is about one of the team's messages. Otherwise shared pairs would tie the votes
        of all teams together, and a snapshot could hold out none of them for validation.
        """
        in_force = comparisons.describe_in_force(epoch.routing)
        unseen = {message.text for message in visit.to_compare} - self._compared[person.id]
        for pair, seen in self._waiting.items():
            is_in_force = pair.policy in in_force.policies and pair.versions <= set(in_force.versions)
            if seen < pair.people and is_in_force and pair.request.text in unseen:
                return pair
        return None

    def _make_pair(
        self,
        rows: Rows,
        epoch: RoutingEpoch,
        visit: Visit,
        moment: datetime,
        numbers: Iterable[int],
        person: PlacedPerson,
        rng: random.Random,
    ) -> Pair | None:
        """A new pair, about one of the messages of the visit that are for such comparisons; None when both
        rewrites of each are the same. `numbers` are the tries.
        """
        routing = epoch.routing
        opponents = comparisons.list_opponents(routing)
        messages = [
            message
            for message in visit.to_compare
            if message.text not in self._compared[person.id]
            and self._is_for_evidence(message.text) is bool(opponents)
        ]
        for number in numbers if messages else ():
            planned = simulated_people.plan_request(
                self._people, visit.person, 10**6 + 100 * visit.number + number, messages
            )
            request = planned.request
            sides: list[tuple[Spec, Rewritten, int | None]]
            if opponents:
                policy, specs, _ = opponents[0]
                sides = [(spec, self._rewriter.rewrite(spec, request), None) for spec in specs]
            else:
                policy, sampled = "two_samples", routing.sampled
                samples = self._rewriter.sample_two(sampled, request)
                sides = [(sampled, sample, draw_seed(request)) for sample in samples]
            if sides[0][1].text == sides[1][1].text:
                continue
            first, second = (
                (self._store(rows, spec, request, side, seed, moment, rng)[0], side.text)
                for spec, side, seed in sides
            )
            pair_id = make_id(moment, rng)
            people = comparisons.draw_people(pair_id, self._compare_config)
            versions = frozenset(spec.version for spec, _, _ in sides)
            return Pair(pair_id, policy, request, (first, second), versions, people)
        return None

    def _judge(
        self,
        rows: Rows,
        epoch: RoutingEpoch,
        visit: Visit,
        moment: datetime,
        pair: Pair,
        person: PlacedPerson,
        rng: random.Random,
    ) -> None:
        """Let a person vote on a pair in a random order, or skip it."""
        is_new = pair not in self._waiting
        self._waiting[pair] = self._waiting.get(pair, 0) + 1
        comparison_id = pair.id if is_new else make_id(moment, rng)
        (first_id, first), (second_id, second) = rng.sample(pair.outputs, 2)
        votes = simulated_people.vote_on_pair(
            self._people, visit.person, pair.request, first, second, random.Random(f"{comparison_id}:votes")
        )
        voted_at = moment + timedelta(seconds=rng.uniform(8, 20))
        votes = votes if voted_at < self._until else []
        rows.comparisons.append(
            (
                *(comparison_id, person.organisation_id, person.id, pair.policy, first_id, second_id),
                *(pair.id, pair.people, None if votes else voted_at, moment),
            )
        )
        if not votes:
            self._waiting[pair] -= 1  # a person who skips a pair does not judge it
        for vote in votes:
            preferred = {"first": first_id, "second": second_id, "neither": None}[vote["preferred"]]
            values = (None, None, None, None, comparison_id, preferred)
            placement = (None, pair.policy, epoch.number)
            self._vote(rows, voted_at, person, first_id, "comparison", values, placement, rng)

    def _time_votes(
        self, at: datetime, votes: Sequence[dict[str, Any]], rng: random.Random
    ) -> Iterator[tuple[datetime, dict[str, Any]]]:
        """Votes with their moments: minutes after the answer."""
        moment = at + timedelta(minutes=rng.lognormvariate(1.0, 1.0))
        for vote in votes:
            if moment < self._until:
                yield moment, vote
            moment += timedelta(seconds=rng.uniform(5, 60))

    def _vote(
        self,
        rows: Rows,
        at: datetime,
        person: PlacedPerson,
        output_id: uuid.UUID,
        kind: str,
        values: tuple[Any, ...],
        placement: tuple[uuid.UUID | None, str, int],
        rng: random.Random,
    ) -> None:
        """Add a vote. A person keeps the first vote of a kind on an output."""
        if (output_id, person.id, kind) in self._voted:
            return
        self._voted.add((output_id, person.id, kind))
        ids = (make_id(at, rng), person.organisation_id, person.id, output_id, kind)
        rows.feedback.append((*ids, *values, *placement, at, at))

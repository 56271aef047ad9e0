"""Messages for evidence only: people compare the versions of experiments on them, and no model learns from
them.

A hash of the message decides. So a message is on the same side for every person and in every experiment, and
a challenger never meets in an experiment what it learned from.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from hashlib import blake2b

from sqlalchemy import Connection, func, select, text
from sqlalchemy.orm import Session

from data.corpus import NEAR, ngrams
from data.reasons import ReasonedError
from data.tables import Snapshot
from data.traffic.comparisons import read_messages

# Typed messages that people compared, and whether with a challenger. Shipped messages are left out,
# since an earlier release compared all of them with challengers.
_COMPARED = """
    SELECT o.message, bool_or(c.policy <> 'two_samples')
    FROM comparisons c JOIN outputs o ON o.id = c.first_output_id
    WHERE o.message <> ALL(:shipped) GROUP BY o.message
"""


class ShareRaisedError(ReasonedError, ValueError):
    """The share of the messages for evidence has risen."""


@cache
def list_shipped(share: float, *, for_evidence: bool) -> tuple[str, ...]:
    """The shipped messages that are for evidence, or those that models may train on."""
    return tuple(message for message in read_messages() if (_draw_chance(message) < share) is for_evidence)


def is_for_evidence(message: str, share: float) -> bool:
    """Whether a message is for evidence only. A message that is nearly the same as a shipped one is on its
    side.
    """
    return _draw_chance(_find_shipped(message) or message) < share


def find_all(connection: Connection, share: float) -> Iterator[str]:
    """The messages on which no model may train: the shipped ones for evidence, and of those that people typed
    to compare rewrites the ones for evidence and all on which a challenger was compared with another version.
    """
    yield from list_shipped(share, for_evidence=True)
    for message, has_challenger in connection.execute(text(_COMPARED), {"shipped": list(read_messages())}):
        if has_challenger or is_for_evidence(message, share):
            yield message


def check_share(session: Session, share: float) -> None:
    """Raise ShareRaisedError when an accepted snapshot was made with a smaller share.

    Its votes on the messages in between have trained versions, so these messages would be no evidence. With a
    smaller share, messages that nobody trained on become messages to train on, and harm no comparison.
    """
    smallest = session.scalar(select(func.min(Snapshot.evidence_share)).where(Snapshot.accepted))
    if smallest is not None and share > smallest:
        raise ShareRaisedError("evidence_share_raised", share=share, smallest=smallest)


def _draw_chance(message: str) -> float:
    """A number in [0, 1) by a hash of the message that ignores case and white space.

    It is a hash of the word trigram with the least hash, so two messages have the same number with a
    probability of their Jaccard similarity: Broder, "On the resemblance and containment of documents" (1997).
    """
    trigrams = ngrams(message, 3) or {tuple(message.casefold().split())}
    least = min(blake2b(" ".join(trigram).encode(), digest_size=8).digest() for trigram in trigrams)
    # A second hash, because the least of many numbers is small.
    return int.from_bytes(blake2b(least, digest_size=8, person=b"evidence").digest()) / 2**64


def _find_shipped(message: str) -> str | None:
    """The shipped message that is nearly the same; None when there is none."""
    trigrams, by_trigram = ngrams(message, 3), _index_shipped()
    shared = Counter(shipped for trigram in trigrams for shipped in by_trigram.get(trigram, ()))
    for shipped, count in shared.items():
        if count >= NEAR * len(trigrams | ngrams(shipped, 3)):
            return shipped
    return None


@cache
def _index_shipped() -> Mapping[tuple[str, ...], list[str]]:
    """The shipped messages by word trigram."""
    by_trigram: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for message in read_messages():
        for trigram in ngrams(message, 3):
            by_trigram[trigram].append(message)
    return by_trigram

"""Terms that are replaced, around an engine."""

from collections.abc import Sequence
from typing import Any

from data.reasons import Reason, reason
from data.records import Spec, Term, TermRule, TransformType
from serving.inference import replacements
from serving.inference.client import Item, Rewritten

CUSTOMER = Term(term="user", rule=TermRule.REPLACE, wording="customer")
NOTHING = reason("unchanged_nothing_to_do", transform_type="soften")


class Engine:
    """Adds a sentence to what it gets, or returns it with a reason."""

    def __init__(self, adds: str = "", unchanged: Reason | None = None) -> None:
        self.adds, self.unchanged, self.texts = adds, unchanged, list[str]()

    def generate(self, spec: Spec, items: Sequence[Item], previews: Any = ()) -> list[Rewritten]:
        self.texts += [item.text for item in items]
        return [
            Rewritten(
                text=item.text + self.adds,
                facts_missing=[],
                tokens=0,
                finished=True,
                unchanged=self.unchanged,
            )
            for item in items
        ]


def rewrite(engine: Engine, text: str, *terms: Term) -> Rewritten:
    item = Item(text=text, transform_type=TransformType.SOFTEN, intensity=1, terms=terms)
    [rewritten] = replacements.generate(engine, Spec(version="v1"), [item])  # type: ignore[arg-type]
    return rewritten


def test_the_engine_reads_the_wording_and_what_it_adds_has_it_too() -> None:
    engine = Engine(adds=" All users agree.")
    assert rewrite(engine, "A user left.", CUSTOMER).text == "A customer left. All customers agree."
    assert engine.texts == ["A customer left."]


def test_an_answer_with_a_replacement_only_is_not_unchanged() -> None:
    changed = rewrite(Engine(unchanged=NOTHING), "A user left.", CUSTOMER)
    assert (changed.text, changed.unchanged) == ("A customer left.", None)
    linked = rewrite(Engine(unchanged=NOTHING), "See https://x.example/user.", CUSTOMER)
    assert (linked.text, linked.unchanged) == ("See https://x.example/user.", NOTHING)
    kept = rewrite(Engine(unchanged=NOTHING), "A user left.", Term(term="user", rule=TermRule.KEEP))
    assert (kept.text, kept.unchanged) == ("A user left.", NOTHING)


def test_a_message_in_a_language_that_is_not_written_stays_whole() -> None:
    language = reason("unchanged_language")
    stays = rewrite(Engine(unchanged=language), "Der user ist weg.", CUSTOMER)
    assert (stays.text, stays.unchanged) == ("Der user ist weg.", language)

"""The aspects of a message of which a probability is computed, and the features that each may use."""

from collections.abc import Mapping

from data.records import TransformType

_STYLES = "style_blunt style_jargon style_polite style_rambling style_vague"
_OF_LEVELS = {
    "tone": """
        any_hurts n_hurts hurting n_courtesy courtesy_share orders_share n_please exclamations capitals
        you questions names_at_end hurting_share any_question polite_ends size
    """,
    "directness": """
        n_hedge hedges_share orders_share any_asks asks_share n_please n_need any_question
        wants_something n_courtesy any_deadline plans size
    """,
    "clarity": """
        n_term terms_share n_vague_time n_vague_amount n_vague_person n_vague_thing n_hedge
        starts_small commas size sentences longest_sentence
    """,
    "priority": """
        any_urgent n_urgent urgent_and_asks any_no_rush any_deadline any_asks asks_share orders_share
        n_please n_need any_question wants_something plans size
    """,
}
_OF_HELP = """
    any_hurts hurting orders_share n_term terms_share n_vague_time n_vague_amount n_vague_person
    n_vague_thing n_hedge n_need n_reason any_asks asks_share wants_something any_question commas
    items size sentences longest_sentence
"""
HELPS: Mapping[TransformType, str] = {kind: f"helps_{kind}" for kind in TransformType}
_ALL = _OF_LEVELS | dict.fromkeys(HELPS.values(), _OF_HELP)
INPUTS: Mapping[str, tuple[str, ...]] = {
    aspect: (*_STYLES.split(), *names.split()) for aspect, names in _ALL.items()
}
ASPECTS = tuple(INPUTS)

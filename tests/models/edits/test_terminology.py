import json
import re
from pathlib import Path

import pytest

from models.edits import glossary, script, terminology
from tests.edits import growth, rewritten

_SEED = Path(__file__).parents[3] / "data" / "seed"


def explained(message: str, intensity: int = 2, **own_terms: str) -> str:
    return rewritten(message, terminology.propose(message, own_terms), intensity)


def glossed(message: str, intensity: int = 2) -> list[str]:
    """The terms of a message that are explained: the words right before the brackets."""
    edits = script.select(terminology.propose(message), intensity, lambda edit: True)
    return [message[: edit.start].split()[-1] for edit in edits]


def test_an_abbreviation_is_explained_after_its_first_use() -> None:
    assert explained("The KPI is fine. Send the KPI today.") == (
        "The KPI (a measured value that shows how well something is going) is fine. Send the KPI today."
    )


def test_a_plural_term_gets_a_plural_gloss() -> None:
    assert explained("No edge cases, and the KPIs and SLAs hold.") == (
        "No edge cases (rare, unusual cases), and the KPIs (key performance indicators) and SLAs "
        "(service level agreements) hold."
    )


def test_a_plural_whose_gloss_is_singular_names_the_singular() -> None:
    assert "LTIs (LTI: injury with lost working time)" in explained("Two LTIs in May, and the KPIs are red.")


def test_each_level_changes_more_than_the_one_below() -> None:
    message = "The MOQ is 4,500, so the lead time kills us, and DDP is out, only EXW or a blanket PO."
    one, two, three = (explained(message, intensity) for intensity in (1, 2, 3))
    assert len(message) < len(one) < len(two) < len(three)
    assert one.count("(") == 2
    assert two.count("(") == three.count("(") == 5


def test_a_single_term_grows_with_the_intensity() -> None:
    message = "The endpoint must be idempotent, please."
    message = message.replace("endpoint", "call")
    one, two, three = (explained(message, intensity) for intensity in (1, 2, 3))
    assert "idempotent (safe to repeat)," in one
    assert "idempotent (a repeated call has the same effect as a single one)," in two
    assert three == two, "a word has nothing more; an abbreviation has"
    assert "SLA (service level agreement: the level of service" in explained("We missed the SLA.", 3)


def test_the_most_specialised_terms_come_first() -> None:
    assert glossed("The API is slow, p99 doubled, and the mutex on the dashboard is held too long.", 1) == [
        "p99",
        "mutex",
    ]


def test_a_verb_gets_a_gloss_in_its_own_form() -> None:
    assert "rolled back (returned to the version before) at" in explained(
        "We rolled back at 3 pm, prod is fine."
    )
    assert "descope (remove from the plan) the" in explained("We must descope the export, the KPI is red.")


def test_a_word_is_a_noun_or_a_verb_by_its_place() -> None:
    assert glossed("Can you cache the result? It takes 4 s.") == []
    assert glossed("Please commit to a date.") == []
    assert glossed("Switch to the second line if the first one is down.") == []
    assert glossed("Your commit broke the build.") == ["commit"]


@pytest.mark.parametrize(
    ("message", "gloss"),
    [
        ("The PO asked whether the story fits into the sprint.", "PO (product owner)"),
        ("The supplier never got the PO for the goods.", "PO (a binding order in writing to a supplier)"),
        ("The CI crosses zero, so the uplift may be chance.", "CI (confidence interval)"),
        ("My branch is ready, but CI is red on main.", "CI (automatic build and test)"),
        ("The EDD on the client is late, compliance wants the UBO.", "EDD (enhanced due diligence)"),
        ("EDD for bed 9 is Thursday, tell the ward and the MDT.", "EDD (expected date of discharge)"),
        ("The MSA is signed, each project needs a SOW.", "MSA (master services agreement"),
        ("The MSA failed and Cpk is 0.9.", "MSA (measurement system analysis)"),
    ],
)
def test_the_words_of_the_message_choose_the_sense(message: str, gloss: str) -> None:
    assert gloss in explained(message)


@pytest.mark.parametrize(
    ("message", "gloss"),
    [
        ("He is on apixaban and needs a cannula.", "apixaban (a blood thinner)"),
        ("Keep the GPU on until pushback, the CTOT is 1425.", "GPU (ground power unit)"),
        ("The GPU is at 98 % since the training began.", "GPU (chip for heavy computing)"),
        ("Add the yeast, the OG is 1.052 and the wort is cold.", "OG (sugar content before fermentation)"),
        ("The SCC of the herd is 310, look at the udder.", "SCC (cell count of the milk)"),
        (
            "The readiness probe fails, the queue is full.",
            "readiness probe (automatic test whether it can work)",
        ),
        (
            "The liveness probe fails, the queue is full.",
            "liveness probe (automatic test whether it still runs)",
        ),
        ("Does the kitchen know that we 86 the duck, chef?", "86 (take off the menu) the duck"),
        ("The brash mats are gone, the coupe is too wet.", "brash mats (layers of branches for machines)"),
        (
            "The stowage plan and the bilge of the vessel are checked.",
            "stowage plan (plan of where cargo stands)",
        ),
        ("The strings play con sordino, the DSM calls.", "con sordino (with a mute)"),
        ("Her INR is 4, so no warfarin.", "INR (measure of blood clotting)"),
    ],
)
def test_terms_of_many_fields_are_explained(message: str, gloss: str) -> None:
    assert any(gloss in explained(message, intensity) for intensity in (1, 2))


@pytest.mark.parametrize(
    "message",
    [
        "First off, thank you all.",
        "We are making good progress.",
        "Please set aside two hours in order to read it.",
        "There are 86 guests for the kitchen to feed.",
        "Book a hotel in walking distance of the venue.",
        "It costs NOK 9,800 a trip.",
        "Please write back before Monday.",
        "Let us block time in the calendar.",
        "The day ahead is long, go around the building.",
        "Mine is fine, but please decline.",
        "Cheers mate, can we ship it?",
        "Every supplier is gearing up for December.",
        "Please bring bank statements and a passport to the desk.",
        "Bleed air from the radiators before you turn up the heat.",
        "Please go to work and turn off the lights in the hall.",
        "He hit the post in the last minute, and the match ended 1:1.",
        "The calf has scour, keep it away from the river.",
    ],
)
def test_everyday_words_of_other_fields_are_left_alone(message: str) -> None:
    assert terminology.propose(message) == []


@pytest.mark.parametrize(
    ("message", "gloss"),
    [
        ("The pt went into AF with RVR, heart rate 140.", "RVR (rapid heart rate)"),
        ("Fog at the gate, RVR on runway 2 is 300 m.", "RVR (sight along the runway)"),
        ("It's in commit at 85k ARR, but the champion has gone dark.", "champion (supporter inside"),
        ("Crew is near FTL, the flight may slip.", "FTL (legal limit of working time)"),
        ("FTL is full, put the pallets on the other truck.", "FTL (full truck load)"),
        ("The LTI reload and the equity grant need comp.", "LTI (long-term incentive)"),
        ("No LTI this year, the safety team counts 3 injuries less.", "LTI (injury with lost working time)"),
        ("SQL to opp conversion fell.", "SQL (lead accepted by sales)"),
        ("We asked for a lift and shift at the cab.", "shift (moving a line to another port)"),
        ("The lift and shift to AWS is done.", "shift (moving without changing)"),
        ("Pax in 14A has no visa, see the APIS check.", "APIS (passport data sent before"),
        ("The APIs of the bank and the API of ours are slow.", "APIs (software interfaces)"),
        ("The SQL query hits the wrong table.", "SQL query (question to the database)"),
    ],
)
def test_terms_of_two_fields_get_the_sense_of_the_message(message: str, gloss: str) -> None:
    assert gloss in explained(message, 1) + explained(message, 2)


@pytest.mark.parametrize(
    "message",
    [
        "It's in commit at 85k, so it closes this quarter.",
        "The front end of the truck is dented.",
        "We need a single source of truth for the list.",
        "Is the first fix for the login bug in?",
        "Main Street branches do better than those in malls.",
        "That means a day of waiting.",
        "The heating in the annex is off, the plumber comes.",
        "Sprints first, then long jump and the relay.",
        "If yes scan it and put the box on R1, if no put it on R2.",
        "The slot is at 3, and the guest in 9 wants a quote from the chef.",
        "Her running shoes are on the rack next to the switch for the lights, and the coach wants her at 9.",
        "Put the pods into the machine, the cluster of chairs has to go before the guests come at noon.",
    ],
)
def test_an_everyday_word_needs_more_than_one_word_that_speaks_for_its_field(message: str) -> None:
    assert terminology.propose(message) == []


@pytest.mark.parametrize(
    "message",
    [
        "We can't white-label the SDK.",
        "We'd WAF it today.",
        "Capex it, don't expense it.",
    ],
)
def test_a_noun_or_an_adjective_that_is_used_as_a_verb_is_left_alone(message: str) -> None:
    assert not {"white-label", "WAF", "Capex"} & set(glossed(message))


def test_a_verb_after_a_term_is_no_part_of_it() -> None:
    assert "print server (server for the printers) times out" in explained(
        "The LDAP bind from the print server times out."
    )


@pytest.mark.parametrize(
    "message",
    [
        "The hemolysis spoiled the sample.",
        "The haemolysis spoiled the sample.",
        "The sub-ledger is closed.",
        "The sub ledger is closed.",
        "The subledger is closed.",
        "The gdpr says no.",
        "The materialised view is old.",
        "The materialized view is old.",
        "The cost centres are full.",
        "The cost centers are full.",
    ],
)
def test_a_term_is_matched_in_its_common_spellings(message: str) -> None:
    assert len({edit.start for edit in terminology.propose(message)}) == 1


def test_a_noun_with_a_hyphen_is_a_verb_without_one() -> None:
    assert glossed("The cut-off is at noon.") == ["cut-off"]
    assert glossed("We cut off at noon.") == []


def test_two_senses_with_as_many_cues_are_told_apart_by_the_other_terms_of_the_message() -> None:
    assert "CIP (cleaning without taking apart)" in explained("The CIP of the tank failed, the wort is warm.")
    assert "CIP (unfinished building in the books)" in explained(
        "Book the asset as CIP, no depreciation yet."
    )


@pytest.mark.parametrize(
    "message",
    [
        "The PO is here.",
        "PR for the new campaign goes through the agency.",
        "The call is at 9 am PT.",
        "Our office in CT is closed.",
        "Churn the butter longer.",
        "Bleed the radiators before Monday.",
        "The server at table 4 is sick.",
        "The bank branch closes in March.",
        "The fork of the forklift is bent.",
        "By law we have until 27 February.",
        "Write down who you reached and cut off the rest.",
    ],
)
def test_an_unsure_or_everyday_sense_is_skipped(message: str) -> None:
    assert terminology.propose(message) == []


@pytest.mark.parametrize(
    "message",
    [
        "The KPI (key performance indicator) is red.",
        "The key performance indicator (KPI) is red.",
        "The KPI, i.e. the number we watch, is red.",
        "Talk to the DPO, our lawyer, about GDPR-like rules.",
        "What does the KPI mean?",
        "What is a KPI?",
        "The KPI means how well we do.",
    ],
)
def test_what_the_message_explains_or_asks_is_left_alone(message: str) -> None:
    assert "KPI (key perf" not in explained(message).replace(message, "")
    assert terminology.propose(message) == []


@pytest.mark.parametrize(
    "message",
    [
        "See https://example.com/API/KPI for it.",
        "Write to kpi@example.com or SLA-77 today.",
        'The button says "API" and the file is api.yaml.',
        "Run `kubectl rollback` please.",
        "It is in /opt/api/kpi/sla on the disk.",
        "The API's answer and the SLA-driven plan.",
        "The api_key and the VPN/LAN part.",
    ],
)
def test_urls_ids_code_quotations_and_possessives_are_left_alone(message: str) -> None:
    assert terminology.propose(message) == []


def test_a_number_belongs_to_its_document() -> None:
    assert "PO 4711 (purchase order) is" in explained("The supplier says PO 4711 is late, the KPI is red.")
    assert "CVE-2031-1188 (publicly listed security hole) is" in explained(
        "CVE-2031-1188 is open, the WAF helps."
    )


def test_a_compound_is_explained_after_its_last_word() -> None:
    assert "backlog items (backlog: list of open work) are" in explained(
        "The backlog items are old, the KPI is red."
    )


def test_own_terms_win_at_every_level() -> None:
    message = "The KPI board shows Falcon in red."
    assert explained(message, 1, KPI="our weekly number", Falcon="the new billing system") == (
        "The KPI (our weekly number) board shows Falcon (the new billing system) in red."
    )
    twice = "Falcon is late. Is Falcon red? The KPI says so, the KPI is right."
    assert explained(twice, 3, Falcon="the billing system", KPI="our number").count("(") == 2
    assert terminology.propose("Falcon (the billing system) is red.", {"Falcon": "x"}) == []


def test_the_glossary_is_well_formed() -> None:
    entries = list(glossary.entries())
    assert len(entries) >= 8_000
    for entry in entries:
        assert 1 <= entry.specialised <= 3, entry.name
        assert set(entry.kind) & set("nmva"), entry.name
        assert "?" not in entry.kind or entry.needs, entry.name
        assert not entry.needs & entry.never, entry.name
        for text in (entry.short, entry.fuller):
            for form in range(4):
                assert not re.search(r"[{}~*/()]|  ", entry.gloss(text, form)), (entry.name, text)
        assert 1 <= len(entry.gloss(entry.short, 0).split()) <= 7, entry.name
        assert 4 <= len(entry.gloss(entry.fuller, 0).split()) <= 17, entry.name


def test_a_term_has_one_sense_or_cues_that_tell_its_senses_apart() -> None:
    seen: set[tuple[str, bool, str]] = set()
    for entry in glossary.entries():
        for term in {term for term, form in entry.terms if not form}:
            sense = (term, "v" in entry.kind, entry.field if entry.needs else "")
            assert sense not in seen, sense
            seen.add(sense)


def test_every_edit_of_the_corpus_only_adds_brackets_and_keeps_the_facts() -> None:
    lines = (_SEED / "edits" / "english.jsonl").read_text(encoding="utf-8").splitlines()
    for text in (json.loads(line)["text"] for line in lines[::2]):
        for edit in terminology.propose(text):
            (change,) = edit.changes
            assert change.start == change.end
            assert re.fullmatch(r" \([^()]+\)", change.text)
            assert script.keeps_facts(text, edit), (text, edit)


def test_most_messages_with_terms_of_a_field_get_an_explanation() -> None:
    lines = (_SEED / "edits" / "english.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    texts = [
        row["text"]
        for row in rows
        if any(rewrite["transform_type"] == "terminology" for rewrite in row["rewrites"])
    ]
    assert sum(bool(terminology.propose(text)) for text in texts) / len(texts) > 0.9


@pytest.mark.slow
@pytest.mark.parametrize(
    "unit",
    [
        "KPI ",
        "KPI, ",
        "(",
        "(KPI ",
        "'a ",
        "`",
        '"KPI',
        "code ",
        "a/",
        "PO 1",
        "- the ",
        "x.a",
        "I'd ",
        "KPI, the ",
        "-",
    ],
)
def test_hostile_text_takes_time_that_grows_with_its_length_only(unit: str) -> None:
    assert growth(terminology.propose, unit) < 9

"""The advice on a task."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from tests.fakes import a_contract
from tests.profiles import a_complexity, a_field, a_profile, a_prompt, learned, near
from tierwright.core.contract import ContractKind, FieldSpec, OutputContract
from tierwright.core.profile import Action, CurvePoint, Retrieval
from tierwright.curation.advice import advise, advise_long_tail, likely_rung
from tierwright.curation.framework import FRAMEWORK, NEEDED, framework_table
from tierwright.economics.action_savings import Assumptions, LocalCosts
from tierwright.economics.machine import MachineCost

MACHINE = MachineCost(usd_per_hour=Decimal("0.10"), utilisation=0.3)
COSTS = LocalCosts(machine=MACHINE, small_model="small", small_usd=Decimal("0.00005"), prompt_usd=Decimal("0.0009"))
LABELS = a_contract("yes", "no", "maybe")
FIELDS = OutputContract(
    kind=ContractKind.FIELDS,
    fields=(FieldSpec(name="project", values=("a", "b")), FieldSpec(name="priority", values=("low", "high"))),
)
OPEN = OutputContract(kind=ContractKind.OPEN)
SPANS = OutputContract(kind=ContractKind.SPANS, fields=(FieldSpec(name="parties", many=True),))
TEXT = OutputContract(kind=ContractKind.TEXT)
DOCUMENT = Path(__file__).parents[3] / "docs" / "decision-framework.md"


def test_a_narrow_learnable_frequent_task_is_specialised() -> None:
    """The usual case, with a rung, a saving whose interval holds it, and reasons that name figures and criteria."""
    advice = advise(a_profile(), LABELS, COSTS, seed=1)
    assert (advice.action, advice.rung) == (Action.SPECIALISE, "ngram")
    assert advice.monthly_saving_usd is not None
    saving = advice.monthly_saving_usd
    assert saving.ci_low < saving.value < saving.ci_high < Decimal(12)
    assert "[specialise-examples]" in " ".join(advice.reasons)
    assert "can be learned" in advice.reasons[1]


def test_the_same_question_has_the_same_answer() -> None:
    """All draws are seeded."""
    assert advise(a_profile(), LABELS, COSTS, seed=3) == advise(a_profile(), LABELS, COSTS, seed=3)


def test_open_answers_are_kept() -> None:
    """No recipe learns them, and a complex task is none for a small model."""
    profile = a_profile(learnability=None, complexity=a_complexity(0.7))
    advice = advise(profile, OPEN, COSTS, seed=1)
    assert (advice.action, advice.rung, advice.monthly_saving_usd) == (Action.KEEP, None, None)
    assert "[specialise-contract]" in advice.reasons[0]
    assert "[smaller-model-simple]" in advice.reasons[0]


def test_a_rare_cheap_task_is_kept_whatever_else_it_is() -> None:
    """Even one that repeats itself all the time."""
    profile = a_profile(monthly=200, duplicate_share=near(0.8))
    advice = advise(profile, LABELS, COSTS, seed=1)
    assert advice.action is Action.KEEP
    assert "[small-volume]" in " ".join(advice.reasons)
    assert [action for action, _ in advice.also] == [Action.CACHE, Action.SMALLER_MODEL]


def test_a_rare_dear_task_is_looked_at() -> None:
    """Two hundred requests for $1,000 are worth a cache."""
    advice = advise(a_profile(monthly=200, cost="5", duplicate_share=near(0.8)), LABELS, COSTS, seed=1)
    assert advice.action is Action.CACHE


def test_fields_are_named_where_one_can_be_learned_and_another_cannot() -> None:
    """The task is kept, and the first reasons say which field it is."""
    profile = a_profile(learnability=learned(a_field("project", 0.99, 0.6), a_field("priority", 0.76, 0.75)))
    advice = advise(profile, FIELDS, COSTS, seed=1)
    assert advice.action is Action.KEEP
    assert advice.reasons[1].startswith("project can be learned: ")
    assert "; priority can't: " in advice.reasons[1]
    assert "76.0 % (75.0 % to 77.0 %, n = 1,000)" in advice.reasons[1]
    assert "[specialise-learnable]" in advice.reasons[0]


def test_no_field_that_can_be_learned_is_said_by_name() -> None:
    """Both are named in one sentence."""
    profile = a_profile(learnability=learned(a_field("project", 0.6, 0.6), a_field("priority", 0.76, 0.75)))
    reasons = advise(profile, FIELDS, COSTS, seed=1).reasons
    assert reasons[1].startswith("project and priority can't be learned: ")


def test_a_constant_field_keeps_no_task_from_a_specialist() -> None:
    """What is always the same need not be learned."""
    profile = a_profile(learnability=learned(a_field("project", 0.95, 0.5), a_field("priority", 0.99, 0.99)))
    assert advise(profile, FIELDS, COSTS, seed=1).action is Action.SPECIALISE


def test_a_label_that_is_always_the_same_is_not_specialised() -> None:
    """There is nothing to learn."""
    advice = advise(a_profile(learnability=learned(a_field("label", 0.99, 0.99))), LABELS, COSTS, seed=1)
    assert advice.action is Action.KEEP


@pytest.mark.parametrize(
    ("retrieval", "code"),
    [
        (Retrieval(changing_share=near(0.3), ungrounded_share=None), "changing-share"),
        (Retrieval(changing_share=None, ungrounded_share=near(0.5)), "ungrounded-share"),
    ],
)
def test_answers_that_rest_on_something_else_want_retrieval(retrieval: Retrieval, code: str) -> None:
    """Before a specialist, which would learn yesterday's facts; there is nothing to save by it."""
    advice = advise(a_profile(retrieval=retrieval), LABELS, COSTS, seed=1)
    assert advice.action is Action.RETRIEVE
    assert advice.monthly_saving_usd is None
    assert f"[{code}]" in " ".join(advice.reasons)
    assert [action for action, _ in advice.also] == [Action.SPECIALISE, Action.SMALLER_MODEL]


def test_a_task_that_uses_tools_looks_things_up_already() -> None:
    """Neither retrieval nor a specialist."""
    profile = a_profile(tool_share=0.9, retrieval=Retrieval(changing_share=near(0.3), ungrounded_share=None))
    assert advise(profile, LABELS, COSTS, seed=1).action not in (Action.RETRIEVE, Action.SPECIALISE)


def test_a_task_that_mostly_repeats_is_cached_first() -> None:
    """The specialist is named beside it."""
    advice = advise(a_profile(duplicate_share=near(0.6)), LABELS, COSTS, seed=1)
    assert advice.action is Action.CACHE
    assert advice.also[0][0] is Action.SPECIALISE


def test_unusable_answers_want_a_better_prompt() -> None:
    """Where no specialist could take over."""
    profile = a_profile(learnability=None, prompt=a_prompt(unparsed_share=near(0.2)), complexity=a_complexity(0.7))
    advice = advise(profile, OPEN, COSTS, seed=1)
    assert advice.action is Action.PROMPT
    assert "JSON schema" in advice.reasons[0]


@pytest.mark.parametrize(
    ("prompt", "tokens", "action"),
    [
        (a_prompt(few_shot_share=near(0.6), few_shot_examples=8), 250, Action.PROMPT),
        (a_prompt(few_shot_share=near(0.6), few_shot_examples=2), 250, Action.KEEP),
        (a_prompt(boilerplate_share=near(0.9)), 2000, Action.PROMPT),
        (a_prompt(boilerplate_share=near(0.9)), 1000, Action.KEEP),
    ],
)
def test_long_prompts_want_to_be_shortened(prompt: object, tokens: int, action: Action) -> None:
    """Many examples, or fixed text from the length on that a provider's cache takes."""
    profile = a_profile(
        learnability=None, complexity=a_complexity(0.7), prompt=prompt, prompt_tokens=near(tokens, half=1)
    )
    assert advise(profile, OPEN, COSTS, seed=1).action is action


def test_simple_answers_that_no_specialist_gives_want_a_smaller_model() -> None:
    """A task without tools of its own, simple, and paid like a hard one."""
    profile = a_profile(learnability=None, complexity=a_complexity(0.1))
    advice = advise(profile, OPEN, COSTS, seed=1)
    assert advice.action is Action.SMALLER_MODEL
    assert "small" in advice.reasons[0]
    assert advise(profile, OPEN, replace(COSTS, small_usd=Decimal("0.0008")), seed=1).action is Action.KEEP


def test_what_costs_more_than_it_saves_is_not_done() -> None:
    """People's time, where it is counted, can turn the advice."""
    paid = replace(COSTS, assumptions=Assumptions(person_hour_usd=Decimal(60)), small_usd=None)
    advice = advise(a_profile(), LABELS, paid, seed=1)
    assert advice.action is Action.KEEP
    assert "[specialise-saving]" in advice.reasons[0]


def test_peoples_time_is_spoken_of_where_it_is_not_counted() -> None:
    """A small saving is not made to look like a reason to hire."""
    assert any("people's time is not in the saving" in reason for reason in advise_reasons(COSTS))
    paid = replace(COSTS, assumptions=Assumptions(person_hour_usd=Decimal("0.01")))
    assert not any("people's time is not" in reason for reason in advise_reasons(paid))


def test_unpriced_tasks_are_advised_without_a_saving() -> None:
    """And it is said that calls have no price."""
    advice = advise(a_profile(cost=None), LABELS, COSTS, seed=1)
    assert (advice.action, advice.monthly_saving_usd) == (Action.SPECIALISE, None)
    assert any("[[economics.prices]]" in reason for reason in advice.reasons)


def test_few_examples_are_waited_for() -> None:
    """A young task that will have enough within the months allowed is specialised, and it is said when."""
    advice = advise(a_profile(monthly=5000, requests=300), LABELS, COSTS, seed=1)
    assert advice.action is Action.SPECIALISE
    assert any(f"when {NEEDED:,} different inputs" in reason for reason in advice.reasons)


def test_noise_advises_nothing() -> None:
    """A share that may be small, by its interval, does not meet a criterion that asks for a large one."""
    wide = near(0.6, half=0.5)
    profile = a_profile(retrieval=Retrieval(changing_share=wide, ungrounded_share=wide), duplicate_share=wide)
    assert advise(profile, LABELS, COSTS, seed=1).action is Action.SPECIALISE


@pytest.mark.parametrize(
    ("contract", "rung"),
    [(OPEN, None), (SPANS, "span-tagger"), (TEXT, "template"), (LABELS, "ngram"), (FIELDS, "ngram")],
)
def test_the_rung_follows_the_contract(contract: OutputContract, rung: str | None) -> None:
    """Few classes and a flat curve: the first rung does."""
    assert likely_rung(a_profile(), contract) == rung


def test_many_classes_and_rising_curves_want_the_encoder() -> None:
    """But not where the inputs are in another language than the encoder's."""
    many = a_contract(*(f"label_{i}" for i in range(40)))
    assert likely_rung(a_profile(), many) == "encoder-head"
    assert likely_rung(a_profile(languages={"de": 0.9, "en": 0.1}), many) == "ngram"
    curve = tuple(CurvePoint(examples=n, agreement=near(n / 4000)) for n in (1000, 2000, 3000))
    assert likely_rung(a_profile(learnability=replace(learned(), curve=curve)), LABELS) == "encoder-head"


def test_the_long_tail_is_kept() -> None:
    """With the count."""
    advice = advise_long_tail(380, 0.016)
    assert advice.action is Action.KEEP
    assert "380 requests (1.6 %)" in advice.reasons[0]


def test_every_rule_can_be_the_advice() -> None:
    """Each action of the contract is reached by some rule, each code is there once, and the last rule always holds."""
    codes = [rule.code for rule in FRAMEWORK] + [c.code for rule in FRAMEWORK for c in rule.criteria]
    assert len(set(codes)) == len(codes)
    assert {rule.action for rule in FRAMEWORK} == set(Action)
    assert FRAMEWORK[-1].criteria == ()


def test_the_document_says_what_the_code_does() -> None:
    """docs/decision-framework.md; write its table again with: python -m tierwright.curation.framework."""
    assert framework_table() in DOCUMENT.read_text(encoding="utf-8")


def advise_reasons(costs: LocalCosts) -> tuple[str, ...]:
    """The reasons for specialising the usual task."""
    return advise(a_profile(), LABELS, costs, seed=1).reasons

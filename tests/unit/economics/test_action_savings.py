"""What following an advice would save."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.profiles import a_profile, a_prompt, a_volume, learned, near
from tierwright.core.errors import SettingsError
from tierwright.economics.action_savings import (
    RUNGS,
    Assumptions,
    LocalCosts,
    cache_saving,
    local_share,
    prompt_saving,
    small_model_saving,
    specialise_saving,
    unusable_answers_cost,
)
from tierwright.economics.machine import MachineCost

MACHINE = MachineCost(usd_per_hour=Decimal("0.10"), utilisation=0.3)
FREE = MachineCost(usd_per_hour=Decimal(0), utilisation=1.0)
COSTS = LocalCosts(machine=MACHINE, small_model="s", small_usd=Decimal("0.0001"), prompt_usd=Decimal("0.0008"))
#: Nothing is uncertain but what the profile leaves open.
SURE = Assumptions(
    labels=0, holdout_share=0.0, price=(1.0, 1.0), machine=(1.0, 1.0), cut=(0.5, 0.5), small_share=(1.0, 1.0)
)
SURE_COSTS = LocalCosts(machine=FREE, assumptions=SURE, small_usd=Decimal("0.0001"), prompt_usd=Decimal("0.0008"))
NGRAM = RUNGS["ngram"]
SURELY = replace(a_volume(), monthly=near(10_000, half=0.0))


def test_a_specialist_worked_by_hand() -> None:
    """10,000 requests at $0.001, 1 % of them held out, $50 of labels over 12 months, an hour of $2, 1 s each."""
    sure = near(1.0, half=0.0)
    profile = a_profile(volume=SURELY, learnability=replace(learned(), agreement=sure), determinism=sure)
    costs = LocalCosts(
        machine=MachineCost(usd_per_hour=Decimal("0.36"), utilisation=0.5),
        assumptions=replace(
            SURE,
            labels=500,
            label_usd=Decimal("0.10"),
            holdout_share=0.01,
            person_hour_usd=Decimal(2),
            hours_per_month=1,
        ),
    )
    # A second costs 0.36 / 3600 / 0.5 = $0.0002; training takes 3,000 s every 3 months.
    found = specialise_saving(profile, replace(NGRAM, busy_s=1.0, train_s=3000), costs, seed=1)
    by_hand = 9900 * (Decimal("0.001") - Decimal("0.0002")) - Decimal("0.2") - Decimal(50) / 12 - 2
    assert found is not None
    assert found.value == pytest.approx(by_hand, abs=Decimal("1e-6"))


def test_a_cache_worked_by_hand() -> None:
    """A quarter of 10,000 requests at $0.001."""
    profile = a_profile(volume=SURELY, duplicate_share=near(0.25, half=0.0))
    found = cache_saving(profile, SURE_COSTS, seed=1)
    assert found is not None
    assert found.value == found.ci_low == found.ci_high == Decimal("2.5")


def test_a_prompt_worked_by_hand() -> None:
    """Half of the fixed 60 % of the $0.0008 that the prompt costs."""
    profile = a_profile(volume=SURELY, prompt=a_prompt(boilerplate_share=near(0.6, half=0.0)))
    found = prompt_saving(profile, SURE_COSTS, seed=1)
    assert found is not None
    assert found.value == pytest.approx(Decimal("2.4"))


def test_a_small_model_worked_by_hand() -> None:
    """$0.001 less $0.0001 for each of 10,000."""
    found = small_model_saving(a_profile(volume=SURELY), SURE_COSTS, seed=1)
    assert found is not None
    assert found.value == pytest.approx(Decimal(9))


def test_unusable_answers_worked_by_hand() -> None:
    """A tenth of 10,000 requests at $0.001 is paid for nothing."""
    profile = a_profile(volume=SURELY, prompt=a_prompt(unparsed_share=near(0.1, half=0.0)))
    found = unusable_answers_cost(profile, SURE_COSTS, seed=1)
    assert found is not None
    assert found.value == pytest.approx(Decimal(1))


def test_what_has_no_price_has_no_saving() -> None:
    """Missing is None, never 0."""
    profile = a_profile(cost=None)
    assert specialise_saving(profile, NGRAM, COSTS, seed=1) is None
    assert cache_saving(profile, COSTS, seed=1) is None
    assert prompt_saving(a_profile(), replace(COSTS, prompt_usd=None), seed=1) is None
    assert small_model_saving(a_profile(), replace(COSTS, small_usd=None), seed=1) is None
    assert unusable_answers_cost(profile, COSTS, seed=1) is None


@pytest.mark.parametrize("agreement", [0.3, 0.6, 0.8, 0.95])
def test_the_share_grows_with_agreement(agreement: float) -> None:
    """A better probe means more answers given locally, and what is missing to 1 is uncertain."""

    def share(value: float) -> float:
        return local_share(near(value), Assumptions(), seed=1).value

    assert 0.0 < share(agreement) < share(agreement + 0.04) <= 1.0


def test_an_incumbent_that_contradicts_itself_promises_nothing() -> None:
    """Few pairs of alike inputs must not turn a mediocre agreement into a certain share."""
    shares = [
        specialise_saving(a_profile(determinism=determinism), NGRAM, COSTS, seed=1)
        for determinism in (None, near(0.6, half=0.25, n=11), near(1.0, half=0.0))
    ]
    assert shares[0] == shares[1] == shares[2]


def test_nothing_is_known_of_what_was_not_probed() -> None:
    """Any share between 0 and 1, and the method says so."""
    found = local_share(None, Assumptions(), seed=1)
    assert found.ci_low < 0.05
    assert 0.45 < found.value < 0.55
    assert found.ci_high > 0.95
    assert "not probed" in found.method
    assert found.n == 0


def test_confidence_that_guesses_leaves_little_to_answer() -> None:
    """At an AUROC of 0.5 a threshold gives away errors and right answers alike."""
    blind, sharp = (
        local_share(near(0.5), Assumptions(ranking=ranking), seed=1).value for ranking in ((0.5, 0.5), (0.95, 0.95))
    )
    assert blind < 0.1 < sharp


@given(monthly=st.floats(100, 1e8), factor=st.floats(1.01, 100), cost=st.decimals("0.0001", "1", places=4))
def test_more_requests_never_save_less(monthly: float, factor: float, cost: Decimal) -> None:
    """Of anything, as long as a request saves something."""

    def savings(volume: float) -> list[Decimal]:
        profile = a_profile(monthly=volume, cost=str(cost), duplicate_share=near(0.3))
        costs = replace(COSTS, small_usd=cost / 10, prompt_usd=cost / 2)
        found = (
            specialise_saving(profile, NGRAM, replace(costs, machine=FREE), seed=1),
            cache_saving(profile, costs, seed=1),
            prompt_saving(profile, costs, seed=1),
            small_model_saving(profile, costs, seed=1),
        )
        return [one.value for one in found if one is not None]

    for few, many in zip(savings(monthly), savings(monthly * factor), strict=True):
        assert few <= many + Decimal("1e-6")


@given(
    changes=st.fixed_dictionaries(
        {},
        optional={
            "labels": st.integers(51, 5000),
            "holdout_share": st.floats(0.02, 1.0),
            "audit_share": st.floats(0.01, 1.0),
            "person_hour_usd": st.decimals("0.01", "500", places=2),
        },
    )
)
def test_deductions_never_raise_the_saving(changes: dict[str, Any]) -> None:
    """Whatever is deducted more, the middle does not rise."""
    plain = specialise_saving(a_profile(), NGRAM, COSTS, seed=1)
    less = specialise_saving(a_profile(), NGRAM, replace(COSTS, assumptions=Assumptions(**changes)), seed=1)
    assert plain is not None
    assert less is not None
    assert less.value <= plain.value


@pytest.mark.parametrize(
    "changes",
    [
        {"holdout_share": 1.5},
        {"price": (0.9, 0.8)},
        {"ranking": (0.4, 0.9)},
        {"cut": (0.1, 1.2)},
        {"labels": -1},
        {"months": 0},
    ],
)
def test_impossible_assumptions_are_refused(changes: dict[str, Any]) -> None:
    """With the name of what is wrong."""
    with pytest.raises(SettingsError, match=next(iter(changes)).split("_")[0]):
        Assumptions(**changes)

"""New kinds of requests among those that were handed on."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.unit.lifecycle.traffic_under_test import SINCE, traffic
from tierwright.lifecycle.intents import find_intents
from tierwright.lifecycle.windows import cut

if TYPE_CHECKING:
    import numpy as np

    from tierwright.lifecycle.windows import Observed

GIFTS = ["gift voucher code expired", "voucher for a gift not accepted", "redeem my gift voucher", "gift voucher lost"]


def with_gifts(one: Observed, rng: np.random.Generator, _: float) -> Observed:
    """A tenth of the requests are of a kind the specialist never learned, and it hands them on."""
    if rng.random() >= 0.1:
        return one
    return replace(one, input=f"{rng.choice(GIFTS)} {rng.integers(1000)}", confidence=0.2, local=False)


@pytest.mark.slow
def test_new_kind_is_found_and_described() -> None:
    """One group is new; its words name it, its examples are late requests of it, and its share is a tenth."""
    early, late = traffic(change=with_gifts, a_day=40)
    found = find_intents(cut(early, late, since=SINCE), [], seed=1)
    new = [intent for intent in found if intent.new]
    assert found[0] in new
    gifts = {one.id: one.input for one in late if "voucher" in one.input}
    assert sum(intent.size for intent in new) > 0.6 * len(gifts)
    assert all(set(intent.examples) <= set(gifts) for intent in new)
    assert {"gift", "voucher"} & set(new[0].terms)
    assert new[0].growth.ci_low > 0
    assert new[0].familiar < 0.01


@pytest.mark.slow
def test_known_kinds_are_not_new() -> None:
    """Traffic that stays as it was has groups at most, none of them grown."""
    found = find_intents(cut(*traffic(a_day=40), since=SINCE), [], seed=1)
    assert not any(intent.grown or intent.new for intent in found)


@pytest.mark.slow
def test_kind_that_was_answered_locally_before_has_grown_and_is_not_new() -> None:
    """The specialist begins to hand on what it used to answer: that is no new kind of request."""

    def unsure(one: Observed, rng: np.random.Generator, _: float) -> Observed:
        return replace(one, confidence=0.3, local=False) if "parcel never arrived" in one.input else one

    early, late = traffic(change=unsure, a_day=40)
    early = [replace(one, local=True) if "parcel never arrived" in one.input else one for one in early]
    found = find_intents(cut(early, late, since=SINCE), [], seed=1)
    parcels = [intent for intent in found if "parcel" in intent.terms]
    assert any(intent.grown for intent in parcels)
    assert not any(intent.new for intent in parcels)


@pytest.mark.slow
def test_without_a_specialist_all_requests_are_grouped() -> None:
    """Where nobody was asked for confidence, a kind that comes only late is new all the same."""
    early, late = ([replace(one, local=None) for one in side] for side in traffic(change=with_gifts, a_day=40))
    found = find_intents(cut(early, late, since=SINCE), [], seed=1)
    assert any(intent.new and "voucher" in intent.terms for intent in found)


def test_too_few_to_group_is_no_group() -> None:
    """Where hardly anything was handed on there is nothing to show."""
    early, late = ([replace(one, local=True) for one in side] for side in traffic())
    assert find_intents(cut(early, late, since=SINCE), [], seed=1) == ()

"""Which changes of traffic are seen, which are called an alarm, and which are not."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.unit.lifecycle.traffic_under_test import SINCE, traffic
from tierwright.lifecycle.drift import LEVEL, check_drift
from tierwright.lifecycle.windows import cut

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tierwright.lifecycle.drift import DriftCheck
    from tierwright.lifecycle.windows import Observed


def checks(
    change: Callable[[Observed, np.random.Generator, float], Observed] | None = None, *, a_day: int = 40, **asked: int
) -> dict[str, DriftCheck]:
    """All checks of three weeks of traffic, by name."""
    found = check_drift(cut(*traffic(change=change, a_day=a_day, **asked), since=SINCE), seed=1)
    return {check.name: check for check in found}


def alarms(found: dict[str, DriftCheck]) -> set[str]:
    """The names of those that raise an alarm."""
    return {name for name, check in found.items() if check.alarm}


@pytest.mark.slow
def test_no_change_is_no_alarm() -> None:
    """The same traffic with a daily cycle: four checks are made, and none alarms."""
    found = checks()
    assert set(found) == {"inputs", "confidence", "escalation", "answers"}
    assert alarms(found) == set()
    assert all(check.adjusted_p is not None and check.adjusted_p > LEVEL for check in found.values())


@pytest.mark.slow
def test_sudden_change_of_wording_is_an_alarm_of_the_inputs_alone() -> None:
    """Half of the late requests come with another phrase: covariate shift, with answers as before."""

    def changed(one: Observed, rng: np.random.Generator, _: float) -> Observed:
        return replace(one, input=f"{one.input} sent from my refurbished phone") if rng.random() < 0.5 else one

    found = checks(changed)
    assert alarms(found) == {"inputs"}
    assert found["inputs"].size is not None
    assert found["inputs"].size.ci_low < 0.75 < found["inputs"].size.ci_high + 0.05


@pytest.mark.slow
def test_gradual_change_is_an_alarm() -> None:
    """The phrase comes more and more often, from never at first to always at the end."""

    def changed(one: Observed, rng: np.random.Generator, place: float) -> Observed:
        return replace(one, input=f"{one.input} sent from my refurbished phone") if rng.random() < place else one

    assert "inputs" in alarms(checks(changed))


@pytest.mark.slow
def test_label_shift_is_an_alarm_of_the_answers() -> None:
    """Two thirds of the requests about accounts become requests about billing: a share of two ninths moved."""
    bill = traffic(a_day=200)[0]
    billing = [one for one in bill if one.answer == "billing"]

    def changed(one: Observed, rng: np.random.Generator, _: float) -> Observed:
        if one.answer == "account" and rng.random() < 2 / 3:
            other = billing[int(rng.integers(len(billing)))]
            return replace(one, input=other.input, answer=other.answer)
        return one

    found = checks(changed)
    assert "answers" in alarms(found)
    assert "confidence" not in alarms(found)
    assert found["answers"].size is not None
    assert found["answers"].size.ci_low < 2 / 9 < found["answers"].size.ci_high


@pytest.mark.slow
def test_falling_confidence_is_an_alarm_of_confidence_and_escalation() -> None:
    """The specialist becomes less sure of the same requests and hands more of them on."""

    def changed(one: Observed, rng: np.random.Generator, _: float) -> Observed:
        confidence = (one.confidence or 0.0) - 0.25 * float(rng.random())
        return replace(one, confidence=confidence, local=confidence >= 0.7)

    found = checks(changed)
    assert alarms(found) == {"confidence", "escalation"}
    assert found["escalation"].size is not None
    assert found["escalation"].size.value > 0.1


@pytest.mark.slow
def test_change_too_small_to_matter_is_no_alarm() -> None:
    """20 of 100 requests a day are handed on, then 23: as sure as can be, and too little to matter."""
    early, late = traffic(a_day=100)
    sides = [
        [replace(one, local=place % 100 >= handed_on) for place, one in enumerate(side)]
        for side, handed_on in ((early, 20), (late, 23))
    ]
    (check,) = [one for one in check_drift(cut(*sides, since=SINCE), seed=1) if one.name == "escalation"]
    assert check.adjusted_p is not None
    assert check.adjusted_p <= LEVEL
    assert not check.alarm
    assert "too little to matter" in check.what


@pytest.mark.slow
def test_what_was_not_kept_is_not_compared() -> None:
    """Where no specialist was asked and no answer kept, these checks say why and the others are made."""

    def bare(one: Observed) -> Observed:
        return replace(one, confidence=None, local=None, answer=None)

    early, late = traffic()
    found = check_drift(cut([bare(one) for one in early], [bare(one) for one in late], since=SINCE), seed=1)
    made = {check.name for check in found if check.p_value is not None}
    assert made == {"inputs"}
    assert all("not looked at" in check.what for check in found if check.name not in made)
    assert {check.alarm for check in found} == {False}


@pytest.mark.slow
def test_embeddings_see_a_change_of_meaning() -> None:
    """With an encoder there is one check more; late texts that lie elsewhere alarm it."""

    def embed(texts: Sequence[str]) -> np.ndarray:
        rng = np.random.default_rng(0)
        found = rng.normal(size=(len(texts), 8)).astype(np.float32)
        found[:, 0] += [2.0 * ("elsewhere" in text) for text in texts]
        return found / np.linalg.norm(found, axis=1, keepdims=True)

    def changed(one: Observed, rng: np.random.Generator, _: float) -> Observed:
        return replace(one, input=f"{one.input} elsewhere")

    found = check_drift(cut(*traffic(change=changed), since=SINCE), seed=1, embed=embed)
    (meaning,) = [check for check in found if check.name == "meaning"]
    assert meaning.alarm
    assert meaning.method is not None
    assert "mean discrepancy" in meaning.method


@pytest.mark.slow
def test_same_seed_gives_the_same_outcome() -> None:
    """Nothing is drawn but from the seed."""
    windows = cut(*traffic(a_day=12), since=SINCE)
    assert check_drift(windows, seed=3) == check_drift(windows, seed=3)

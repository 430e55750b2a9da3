"""The guarantee on labelled examples: of files, of groups, of versions."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.fakes import NOON, a_contract, a_dataset, a_version
from tests.unit.evals.arms_under_test import RIGHT, WRONG, arms
from tierwright.core.certificate import Risk
from tierwright.core.dataset import LabelSource, Split
from tierwright.core.errors import InputError, NotEnoughData
from tierwright.evals.certify import Goal, Material, certify_groups, certify_threshold, certify_version

ERROR, REGRET = Goal(risk=Risk.ERROR, level=0.1), Goal(risk=Risk.REGRET, level=0.02)
DATASET = a_dataset(contract=a_contract(RIGHT, WRONG))


def material(n: int = 600, seed: int = 1, **changes: Any) -> Material:
    """Answers that are wrong with probability 0.4 (1 - u)^2 at confidence u, against a baseline that is 90 % right."""
    generator = np.random.default_rng(seed)
    sure = generator.random(n)
    fields: dict[str, Any] = {
        "confidence": sure,
        "candidate": (generator.random(n) >= 0.4 * (1 - sure) ** 2).astype(float),
        "baseline": (generator.random(n) < 0.9).astype(float),
    }
    return Material(**fields | changes)


def test_the_same_seed_gives_the_same_certificate() -> None:
    """For both risks; the threshold is a confidence and its coverage is counted on the examples."""
    for goal in (ERROR, REGRET):
        found, n = certify_threshold(material(), goal)
        assert (found, n) == certify_threshold(material(), goal)
        assert n == 600
        assert found.threshold is not None
        assert found.coverage is not None
        assert found.coverage.value == (np.asarray(material().confidence) >= found.threshold).mean()


def test_unlabelled_confidences_make_the_grid() -> None:
    """Where there are 200 or more the threshold is one of theirs; with fewer it lies just above a labelled one."""
    spare = np.linspace(0.0005, 0.9995, 500)
    found, _ = certify_threshold(material(unlabelled=spare), ERROR)
    assert found.threshold in spare
    few, _ = certify_threshold(material(unlabelled=spare[:199]), ERROR)
    assert few.threshold is not None
    assert few.threshold not in spare


def test_copies_of_one_example_count_once() -> None:
    """One random member of each group is used: copies neither add labels nor change what is certified."""
    plain = material(40)
    copied = Material(
        confidence=np.repeat(plain.confidence, 10),
        candidate=np.repeat(plain.candidate, 10),
        baseline=None,
        groups=np.repeat(np.arange(40), 10).tolist(),
    )
    found, n = certify_threshold(copied, ERROR)
    assert n == 40
    assert found == certify_threshold(plain, ERROR)[0]
    assert certify_threshold(replace(copied, groups=None), ERROR)[1] == 400


def test_each_group_has_a_certificate_of_its_own() -> None:
    """A hopeless tenant does not take the others' certificates away, and does not hide behind them."""
    tenants = {"good": material(seed=2), "bad": material(seed=3, candidate=np.zeros(600))}
    found = certify_groups(tenants, ERROR, family_wise=False)
    assert found["good"] == certify_threshold(tenants["good"], ERROR)
    assert found["good"][0].threshold is not None
    assert found["bad"][0].reason.endswith("every answer of the candidate is wrong")


def test_family_wise_certificates_share_delta_and_pass_it_on() -> None:
    """Each starts at a third of delta; a group that may answer everything leaves its part to the others, as in Holm."""
    perfect = material(seed=4, candidate=np.ones(600))
    other = {"one": material(seed=5), "two": material(seed=6)}
    found = certify_groups({"perfect": perfect} | other, ERROR, family_wise=True)
    assert found["perfect"][0].threshold == 0.0
    # A third of its own, and half of what the perfect group was certified at: a third, all of its plan being passed.
    passed_on = found["perfect"][0].tested_at
    assert passed_on == pytest.approx(0.05 / 3)
    for name, one in other.items():
        assert found[name] == certify_threshold(one, replace(ERROR, delta=0.05 / 3 + passed_on / 2))
    alone = certify_groups(other, ERROR, family_wise=True)
    assert alone["one"] == certify_threshold(other["one"], replace(ERROR, delta=0.025))


def outcomes(n: int = 500) -> list[tuple[bool, bool, float]]:
    """Specialist right, incumbent right, confidence."""
    generator = np.random.default_rng(7)
    sure = generator.random(n)
    right = generator.random(n) >= 0.4 * (1 - sure) ** 2
    incumbent = generator.random(n) < 0.9
    return [(bool(a), bool(b), float(c)) for a, b, c in zip(right, incumbent, sure, strict=True)]


def test_a_version_is_certified_on_people_s_labels_of_its_test_examples() -> None:
    """The certificate says what it is about and on what it rests."""
    examples, predictions = arms(outcomes())
    found = certify_version(a_version(), DATASET, examples, predictions, REGRET, min_gold=50, at=NOON)
    assert found.certified
    assert (found.risk, found.level, found.delta, found.n, found.seed) == (Risk.REGRET, 0.02, 0.05, 500, 0)
    assert (found.model_version_id, found.dataset_id) == (a_version().id, DATASET.id)
    assert found.reference is LabelSource.HUMAN
    again = certify_version(a_version(), DATASET, examples, predictions, REGRET, min_gold=50, at=NOON)
    assert again == found


def test_without_people_s_labels_an_error_is_another_answer_than_the_incumbent_s() -> None:
    """And the certificate says by whom."""
    examples, predictions = arms(outcomes(), source=LabelSource.INCUMBENT)
    found = certify_version(a_version(), DATASET, examples, predictions, ERROR, min_gold=50, at=NOON)
    assert found.reference is LabelSource.INCUMBENT
    assert not found.certified
    # The incumbent is wrong in a tenth: agreeing with it at 10 % is more than being right at 10 %.
    human = certify_version(a_version(), DATASET, *arms(outcomes()), ERROR, min_gold=50, at=NOON)
    assert human.certified


def test_examples_the_version_has_learned_from_are_refused() -> None:
    """Those of the calibration split are learned from, too."""
    examples, predictions = arms(outcomes(), split=Split.CALIBRATION)
    with pytest.raises(InputError, match="not of the test split"):
        certify_version(a_version(), DATASET, examples, predictions, ERROR, min_gold=50, at=NOON)


def test_bad_input_is_refused_with_the_reason() -> None:
    """NaN confidences, no baseline for regret, no example, numbers that are no probabilities, lengths that differ."""
    with pytest.raises(InputError, match="NaN"):
        certify_threshold(material(3, confidence=[0.1, math.nan, 0.3]), ERROR)
    with pytest.raises(InputError, match="against a baseline"):
        certify_threshold(material(baseline=None), REGRET)
    with pytest.raises(NotEnoughData, match="no labelled examples"):
        certify_threshold(Material(confidence=[], candidate=[], baseline=None), ERROR)
    with pytest.raises(InputError, match="level is 0"):
        Goal(risk=Risk.ERROR, level=0.0)
    with pytest.raises(InputError, match="differ in length"):
        certify_threshold(material(3, confidence=[0.1, 0.2]), ERROR)

"""What is registered, and whether it is still that."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.fakes import NOON, a_registration, after, an_evaluation
from tests.unit.evals.arms_under_test import arms
from tierwright.core.dataset import LabelSource
from tierwright.core.errors import InputError, NotEnoughData
from tierwright.core.ids import DatasetId, EvaluationId, ExperimentId, ModelVersionId
from tierwright.evals.registration import draw_sample, hash_examples, looks, registered, require_unchanged

EXAMPLES, _ = arms([(True, True, 0.9)] * 80)


def a_fixed(**changes: object):  # noqa: ANN201 - the type of `a_registration`
    """A registration of all of `EXAMPLES`."""
    sample = draw_sample(EXAMPLES, min_gold=50, size=None, seed=7)
    return registered(a_registration(test_sha256=sample.sha256, sample_size=80, **changes))


def test_everything_registered_is_in_the_id() -> None:
    """Any other margin, level, metric, sample or instant is another experiment; the plan is not part of it."""
    first = registered(a_registration())
    changed = {
        "margin": 0.02,
        "alpha": 0.1,
        "metric": "span_f1",
        "min_effect": 0.01,
        "slices": (),
        "sample_size": 401,
        "test_sha256": "cd" * 32,
        "created_at": after(1),
        "implicit": True,
        "seed": 8,
        "slot_margin": 0.5,
    }
    ids = {registered(replace(first, **{name: value})).id for name, value in changed.items()}
    assert len(ids | {first.id}) == len(changed) + 1
    assert registered(replace(first, plans=(), id=ExperimentId("x"))).id == first.id


def test_the_sample_is_drawn_by_seed_and_found_again() -> None:
    """The same seed draws the same examples whatever their order, another seed others."""
    first = draw_sample(EXAMPLES, min_gold=50, size=30, seed=1)
    again = draw_sample(EXAMPLES[::-1], min_gold=50, size=30, seed=1)
    other = draw_sample(EXAMPLES, min_gold=50, size=30, seed=2)
    assert {e.id for e in first.examples} == {e.id for e in again.examples} != {e.id for e in other.examples}
    assert len(first.examples) == 30
    assert first.reference is LabelSource.HUMAN


def test_too_few_labels_are_refused_with_the_number_that_is_missing() -> None:
    """An experiment on more labels than there are is not registered."""
    with pytest.raises(NotEnoughData, match="20 are missing"):
        draw_sample(EXAMPLES, min_gold=50, size=100, seed=1)
    with pytest.raises(InputError, match="at least one"):
        draw_sample(EXAMPLES, min_gold=50, size=0, seed=1)


def test_the_hash_is_of_everything_that_is_compared() -> None:
    """Another input, answer, incumbent's answer, label's source, group or order is another hash."""
    first = EXAMPLES[0]
    others = [
        replace(first, input="other"),
        replace(first, output="card_lost"),
        replace(first, incumbent_output=None),
        replace(first, source=LabelSource.INCUMBENT),
        replace(first, group="other"),
    ]
    hashes = {hash_examples([one, *EXAMPLES[1:]]) for one in [first, *others]}
    assert len(hashes) == 6
    assert hash_examples(EXAMPLES[::-1]) not in hashes
    assert hash_examples([replace(first, occurrences=9), *EXAMPLES[1:]]) in hashes


def test_unchanged_examples_are_the_registered_sample() -> None:
    """What was registered is found again, all of it."""
    assert require_unchanged(a_fixed(), EXAMPLES).examples == tuple(EXAMPLES)


@pytest.mark.parametrize("what", ["relabelled", "fewer", "no labels"])
def test_a_dataset_changed_after_registration_is_refused(what: str) -> None:
    """A label changed, an example gone or labels taken back: the experiment can't be made any more, and why is said."""
    changed = {
        "relabelled": [replace(EXAMPLES[0], output="card_lost"), *EXAMPLES[1:]],
        "fewer": EXAMPLES[1:],
        "no labels": [replace(one, source=LabelSource.INCUMBENT) for one in EXAMPLES],
    }[what]
    with pytest.raises(InputError, match="changed since experiment"):
        require_unchanged(a_fixed(), changed)


def test_several_candidates_share_the_error() -> None:
    """Two candidates have their intervals at 1 - alpha / 2."""
    one = a_registration().candidates[0]
    pair = a_registration(candidates=(one, replace(one, version=ModelVersionId("b"))))
    assert (a_registration().level, pair.level) == (0.95, 0.975)
    assert pair.candidate(ModelVersionId("b")) == pair.candidates[1]
    assert pair.candidate(ModelVersionId("c")) is None


def test_looks_are_counted_on_the_same_test_examples() -> None:
    """Earlier evaluations on these examples count, by version and in all; later ones and other examples do not."""
    registration = a_registration()
    elsewhere = a_registration(id=ExperimentId("elsewhere"), test_sha256="cd" * 32)
    evaluations = [
        an_evaluation(id=EvaluationId("a"), created_at=after(1), experiment_id=registration.id),
        an_evaluation(
            id=EvaluationId("b"), created_at=after(2), experiment_id=registration.id, candidate=ModelVersionId("other")
        ),
        an_evaluation(id=EvaluationId("old"), created_at=NOON),
        an_evaluation(id=EvaluationId("old elsewhere"), created_at=NOON, dataset_id=DatasetId("dataset-2")),
        an_evaluation(id=EvaluationId("c"), created_at=after(1), experiment_id=elsewhere.id),
        an_evaluation(id=EvaluationId("later"), created_at=after(9), experiment_id=registration.id),
    ]
    kept = {one.id: one for one in (registration, elsewhere)}
    found = looks(ModelVersionId("abc123"), registration, evaluations, kept, before=after(5))
    assert [one.id for one in found.of_version] == ["old", "a"]
    assert [one.id for one in found.of_any] == ["old", "a", "b"]
    assert found.number == 3

"""The verdict on a whole ladder, and on each field."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.fakes import a_contract, an_estimate
from tests.unit.evals.arms_under_test import an_arm_example
from tierwright.core.contract import ContractKind, FieldSpec, JsonStyle, OutputContract
from tierwright.core.dataset import LabelSource, Split
from tierwright.core.errors import InputError, NotEnoughData, NotLearnable
from tierwright.core.ids import InferenceId
from tierwright.core.model import Prediction
from tierwright.evals.verdict import Learned, verdict
from tierwright.evals.verdict_report import verdict_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tierwright.core.dataset import Example

MANY = tuple(f"label-{n}" for n in range(4))
CONTRACT = a_contract(*MANY)
FIELDS = OutputContract(
    kind=ContractKind.FIELDS,
    fields=(
        FieldSpec(name="project", values=("hadoop", "seamonkey")),
        FieldSpec(name="priority", values=("major", "none", "high")),
    ),
    style=JsonStyle(),
)


def asked(outputs: Sequence[str], **changes: object) -> list[Example]:
    """Test examples with these right answers."""
    return [
        an_arm_example(n, output=output, **{"incumbent_output": output} | changes) for n, output in enumerate(outputs)
    ]


def known(outputs: Sequence[str]) -> list[Example]:
    """Training examples with these answers."""
    return [
        an_arm_example(n, id=InferenceId(f"t-{n}"), output=output, split=Split.TRAIN)
        for n, output in enumerate(outputs)
    ]


def answers(outputs: Sequence[str]) -> list[Prediction]:
    """Predictions of these outputs."""
    return [Prediction(output=output, confidence=0.5) for output in outputs]


def drawn(count: int, shares: Sequence[float], seed: int = 0) -> list[str]:
    """Labels at random."""
    return np.random.default_rng(seed).choice(MANY, size=count, p=shares).tolist()


SKEWED = (0.7, 0.1, 0.1, 0.1)


def test_rung_that_knows_more_makes_the_task_learnable() -> None:
    """One good rung among bad ones is enough, and it is the one that is named."""
    right = drawn(300, SKEWED)
    found = verdict(
        CONTRACT,
        asked(right),
        {"ngram": answers([MANY[0]] * 300), "encoder-head": answers([*right[:280], *[MANY[0]] * 20])},
        training=known(drawn(1000, SKEWED, 1)),
    )
    assert found.learned is Learned.LEARNABLE
    assert found.whole.best.rung == "encoder-head"
    assert [gain.rung for gain in found.rungs] == ["ngram", "encoder-head"]
    found.require()


def test_guessing_with_plenty_of_examples_is_not_learnable() -> None:
    """Rungs that guess are refused when there were a thousand examples: leave it on the frontier model."""
    right = drawn(500, SKEWED)
    rungs = {f"rung-{n}": answers(drawn(500, SKEWED, 10 + n)) for n in range(3)}
    found = verdict(CONTRACT, asked(right), rungs, training=known(drawn(1000, SKEWED, 1)))
    assert found.learned is Learned.NOT_LEARNABLE
    with pytest.raises(NotLearnable, match="leave this on the frontier model"):
        found.require()


def test_guessing_with_few_examples_is_undecided() -> None:
    """The same with forty training examples may be for want of them: it is not condemned, and more are asked for."""
    right = drawn(500, SKEWED)
    found = verdict(CONTRACT, asked(right), {"ngram": answers([MANY[0]] * 500)}, training=known(drawn(40, SKEWED, 1)))
    assert found.learned is Learned.UNDECIDED
    assert found.whole.labels_needed is None
    with pytest.raises(NotEnoughData, match="more training examples"):
        found.require()


def test_few_test_labels_are_undecided_with_a_number() -> None:
    """A gain of four points on fifty labels can be noise or not: about how many more would tell is said."""
    right = drawn(50, SKEWED)
    gained = [n for n, one in enumerate(right) if one != MANY[0]][:2]
    given = [one if n in gained else MANY[0] for n, one in enumerate(right)]
    found = verdict(CONTRACT, asked(right), {"ngram": answers(given)}, training=known(drawn(1000, SKEWED, 1)))
    assert found.learned is Learned.UNDECIDED
    assert found.whole.labels_needed is not None
    assert found.whole.labels_needed > 0
    assert "more test labels would tell" in found.reason


def test_learning_curve_decides_whether_more_might_help() -> None:
    """What the curve foretells overrules the mere number of examples, both ways."""
    right = drawn(500, SKEWED)
    rungs = {"ngram": answers([MANY[0]] * 500)}
    rising = verdict(CONTRACT, asked(right), rungs, training=known(drawn(1000, SKEWED, 1)), with_more=an_estimate(0.9))
    flat = verdict(CONTRACT, asked(right), rungs, training=known(drawn(100, SKEWED, 1)), with_more=an_estimate(0.7))
    assert rising.learned is Learned.UNDECIDED
    assert flat.learned is Learned.NOT_LEARNABLE


def test_best_of_several_rungs_is_held_to_more() -> None:
    """A gain that would pass alone does not pass as the best of ten."""
    right = drawn(200, SKEWED)
    places = [n for n, one in enumerate(right) if one != MANY[0]][:6]
    lucky = answers([one if n in places else MANY[0] for n, one in enumerate(right)])
    others = {f"rung-{n}": answers([MANY[0]] * 200) for n in range(9)}
    training = known(drawn(1000, SKEWED, 1))
    assert verdict(CONTRACT, asked(right), {"a": lucky}, training=training).learned is Learned.LEARNABLE
    assert verdict(CONTRACT, asked(right), {"a": lucky, **others}, training=training).learned is not Learned.LEARNABLE


def test_incumbent_that_contradicts_itself_leaves_nothing_to_learn() -> None:
    """By agreement, a ceiling just above the constant shrinks what could be gained; by people's labels it does not."""
    right = drawn(500, SKEWED)
    gained = [n for n, one in enumerate(right) if one != MANY[0]][:2]
    rungs = {"ngram": answers([one if n in gained else MANY[0] for n, one in enumerate(right)])}
    training = known(drawn(1000, SKEWED, 1))
    found = verdict(
        CONTRACT, asked(right, source=LabelSource.INCUMBENT), rungs, training=training, ceiling=an_estimate(0.75)
    )
    assert found.reference is LabelSource.INCUMBENT
    assert found.whole.worth < 0.03
    by_people = verdict(CONTRACT, asked(right), rungs, training=training, ceiling=an_estimate(0.75))
    assert by_people.whole.worth > 0.05


def test_history_without_an_incumbent_is_judged_by_its_labels() -> None:
    """Imported labels count, however few, where nobody else has answered."""
    right = [MANY[n % 4] for n in range(30)]
    found = verdict(CONTRACT, asked(right, incumbent_output=None), {"ngram": answers(right)})
    assert found.reference is LabelSource.HUMAN
    assert found.learned is Learned.LEARNABLE


def _issues(count: int, seed: int) -> list[tuple[str, str]]:
    """Project and priority: the project is told by the text, the priority only follows from the project."""
    rng = np.random.default_rng(seed)
    found = []
    for n in range(count):
        project = ("hadoop", "seamonkey")[n % 2]
        found.append((project, str(rng.choice(["major", "high"], p=[0.75, 0.25])) if project == "hadoop" else "none"))
    return found


def test_field_that_only_follows_from_another_is_named() -> None:
    """A priority that is right twice as often as a constant, but only because the project is, can't be learned."""
    right = _issues(600, 0)
    given = [(project, "major" if project == "hadoop" else "none") for project, _ in right]
    found = verdict(
        FIELDS,
        asked([FIELDS.render(one) for one in right]),
        {"ngram": answers([FIELDS.render(one) for one in given])},
        training=known([FIELDS.render(one) for one in _issues(1000, 1)]),
    )
    assert found.learned is Learned.PARTLY
    assert found.unlearnable_fields == ("priority",)
    assert "'priority'" in found.reason
    assert [one.learned for one in found.fields] == [Learned.LEARNABLE, Learned.NOT_LEARNABLE]


def test_field_that_the_others_fix_is_learned_with_them() -> None:
    """A domain that each intent belongs to is not condemned for saying nothing that the intent does not."""
    rng = np.random.default_rng(0)
    contract = OutputContract(
        kind=ContractKind.FIELDS,
        fields=(FieldSpec(name="intent", values=("a", "b", "c", "d")), FieldSpec(name="domain", values=("x", "y"))),
        style=JsonStyle(),
    )
    domain = {"a": "x", "b": "x", "c": "y", "d": "y"}
    right = rng.choice(list("abcd"), 400).tolist()
    given = [one if rng.random() < 0.8 else str(rng.choice(list("abcd"))) for one in right]
    found = verdict(
        contract,
        asked([contract.render((one, domain[one])) for one in right]),
        {"ngram": answers([contract.render((one, domain[one])) for one in given])},
        training=known([contract.render((one, domain[one])) for one in rng.choice(list("abcd"), 800).tolist()]),
    )
    assert found.learned is Learned.LEARNABLE
    assert found.unlearnable_fields == ()


def test_constant_answer_has_nothing_to_learn() -> None:
    """One answer for all examples is refused with the advice that it needs no model."""
    found = verdict(CONTRACT, asked([MANY[0]] * 100), {"ngram": answers([MANY[0]] * 100)})
    assert found.learned is Learned.NOT_LEARNABLE
    assert "constant" in found.reason


def test_ladder_without_a_rung_is_refused() -> None:
    """There is no verdict on nothing."""
    with pytest.raises(InputError, match="no rung"):
        verdict(CONTRACT, asked([MANY[0]]), {})


@pytest.mark.slow
def test_verdict_is_seldom_wrong() -> None:
    """Of 100 ladders of three guessing rungs few pass for learnable; of 100 good rungs none is condemned."""
    wrong = condemned = 0
    for seed in range(100):
        right = drawn(150, SKEWED, seed)
        training = known(drawn(400, SKEWED, 1000 + seed))
        guesses = {f"rung-{n}": answers(drawn(150, SKEWED, 5000 + 3 * seed + n)) for n in range(3)}
        wrong += verdict(CONTRACT, asked(right), guesses, training=training).learned is Learned.LEARNABLE
        rng = np.random.default_rng(9000 + seed)
        good = [one if rng.random() < 0.6 else MANY[0] for one in right]
        condemned += verdict(CONTRACT, asked(right), {"a": answers(good)}, training=training).learned is (
            Learned.NOT_LEARNABLE
        )
    assert wrong <= 6
    assert condemned == 0


def test_document_is_json_and_says_the_same() -> None:
    """Verdict, fields and rungs are all in the document."""
    right = _issues(100, 0)
    examples = asked([FIELDS.render(one) for one in right])
    found = verdict(FIELDS, examples, {"ngram": answers([FIELDS.render(one) for one in right])})
    document = json.loads(json.dumps(verdict_json(found)))
    assert document["learned"] == "learnable"
    assert [part["field"] for part in document["fields"]] == ["project", "priority"]
    assert document["rungs"][0]["score"]["value"] == 1.0
    assert document["whole"]["labels_needed"] == 0

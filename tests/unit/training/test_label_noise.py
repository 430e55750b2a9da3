"""Which labels are probably wrong, and how many."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.unit.training.problems import FIELDS, LABELS, TOPICS, fields_examples, label_examples
from tierwright.core.contract import ContractKind, OutputContract
from tierwright.core.dataset import Split
from tierwright.core.errors import InputError
from tierwright.core.triage import Severity
from tierwright.training.label_noise import judge, label_noise


def test_seeded_flips_are_found() -> None:
    """Nine in ten of 5 % flipped labels are named, nine in ten named ones are flipped, the rate is in its interval."""
    examples = label_examples(800, human=1.0)
    rng = np.random.default_rng(1)
    flipped = {}
    for at in rng.choice(800, size=40, replace=False).tolist():
        others = [topic for topic in sorted(TOPICS) if topic != examples[at].output]
        flipped[examples[at].id] = examples[at].output
        examples[at] = replace(examples[at], output=str(rng.choice(others)))
    (found,) = [one for one in label_noise(examples, LABELS, seed=3) if one.check == "label-noise"]
    named = {case.examples[0]: case for case in found.cases}
    hits = set(named) & set(flipped)
    assert len(hits) >= 0.9 * len(flipped)
    assert len(hits) >= 0.9 * found.count
    assert all(named[known].proposed == flipped[known] for known in hits)
    assert all((named[known].probability or 0) > 0.5 for known in named)
    assert found.severity is Severity.WARNING
    assert found.estimate is not None
    assert found.estimate.ci_low <= 0.05 <= found.estimate.ci_high


def test_clean_labels_are_left_alone() -> None:
    """Where nothing is wrong hardly anything is named, and the rate's interval begins at 0."""
    (found,) = label_noise(label_examples(400, human=0.0), LABELS, seed=3)
    assert found.count <= 2
    assert found.severity is Severity.NOTE
    assert found.estimate is not None
    assert found.estimate.ci_low < 0.01


def test_incumbent_s_errors_are_measured_where_people_have_looked() -> None:
    """With people's labels beside the incumbent's answers its error rate is a count with an exact interval."""
    found = label_noise(label_examples(400, error=0.1, human=0.5), LABELS, seed=3)[0]
    assert found.check == "incumbent-errors"
    assert found.estimate is not None
    assert found.estimate.value == pytest.approx(found.count / found.n)
    assert found.estimate.ci_low < 0.1 < found.estimate.ci_high


def test_fields_are_judged_one_by_one() -> None:
    """Each field has its own finding, whose cases name the field."""
    examples = fields_examples(300)
    wrong = examples[7]
    values = FIELDS.parse(wrong.output)
    assert values is not None
    flipped = FIELDS.render((values[0], "low" if values[1] == "high" else "high"))
    examples[7] = replace(wrong, output=flipped)
    found = [one for one in label_noise(examples, FIELDS, seed=3) if one.check == "label-noise"]
    assert len(found) == 2
    assert [(case.examples, case.field) for case in found[1].cases] == [((wrong.id,), "urgency")]
    assert found[0].count == 0


def test_test_examples_are_refused() -> None:
    """Labels that the experiment uses are not judged by a model."""
    examples = label_examples(100)
    examples[0] = replace(examples[0], split=Split.TEST)
    with pytest.raises(InputError, match="test examples"):
        label_noise(examples, LABELS, seed=3)


def test_open_answers_and_few_examples_are_skipped_with_the_reason() -> None:
    """What can't be judged is not silently clean."""
    few = label_noise(label_examples(30, human=0.0), LABELS, seed=3)
    assert [one.severity for one in few] == [Severity.SKIPPED]
    spans = label_noise(label_examples(100, human=0.0), OutputContract(kind=ContractKind.SPANS), seed=3)
    assert [one.severity for one in spans] == [Severity.SKIPPED]


def test_scores_that_say_nothing_leave_the_rate_open() -> None:
    """Where the votes know nothing, no label is named and the interval is wide."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 300)
    found = judge(rng.normal(0, 1e-3, (300, 3)), labels, [str(n) for n in range(300)])
    assert (found.wrong > 0.9).sum() == 0
    assert found.rate.ci_high - found.rate.ci_low > 0.3

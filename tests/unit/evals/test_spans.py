from __future__ import annotations

import pytest

from tierwright.core.contract import ContractKind, FieldSpec, JsonStyle, OutputContract
from tierwright.core.errors import InputError, NotEnoughData
from tierwright.evals.spans import SpanF1, span_f1, span_f1_difference

CONTRACT = OutputContract(
    kind=ContractKind.SPANS, fields=(FieldSpec(name="who", many=True), FieldSpec(name="when")), style=JsonStyle()
)
RIGHT = '{"who": ["Ann", "Bo"], "when": "1 May"}'
NONE = '{"who": [], "when": null}'


@pytest.mark.parametrize(
    ("answer", "score"),
    [
        (RIGHT, 1.0),
        ('{"when": "1 May", "who": ["Bo", "Ann"]}', 1.0),
        ('{"who": ["Ann"], "when": "1  May"}', 0.8),
        ('{"who": ["Ann", "Ann", "Bo"], "when": "1 May"}', 6 / 7),
        ('{"who": ["1 May"], "when": "Ann"}', 0.0),
        ('{"who": ["ann"], "when": null}', 0.0),
        (NONE, 0.0),
        ("Ann and Bo, on 1 May", 0.0),
    ],
)
def test_pairs(answer: str, score: float) -> None:
    """Field and string must both be right; order and white space don't matter, case and repetition do."""
    assert SpanF1(CONTRACT).score(RIGHT, answer) == pytest.approx(score)


def test_nothing_where_nothing_is() -> None:
    """No pair where there should be none is a perfect answer, and one is not."""
    assert SpanF1(CONTRACT).score(NONE, NONE) == 1.0
    assert SpanF1(CONTRACT).score(NONE, RIGHT) == 0.0


def test_micro_f1() -> None:
    """Pairs are counted over all answers: 3 hits of 5 answered and 4 wanted make 2/3."""
    rights = [RIGHT, '{"who": ["Cy"], "when": null}', NONE]
    answers = ['{"who": ["Ann", "Bo"], "when": "2 May"}', '{"who": ["Cy", "Di"], "when": null}', NONE]
    found = span_f1(CONTRACT, rights, answers, ["a", "b", "c"], 0)
    assert found.value == pytest.approx(6 / 9)
    assert found.n == 3
    assert found.ci_low <= found.value <= found.ci_high
    assert found == span_f1(CONTRACT, rights, answers, ["a", "b", "c"], 0)


def test_groups_widen_the_interval() -> None:
    """Copies of one example tell no more than the example."""
    rights = [RIGHT] * 40
    answers = [RIGHT if at % 2 else NONE for at in range(40)]
    alone = span_f1(CONTRACT, rights, answers, list(range(40)), 0)
    together = span_f1(CONTRACT, rights, answers, [at % 8 for at in range(40)], 0)
    assert alone.value == together.value
    assert together.n == 8
    assert together.ci_high - together.ci_low > 1.5 * (alone.ci_high - alone.ci_low)


def test_difference() -> None:
    """A paired difference has its sign, and none where both answer the same."""
    rights, worse = [RIGHT] * 20, [RIGHT if at % 3 else NONE for at in range(20)]
    groups = list(range(20))
    assert span_f1_difference(CONTRACT, rights, rights, worse, groups, 0).ci_low > 0
    same = span_f1_difference(CONTRACT, rights, worse, worse, groups, 0)
    assert (same.ci_low, same.value, same.ci_high) == (0.0, 0.0, 0.0)


def test_refusals() -> None:
    """Nothing to count, or sequences that don't fit together, is said to be so."""
    with pytest.raises(NotEnoughData, match="no F1"):
        span_f1(CONTRACT, [NONE], [NONE], ["a"], 0)
    with pytest.raises(NotEnoughData):
        span_f1(CONTRACT, [], [], [], 0)
    with pytest.raises(InputError, match="differ in length"):
        span_f1(CONTRACT, [RIGHT], [], ["a"], 0)

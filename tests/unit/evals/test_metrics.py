"""The figures that experiments are decided by."""

from __future__ import annotations

import numpy as np
import pytest
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from tests.fakes import a_contract
from tierwright.core.contract import ContractKind, FieldSpec, JsonStyle, OutputContract
from tierwright.core.errors import InputError, NotEnoughData
from tierwright.evals import metrics
from tierwright.evals.metrics import compared, contribution, metrics_of, score, slot_figures

TEXTS = OutputContract(kind=ContractKind.TEXT)
SPANS = OutputContract(kind=ContractKind.SPANS, fields=(FieldSpec(name="names", many=True),), style=JsonStyle())
RIGHTS = [
    ["The blue lamp stands on oak.", "A lamp in blue, on an oak foot."],
    ["Cotton shirt, red.", "A red shirt of cotton."],
    ["Chair with four legs"],
    ["Table"],
]
OURS = ["A blue lamp on an oak foot.", "Red cotton shirt.", "Chair with four legs", "Tables"]
THEIRS = ["The lamp is blue.", "A shirt of red cotton.", "A chair", "Table"]


def corpus(metric: CHRF | BLEU, answers: list[str]) -> float:
    """What sacrebleu says of all answers together, as a share."""
    columns = [[right[place] if place < len(right) else None for right in RIGHTS] for place in range(2)]
    return float(metric.corpus_score(answers, columns).score) / 100


def test_chrf_is_that_of_sacrebleu() -> None:
    """All answers together, several right texts each, have sacrebleu's corpus chrF."""
    rows = [
        [contribution("chrf", TEXTS, right, answer) for right, answer in zip(RIGHTS, a, strict=True)]
        for a in (OURS, THEIRS)
    ]
    found = compared("chrf", *rows, list("abcd"), level=0.95, seed=1)
    assert found.candidate.value == pytest.approx(corpus(CHRF(), OURS), abs=1e-9)
    assert found.baseline.value == pytest.approx(corpus(CHRF(), THEIRS), abs=1e-9)
    assert found.difference.value == pytest.approx(found.candidate.value - found.baseline.value)
    assert found.difference.ci_low < found.difference.value < found.difference.ci_high


def test_bleu_is_that_of_sacrebleu() -> None:
    """All answers together have sacrebleu's corpus BLEU, lower-cased."""
    rights, answers = RIGHTS[:3], [*OURS[:2], "Chair with four legs indeed"]
    rows = [contribution("bleu", TEXTS, right, answer) for right, answer in zip(rights, answers, strict=True)]
    columns = [[right[place] if place < len(right) else None for right in rights] for place in range(2)]
    expected = BLEU(lowercase=True).corpus_score(answers, columns).score / 100
    assert float(metrics._bleu(np.sum(rows, axis=0)[None, :])[0]) == pytest.approx(expected, abs=1e-9)


def test_an_answer_without_characters_has_no_likeness() -> None:
    """Empty and blank answers score 0, not NaN."""
    row = contribution("chrf", TEXTS, ["Table"], "  ")
    assert metrics._chrf(np.array([row])).tolist() == [0.0]


def test_span_f1_counts_strings_over_all_examples() -> None:
    """Three of four strings found, one invented: F1 = 2 * 3 / (4 + 4), counted by hand."""
    rights = ['{"names": ["Ann", "Bob"]}', '{"names": ["Cy", "Di"]}', '{"names": []}']
    ours = ['{"names": ["Ann", "Bob"]}', '{"names": ["Cy", "Eve"]}', '{"names": []}']
    none = ['{"names": []}'] * 3
    rows = [
        [contribution("span_f1", SPANS, [r], a) for r, a in zip(rights, given, strict=True)] for given in (ours, none)
    ]
    found = metrics.f1_of(np.sum(rows[0], axis=0))
    assert float(found) == pytest.approx(0.75)
    assert [tuple(row) for row in rows[0]] == [(2, 2, 2), (1, 2, 2), (0, 0, 0)]


def test_what_decides_follows_from_contract_and_reference() -> None:
    """Texts without people's labels have no figure; spans by people have F1 first, or whole answers."""
    assert metrics_of(TEXTS, by_people=False) == ()
    assert metrics_of(TEXTS, by_people=True) == ("chrf", "bleu")
    assert metrics_of(SPANS, by_people=True) == ("span_f1", "accuracy")
    assert metrics_of(SPANS, by_people=False) == ("agreement",)
    assert metrics_of(a_contract(), by_people=True) == ("accuracy",)


def test_arms_that_are_alike_have_no_bootstrap_interval() -> None:
    """Two arms with the same counts everywhere are refused with the reason, not given an interval of no width."""
    rows = [(1.0, 1.0, 1.0)] * 40
    with pytest.raises(NotEnoughData, match="score the same"):
        compared("span_f1", rows, rows, [str(i) for i in range(40)], level=0.95, seed=1)


def test_no_outcome_is_refused() -> None:
    """Nothing to compare is too little, whatever the figure."""
    with pytest.raises(NotEnoughData, match="no outcome"):
        compared("accuracy", [], [], [], level=0.95, seed=1)


def test_scores_that_are_no_numbers_are_refused() -> None:
    """NaN among the counts or outcomes is an error, for shares and for figures of sums."""
    with pytest.raises(InputError, match="NaN"):
        compared("accuracy", [(float("nan"),), (1.0,)], [(1.0,), (1.0,)], ["a", "b"], level=0.95, seed=1)
    with pytest.raises(InputError, match="NaN"):
        compared(
            "span_f1",
            [(float("nan"), 1.0, 1.0), (1.0, 1.0, 1.0)],
            [(1.0, 1.0, 1.0)] * 2,
            ["a", "b"],
            level=0.95,
            seed=1,
        )


def test_unknown_figures_are_refused() -> None:
    """The message names those there are."""
    with pytest.raises(InputError, match=r"'rouge'.*chrf"):
        contribution("rouge", TEXTS, ["a"], "a")
    with pytest.raises(InputError, match="no share"):
        score("chrf", [(1.0,)], ["a"], level=0.95)


def test_slot_errors_are_compared_on_the_same_examples() -> None:
    """The difference is of errors over slots; with no slot checked there is nothing to compare."""
    ours, theirs = [(1.0, 4.0), (0.0, 4.0), (2.0, 2.0)], [(0.0, 4.0), (1.0, 4.0), (0.0, 2.0)]
    found = slot_figures(ours, theirs, list("abc"), level=0.95, seed=1)
    assert found is not None
    assert found.difference.value == pytest.approx(3 / 10 - 1 / 10)
    assert slot_figures([(0.0, 0.0)], [(0.0, 0.0)], ["a"], level=0.95, seed=1) is None


def test_equal_slot_errors_still_have_a_width() -> None:
    """Where no example differs the interval is the exact one of the share that may: 1 - 0.025 ** (1 / n)."""
    rows = [(0.0, 2.0)] * 100
    found = slot_figures(rows, rows, [str(i) for i in range(100)], level=0.95, seed=1)
    assert found is not None
    assert found.difference.ci_high == pytest.approx(1 - 0.025 ** (1 / 100))
    assert found.difference.ci_low == -found.difference.ci_high

from __future__ import annotations

import pytest

from tierwright.core.contract import ContractKind, FieldSpec, JsonStyle, OutputContract
from tierwright.specialists.likeness import chrf
from tierwright.training.lm.prompts import Prompt, instruction_for
from tierwright.training.lm.scores import is_right, score
from tierwright.training.lm.throughput import Speed, peak_flops

LABELS = OutputContract(kind=ContractKind.LABEL, labels=("yes", "no"))
SPANS = OutputContract(
    kind=ContractKind.SPANS, fields=(FieldSpec(name="who", many=True), FieldSpec(name="where")), style=JsonStyle()
)
TEXT = OutputContract(kind=ContractKind.TEXT)


def test_a_label_is_right_or_wrong() -> None:
    """As the contract reads it: case does not count."""
    assert score(LABELS, "yes", "Yes.") == 1.0
    assert score(LABELS, "yes", "no") == 0.0


def test_spans_by_f1() -> None:
    """Two of three strings found and one invented: 2 * 2 / (3 + 3); the key counts, too."""
    right = '{"who": ["a", "b"], "where": "c"}'
    assert score(SPANS, right, '{"who": ["a", "x"], "where": "c"}') == pytest.approx(2 / 3)
    assert score(SPANS, right, '{"who": ["c"], "where": "a"}') == 0.0
    assert score(SPANS, '{"who": [], "where": null}', '{"where": null, "who": []}') == 1.0
    assert score(SPANS, right, "no JSON") == 0.0


def test_text_by_characters() -> None:
    """Like texts score high and are still not right; the value of "abcdef" against "abcxyz" is worked out by hand."""
    # Of 1-grams 3 of 6 are common, of 2-grams 2 of 5, of 3-grams 1 of 4, of longer ones none: the mean over six orders.
    shares = (3 / 6 + 2 / 5 + 1 / 4) / 6
    assert chrf("abcdef", "abcxyz") == pytest.approx(shares)
    assert chrf("ab cd", "abcd") == 1.0
    assert chrf("", "") == 1.0
    assert chrf("ab", "") == 0.0
    assert 0.5 < score(TEXT, "It is red and small.", "It is red and smart.") < 1.0
    assert not is_right(TEXT, "It is red.", "It is read.")


def test_utilisation() -> None:
    """6 N tokens over the peak: 7 billion weights at 10,000 tokens/s are 4.2e14 of an H100's 9.89e14."""
    speed = Speed(tokens=100_000, seconds=10.0, parameters=7_000_000_000, device="NVIDIA H100 80GB HBM3")
    assert speed.tokens_per_s == 10_000
    assert speed.utilisation == pytest.approx(4.2e14 / 9.89e14)
    assert "42.5% of its peak" in str(speed)


def test_an_unknown_device_has_no_utilisation() -> None:
    """It is said, not guessed; a processor is one."""
    speed = Speed(tokens=10, seconds=1.0, parameters=1000, device="Accelerator 9000")
    assert speed.utilisation is None
    assert "utilisation unknown" in str(speed)
    assert peak_flops(None) is None
    assert peak_flops("NVIDIA H100 PCIe") == 756e12


def test_prompts() -> None:
    """Short lists of members are offered, long ones not; without a system message the instruction opens the user's."""
    assert "Labels: yes, no" in instruction_for(LABELS)
    many = OutputContract(kind=ContractKind.LABEL, labels=tuple(f"a long label {n}" for n in range(100)))
    assert "a long label" not in instruction_for(many)
    assert '"who", "where"' in instruction_for(SPANS)
    prompt = Prompt(instruction="Do.", system=True)
    assert [m.role for m in prompt.messages("x")] == ["system", "user"]
    (only,) = Prompt(instruction="Do.", system=False).messages("x")
    assert (only.role, only.content) == ("user", "Do.\n\nx")

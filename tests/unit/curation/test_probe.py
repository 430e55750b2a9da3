"""What the probe says of answers that can, that can't and that partly can be told from the input."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from tests.fakes import a_contract
from tierwright.core.contract import ContractKind, FieldSpec, FieldValue, JsonStyle, OutputContract
from tierwright.curation.probe import LEAST_SKILL, probe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tierwright.core.profile import Learnability


class ByFirstWord:
    """Learns the most frequent label of each first word; counts how it was asked."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.words = [text.split()[0] for text in texts]

    def predict(
        self, labels: NDArray[np.int64], names: Sequence[str], known: NDArray[np.int64], asked: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """As `Learner` says, and never of what it has learned from."""
        assert not set(known.tolist()) & set(asked.tolist())
        assert len(names) == labels.max() + 1
        seen: dict[str, Counter[int]] = {}
        for at in known.tolist():
            seen.setdefault(self.words[at], Counter())[int(labels[at])] += 1
        most = Counter(labels[known].tolist()).most_common(1)[0][0]
        return np.array([seen[w].most_common(1)[0][0] if (w := self.words[at]) in seen else most for at in asked])


def fields(*names: str) -> OutputContract:
    """A contract of fields with two values each."""
    specs = tuple(FieldSpec(name=name, values=("x", "y")) for name in names)
    return OutputContract(kind=ContractKind.FIELDS, fields=specs, style=JsonStyle())


def judged(
    texts: Sequence[str], values: Sequence[tuple[FieldValue, ...] | None], contract: OutputContract
) -> Learnability | None:
    """The probe, no two inputs being alike."""
    return probe(texts, values, np.arange(len(texts)), contract, ByFirstWord, seed=1)


def drawn(count: int = 600, shares: Sequence[float] = (0.5, 0.5)) -> list[str]:
    """Colours at random."""
    rng = np.random.default_rng(3)
    return [["red", "blue"][at] for at in rng.choice(2, size=count, p=shares)]


def test_what_the_input_says_is_learned() -> None:
    """A label that is the first word is told every time, and the curve ends there."""
    colours = drawn()
    found = judged(
        [f"{c} number {i}" for i, c in enumerate(colours)], [(c,) for c in colours], a_contract("red", "blue")
    )
    assert found is not None
    assert found.learnable
    assert found.agreement.value == 1.0
    assert [field.name for field in found.fields] == ["label"]
    assert found.fields[0].skill.value > 0.999
    sizes = [point.examples for point in found.curve]
    assert sizes == sorted(sizes)
    assert len(sizes) >= 3
    assert sizes[-1] == 400


def test_labels_at_random_are_not() -> None:
    """Whatever the share of the most frequent one."""
    for shares in ((0.5, 0.5), (0.98, 0.02)):
        colours, texts = drawn(shares=shares), [f"{c} {i}" for i, c in enumerate(reversed(drawn()))]
        found = judged(texts, [(c,) for c in colours], a_contract("red", "blue"))
        assert found is not None
        assert not found.learnable
        assert found.fields[0].skill.ci_low < LEAST_SKILL


def test_a_rare_label_that_the_input_shows_is_learned() -> None:
    """Two in a hundred are enough where they can be told."""
    colours = drawn(1500, (0.98, 0.02))
    found = judged([f"{c} {i}" for i, c in enumerate(colours)], [(c,) for c in colours], a_contract("red", "blue"))
    assert found is not None
    assert found.fields[0].majority.value > 0.97
    assert found.learnable


def test_one_and_the_same_answer_is_nothing_to_learn() -> None:
    """Agreement is 1, skill 0."""
    found = judged([f"text {i}" for i in range(100)], [("red",)] * 100, a_contract("red"))
    assert found is not None
    assert (found.agreement.value, found.fields[0].skill.value, found.learnable) == (1.0, 0.0, False)


def test_a_field_that_only_follows_from_another_is_not_taken_for_learned() -> None:
    """The second field is "x" in 70 % of the reds and 30 % of the blues, and nothing in the text says when."""
    rng = np.random.default_rng(5)
    colours = drawn(1500)
    second = ["x" if rng.random() < (0.7 if c == "red" else 0.3) else "y" for c in colours]
    found = judged(
        [f"{c} {i}" for i, c in enumerate(colours)],
        list(zip(["x" if c == "red" else "y" for c in colours], second, strict=True)),
        fields("colour", "mood"),
    )
    assert found is not None
    learnable = {field.name: field.learnable for field in found.fields}
    assert learnable == {"colour": True, "mood": False}
    assert found.fields[1].majority.value > 0.65
    assert "other fields" in found.fields[1].majority.method
    assert not found.learnable


def test_a_field_that_another_fixes_is_learned_with_it() -> None:
    """Two fields that say the same are both told."""
    colours = ["x" if c == "red" else "y" for c in drawn()]
    found = judged([f"{c} {i}" for i, c in enumerate(colours)], [(c, c) for c in colours], fields("one", "same"))
    assert found is not None
    assert found.learnable


def test_inputs_that_are_alike_are_in_one_fold() -> None:
    """Labels at random that are the same within each pair can't be learned by heart from the pair's other half."""
    rng = np.random.default_rng(2)
    values = [("red",) if coin else ("blue",) for coin in rng.random(300) < 0.5 for _ in range(2)]
    texts = [f"w{pair} {half}" for pair in range(300) for half in range(2)]
    found = probe(texts, values, np.repeat(np.arange(300), 2), a_contract("red", "blue"), ByFirstWord, seed=1)
    assert found is not None
    assert not found.learnable
    assert found.agreement.n == 300


def test_what_was_learned_from_one_time_must_hold_at_another() -> None:
    """A word whose label turns over from month to month is not learned from its neighbours in time."""
    texts = [f"w{at // 30} {at}" for at in range(900)]
    rng = np.random.default_rng(4)
    labels = [("red",) if coin else ("blue",) for coin in rng.random(30) < 0.5 for _ in range(30)]
    found = judged(texts, labels, a_contract("red", "blue"))
    assert found is not None
    assert not found.learnable


def test_answers_that_break_the_contract_are_left_out_and_few_say_nothing() -> None:
    """Fifty-nine that keep it are too few."""
    colours = drawn(100)
    values: list[tuple[FieldValue, ...] | None] = [(c,) for c in colours]
    texts = [f"{c} {i}" for i, c in enumerate(colours)]
    values[:41] = [None] * 41
    assert judged(texts, values, a_contract("red", "blue")) is None
    assert judged(texts, values, OutputContract(kind=ContractKind.OPEN)) is None

"""The complexity score and its signs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fakes import a_frame, a_task, an_estimate
from tests.traffic_samples import many, sampled
from tierwright.core.chat import Message
from tierwright.core.contract import ContractKind, OutputContract
from tierwright.core.task import Template
from tierwright.curation.complexity import SIGNALS, complexity, markers

if TYPE_CHECKING:
    from tierwright.core.profile import Complexity

NO_BITS = an_estimate(0.0, ci_low=0.0, ci_high=0.0)


def scored(prompt: str = "Name the intent.", kind: ContractKind = ContractKind.LABEL, **changes: object) -> Complexity:
    """The complexity of twelve requests."""
    sample = changes.pop("sample", many([f"Where is card {n}?" for n in range(12)], ["lost"] * 12))
    task = a_task(contract=OutputContract(kind=kind), frames=(a_frame(system=Template(literals=(prompt,))),))
    given = {"entropy_bits": NO_BITS, "determinism": None, "languages": {"en": 1.0}} | changes
    return complexity(task, sample, **given)  # type: ignore[arg-type] - tests pass what they change by name


def signs(found: Complexity) -> dict[str, float]:
    """The signs by name."""
    return {signal.name: signal.value for signal in found.signals}


def test_the_score_is_the_weighted_sum_of_its_signs() -> None:
    """Weights add up to 1, and people can add up the score themselves."""
    found = scored("Explain why, step by step. Compare.", ContractKind.OPEN, determinism=an_estimate(0.9))
    assert sum(signal.weight for signal in found.signals) == pytest.approx(1.0)
    assert found.score.value == pytest.approx(sum(signal.value * signal.weight for signal in found.signals))
    assert {signal.name for signal in found.signals} == set(SIGNALS)
    assert all(signal.about and 0 <= signal.value <= 1 for signal in found.signals)


def test_a_lookup_is_near_0_and_open_reasoning_near_1() -> None:
    """Everything that can be hard at once."""
    assert scored().score.value < 0.05
    history = (
        Message(role="user", text="Hello"),
        Message(role="assistant", text="Yes?"),
        Message(role="tool", text="{}"),
        Message(role="user", text="def f(x): return x + 1 " * 1000),
    )
    sample = [
        sampled(history[-1].text, "A long answer. " * 300, messages=history, tools=("search",), frame=0)
        for _ in range(12)
    ]
    hard = scored(
        "Think step by step. Explain your reasoning. Compare and justify.\n" + "- do this\n" * 40,
        ContractKind.OPEN,
        sample=sample,
        entropy_bits=an_estimate(12.0, ci_low=11.0, ci_high=64.0),
        determinism=an_estimate(0.4),
        languages={"en": 0.5, "de": 0.5},
    )
    assert hard.score.value > 0.9


@pytest.mark.parametrize(
    ("sign", "change"),
    [
        ("open_answers", {"kind": ContractKind.OPEN}),
        ("answer_length", {"sample": many(["text"] * 12, ["word " * 200] * 12)}),
        ("input_length", {"sample": many(["word " * 2000] * 12, ["lost"] * 12)}),
        ("reasoning_words", {"prompt": "Erkläre Schritt für Schritt, warum."}),
        ("answer_entropy", {"entropy_bits": an_estimate(5.0)}),
        ("instructions", {"prompt": "- one thing\n- another thing\n- a third one"}),
        ("tools", {"sample": [sampled(tools=("search",)) for _ in range(12)]}),
        ("maths_or_code", {"sample": many(["What is 3 + 4?"] * 12, ["lost"] * 12)}),
        ("disagreement", {"determinism": an_estimate(0.8)}),
        ("languages", {"languages": {"en": 0.5, "es": 0.5}}),
    ],
)
def test_each_sign_is_raised_by_what_it_names(sign: str, change: dict[str, object]) -> None:
    """And by nothing in a plain task."""
    plain, found = signs(scored()), signs(scored(**change))  # type: ignore[arg-type] - as above
    assert plain[sign] < found[sign]


def test_the_interval_grows_with_what_is_not_known() -> None:
    """An entropy known badly widens it, and more requests narrow it."""
    sharp = scored(entropy_bits=an_estimate(3.0, ci_low=2.9, ci_high=3.1)).score
    loose = scored(entropy_bits=an_estimate(3.0, ci_low=0.0, ci_high=9.0)).score
    assert loose.ci_high - loose.ci_low > sharp.ci_high - sharp.ci_low


def test_words_that_ask_for_thinking_are_known_in_several_languages() -> None:
    """Different ones are counted, parts of other words are not."""
    assert markers("Explain why. Explain again.") == 2
    assert markers("请一步一步思考") == 2
    assert markers("Razona paso a paso y explica por qué.") == 4
    assert markers("The plane was unreasonable.") == 0

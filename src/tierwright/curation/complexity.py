"""How hard a task looks: named signs, each with its weight, whose weighted sum is the score.

Owns the signs and their weights. They are stated, not learned: nobody has labels of hardness for the traffic at hand,
and a score that people can add up themselves is worth more than one that fits some other company's. 0 is a lookup, 1
open-ended reasoning. Refuses to say what follows (the audit's advice does) and what can be learned (`probe`).
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import numpy as np

from tierwright.core.contract import ContractKind
from tierwright.core.estimate import Estimate
from tierwright.core.profile import Complexity, Signal
from tierwright.curation.links import has_answers
from tierwright.curation.prompt_facts import fixed_texts
from tierwright.stats.means import student_mean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tierwright.core.task import Task
    from tierwright.curation.task_traffic import SampledRequest

#: How much of an answer's content the contract leaves open.
OPENNESS = {
    ContractKind.LABEL: 0.0,
    ContractKind.FIELDS: 0.15,
    ContractKind.SPANS: 0.4,
    ContractKind.TEXT: 0.6,
    ContractKind.OPEN: 1.0,
}
#: Words that ask for thinking, by language; a prompt with three different ones counts in full.
_REASONING = (
    "step by step|reason|reasoning|think|explain|explanation|why|justify|analyse|analyze|analysis|compare|evaluate|"
    "assess|derive|prove|plan|consider|weigh|infer|deduce|strategy|critique|trade-offs?|pros and cons|"
    "schritt für schritt|denke|begründe|begründung|erkläre|warum|analysiere|vergleiche|bewerte|beweise|überlege|"
    "étape par étape|réfléchis|raisonne|explique|pourquoi|justifie|analyse[rz]|compare[rz]|évalue[rz]?|"
    "paso a paso|razona|piensa|explica|por qué|justifica|analiza|compara|evalúa|"
    "passo a passo|raciocine|pense|explique|por que|justifique|analise|avalie|"
    "passo dopo passo|ragiona|spiega|perché|giustifica|analizza|confronta|valuta|"
    "stap voor stap|redeneer|leg uit|waarom|onderbouw|vergelijk|beoordeel"
)
_MARKER = re.compile(rf"(?<!\w)(?:{_REASONING})(?!\w)", re.IGNORECASE)
_UNSPACED_MARKER = re.compile(
    "一步一步|逐步|推理|思考|解释|为什么|分析|比较|ステップ|考え|理由|説明|なぜ|단계별|이유|설명|분석"
)
_FULL_MARKERS = 3
#: What an instruction opens with: a bullet or a number, or the end of the sentence before it.
_INSTRUCTION = re.compile(r"(?:^|\n)[ \t]*(?:[-*•]|\d+[.)])[ \t]+\S|[^\W\d_][.!?。！？](?:\s|$)")  # noqa: RUF001 - CJK marks
_FULL_INSTRUCTIONS = 30
_MATHS_OR_CODE = re.compile(
    r"```|\$\$?[^$\n]+\$|\\(?:frac|sum|int|sqrt)\b|\d\s*[-+*/^=\u00d7\u00f7]\s*\d|[=<>]=|!=|&&|\|\||"
    r"\b(?:def|class|import|function|const|return|SELECT|INSERT|UPDATE)\s+\w+|[\w\])]\s*[{};]\s*$",
    re.MULTILINE,
)
#: Characters from which a length begins to count, and at which it counts in full.
_INPUT, _ANSWER = (100, 20_000), (20, 4_000)
#: Bits of entropy that count in full: as many answers as a label set can have.
_FULL_BITS = 10.0


def complexity(
    task: Task,
    sample: Sequence[SampledRequest],
    *,
    entropy_bits: Estimate,
    determinism: Estimate | None,
    languages: Mapping[str, float],
) -> Complexity:
    """The score and its signs.

    A sign of single requests is a mean over the sample; the interval is Student's of the sample's weighted sums, with
    what entropy and determinism are uncertain by added in quadrature.
    """
    prompts = ["\n".join(pieces) for pieces in fixed_texts(task, sample)]
    thinking = [min(1.0, markers(prompt) / _FULL_MARKERS) for prompt in prompts]
    orders = [min(1.0, len(_INSTRUCTION.findall(prompt)) / _FULL_INSTRUCTIONS) for prompt in prompts]
    by_request = {
        "answer_length": _lengths([one.answer for one in sample], *_ANSWER),
        "input_length": _lengths([one.input for one in sample], *_INPUT),
        "reasoning_words": np.array([thinking[one.frame] for one in sample]),
        "instructions": np.array([orders[one.frame] for one in sample]),
        "tools": np.array([float(uses_tools(one)) for one in sample]),
        "turns": np.array([float(has_answers(one.request)) for one in sample]),
        "maths_or_code": np.array([float(_MATHS_OR_CODE.search(one.input[:4000]) is not None) for one in sample]),
    }
    bits = min(1.0, entropy_bits.value / _FULL_BITS)
    disagreement = 0.0 if determinism is None else min(1.0, 2 * (1 - determinism.value))
    fixed = {
        "open_answers": OPENNESS[task.contract.kind],
        "answer_entropy": bits,
        "disagreement": disagreement,
        "languages": 1 - sum(share**2 for share in languages.values()),
    }
    values = {name: float(column.mean()) for name, column in by_request.items()} | fixed
    signals = tuple(
        Signal(name=name, value=min(1.0, max(0.0, values[name])), weight=weight, about=about)
        for name, (weight, about) in SIGNALS.items()
    )
    sums = np.sum([SIGNALS[name][0] * column for name, column in by_request.items()], axis=0)
    spread = student_mean(sums)
    half = (spread.ci_high - spread.ci_low) / 2 if spread.n > 1 else 1.0
    ends = [min(1.0, end / _FULL_BITS) for end in (entropy_bits.ci_low, entropy_bits.ci_high)]
    extra = [SIGNALS["answer_entropy"][0] * (ends[1] - ends[0]) / 2]
    if determinism is not None:
        extra.append(SIGNALS["disagreement"][0] * (determinism.ci_high - determinism.ci_low))
    half = math.hypot(half, *extra)
    score = sum(signal.value * signal.weight for signal in signals)
    return Complexity(
        score=Estimate(
            value=score,
            ci_low=max(0.0, score - half),
            ci_high=min(1.0, score + half),
            n=len(sample),
            method="weighted sum of signals; Student's interval over requests, entropy and determinism in quadrature",
        ),
        signals=signals,
    )


#: Weight and meaning of each sign; the weights add up to 1.
SIGNALS: dict[str, tuple[float, str]] = {
    "open_answers": (
        0.25,
        "what the form of the answers leaves open: label 0, fields 0.15, spans 0.4, text 0.6, any other 1",
    ),
    "answer_length": (
        0.2,
        "characters of the answers, mean of a logarithmic scale: 0 up to 20 characters, 1 from 4,000 on",
    ),
    "input_length": (
        0.1,
        "characters of the inputs, fixed text left out, mean of a logarithmic scale: 0 up to 100, 1 from 20,000 on",
    ),
    "reasoning_words": (
        0.1,
        "different words in the fixed text that ask for thinking (explain, step by step, compare …): 1 from three on",
    ),
    "answer_entropy": (0.1, "bits of entropy of the answers: 1 from ten on, as many as 1,024 equally likely answers"),
    "instructions": (0.05, "sentences and bullets of the prompt's fixed text: 1 from thirty on"),
    "tools": (0.05, "share of requests that offer or use tools"),
    "turns": (0.05, "share of requests with earlier answers in them"),
    "maths_or_code": (0.05, "share of inputs that hold code, a formula or a sum"),
    "disagreement": (
        0.03,
        "twice the share of inputs that came again and were answered otherwise; 0 where too few came again to tell",
    ),
    "languages": (0.02, "how mixed the inputs' languages are: probability that two inputs differ in language"),
}


def markers(prompt: str) -> int:
    """How many different words of a prompt ask for thinking."""
    found = {match.group().casefold() for match in _MARKER.finditer(prompt)}
    return len(found | set(_UNSPACED_MARKER.findall(prompt)))


def uses_tools(one: SampledRequest) -> bool:
    """Whether a request offers tools, or holds what one returned."""
    return bool(one.request.tools) or any(message.role == "tool" for message in one.request.messages)


def _lengths(texts: Sequence[str], low: float, high: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    lengths = np.maximum([len(text) for text in texts], 1.0)
    found: np.ndarray[tuple[int], np.dtype[np.float64]] = np.clip(
        np.log(lengths / low) / math.log(high / low), 0.0, 1.0
    )
    return found

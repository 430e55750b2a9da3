"""The decision framework: which figures of a task, held against which numbers, lead to which advice.

Owns the rules as data, in their order, each criterion with its number and why it is that number;
docs/decision-framework.md holds the same table and a test compares the two. Refuses to measure anything and to word the
advice (`advice` does).

A rule holds where all its criteria do. The first rule that holds is the advice; the later ones that hold are named
beside it. Criteria read the end of an interval that is on the side of doing nothing, so that noise advises nothing.
"""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING

from tierwright.core.contract import ContractKind
from tierwright.core.profile import Action
from tierwright.curation.criteria import Criterion, Relation, Rule, Unit

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierwright.core.estimate import Estimate
    from tierwright.core.profile import FieldLearnability, Learnability
    from tierwright.curation.criteria import Case

#: Different inputs that a specialist needs: 15 % of them are kept for the test (`curation.dataset.SplitPlan`), and 299
#: test examples are the fewest from which an error below 1 % can be certified with 95 % at all: ln 0.05 / ln 0.99.
NEEDED = math.ceil(math.ceil(math.log(0.05) / math.log(0.99)) / 0.15)
#: Months within which they must come in: a quarter, after which a specialist is trained again anyway.
MOST_MONTHS = 3
#: Agreement from which a field that can't be learned does no harm: a tenth of errors is a level that certificates are
#: still asked for (`benchmarks/guarantee.py`), and no threshold can lower what confidence does not see.
HARMLESS = 0.9
_CLOSED = frozenset({ContractKind.LABEL, ContractKind.FIELDS})


def fields_by_learnability(found: Learnability | None) -> tuple[list[FieldLearnability], list[FieldLearnability]]:
    """The fields that can be learned, and those that can't and matter: in neither are those that hardly ever vary."""
    fields = () if found is None else found.fields
    learned = [field for field in fields if field.learnable]
    rest = [field for field in fields if not field.learnable and field.agreement.value < HARMLESS]
    return learned, rest


def months_to_gather(case: Case) -> float:
    """Months until there are enough different inputs, at the lower end of the volume."""
    profile = case.profile
    new = 1.0 - profile.duplicate_share.value
    missing = max(0.0, NEEDED - profile.requests * new)
    pace = max(profile.volume.monthly.ci_low, 0.0) * new
    return 0.0 if not missing else missing / pace if pace else math.inf


def _fixed_tokens(case: Case) -> float | None:
    """Tokens of a prompt's fixed text, at the lower ends; None: no provider counted."""
    tokens = case.profile.prompt_tokens
    return None if tokens is None else tokens.ci_low * case.profile.prompt.boilerplate_share.ci_low


def _learnable(case: Case) -> float | None:
    if case.contract.kind not in _CLOSED and case.profile.learnability is None:
        return None  # the probe does not apply
    learned, rest = fields_by_learnability(case.profile.learnability)
    return float(bool(learned) and not rest)


def _small_ratio(case: Case) -> float | None:
    now, small = case.profile.mean_cost_usd, case.costs.small_usd
    return None if not now or small is None else float(small / now)


def _simple(case: Case) -> float:
    """Whether a small model's answer is easy to check: closed or copied, or the task is not complex."""
    closed = case.contract.kind in _CLOSED or case.contract.kind is ContractKind.SPANS
    return float(closed or case.profile.complexity.score.ci_high <= 0.35)


def _saving(code: str) -> Criterion:
    return Criterion(
        code=f"{code}-saving",
        text="saving a month, median of the draws",
        figure=lambda case: None if (found := case.savings[code]) is None else float(found.value),
        relation=Relation.ABOVE,
        number=0.0,
        unit=Unit.USD,
        why="what costs more than it saves is left alone; where prices are not known the other criteria decide",
        if_unknown=True,
    )


def _low(estimate: Estimate | None) -> float | None:
    return None if estimate is None else estimate.ci_low


def _few_tools(code: str) -> Criterion:
    return Criterion(
        code=f"{code}-tools",
        text="share of requests that offer or use tools",
        figure=lambda case: case.profile.tool_share,
        relation=Relation.AT_MOST,
        number=0.5,
        unit=Unit.SHARE,
        why="a task whose usual request comes with tools looks things up already, and a specialist calls none",
    )


def _share_from(number: float, *, code: str, text: str, figure: Callable[[Case], float | None], why: str) -> Criterion:
    return Criterion(
        code=code, text=text, figure=figure, relation=Relation.AT_LEAST, number=number, unit=Unit.SHARE, why=why
    )


def _repeated(code: str, number: float, why: str) -> Criterion:
    return _share_from(
        number,
        code=f"{code}-share",
        text="share of requests that repeat an earlier one to the letter, lower end",
        figure=lambda case: case.profile.duplicate_share.ci_low,
        why=why,
    )


def _told(code: str, why: str) -> Criterion:
    return Criterion(
        code=f"{code}-learnable",
        text="every field of the answer that varies can be told from the input (where it was probed)",
        figure=_learnable,
        relation=Relation.AT_LEAST,
        number=1.0,
        unit=Unit.TRUTH,
        why=why,
        if_unknown=True,
    )


_SMALL = Rule(
    code="small",
    action=Action.KEEP,
    when="too small to touch",
    text="leave it, there are too few requests to learn from and too little money to be worth a change",
    criteria=(
        Criterion(
            code="small-volume",
            text="requests a month, upper end",
            figure=lambda case: case.profile.volume.monthly.ci_high,
            relation=Relation.BELOW,
            number=math.ceil(NEEDED / MOST_MONTHS),
            unit=Unit.COUNT,
            why=f"at this pace the {NEEDED:,} examples that a specialist needs take more than {MOST_MONTHS} months",
        ),
        Criterion(
            code="small-cost",
            text="cost a month, upper end",
            figure=lambda case: None if (cost := case.profile.monthly_cost_usd) is None else float(cost.ci_high),
            relation=Relation.BELOW,
            number=50.0,
            unit=Unit.USD,
            why="about what one hour of a developer costs: less can't pay for an hour a month, whatever is done",
            if_unknown=True,
        ),
    ),
)
_CHANGING = Rule(
    code="changing",
    action=Action.RETRIEVE,
    when="answers change with time",
    text="look the facts up and hand them to the model, since the same question is answered differently later",
    criteria=(
        _share_from(
            0.1,
            code="changing-share",
            text="share of same inputs whose answer changes from day to day, beyond change within a day, lower end",
            figure=lambda case: _low(case.profile.retrieval.changing_share),
            why="twice the 5 % of wrong answers that certificates allow: what is learned today is wrong too soon",
        ),
        _few_tools("changing"),
    ),
)
_UNGROUNDED = Rule(
    code="ungrounded",
    action=Action.RETRIEVE,
    when="answers rest on what is not in the request",
    text="look the facts up and hand them to the model, since answers name what stands nowhere in the request",
    criteria=(
        _share_from(
            0.25,
            code="ungrounded-share",
            text="share of the answers' names and numbers that are not in the request, lower end",
            figure=lambda case: _low(case.profile.retrieval.ungrounded_share),
            why="judgement: what is abbreviated, translated or added up looks the same, so that a few prove nothing",
        ),
        _few_tools("ungrounded"),
    ),
)
_REPEATS = Rule(
    code="mostly-repeats",
    action=Action.CACHE,
    when="mostly repeats",
    text="answer repeated requests from memory before anything else, nothing has to be trained for it",
    criteria=(
        _repeated(
            "mostly-repeats",
            0.5,
            "from one half on, what remains for a specialist is less than what memory takes without any risk",
        ),
        _saving("mostly-repeats"),
    ),
)
_SPECIALISE = Rule(
    code="specialise",
    action=Action.SPECIALISE,
    when="narrow, learnable, often enough",
    text="train a model of its own",
    criteria=(
        Criterion(
            code="specialise-contract",
            text="the answer is a label, closed-set fields, copied strings, text made from attributes; no tool call",
            figure=lambda case: float(case.contract.kind is not ContractKind.OPEN and not case.contract.calls),
            relation=Relation.AT_LEAST,
            number=1.0,
            unit=Unit.TRUTH,
            why="these are what the recipes of the ladder learn",
        ),
        _told(
            "specialise",
            "what no probe finds in the input, no specialist will; skill and its bound: docs/audit-scores.md",
        ),
        Criterion(
            code="specialise-examples",
            text=f"months until there are {NEEDED:,} different inputs, at the lower end of the volume",
            figure=months_to_gather,
            relation=Relation.AT_MOST,
            number=MOST_MONTHS,
            unit=Unit.COUNT,
            why="15 % of them are the test, and 299 are the fewest that can certify an error below 1 % with 95 %",
        ),
        _share_from(
            0.05,
            code="specialise-share",
            text="share it is expected to answer itself, middle",
            figure=lambda case: None if case.local_share is None else case.local_share.value,
            why="the share from which `eval run` calls a specialist worth running",
        ),
        _few_tools("specialise"),
        _saving("specialise"),
    ),
)
_UNUSABLE = Rule(
    code="unusable",
    action=Action.PROMPT,
    when="answers that can't be used",
    text="fix the prompt, or ask for the answer's form by a JSON schema",
    criteria=(
        _share_from(
            0.05,
            code="unusable-share",
            text="share of answers that break the answers' form, lower end",
            figure=lambda case: case.profile.prompt.unparsed_share.ci_low,
            why="the error rate that certificates allow by default; providers that enforce a schema come near 0",
        ),
        _saving("unusable"),
    ),
)
_FEW_SHOT = Rule(
    code="few-shot",
    action=Action.PROMPT,
    when="examples fill the prompt",
    text="take examples out of the prompt, one by one, and measure; each is paid for in every request",
    criteria=(
        _share_from(
            0.3,
            code="few-shot-share",
            text="share of a request that is examples, lower end",
            figure=lambda case: case.profile.prompt.few_shot_share.ci_low,
            why="judgement: half of the examples gone, the request is 15 % shorter; less is not worth measuring anew",
        ),
        Criterion(
            code="few-shot-examples",
            text="examples in the prompt",
            figure=lambda case: float(case.profile.prompt.few_shot_examples),
            relation=Relation.AT_LEAST,
            number=3,
            unit=Unit.COUNT,
            why="with fewer there is nothing to choose from",
        ),
        _saving("few-shot"),
    ),
)
_BOILERPLATE = Rule(
    code="boilerplate",
    action=Action.PROMPT,
    when="fixed text fills a long prompt",
    text="shorten the fixed text, and put it first so that the provider's prompt cache can take it",
    criteria=(
        _share_from(
            0.5,
            code="boilerplate-share",
            text="share of a request that is fixed text, lower end",
            figure=lambda case: case.profile.prompt.boilerplate_share.ci_low,
            why="from one half on most of the prompt's cost is the same text again",
        ),
        Criterion(
            code="boilerplate-tokens",
            text="tokens of fixed text in a request, lower ends",
            figure=_fixed_tokens,
            relation=Relation.AT_LEAST,
            number=1024,
            unit=Unit.COUNT,
            why="from 1,024 tokens on OpenAI caches prompts at a discount; shorter ones can't earn it",
        ),
        _saving("boilerplate"),
    ),
)
_SOME_REPEATS = Rule(
    code="repeats",
    action=Action.CACHE,
    when="many repeats",
    text="answer repeated requests from memory",
    criteria=(
        _repeated(
            "repeats",
            0.2,
            "judgement: a cache is one more thing to run and to empty",
        ),
        _saving("repeats"),
    ),
)
_SMALLER = Rule(
    code="smaller-model",
    action=Action.SMALLER_MODEL,
    when="simple, and paid like a hard one",
    text="try a general small model on it, and measure with `tierwright eval compare` before you switch",
    criteria=(
        Criterion(
            code="smaller-model-simple",
            text="the answer is closed or copied, or complexity is at most 0.35 at its upper end",
            figure=_simple,
            relation=Relation.AT_LEAST,
            number=1.0,
            unit=Unit.TRUTH,
            why="such answers are compared without a judge; judgement: 0.35, a third of the way to open-ended",
        ),
        _told(
            "smaller-model",
            "else there is no telling whether a small model is good enough",
        ),
        Criterion(
            code="smaller-model-price",
            text="price of the small model, of what the task's requests cost now",
            figure=_small_ratio,
            relation=Relation.AT_MOST,
            number=0.5,
            unit=Unit.SHARE,
            why="judgement: half of the price must go to be worth a comparison",
        ),
        _saving("smaller-model"),
    ),
)
_KEEP = Rule(
    code="keep",
    action=Action.KEEP,
    when="nothing above holds",
    text="leave it where it is",
    criteria=(),
)

#: In the order they are asked.
FRAMEWORK = (
    _SMALL,
    _CHANGING,
    _UNGROUNDED,
    _REPEATS,
    _SPECIALISE,
    _UNUSABLE,
    _FEW_SHOT,
    _BOILERPLATE,
    _SOME_REPEATS,
    _SMALLER,
    _KEEP,
)


def framework_table() -> str:
    """The framework as the table of docs/decision-framework.md, in Markdown."""
    lines = ["| | rule | advice | criterion | asked | why |", "|---|---|---|---|---|---|"]
    for number, rule in enumerate(FRAMEWORK, start=1):
        head = f"| {number} | {rule.when} | `{rule.action.value}` |"
        for criterion in rule.criteria:
            lines.append(f"{head} {criterion.text} `{criterion.code}` | {criterion.asked} | {criterion.why} |")
            head = "| | | |"
        if not rule.criteria:
            lines.append(f"{head} | | |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(framework_table())

"""What a task's requests consist of: fixed text, few-shot examples in it, and answers that do not keep the contract.

Owns finding examples in a prompt by their form: blocks with the same cues (`Input:` … `Output:` …), lines with an
arrow, and repeated tags. Refuses to judge whether the examples are needed: that takes an experiment.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

from tierwright.core.contract import ContractKind, FieldValue, fold_label
from tierwright.core.profile import PromptFacts
from tierwright.stats.cluster_robust import clustered_share
from tierwright.stats.means import student_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tierwright.core.contract import OutputContract
    from tierwright.core.task import Task
    from tierwright.curation.task_traffic import SampledRequest

#: What opens a line and names what follows: up to four words, a colon, then text on this line or the next.
_CUE = re.compile(r"^[ \t>*#\-•]*(?:\d+[.)]\s*)?([^\W\d_](?:[\w'-]*[ \t]?){1,5}?)\s*\d*\s*[*_]*[:\uff1a]", re.MULTILINE)
_CUE_CHARACTERS = 40
_ARROWS = ("->", "=>", "\u2192", "\u21d2", "\u27f6")
_TAGGED = re.compile(r"<(example|sample|shot|exemple|beispiel|ejemplo)\b[^>]*>.*?</\1\s*>", re.DOTALL | re.IGNORECASE)
#: Repetitions of a form from which it is an example and no coincidence.
_LEAST = 2
#: Share of the label answers that the prompt must offer, for the others to count as slips.
_OFFERED = 0.9


def few_shot(text: str) -> tuple[int, int]:
    """How many examples there are in a fixed text, and how many of its characters they take."""
    tagged = [match.span() for match in _TAGGED.finditer(text)]
    if len(tagged) >= _LEAST:
        return len(tagged), sum(end - begin for begin, end in tagged)
    best = max(_by_cues(text), _by_arrows(text), key=lambda spans: (len(spans), sum(e - b for b, e in spans)))
    return (len(best), sum(end - begin for begin, end in best)) if len(best) >= _LEAST else (0, 0)


def _by_arrows(text: str) -> list[tuple[int, int]]:
    """The lines with an arrow that has something on both sides."""
    found: list[tuple[int, int]] = []
    begin = 0
    for line in text.splitlines(keepends=True):
        for arrow in _ARROWS:
            before, there, after = line.partition(arrow)
            if there and before.strip() and after.strip():
                found.append((begin, begin + len(line)))
                break
        begin += len(line)
    return found


def _by_cues(text: str) -> list[tuple[int, int]]:
    """The stretches that hold a pair of cues which occurs several times, in this order and without a third between."""
    found = [
        (match.start(), " ".join(match[1].casefold().split()))
        for match in _CUE.finditer(text)
        if len(match[1]) <= _CUE_CHARACTERS
    ]
    pairs = Counter((one[1], other[1]) for one, other in pairwise(found) if one[1] != other[1])
    most = max(pairs.values(), default=0)
    if most < _LEAST:
        return []
    # Of (input, output) and (output, input), both of which recur, examples begin with the one seen first.
    often = {pair for pair, times in pairs.items() if times >= max(_LEAST, most - 1)}
    first = next((one[1], other[1]) for one, other in pairwise(found) if (one[1], other[1]) in often)
    begins = [at for (at, cue), (_, after) in pairwise(found) if (cue, after) == first]
    places = [at for at, _ in found]
    spans: list[tuple[int, int]] = []
    for begin in begins:
        second = next(at for at in places if at > begin)
        later = next((at for at in places if at > second), len(text))
        gap = text.find("\n\n", second)
        spans.append((begin, min(later, gap if gap >= 0 else len(text), len(text))))
    return spans


def prompt_facts(
    task: Task,
    sample: Sequence[SampledRequest],
    parsed: Sequence[tuple[FieldValue, ...] | None],
    clusters: Sequence[int],
) -> PromptFacts:
    """What the sampled requests consist of, in means over requests.

    `parsed` are the answers' values, `clusters` the groups of like inputs. Earlier fixed turns count as boilerplate
    only as far as the frame holds them.
    """
    fixed = fixed_texts(task, sample)
    shots = [_sum(few_shot(piece) for piece in pieces) for pieces in fixed]
    totals = [max(1, sum(len(message.text) for message in one.request.messages)) for one in sample]
    lengths = [sum(map(len, pieces)) for pieces in fixed]
    boilerplate = [min(1.0, lengths[one.frame] / total) for one, total in zip(sample, totals, strict=True)]
    examples = [min(1.0, shots[one.frame][1] / total) for one, total in zip(sample, totals, strict=True)]
    latest = sample[-1].frame
    return PromptFacts(
        characters=sum(totals) / len(totals),
        boilerplate_share=student_mean(boilerplate, low=0.0, high=1.0),
        few_shot_share=student_mean(examples, low=0.0, high=1.0),
        few_shot_examples=shots[latest][0],
        unparsed_share=clustered_share(
            [float(slip) for slip in unparsed(task.contract, sample, parsed, ["\n".join(p) for p in fixed])], clusters
        ),
    )


def fixed_texts(task: Task, sample: Sequence[SampledRequest]) -> list[list[str]]:
    """The fixed pieces of each frame that the sample refers to; none for a task that is known by something else."""
    found = [[*frame.system.literals, *frame.user.literals] for frame in task.frames]
    return found + [[] for _ in range(1 + max(one.frame for one in sample) - len(found))]


def _sum(pairs: Iterable[tuple[int, int]]) -> tuple[int, int]:
    one = other = 0
    for first, second in pairs:
        one, other = one + first, other + second
    return one, other


def unparsed(
    contract: OutputContract,
    sample: Sequence[SampledRequest],
    parsed: Sequence[tuple[FieldValue, ...] | None],
    prompts: Sequence[str],
) -> list[bool]:
    """Whether each answer breaks the form that most answers have; an application that reads strictly fails on it.

    Closed sets: no member, or a member that the prompt does not offer where it offers nearly all others. JSON:
    something besides the value that the contract does not know of, such as a fence. Free texts: nothing at all.
    """
    if contract.style is not None:
        broken = [not _is_plain_json(one.answer, contract) for one in sample]
    else:
        broken = [not one.answer.strip() for one in sample]
    if contract.kind in {ContractKind.LABEL, ContractKind.FIELDS}:
        offered = [
            values is not None and _offers(prompts[one.frame], values)
            for one, values in zip(sample, parsed, strict=True)
        ]
        strict = sum(offered) >= _OFFERED * len(sample)
        for place, values in enumerate(parsed):
            broken[place] = broken[place] or values is None or (strict and not offered[place])
    return broken


def _offers(prompt: str, values: Sequence[FieldValue]) -> bool:
    folded = prompt.casefold()
    return all(fold_label(value) in folded for value in values if isinstance(value, str))


def _is_plain_json(answer: str, contract: OutputContract) -> bool:
    style = contract.style
    assert style is not None
    text = answer.strip()
    for around in (style.prefix.strip(), style.suffix.strip()):
        if around and around not in text:
            return False
    text = text.removeprefix(style.prefix.strip()).removesuffix(style.suffix.strip())
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True

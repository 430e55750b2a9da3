"""How far callers' corrections are believed: the words of one caller must not make a model, nor let one pass.

Owns the share of a dataset that one caller's corrections may be, and whose words may decide an experiment. A key that
is stolen, or an application whose users are hostile, can say of its own answers whatever it likes; some 250 rows with
a rare word in them are enough to teach a model of any size a wrong answer wherever the word stands. So beyond its share
a caller's corrections are not used, and what the frontier model answered stays.

Fails closed: of a caller that is beyond its share no word is a label that anything is judged by, confirmations neither,
for without its corrections they would flatter. Says nothing of a task that only one caller has: nobody could contradict
it, and its operator is asked by `docs/security.md` to look.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tierwright.core.dataset import LabelSource, Split

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tierwright.core.dataset import Example
    from tierwright.core.ids import InferenceId

#: As `Dataset.excluded` counts the words that are not used.
BEYOND = "correction beyond its caller's share"


@dataclass(frozen=True, slots=True, kw_only=True)
class WordLimits:
    """What the corrections of one caller may be, where several callers have the task."""

    #: Share of the task's different inputs, in [0, 1].
    share: float = 0.01
    #: Corrections, however many inputs there are.
    most: int = 200
    #: Callers whose words count like the operator's.
    trusted: frozenset[str] = field(default_factory=frozenset)

    def allowed(self, inputs: int) -> int:
        """Corrections of one caller that are used, of so many different inputs."""
        return min(self.most, int(self.share * inputs))


def doubted(said_by: Iterable[str | None], limits: WordLimits, *, several: bool) -> str | None:
    """The caller on whose word alone a label rests.

    None: the operator, a trusted caller or more than one caller says so, or there are not `several` that have the task.
    """
    who = set(said_by)
    if not several or len(who) != 1 or who & limits.trusted:
        return None
    return who.pop()


def believe(
    examples: Sequence[Example], resting_on: Mapping[InferenceId, str], limits: WordLimits, excluded: Counter[str]
) -> list[Example]:
    """The examples with labels as far as they are believed; `resting_on` names the one caller that some rest on.

    A caller's label that decides nothing is the frontier model's again where it confirms that, and of the source CALLER
    where it corrects it within the caller's share. What is not used is counted in `excluded`.
    """
    allowed = limits.allowed(len(examples))
    corrections = Counter(resting_on[one.id] for one in examples if one.id in resting_on and _corrects(one))
    beyond = {who for who, count in corrections.items() if count > allowed}
    gold = _golden(examples, resting_on, beyond)
    used: Counter[str] = Counter()
    found: list[Example] = []
    for one in examples:
        who = resting_on.get(one.id)
        if who is None or one.id in gold:
            found.append(one)
        elif not _corrects(one):
            found.append(replace(one, source=LabelSource.INCUMBENT))
        elif used[who] < allowed:
            used[who] += 1
            found.append(replace(one, source=LabelSource.CALLER))
        else:
            excluded[BEYOND] += 1
            if one.incumbent_output is not None:
                found.append(replace(one, output=one.incumbent_output, source=LabelSource.INCUMBENT))
    return found


def callers_in_training(examples: Iterable[Example], owners: Mapping[InferenceId, str]) -> dict[str, int]:
    """How many training examples each caller asked first, the largest number first; labelled history has no callers."""
    counts = Counter(owners[one.id] for one in examples if one.split is Split.TRAIN and one.id in owners)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _corrects(example: Example) -> bool:
    return example.output != example.incumbent_output


def _golden(
    examples: Sequence[Example], resting_on: Mapping[InferenceId, str], beyond: set[str]
) -> frozenset[InferenceId]:
    """People's labels that may judge. No caller's are more than half of them, so that none judges alone.

    Its first ones are taken, whatever they say: to choose among them would be to lean.
    """
    labelled = [one.id for one in examples if one.source is LabelSource.HUMAN and resting_on.get(one.id) not in beyond]
    counts = Counter(resting_on[one] for one in labelled if one in resting_on)
    rooms = {who: min(count, len(labelled) - count) for who, count in counts.items()}
    found: set[InferenceId] = set()
    for one in labelled:
        who = resting_on.get(one)
        if who is not None:
            if not rooms[who]:
                continue
            rooms[who] -= 1
        found.add(one)
    return frozenset(found)

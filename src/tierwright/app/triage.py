"""Everything that is looked at before a dataset is trained on, put together.

Owns which checks are made and what each is given; each check is its own package's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierwright.core.dataset import LabelSource, Split
from tierwright.core.triage import Triage
from tierwright.curation.terms import permission
from tierwright.curation.triage import ceiling, conflicts, groups_of, leakage, small_classes
from tierwright.curation.triage_pii import personal_data
from tierwright.training.drift import drift
from tierwright.training.label_noise import label_noise

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tierwright.core.dataset import Dataset, Example
    from tierwright.core.triage import Finding


def triage(
    dataset: Dataset,
    examples: Sequence[Example],
    *,
    answers: Sequence[tuple[str, str]] = (),
    incumbent: str | None,
    progress: Callable[[str], None],
) -> Triage:
    """What was found in a dataset; nothing in it is changed.

    `answers` are all captured (input, canonical answer) of the incumbent, repeats included, since a dataset keeps each
    input once; without them its near-duplicates stand in. `incumbent` is the name of the model that gave them.
    """
    contract, seed = dataset.contract, dataset.seed
    progress("triage: near-duplicates")
    nearly, same = groups_of(examples, seed=seed)
    findings = [
        leakage(examples, nearly),
        conflicts(examples, same, contract),
        small_classes(examples, contract),
        _ceiling(examples, answers, seed),
        personal_data(examples),
        permission(incumbent, answers=sum(example.source is LabelSource.INCUMBENT for example in examples)),
    ]
    progress("triage: labels")
    findings += label_noise([e for e in examples if e.split is not Split.TEST], contract, seed=seed)
    progress("triage: drift")
    findings += drift(examples, contract, seed=seed)
    return Triage.of(findings)


def _ceiling(examples: Sequence[Example], answers: Sequence[tuple[str, str]], seed: int) -> Finding:
    if answers:
        return ceiling(answers, seed=seed)
    said = [(e.input, e.incumbent_output) for e in examples if e.incumbent_output is not None]
    if said:
        return ceiling(said, seed=seed)
    return ceiling([(example.input, example.output) for example in examples], seed=seed, whose="whoever labelled")

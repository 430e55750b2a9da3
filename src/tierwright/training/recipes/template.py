"""Trained by `tierwright model train TASK --recipe template`: texts from structured attributes.

The steps, in order: how attributes show in the answers is learned; answers that say every attribute once and nothing
else become templates; which templates are preferred is learned on examples the templates were mined without; confidence
and threshold come from further examples that neither has seen; the final templates are mined from everything, and the
best for every combination of attributes seen are composed and kept ready.

An answer is *right* here if it says all that is given and nothing else, and is not less like the captured answer than
95 of 100 pairs of the incumbent's own answers are like each other (`specialists.likeness.yardstick`). By that measure
the incumbent itself would be wrong in 5 of 100 cases, so that much may be given up before the usual tolerance.
"""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tierwright.core.contract import ContractKind
from tierwright.core.dataset import LabelSource, Split
from tierwright.core.errors import NotEnoughData
from tierwright.specialists.artifact import write_artifact
from tierwright.specialists.attributes import read_attributes
from tierwright.specialists.delexicalising import act_of, delexicalise
from tierwright.specialists.likeness import UNLIKE_SHARE, likeness, yardstick
from tierwright.specialists.realisation_learning import learn_realisations
from tierwright.specialists.template import (
    Config,
    Templates,
    compose_from,
    pack,
    pack_ready,
    probability_of,
    signals,
)
from tierwright.training.calibration import TOLERANCE, calibrate
from tierwright.training.preference import START, Choice, learn_preference, learn_signals
from tierwright.training.problem import refuse_one_answer, refuse_test_examples
from tierwright.training.recipe import FittedSpecialist, manifest_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tierwright.core.dataset import Example
    from tierwright.core.ids import InferenceId
    from tierwright.specialists.attributes import Attributes
    from tierwright.specialists.composing import Candidate, Composer, Preference
    from tierwright.specialists.delexicalising import Token
    from tierwright.specialists.realisation import Realisations
    from tierwright.training.recipe import TrainingSet

NAME = "template"
#: Examples that can be read, at least, and their share among all.
_LEAST, _READABLE = 50, 0.9
#: Inputs that preferences are learned on and that confidence is calibrated on, at most; each at most a quarter.
_TUNED, _JUDGED, _SHARE = 200, 600, 0.25
#: Templates to choose from while preferences are learned.
_CHOICES = 40
#: Templates mined and combinations kept ready, at most.
_MINED, _READY = 20_000, 5000
#: Templates kept ready for one combination.
_SPARE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """One input with everything it was answered."""

    attributes: Attributes
    answers: tuple[str, ...]
    ids: tuple[InferenceId, ...]
    #: Whether its answers may judge, as people's or the calibration split's.
    reference: bool
    #: Whether the incumbent gave one of the answers; True where it is not known.
    incumbent_right: bool
    group: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mined:
    """Templates with their vocabulary."""

    tokens: tuple[Token, ...]
    by_act: dict[str, list[tuple[int, ...]]]

    def composers(self, preference: Preference) -> dict[str, Composer]:
        """Ready for search."""
        return compose_from(self.by_act, self.tokens, preference)


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateRecipe:
    """The recipe's settings."""

    #: Where the learning of preferences begins.
    preference: Preference = START

    def fit(
        self, training: TrainingSet, *, artifacts: Path, seed: int, progress: Callable[[str], None]
    ) -> FittedSpecialist:
        """Mines, learns, calibrates and writes a specialist.

        Raises NotEnoughData where the answers are no texts, the inputs no attributes, or too few are left; NotLearnable
        where all answers are the same; InputError where test examples are among them; ServiceError where the artifact
        can't be written.
        """
        begun = time.perf_counter()
        cases = _cases(training)
        mined_from, tuned, judged = _shares(cases, seed)
        progress(f"{NAME}: reading {len(training.examples):,} answers")
        known = _learn([*mined_from, *tuned])
        level = yardstick(known, *_flat([*mined_from, *tuned]))
        if level is None:
            raise NotEnoughData(
                "hardly two captured answers are made from the same attributes, so nobody can say how much they vary; "
                "capture more traffic"
            )
        progress(f"{NAME}: learning preferences from {len(tuned):,} inputs")
        mined = _mine(known, mined_from)
        preference, weights = _learn_preference(known, mined, tuned, level, self.preference)
        progress(f"{NAME}: calibrating on {len(judged):,} inputs")
        mined = _mine(known, [*mined_from, *tuned])
        judgement = _judge(Templates(known, mined.tokens, mined.composers(preference)), judged, level, weights)
        calibration = calibrate(
            judgement.probability, judgement.right, judgement.incumbent, tolerance=TOLERANCE + UNLIKE_SHARE
        )
        known = _learn(cases)
        mined = _mine(known, cases)
        composers = mined.composers(preference)
        ready = _make_ready(composers, progress)
        acts = sorted(mined.by_act)
        flat = [(acts.index(act), template) for act in acts for template in mined.by_act[act]]
        arrays: dict[str, NDArray[np.generic]] = {
            **pack("templates", [template for _, template in flat]),
            "templates.act": np.array([act for act, _ in flat], dtype=np.int32),
            **pack_ready(ready, acts),
        }
        config = Config(
            contract=training.contract,
            realisations=known,
            acts=acts,
            tokens=list(mined.tokens),
            preference=preference,
            signal_weights=weights.tolist(),
            confidence_slope=calibration.confidence.slope,
            confidence_intercept=calibration.confidence.intercept,
        )
        manifest = manifest_of(training, recipe=NAME, seed=seed, packages=("numpy", "scipy"))
        identity, path = write_artifact(artifacts, manifest=manifest, config=config, arrays=arrays)
        return FittedSpecialist(
            id=identity,
            path=path,
            size_bytes=sum(file.stat().st_size for file in path.iterdir()),
            encoder=None,
            threshold=calibration.threshold,
            train_seconds=time.perf_counter() - begun,
            metrics=calibration.metrics(judgement.probability, judgement.right, judgement.incumbent),
            validated=judgement.validated,
        )


def _cases(training: TrainingSet) -> list[_Case]:
    """The examples, those of one input together, checked."""
    examples = training.examples
    if training.contract.kind is not ContractKind.TEXT:
        raise NotEnoughData(f"templates make texts; these answers are {training.contract.kind.value}")
    refuse_test_examples(examples)
    refuse_one_answer([example.output for example in examples])
    human = sum(example.source is LabelSource.HUMAN for example in examples) >= _LEAST
    alike: dict[str, list[Example]] = defaultdict(list)
    for example in examples:
        alike[example.input.strip()].append(example)
    cases: list[_Case] = []
    for same in alike.values():
        attributes = read_attributes(same[0].input)
        if attributes is None:
            continue
        cases.append(
            _Case(
                attributes=attributes,
                answers=tuple(example.output for example in same),
                ids=tuple(example.id for example in same),
                reference=any(
                    example.source is LabelSource.HUMAN if human else example.split is Split.CALIBRATION
                    for example in same
                ),
                incumbent_right=all(example.incumbent_output in {None, example.output} for example in same),
                group=same[0].group,
            )
        )
    read = sum(len(case.ids) for case in cases)
    if len(cases) < _LEAST or read < _READABLE * len(examples):
        raise NotEnoughData(
            f"{read} of {len(examples)} inputs, {len(cases)} different ones, are lists of attributes (JSON, "
            f"name: value lines, name[value], name=value); templates need {_LEAST}, and {_READABLE:.0%} of all"
        )
    return cases


def _shares(cases: Sequence[_Case], seed: int) -> tuple[list[_Case], list[_Case], list[_Case]]:
    """Cases to mine from, to learn preferences on and to judge by; near-duplicates stay together."""
    rng = np.random.default_rng(seed)
    order = dict(zip(dict.fromkeys(case.group for case in cases), rng.permutation(len(cases)).tolist(), strict=False))
    drawn = sorted(cases, key=lambda case: order[case.group])
    able = [case for case in drawn if case.reference] or drawn
    judged = _first_groups(able, min(_JUDGED, int(_SHARE * len(cases))))
    taken = {case.group for case in judged}
    rest = [case for case in drawn if case.group not in taken]
    tuned = _first_groups(rest, min(_TUNED, int(_SHARE * len(cases))))
    taken |= {case.group for case in tuned}
    if not judged or not tuned:
        raise NotEnoughData("too few different inputs are left to calibrate on; build a larger dataset")
    return [case for case in cases if case.group not in taken], tuned, judged


def _first_groups(cases: Sequence[_Case], most: int) -> list[_Case]:
    """Cases up to a number, whole groups."""
    found: list[_Case] = []
    for case in cases:
        if len(found) >= most and case.group != found[-1].group:
            break
        found.append(case)
    return found


def _flat(cases: Sequence[_Case]) -> tuple[list[Attributes], list[str]]:
    rows = [(case.attributes, answer) for case in cases for answer in case.answers]
    return [attributes for attributes, _ in rows], [answer for _, answer in rows]


def _learn(cases: Sequence[_Case]) -> Realisations:
    given, texts = _flat(cases)
    return learn_realisations(given[:_MINED], texts[:_MINED])


def _mine(known: Realisations, cases: Sequence[_Case]) -> _Mined:
    """The templates of all answers that say every attribute once and nothing else."""
    numbers: dict[Token, int] = {}
    by_act: dict[str, list[tuple[int, ...]]] = defaultdict(list)
    mined = 0
    for attributes, text in zip(*_flat(cases), strict=True):
        tokens = delexicalise(known, attributes, text)
        if tokens and mined < _MINED:
            mined += 1
            by_act[act_of(known, attributes)].append(tuple(numbers.setdefault(token, len(numbers)) for token in tokens))
    if not by_act:
        raise NotEnoughData(
            "no captured answer says all its attributes in words that come again: leave the task on the frontier model"
        )
    return _Mined(tokens=tuple(numbers), by_act=dict(by_act))


def _learn_preference(
    known: Realisations, mined: _Mined, tuned: Sequence[_Case], level: float, start: Preference
) -> tuple[Preference, NDArray[np.float64]]:
    """The weights of the score, and those of the signals of confidence."""
    composers = mined.composers(start)
    templates = Templates(known, mined.tokens, composers)
    choices: list[Choice] = []
    for case in tuned:
        written = [
            (candidate, text)
            for candidate in templates.candidates(case.attributes, most=_CHOICES)
            if (text := templates.written(case.attributes, candidate))
        ]
        if written:
            candidates, texts = zip(*written, strict=True)
            choices.append(Choice(candidates=tuple(candidates), texts=tuple(texts), rights=case.answers))
    preference = learn_preference(choices, start)
    preferring = {act: composer.preferring(preference) for act, composer in composers.items()}
    templates = Templates(known, mined.tokens, preferring)
    rows: list[NDArray[np.float64]] = []
    right: list[bool] = []
    for case in tuned:
        best = templates.best(case.attributes)
        if best is not None:
            rows.append(signals(best[1], len(case.attributes.pairs)))
            right.append(likeness(best[0], case.answers) >= level)
    if not rows:
        raise NotEnoughData("no template fits any of the examples set aside: leave the task on the frontier model")
    return preference, learn_signals(np.array(rows), np.array(right))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judgement:
    """Answers to the judged cases, in parallel."""

    probability: NDArray[np.float64]
    right: NDArray[np.bool_]
    incumbent: NDArray[np.bool_]
    validated: dict[InferenceId, float]


def _judge(templates: Templates, judged: Sequence[_Case], level: float, weights: NDArray[np.float64]) -> _Judgement:
    probability = np.zeros(len(judged))
    right = np.zeros(len(judged), dtype=np.bool_)
    validated: dict[InferenceId, float] = {}
    for place, case in enumerate(judged):
        best = templates.best(case.attributes)
        score = 0.0
        if best is not None:
            score = likeness(best[0], case.answers)
            row: NDArray[np.float64] = signals(best[1], len(case.attributes.pairs))
            probability[place] = probability_of(weights, row[None, :])[0]
            right[place] = score >= level
        validated |= dict.fromkeys(case.ids, score)
    return _Judgement(
        probability=probability,
        right=right,
        incumbent=np.array([case.incumbent_right for case in judged]),
        validated=validated,
    )


def _make_ready(
    composers: dict[str, Composer], progress: Callable[[str], None]
) -> dict[tuple[str, frozenset[int]], list[Candidate]]:
    """The best templates of the combinations seen, the most frequent first."""
    kinds = sorted(
        ((act, slots) for act, composer in composers.items() for slots in composer.known),
        key=lambda kind: (-composers[kind[0]].known[kind[1]], kind[0], sorted(kind[1])),
    )[:_READY]
    ready: dict[tuple[str, frozenset[int]], list[Candidate]] = {}
    for place, (act, slots) in enumerate(kinds):
        if place % 500 == 0:
            progress(f"{NAME}: composing templates, {place:,} of {len(kinds):,} combinations")
        ready[act, slots] = composers[act].compose(slots, most=_SPARE)
    return ready

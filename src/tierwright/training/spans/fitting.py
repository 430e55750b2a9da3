"""Fits a span-tagger, step by step.

The steps, in order: alignment of the answers; the incumbent's habits; which fields share a chain; where texts are long,
a model of the sentences worth reading; features, and vectors where there is an encoder; chains out of fold; on what
those find in texts they had not seen, the probabilities of candidates, the threshold and the calibration; the final
chains on everything, begun at the mean of the folds' chains; the artifact. Test examples are refused.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from tierwright.core.contract import ContractKind
from tierwright.core.errors import NotEnoughData
from tierwright.specialists.artifact import write_artifact
from tierwright.specialists.spans.answers import specs
from tierwright.specialists.spans.candidates import Gazetteer, gather
from tierwright.specialists.spans.features import Features
from tierwright.specialists.spans.passages import LONG
from tierwright.specialists.spans.reader import Reader, Standard, novelty, prepare, read_spans
from tierwright.specialists.spans.tagger import Config, Judge, arrays_of, chain_of
from tierwright.specialists.spans.vectors import TokenVectors
from tierwright.training.calibration import Calibration, calibrate
from tierwright.training.problem import (
    Judges,
    judges_of,
    nothing_to_calibrate_on,
    refuse_one_answer,
    refuse_test_examples,
)
from tierwright.training.recipe import FittedSpecialist, manifest_of
from tierwright.training.spans.alignment import Aligned, absent_values, align, group_fields, learn_habits
from tierwright.training.spans.chain_fitting import ChainConfig, Inputs, fit_chain, mean_chain
from tierwright.training.spans.judging import Held, Judged, fit_judge
from tierwright.training.spans.labels import answer_sentences, fit_relevance, is_long, possible_labels

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tierwright.core.contract import OutputContract
    from tierwright.core.dataset import Example
    from tierwright.core.estimate import Estimate
    from tierwright.core.ids import InferenceId
    from tierwright.specialists.encoder import Encoder
    from tierwright.specialists.spans.answers import Habits
    from tierwright.specialists.spans.chain import ChainWeights
    from tierwright.specialists.spans.passages import Relevance
    from tierwright.specialists.spans.reader import Prepared
    from tierwright.training.recipe import TrainingSet

NAME = "span-tagger"
#: Share of long texts from which there is a model of the sentences worth reading.
_LONG_SHARE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanConfig:
    """Hyper-parameters, chosen by cross-validation on training splits of several public data sets; see LAB.md."""

    chain: ChainConfig = field(default_factory=ChainConfig)
    #: Steps of the final chains: they begin near their end.
    final_iterations: int = 15
    #: How often a feature must occur to be one.
    min_count: int = 2
    #: How much a vector's spread counts beside a feature that is there or not.
    vector_scale: float = 0.2
    folds: int = 3
    #: Tokens learned from at most; of more a sample of the examples is. Bounds memory at about 4 GB and the time.
    most_tokens: int = 300_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Problem:
    """The examples that can be learned from."""

    contract: OutputContract
    examples: list[Example]
    aligned: list[Aligned]
    habits: list[Habits]
    #: The fields of each chain.
    chains: list[list[int]]
    judges: Judges


@dataclass(frozen=True, slots=True, kw_only=True)
class _Material:
    """The examples as arrays."""

    prepared: list[Prepared]
    relevance: Relevance | None
    features: Features
    standard: Standard | None
    #: Of each example.
    sparse: list[sp.csr_matrix]
    dense: list[NDArray[np.float32] | None]
    #: Of each chain and example.
    possible: list[list[NDArray[np.bool_]]]


def fit_span_tagger(
    training: TrainingSet,
    *,
    encoder: Encoder | None,
    artifacts: Path,
    seed: int,
    config: SpanConfig,
    progress: Callable[[str], None],
) -> FittedSpecialist:
    """Fits, calibrates and writes a specialist.

    Raises NotLearnable where all answers are the same, NotEnoughData where too few examples are left, InputError where
    test examples are among them, ServiceError where the artifact can't be written.
    """
    begun = time.perf_counter()
    problem = _problem(training, config, seed)
    progress(f"{NAME}: reading {len(problem.examples):,} texts")
    vectors = None if encoder is None else TokenVectors(encoder)
    material = _material(problem, vectors, config, seed)
    chains, held = _out_of_fold(problem, material, config, progress)
    gazetteer = _gazetteer(problem, np.ones(len(problem.examples), dtype=np.bool_))
    draft = Judge(
        many=tuple(spec.many for spec in specs(problem.contract)),
        chain_of=chain_of(problem.chains),
        gazetteer=gazetteer,
        ranker=np.zeros(0),
        threshold=0.5,
        surety=np.zeros(0),
        unlike=1.0,
    )
    judged = fit_judge([one for _, one in held], draft, problem.contract, problem.habits, gazetteer)
    at = np.array([place for place, _ in held], dtype=np.int64)
    calibration, metrics, validated = _calibrated(problem, at, judged)
    progress(f"{NAME}: learning from all {len(problem.examples):,} texts")
    reader = Reader(
        features=material.features,
        chains=tuple(_final(problem, material, chains, config)),
        fields=tuple(tuple(own) for own in problem.chains),
        relevance=material.relevance,
        standard=material.standard,
        vectors=vectors,
    )
    packages = ("numpy", "scipy", "scikit-learn")
    manifest = manifest_of(training, recipe=NAME, seed=seed, packages=packages, encoder=encoder)
    identity, path = write_artifact(
        artifacts,
        manifest=manifest,
        config=Config(
            contract=problem.contract,
            habits=problem.habits,
            chains=problem.chains,
            threshold=judged.judge.threshold,
            unlike=judged.judge.unlike,
            confidence_slope=calibration.confidence.slope,
            confidence_intercept=calibration.confidence.intercept,
        ),
        arrays=arrays_of(reader, judged.judge),
    )
    return FittedSpecialist(
        id=identity,
        path=path,
        size_bytes=sum(file.stat().st_size for file in path.iterdir()),
        encoder=manifest.encoder,
        threshold=calibration.threshold,
        train_seconds=time.perf_counter() - begun,
        metrics=metrics,
        validated=validated,
    )


def _problem(training: TrainingSet, config: SpanConfig, seed: int) -> _Problem:
    """The examples that can be learned from, checked."""
    contract, examples = training.contract, list(training.examples)
    if contract.kind is not ContractKind.SPANS:
        raise NotEnoughData(f"{NAME} learns spans answers; these are {contract.kind.value}")
    refuse_test_examples(examples)
    refuse_one_answer([example.output for example in examples])
    absent = absent_values(contract, [e.input for e in examples], [e.output for e in examples])
    found = [align(contract, example.input, example.output, absent) for example in examples]
    pairs = _sample(
        [(example, one) for example, one in zip(examples, found, strict=True) if one is not None],
        config.most_tokens,
        seed,
    )
    aligned = [one for _, one in pairs]
    strings = sum(len(own) for one in aligned for own in one.strings)
    missing = sum(one.missing for one in aligned)
    if strings == missing:
        raise NotEnoughData(
            f"none of the {strings} strings in {len(examples)} answers stands in its input, so no span can be learned"
        )
    examples = [example for example, _ in pairs]
    judges = judges_of(examples, config.folds, seed)
    if not judges.reference.any():
        raise nothing_to_calibrate_on()
    return _Problem(
        contract=contract,
        examples=examples,
        aligned=aligned,
        habits=learn_habits(contract, aligned, [example.output for example in examples], absent),
        chains=group_fields(aligned, len(specs(contract))),
        judges=judges,
    )


def _sample(pairs: list[tuple[Example, Aligned]], most: int, seed: int) -> list[tuple[Example, Aligned]]:
    """As many examples, drawn at random and left in their order, as have so many tokens; at least one."""
    sizes = np.array([min(len(one.tokens), LONG) for _, one in pairs], dtype=np.int64)
    if sizes.sum() <= most:
        return pairs
    drawn = np.random.default_rng(seed).permutation(len(pairs))
    kept = drawn[: max(1, int(np.searchsorted(np.cumsum(sizes[drawn]), most, side="right")))]
    return [pairs[place] for place in sorted(kept.tolist())]


def _material(problem: _Problem, vectors: TokenVectors | None, config: SpanConfig, seed: int) -> _Material:
    """Every text read; of long ones what a model chooses that has not seen them, and where their answers stand."""
    aligned, fields = problem.aligned, len(problem.habits)
    scores: list[NDArray[np.float32] | None] = [None] * len(aligned)
    relevance = None
    if sum(map(is_long, aligned)) >= _LONG_SHARE * len(aligned):
        relevance = fit_relevance(aligned, fields, seed)
    if relevance is not None:
        for fold in range(config.folds):
            others = [one for one, own in zip(aligned, problem.judges.folds, strict=True) if own != fold]
            model = fit_relevance(others, fields, seed) or relevance
            for place in np.flatnonzero(problem.judges.folds == fold).tolist():
                scores[place] = model.scores(aligned[place].tokens) if len(aligned[place].tokens) else None
    prepared = [
        prepare(one.tokens, relevance=score, vectors=vectors, also=answer_sentences(one))
        for one, score in zip(aligned, scores, strict=True)
    ]
    features = Features.fit([one.hashed for one in prepared], config.min_count)
    standard = None
    if vectors is not None:
        stacked = np.concatenate([one.vectors for one in prepared if one.vectors is not None])
        spread = np.maximum(stacked.std(axis=0), 1e-6)
        standard = Standard(mean=stacked.mean(axis=0), scale=(config.vector_scale / spread).astype(np.float32))
    return _Material(
        prepared=prepared,
        relevance=relevance,
        features=features,
        standard=standard,
        sparse=[features.transform(one.hashed) for one in prepared],
        dense=[None if standard is None else standard.of(one.vectors) for one in prepared],
        possible=[
            [possible_labels(one, read, own) for one, read in zip(aligned, prepared, strict=True)]
            for own in problem.chains
        ],
    )


def _inputs(material: _Material, places: Sequence[int]) -> Inputs:
    """The tokens of some examples, packed."""
    dense = [one for place in places if (one := material.dense[place]) is not None]
    return Inputs(
        sparse=sp.vstack([material.sparse[place] for place in places]).tocsr(),
        dense=np.concatenate(dense) if dense else None,
        lengths=np.concatenate([material.prepared[place].lengths for place in places]),
    )


def _fit_chains(
    material: _Material, chosen: NDArray[np.bool_], config: ChainConfig, start: Sequence[ChainWeights] | None = None
) -> list[ChainWeights]:
    """The chains of some examples."""
    places = [place for place in np.flatnonzero(chosen).tolist() if len(material.prepared[place].rows)]
    inputs = _inputs(material, places)
    return [
        fit_chain(
            inputs,
            np.concatenate([possible[place] for place in places]),
            config,
            start=None if start is None else start[number],
        )
        for number, possible in enumerate(material.possible)
    ]


def _out_of_fold(
    problem: _Problem, material: _Material, config: SpanConfig, progress: Callable[[str], None]
) -> tuple[list[list[ChainWeights]], list[tuple[int, Held]]]:
    """The chains of each fold that is needed, and the texts that its chains had not seen, by their places."""
    fitted: list[list[ChainWeights]] = []
    held: list[tuple[int, Held]] = []
    needed = sorted(set(problem.judges.folds[problem.judges.reference].tolist()))
    for number, fold in enumerate(needed):
        progress(f"{NAME}: fold {number + 1} of {len(needed)}")
        learned = problem.judges.folds != fold
        chains = _fit_chains(material, learned, config.chain)
        fitted.append(chains)
        known = Features.fit(
            [material.prepared[place].hashed for place in np.flatnonzero(learned).tolist()], config.min_count
        ).columns
        gazetteer = _gazetteer(problem, learned)
        for place in np.flatnonzero(~learned).tolist():
            prepared = material.prepared[place]
            spans = read_spans(prepared, material.sparse[place], material.dense[place], chains, problem.chains)
            held.append(
                (
                    place,
                    Held(
                        aligned=problem.aligned[place],
                        output=problem.examples[place].output,
                        candidates=gather(prepared.tokens, spans),
                        new=novelty(prepared.hashed, known),
                        gazetteer=gazetteer,
                    ),
                )
            )
    return fitted, held


def _final(
    problem: _Problem, material: _Material, fitted: Sequence[Sequence[ChainWeights]], config: SpanConfig
) -> list[ChainWeights]:
    """The chains of all examples, begun at the mean of the folds'."""
    start = [mean_chain([chains[number] for chains in fitted]) for number in range(len(problem.chains))]
    chain = config.chain
    last = ChainConfig(
        sparse_penalty=chain.sparse_penalty,
        dense_penalty=chain.dense_penalty,
        iterations=config.final_iterations,
        tolerance=chain.tolerance,
    )
    return _fit_chains(material, np.ones(len(problem.examples), dtype=np.bool_), last, start)


def _gazetteer(problem: _Problem, chosen: NDArray[np.bool_]) -> Gazetteer:
    """What strings were answers of in some examples."""
    pairs = [
        (number, text)
        for place in np.flatnonzero(chosen).tolist()
        for number, texts in enumerate(problem.aligned[place].strings)
        for text in texts
    ]
    return Gazetteer.fit(pairs, len(problem.habits))


def _calibrated(
    problem: _Problem, at: NDArray[np.int64], judged: Judged
) -> tuple[Calibration, dict[str, Estimate], Mapping[InferenceId, float]]:
    """Calibration on the reference examples, what it measured there, and the F1 of each of them."""
    used = problem.judges.reference[at]
    right, incumbent = judged.right[used], problem.judges.incumbent_right[at[used]]
    calibration = calibrate(judged.probability[used], right, incumbent)
    metrics = calibration.metrics(judged.probability[used], right, incumbent)
    validated = {problem.examples[p].id: float(f) for p, f in zip(at[used].tolist(), judged.f1[used], strict=True)}
    return calibration, metrics, validated

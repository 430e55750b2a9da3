"""Fits a specialist of linear votes: the steps that the recipes `ngram` and `encoder-head` share.

The steps, in order: features; out-of-fold scores with the labels as they are; labels that are probably slips left out;
out-of-fold scores without them; joint decoding, calibration and threshold on those; the final votes on everything; the
artifact. Test examples are refused. Calibration examples are learned from too: they are judged by models that have not
seen them, so that scarce human labels serve twice.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from tierwright.specialists.artifact import write_artifact
from tierwright.specialists.ngram import NgramConfig, NgramFeaturiser
from tierwright.specialists.novelty import weigh
from tierwright.specialists.specialist import COMBINATIONS, FEATURES, IDF, OWNERS, PROTOTYPES, Config, HeadConfig
from tierwright.training.calibration import Calibration, calibrate
from tierwright.training.noise import incumbent_error_rate, label_weights
from tierwright.training.novelty import Spread, Unseen, fit_limits, fit_prototypes
from tierwright.training.problem import Problem, judged_by, nothing_to_calibrate_on, problem_of
from tierwright.training.recipe import FittedSpecialist, TrainingSet, manifest_of
from tierwright.training.selection import informative_columns, keep_columns
from tierwright.training.votes import Features, VoteConfig, Votes, fit_scales, fit_votes, out_of_fold

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tierwright.core.contract import FieldValue
    from tierwright.core.estimate import Estimate
    from tierwright.specialists.encoder import Encoder
    from tierwright.specialists.novelty import NoveltyConfig
    from tierwright.training.softmax import Head

#: Answers seen in training, as a share of all conceivable ones, from which every head may decide for itself. A yes/no
#: field that follows from another one makes half of them, slips some more.
_FREE_SHARE = 0.75


@dataclass(frozen=True, slots=True, kw_only=True)
class TunedEncoder:
    """A sentence encoder that has learned from the labels of the training set, but for those that judge."""

    encoder: Encoder
    #: The encoder as files of the artifact: it belongs to this specialist alone.
    files: Mapping[str, bytes]
    #: What was learned together with it: the members of each head, and what votes for them.
    values: Sequence[Sequence[FieldValue]]
    heads: Sequence[Head]
    #: Packages whose arithmetic is in it, for the manifest.
    packages: Sequence[str]
    #: Whether each example judges, shape (n,). All others are taken at their word, learned from in every fold, and
    #: predicted in none: predictions of examples that the encoder has learned from would be too good.
    judges: NDArray[np.bool_]

    def head(self, place: int, values: Sequence[FieldValue]) -> Head:
        """What votes for these members of a head, all of which it knows."""
        weights, bias = self.heads[place]
        columns = {(type(value), value): column for column, value in enumerate(self.values[place])}
        chosen = [columns[type(value), value] for value in values]
        return weights[:, chosen], bias[chosen]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Head:
    """One fitted head."""

    votes: Votes
    scales: tuple[float, float]
    #: Out-of-fold logarithms of probabilities, shape (n, k).
    log_probabilities: NDArray[np.float64]
    #: Out-of-fold scores of the n-grams alone, shape (n, k).
    margins: NDArray[np.float64]
    #: Whether each label was taken to be right, shape (n,).
    kept: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Views:
    """A training set as it looks before an encoder is tuned on it: n examples."""

    #: Members of each head.
    values: tuple[tuple[FieldValue, ...], ...]
    #: The member of each head that each example has, shape (n, heads).
    labels: NDArray[np.int64]
    #: Whether each example may judge: its right answer is known.
    judges: NDArray[np.bool_]
    #: Whether all labels of each example are taken to be right.
    kept: NDArray[np.bool_]
    #: Frozen embeddings of the examples, shape (n, dimension).
    embeddings: NDArray[np.float32]
    #: Frozen embeddings of the names of each head's members, shape (k, dimension) each.
    names: list[NDArray[np.float32]]


def view(training: TrainingSet, *, encoder: Encoder, ngrams: NgramConfig, votes: VoteConfig, seed: int) -> Views:
    """Labels, probable slips and frozen embeddings. Raises as `fit_specialist` does."""
    problem = problem_of(training.examples, training.contract, votes.folds, seed)
    texts = [example.input for example in training.examples]
    spoken = [[_spoken(value) for value in values] for values in problem.values]
    kept = np.ones(len(texts), dtype=np.bool_)
    if problem.judges.human.all():
        embeddings, named = encoder.embed(texts), [encoder.embed(names) for names in spoken]
    else:
        featuriser = NgramFeaturiser.fit(texts, ngrams)
        features = _features(texts, featuriser, encoder)
        embeddings, named = encoder.embed(texts[:0]), []
        for place, names in enumerate(spoken):
            of_names = _features(names, featuriser, encoder)
            kept &= _fit_head(features, of_names, problem, place, config=votes, seed=seed).kept
            assert features.embeddings is not None
            assert of_names.embeddings is not None
            embeddings = features.embeddings
            named.append(of_names.embeddings)
    return Views(
        values=problem.values,
        labels=problem.labels,
        judges=problem.judges.reference,
        kept=kept,
        embeddings=embeddings,
        names=named,
    )


def fit_specialist(
    training: TrainingSet,
    *,
    recipe: str,
    encoder: Encoder | TunedEncoder | None,
    artifacts: Path,
    seed: int,
    ngrams: NgramConfig,
    votes: VoteConfig,
    progress: Callable[[str], None],
) -> FittedSpecialist:
    """Fits, calibrates and writes a specialist.

    Raises NotLearnable where all answers are the same, NotEnoughData where too few examples are left, InputError where
    test examples are among them, ServiceError where the artifact can't be written.
    """
    begun = time.perf_counter()
    examples, contract = training.examples, training.contract
    problem = problem_of(examples, contract, votes.folds, seed)
    files: Mapping[str, bytes] = {}
    packages = ["numpy", "scipy", "scikit-learn"]
    tuned: list[Head | None] = [None] * len(problem.values)
    if isinstance(encoder, TunedEncoder):
        packages += encoder.packages
        tuned = [encoder.head(place, values) for place, values in enumerate(problem.values)]
        problem, files, encoder = judged_by(problem, encoder.judges), encoder.files, encoder.encoder
    texts = [example.input for example in examples]
    featuriser = NgramFeaturiser.fit(texts, ngrams)
    reading = featuriser.read(texts)
    kept_columns = informative_columns(reading.ngrams, problem.labels)
    if len(kept_columns) < len(featuriser.features):
        of_words = (featuriser.features & 1).astype(np.bool_)
        ngrams_kept, known = keep_columns(reading.ngrams, kept_columns, of_words)
        reading = replace(reading, ngrams=ngrams_kept, known=known)
        featuriser = replace(featuriser, features=featuriser.features[kept_columns], idf=featuriser.idf[kept_columns])
    features = Features(ngrams=reading.ngrams, embeddings=None if encoder is None else encoder.embed(texts))
    heads: list[_Head] = []
    for place, (name, head) in enumerate(zip(contract.heads, tuned, strict=True)):
        progress(f"{recipe}: learning {name} from {len(examples):,} examples")
        # Names teach the vote on embeddings, which a tuned head is already.
        names = _features(
            [_spoken(value) for value in problem.values[place]], featuriser, encoder if head is None else None
        )
        heads.append(_fit_head(features, names, problem, place, config=votes, seed=seed, tuned=head))
    kept = np.all([head.kept for head in heads], axis=0)
    unseen = Unseen(
        labels=problem.labels,
        log_probabilities=[head.log_probabilities for head in heads],
        margins=[head.margins for head in heads],
        combinations=_combinations(problem, kept),
        spread=Spread.of(reading.ngrams, (featuriser.features & 1).astype(np.bool_), ngrams.min_texts),
        total=reading.total,
        embeddings=features.embeddings,
        folds=problem.judges.folds,
        kept=kept,
        seed=seed,
    )
    novelty, calibration, metrics, right = _calibrated(unseen, problem)
    judged = np.flatnonzero(problem.judges.reference).tolist()
    validated = {examples[at].id: float(hit) for at, hit in zip(judged, right, strict=True)}
    manifest = manifest_of(training, recipe=recipe, seed=seed, packages=packages, encoder=encoder)
    config = Config(
        contract=contract,
        ngrams=ngrams,
        heads=[
            HeadConfig(name=name, values=list(values), ngram_scale=head.scales[0], embedding_scale=head.scales[1])
            for name, values, head in zip(contract.heads, problem.values, heads, strict=True)
        ],
        confidence_slope=calibration.confidence.slope,
        confidence_intercept=calibration.confidence.intercept,
        novelty=novelty,
    )
    arrays = _arrays(featuriser, heads, unseen)
    identity, path = write_artifact(artifacts, manifest=manifest, config=config, arrays=arrays, files=files)
    return FittedSpecialist(
        id=identity,
        path=path,
        size_bytes=sum(file.stat().st_size for file in path.iterdir()),
        encoder=None if files else manifest.encoder,
        threshold=calibration.threshold,
        train_seconds=time.perf_counter() - begun,
        metrics=metrics,
        validated=validated,
    )


def _features(texts: Sequence[str], featuriser: NgramFeaturiser, encoder: Encoder | None) -> Features:
    embeddings = None if encoder is None else encoder.embed(texts)
    return Features(ngrams=featuriser.transform(texts), embeddings=embeddings)


def _spoken(value: FieldValue) -> str:
    """A member's name as words."""
    return " ".join("".join(c if c.isalnum() else " " for c in str(value)).split())


def _fit_head(
    features: Features,
    names: Features,
    problem: Problem,
    place: int,
    *,
    config: VoteConfig,
    seed: int,
    tuned: Head | None = None,
) -> _Head:
    """One head, with its slips left out."""
    labels, judges = problem.labels[:, place], problem.judges
    members = len(problem.values[place])
    if members < 2:
        return _constant(features)
    everything = np.ones(len(labels))
    # Who is neither judged nor judges is learned from in every fold, and predicted in none.
    folds = np.where(judges.reference | ~judges.human, judges.folds, -1)
    raw = out_of_fold(features, labels, everything, names, folds, config=config, seed=seed, tuned=tuned)
    scales = fit_scales(raw.rows(judges.reference), labels[judges.reference]) if judges.reference.any() else (2.0, 1.0)
    judged = judges.human & judges.incumbent_known
    rate = incumbent_error_rate(int((~judges.incumbent_right[judged]).sum()), int(judged.sum()))
    weights = label_weights(raw.combined(scales), labels, judges.human, error_rate=rate)
    clean = raw
    if not weights.all():
        clean = out_of_fold(features, labels, weights, names, folds, config=config, seed=seed, tuned=tuned)
    if judges.reference.any():
        scales = fit_scales(clean.rows(judges.reference), labels[judges.reference])
    return _Head(
        votes=fit_votes(features, labels, weights, names, config=config, seed=seed, tuned=tuned),
        scales=scales,
        log_probabilities=clean.combined(scales),
        margins=clean.ngrams,
        kept=weights > 0,
    )


def _constant(features: Features) -> _Head:
    """A head that always has the same member."""
    rows, columns = features.ngrams.shape
    dimension = None if features.embeddings is None else features.embeddings.shape[1]
    votes = Votes(
        ngram_weights=np.zeros((columns, 1), np.float32),
        ngram_bias=np.zeros(1, np.float32),
        embedding_weights=None if dimension is None else np.zeros((dimension, 1), np.float32),
        embedding_bias=None if dimension is None else np.zeros(1, np.float32),
    )
    return _Head(
        votes=votes,
        scales=(1.0, 1.0),
        log_probabilities=np.zeros((rows, 1)),
        margins=np.zeros((rows, 1)),
        kept=np.ones(rows, dtype=np.bool_),
    )


def _combinations(problem: Problem, kept: NDArray[np.bool_]) -> NDArray[np.int64] | None:
    """The answers seen, where fields depend on each other; None where every head may decide for itself.

    Answers with a probable slip in them are not taken for answers that exist, unless nothing else shows a member.
    """
    if problem.labels.shape[1] < 2:
        return None
    seen = np.unique(problem.labels[kept], axis=0)
    for place, values in enumerate(problem.values):
        if len(np.unique(seen[:, place])) < len(values):
            seen = np.unique(problem.labels, axis=0)
            break
    conceivable = math.prod(len(values) for values in problem.values)
    return None if len(seen) >= _FREE_SHARE * conceivable else seen


def _calibrated(
    unseen: Unseen, problem: Problem
) -> tuple[NoveltyConfig, Calibration, dict[str, Estimate], NDArray[np.bool_]]:
    """Novelty and calibration on the reference examples, what was measured there, and which answers were right."""
    chosen = np.flatnonzero(problem.judges.reference)
    if not len(chosen):
        raise nothing_to_calibrate_on()
    best, evidence = unseen.answers(chosen)
    right = (best == problem.labels[chosen]).all(axis=1)
    novelty = fit_limits(evidence)
    probability = weigh(evidence, novelty)
    incumbent = problem.judges.incumbent_right[chosen]
    calibration = calibrate(probability, right, incumbent)
    return novelty, calibration, calibration.metrics(probability, right, incumbent), right


def _arrays(featuriser: NgramFeaturiser, heads: Sequence[_Head], unseen: Unseen) -> dict[str, NDArray[np.generic]]:
    """The arrays of the artifact, by name."""
    arrays: dict[str, NDArray[np.generic]] = {FEATURES: featuriser.features, IDF: featuriser.idf}
    for place, head in enumerate(heads):
        arrays[f"head{place}.ngram.weights"] = head.votes.ngram_weights
        arrays[f"head{place}.ngram.bias"] = head.votes.ngram_bias
        if head.votes.embedding_weights is not None and head.votes.embedding_bias is not None:
            arrays[f"head{place}.embedding.weights"] = head.votes.embedding_weights
            arrays[f"head{place}.embedding.bias"] = head.votes.embedding_bias
        if unseen.embeddings is not None:
            kept = np.flatnonzero(unseen.kept)
            members = head.log_probabilities.shape[1]
            labels = unseen.labels[kept, place]
            prototypes = fit_prototypes(unseen.embeddings[kept], labels, members, seed=unseen.seed)
            arrays[f"head{place}.{PROTOTYPES}"] = prototypes.vectors
            arrays[f"head{place}.{OWNERS}"] = prototypes.members
    if unseen.combinations is not None:
        arrays[COMBINATIONS] = unseen.combinations
    return arrays

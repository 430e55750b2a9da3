"""Trained by `tierwright model train TASK --recipe encoder-tuned`.

The whole sentence encoder is tuned on the task, with a head for each field; it is exported, quantised, compared with
what was trained, and then joined with the n-gram votes and calibrated as it will serve. Minutes on a CPU.

The steps, in order: labels that are probably slips left out, by the votes of the frozen encoder; some examples held
out; heads fitted on the frozen embeddings; encoder and heads tuned, the held-out examples saying when to stop; the
export; the tuned heads joined with the n-gram votes, scaled and calibrated on the held-out examples alone. The number
of epochs is chosen on the same held-out examples: a choice among a handful, whose optimism is far below their noise.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np
from tokenizers import Tokenizer

from tierwright import __version__
from tierwright.core.errors import NotEnoughData
from tierwright.specialists.ngram import NgramConfig
from tierwright.training.checkpoints import Checkpoints
from tierwright.training.fitting import TunedEncoder, Views, fit_specialist, view
from tierwright.training.softmax import Head, fit_softmax
from tierwright.training.tuned_export import Trained, export
from tierwright.training.tuning_plan import TuningPlan, TuningTexts
from tierwright.training.votes import VoteConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tierwright.core.dataset import Example
    from tierwright.specialists.encoder import Encoder
    from tierwright.training.recipe import FittedSpecialist, TrainingSet
    from tierwright.training.weights import TunableWeights

NAME: Final = "encoder-tuned"
#: Examples held out: this share, at least so many where that is no more than a quarter, and at most so many.
_HELD_SHARE, _HELD_LEAST, _HELD_MOST = 0.1, 200, 1000
#: Packages whose arithmetic is in the encoder.
_PACKAGES: Final = ("torch", "tokenizers", "onnxruntime")
#: Share of the texts that are read to their end; the served encoder reads no more of any text than the tuned one.
_READ_WHOLE: Final = 0.99


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderTunedRecipe:
    """The recipe's settings."""

    #: The frozen one, made of the same weights.
    encoder: Encoder
    base: TunableWeights
    threads: int
    plan: TuningPlan = field(default_factory=TuningPlan)
    ngrams: NgramConfig = field(default_factory=NgramConfig)
    votes: VoteConfig = field(default_factory=VoteConfig)

    def fit(
        self, training: TrainingSet, *, artifacts: Path, seed: int, progress: Callable[[str], None]
    ) -> FittedSpecialist:
        """As `Recipe`. A training that was killed goes on where it was; ArtifactError where the export fails.

        Raises besides what `Recipe` names ArtifactError where the exported encoder does not answer as the trained one.
        """
        from tierwright.training.tuning import tune  # noqa: PLC0415 - torch is an extra, and slow to import

        begun = time.perf_counter()

        def say(words: str) -> None:
            progress(f"{NAME}: {words}")

        views = view(training, encoder=self.encoder, ngrams=self.ngrams, votes=self.votes, seed=seed)
        kept = views.kept
        if not kept.all():
            say(f"{int((~kept).sum()):,} of {len(kept):,} labels are probably slips and are left out")
        texts = [example.input for example in training.examples]
        held = _held(training.examples, views.judges & kept, seed)
        learned = np.flatnonzero(kept & ~held)
        if not held.any() or not len(learned):
            raise NotEnoughData(
                f"{len(texts)} examples are too few to tune an encoder and to judge it; the rungs below need fewer"
            )
        tokens, max_tokens = _tokens(texts, self.base)
        heads = [_frozen_head(views, place, learned, self.votes) for place in range(len(training.contract.heads))]
        checkpoints = Checkpoints(folder=artifacts, key=self._key(training, seed))
        say(f"tuning on {len(learned):,} examples, {int(held.sum()):,} held out, {max_tokens} tokens each at most")
        tuned = tune(
            self.base,
            TuningTexts(tokens=tokens, labels=views.labels, learned=learned, held=np.flatnonzero(held)),
            heads,
            plan=self.plan,
            seed=seed,
            threads=self.threads,
            checkpoints=checkpoints,
            progress=say,
        )
        trained = Trained(
            tensors=tuned.tensors,
            config=self.base.config,
            tokenizer=self.base.tokenizer,
            card=self.base.card,
            max_tokens=max_tokens,
            heads=tuned.heads,
            texts=[texts[row] for row in np.flatnonzero(held).tolist()],
            embeddings=tuned.held,
        )
        encoder, files, _ = export(trained, threads=self.threads, progress=say)
        chosen = np.flatnonzero(kept)
        fitted = fit_specialist(
            replace(training, examples=[training.examples[row] for row in chosen.tolist()]),
            recipe=NAME,
            encoder=TunedEncoder(
                encoder=encoder,
                files=files,
                values=views.values,
                heads=tuned.heads,
                packages=_PACKAGES,
                judges=held[chosen],
            ),
            artifacts=artifacts,
            seed=seed,
            ngrams=self.ngrams,
            votes=self.votes,
            progress=progress,
        )
        checkpoints.clear()
        return replace(fitted, train_seconds=time.perf_counter() - begun)

    def _key(self, training: TrainingSet, seed: int) -> str:
        """All that the tuned weights depend on: a training that differs in any of it is another one."""
        parts = [msgspec.json.encode(part).decode() for part in (self.plan, self.ngrams, self.votes)]
        examples = hashlib.sha256("\n".join(str(example.id) for example in training.examples).encode()).hexdigest()
        base = (self.base.card.weights_sha256, self.encoder.fingerprint)
        return "\n".join([NAME, __version__, training.dataset_id, examples, str(seed), *base, *parts])


def _held(examples: Sequence[Example], able: NDArray[np.bool_], seed: int) -> NDArray[np.bool_]:
    """Which examples judge: whole groups, drawn among those that can."""
    count = len(examples)
    wanted = min(_HELD_MOST, max(round(_HELD_SHARE * count), min(_HELD_LEAST, count // 4)))
    held = np.zeros(count, dtype=np.bool_)
    members: dict[str, list[int]] = {}
    for row, example in enumerate(examples):
        members.setdefault(example.group, []).append(row)
    drawn = np.random.default_rng([seed, 1]).permutation(len(members))
    groups = list(members.values())
    for place in drawn.tolist():
        if held.sum() >= wanted:
            break
        if able[groups[place]].all():
            held[groups[place]] = True
    return held


def _tokens(texts: Sequence[str], base: TunableWeights) -> tuple[list[list[int]], int]:
    """Token ids of the texts, cut where nearly all have ended, and where that is."""
    tokenizer = Tokenizer.from_str(base.tokenizer)
    tokenizer.no_padding()
    tokenizer.enable_truncation(base.card.max_tokens)
    readable = [text.encode("utf-8", "replace").decode() for text in texts]
    lengths = [len(found.ids) for found in tokenizer.encode_batch(readable)]
    longest = int(np.quantile(lengths, _READ_WHOLE, method="higher"))
    most = min(base.card.max_tokens, max(8, -(-longest // 8) * 8))
    tokenizer.enable_truncation(most)
    return [list(found.ids) for found in tokenizer.encode_batch(readable)], most


def _frozen_head(views: Views, place: int, learned: NDArray[np.int64], votes: VoteConfig) -> Head:
    """The softmax regression on the frozen embeddings, the members' own names among the examples."""
    embeddings, names = views.embeddings[learned], views.names[place]
    members = len(names)
    weights = np.concatenate([np.ones(len(learned)), np.full(members, votes.name_weight)])
    return fit_softmax(
        np.concatenate([embeddings, names]),
        np.concatenate([views.labels[learned, place], np.arange(members)]),
        weights,
        members,
        strength=votes.softmax_strength,
        iterations=votes.softmax_iterations,
    )

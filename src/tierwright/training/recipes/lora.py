"""Trained by `tierwright model train TASK --recipe lora`.

A causal language model with low-rank adapters (Hu et al. 2021) on all its linear layers, learning to write the answer
after the chat template's prompt: label, fields, spans or text. The steps, in order: split by group; prompts and rows;
the audit of what the loss sees; training with early stopping on the task's own measure; answers within the contract's
grammar on the calibration examples; confidence from the probabilities of their tokens; the artifact.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np

from tierwright.core.contract import ContractKind
from tierwright.core.dataset import LabelSource, Split
from tierwright.core.errors import InputError, NotEnoughData
from tierwright.specialists.artifact import write_artifact
from tierwright.training.calibration import calibrate
from tierwright.training.lm.artifact import CANARY, BaseReference, LoraConfig, Weighing
from tierwright.training.lm.grammar import slots_of
from tierwright.training.lm.prompts import instruction_for
from tierwright.training.lm.rows import Limits, audit, make_rows
from tierwright.training.lm.scores import is_right, score
from tierwright.training.problem import MIN_HUMAN, nothing_to_calibrate_on, refuse_one_answer, refuse_test_examples
from tierwright.training.recipe import FittedSpecialist, manifest_of, versions_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tierwright.core.contract import OutputContract
    from tierwright.core.dataset import Example
    from tierwright.core.estimate import Estimate
    from tierwright.core.ids import InferenceId
    from tierwright.training.calibration import Calibration
    from tierwright.training.lm.decoding import Answer, Decoder
    from tierwright.training.lm.loop import Judged
    from tierwright.training.lm.model import Language
    from tierwright.training.lm.rows import Coding
    from tierwright.training.lm_weights import BaseLm
    from tierwright.training.recipe import TrainingSet

NAME = "lora"
#: Share of the training examples held out for early stopping, and how many at most: each evaluation answers all.
_DEV_SHARE, _MOST_DEV = 0.1, 300
#: Share of the training examples held out to calibrate on where the dataset has no calibration split.
_CALIBRATION_SHARE = 0.2
#: Examples to learn from at least.
_FEWEST = 20
#: Weights from which a model counts as large: its learning rate is halved.
_LARGE = 2_500_000_000
_CLOSED = frozenset({ContractKind.LABEL, ContractKind.FIELDS})
#: Packages of the extra `train`.
_EXTRA = ("torch", "transformers", "peft", "llguidance")
#: Libraries whose arithmetic is in the weights or the answers.
_LIBRARIES = ("torch", "transformers", "peft", "tokenizers", "llguidance", "numpy", "scikit-learn")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraSettings:
    """What is tuned, how far and how fast. Defaults by contract and size are `settings_for`'s."""

    rank: int
    alpha: int
    dropout: float = 0.0
    learning_rate: float
    batch: int = 16
    epochs: int
    patience: int = 3
    #: Tokens of a prompt; longer inputs are cut at their end. The model's own limit holds, too.
    max_prompt_tokens: int = 1536
    #: Tokens of an answer at most, whatever the training answers had.
    max_new_tokens: int = 512
    #: Tokens of a micro-batch, padding included: bounds the memory.
    micro_tokens: int = 4096


def settings_for(kind: ContractKind, parameters: int) -> LoraSettings:
    """Rank and epochs by what is learned, the learning rate by what is tuned (Schulman et al. 2025).

    Dropout is 0: kernels of other trainers need that, and with early stopping it was not missed.
    """
    rate = 1e-4 if parameters >= _LARGE or kind is ContractKind.TEXT else 2e-4
    if kind in _CLOSED:
        return LoraSettings(rank=16, alpha=32, learning_rate=rate, epochs=5)
    return LoraSettings(rank=32, alpha=64, learning_rate=rate, epochs=3)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """The examples, by what they are for."""

    learned: Sequence[Example]
    #: For early stopping.
    dev: Sequence[Example]
    #: For confidence and threshold.
    calibration: Sequence[Example]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Verdict:
    """What the calibration examples showed."""

    calibration: Calibration
    weighing: Weighing | None
    metrics: dict[str, Estimate]
    validated: dict[InferenceId, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraRecipe:
    """The recipe's settings."""

    base: BaseLm
    threads: int
    #: None: those of `settings_for`.
    settings: LoraSettings | None = None

    def fit(
        self, training: TrainingSet, *, artifacts: Path, seed: int, progress: Callable[[str], None]
    ) -> FittedSpecialist:
        """As `Recipe.fit`. Killed and started again, it goes on from its last checkpoint.

        Raises GateError besides, where the training diverges, and ArtifactError where the base weights can't be used.
        """
        # Torch and transformers take seconds to load, and only this recipe needs them.
        import torch  # noqa: PLC0415 - see above

        from tierwright.training.lm.checkpoints import Checkpoints  # noqa: PLC0415 - as above
        from tierwright.training.lm.decoding import Decoder  # noqa: PLC0415 - as above
        from tierwright.training.lm.loop import Schedule, train  # noqa: PLC0415 - as above
        from tierwright.training.lm.model import (  # noqa: PLC0415 - as above
            adapted,
            adapter_files,
            check_head,
            coding_of,
            find_device,
            fitting_prompt,
            mean_loss,
            open_language,
        )

        begun = time.perf_counter()
        parts = _split(training, seed)
        contract = training.contract
        torch.set_num_threads(self.threads)
        language = open_language(self.base.directory, find_device())
        check_head(language)
        settings = self.settings or settings_for(contract.kind, language.parameters)
        prompt = fitting_prompt(language.tokenizer, instruction_for(contract))
        coding = coding_of(language.tokenizer, prompt)
        limits = _limits(contract, [example.output for example in parts.learned], coding, language, settings)
        rows = make_rows([(e.input, e.output) for e in parts.learned], coding, limits, progress=progress)
        dev_rows = make_rows([(e.input, e.output) for e in parts.dev], coding, limits, progress=progress)
        audit([*rows, *dev_rows], coding, limits)
        progress(
            f"lora: {len(rows):,} rows of {sum(len(row.input_ids) for row in rows) / len(rows):.0f} tokens audited; "
            f"{self.base.card.name} ({language.parameters / 1e9:.2f} billion weights, {self.base.card.licence}) on "
            f"{language.device.name or 'the processor'} in {str(language.device.dtype).removeprefix('torch.')}"
        )
        language = adapted(language, rank=settings.rank, alpha=settings.alpha, dropout=settings.dropout, seed=seed)
        slots = slots_of(contract, [e.input for e in parts.learned], [e.output for e in parts.learned])
        decoder = Decoder(language, contract=contract, slots=slots, coding=coding, limits=limits)
        schedule = Schedule(
            learning_rate=settings.learning_rate,
            batch=settings.batch,
            epochs=settings.epochs,
            micro_tokens=settings.micro_tokens,
            patience=settings.patience,
            seed=seed,
        )
        versions = versions_of(_LIBRARIES)
        key = f"{training.dataset_id} {seed} {settings} {self.base.fingerprint} {versions} {language.device}"
        checkpoints = Checkpoints(directory=artifacts / f".lora-{hashlib.sha256(key.encode()).hexdigest()[:16]}")
        speed = train(
            language,
            rows,
            schedule=schedule,
            checkpoints=checkpoints,
            evaluate=lambda: _judged(
                decoder, contract, parts.dev, mean_loss(language, dev_rows, settings.micro_tokens)
            ),
            progress=progress,
        )
        progress(f"lora: learned {speed.tokens:,} tokens in {speed.seconds:.0f} s, {speed}")
        verdict = _verdict(decoder, training, parts.calibration, seed)
        config = LoraConfig(
            contract=contract,
            base=_reference(self.base),
            prompt=prompt,
            slots=slots,
            max_prompt_tokens=limits.prompt,
            max_new_tokens=limits.completion,
            canary=coding.prompt(CANARY, limits.prompt),
            weighing=verdict.weighing,
            confidence_slope=verdict.calibration.confidence.slope,
            confidence_intercept=verdict.calibration.confidence.intercept,
        )
        manifest = manifest_of(training, recipe=NAME, seed=seed, packages=_LIBRARIES)
        files = adapter_files(language, base=self.base.card.repository or self.base.card.name)
        identity, path = write_artifact(artifacts, manifest=manifest, config=config, arrays={}, files=files)
        checkpoints.remove()
        return FittedSpecialist(
            id=identity,
            path=path,
            size_bytes=sum(file.stat().st_size for file in path.iterdir()),
            encoder=None,
            threshold=verdict.calibration.threshold,
            train_seconds=time.perf_counter() - begun,
            metrics=verdict.metrics,
            validated=verdict.validated,
        )


def missing_packages() -> list[str]:
    """What of the extra `train` is not installed; nothing is imported."""
    return [name for name in _EXTRA if find_spec(name) is None]


def _split(training: TrainingSet, seed: int) -> _Parts:
    """The examples by what they are for, groups kept together; checked."""
    examples, contract = training.examples, training.contract
    if contract.kind is ContractKind.OPEN:
        raise NotEnoughData("open answers have no form that could be checked: leave the task on the frontier model")
    refuse_test_examples(examples)
    if contract.kind in _CLOSED and any(contract.parse(example.output) is None for example in examples):
        raise InputError("an example's output breaks the dataset's contract; build the dataset again")
    refuse_one_answer([example.output for example in examples])
    calibration = [example for example in examples if example.split is Split.CALIBRATION]
    rest = [example for example in examples if example.split is Split.TRAIN]
    random = np.random.default_rng(seed)
    if not calibration:
        calibration, rest = _drawn(rest, int(_CALIBRATION_SHARE * len(rest)), random)
    dev, learned = _drawn(rest, min(_MOST_DEV, int(_DEV_SHARE * len(rest))), random)
    if len(learned) < _FEWEST or not dev or not calibration:
        raise NotEnoughData(
            f"{len(examples)} examples are too few for a language model: {len(learned)} are left to learn from, "
            f"{len(dev)} to stop by and {len(calibration)} to calibrate on; build a larger dataset"
        )
    return _Parts(learned=learned, dev=dev, calibration=calibration)


def _drawn(examples: Sequence[Example], count: int, random: np.random.Generator) -> tuple[list[Example], list[Example]]:
    """Whole groups with about so many examples, and the rest; both in the order given."""
    groups = list(dict.fromkeys(example.group for example in examples))
    sizes: dict[str, int] = {}
    for example in examples:
        sizes[example.group] = sizes.get(example.group, 0) + 1
    taken: set[str] = set()
    total = 0
    for place in random.permutation(len(groups)).tolist():
        if total >= count:
            break
        taken.add(groups[place])
        total += sizes[groups[place]]
    return (
        [example for example in examples if example.group in taken],
        [example for example in examples if example.group not in taken],
    )


def _limits(
    contract: OutputContract, outputs: Sequence[str], coding: Coding, language: Language, settings: LoraSettings
) -> Limits:
    """How long prompts and answers may be: answers as long as any that was seen or is allowed, with room to spare.

    A grammar allows a text in other tokens than those it was learned in, and those may be more.
    """
    texts = set(outputs)
    if contract.kind is ContractKind.LABEL:
        texts |= set(contract.labels)
    longest = max(len(coding.answer(text)) for text in texts) + 1
    whole = int(getattr(language.model.config, "max_position_embeddings", 0) or settings.max_prompt_tokens * 2)
    completion = min(settings.max_new_tokens, whole // 2, longest + longest // 4 + 8)
    return Limits(prompt=min(settings.max_prompt_tokens, whole - completion), completion=completion)


def _judged(decoder: Decoder, contract: OutputContract, examples: Sequence[Example], loss: float) -> Judged:
    """The task's measure on held-out examples."""
    from tierwright.training.lm.loop import Judged  # noqa: PLC0415 - as above

    answers = decoder.answers([example.input for example in examples])
    scores = np.array(
        [score(contract, e.output, answer.text) for e, answer in zip(examples, answers, strict=True)], dtype=np.float64
    )
    standard_error = float(scores.std() / np.sqrt(len(scores)))
    return Judged(score=float(scores.mean()), standard_error=standard_error, loss=loss)


def _verdict(decoder: Decoder, training: TrainingSet, examples: Sequence[Example], seed: int) -> _Verdict:
    """Confidence and threshold from examples the model has not seen, and what it measured there.

    Where people labelled enough of them, they alone are the reference, as in `fitting`.
    """
    from tierwright.training.lm.confidence import weigh  # noqa: PLC0415 - as above

    contract = training.contract
    known = [example for example in examples if example.incumbent_output is not None]
    judged = known if any(example.incumbent_output is not None for example in training.examples) else list(examples)
    human = [example for example in judged if example.source is LabelSource.HUMAN]
    judged = human if len(human) >= MIN_HUMAN else judged
    if not judged:
        raise nothing_to_calibrate_on()
    answers: list[Answer] = decoder.answers([example.input for example in judged])
    pairs = list(zip(judged, answers, strict=True))
    right = np.array([answer.ended and is_right(contract, e.output, answer.text) for e, answer in pairs])
    incumbent = np.array([example.incumbent_output in {None, example.output} for example in judged])
    probability, weighing = weigh(contract, answers, right, [example.group for example in judged], seed)
    calibration = calibrate(probability, right, incumbent)
    return _Verdict(
        calibration=calibration,
        weighing=weighing,
        metrics=calibration.metrics(probability, right, incumbent),
        validated={e.id: score(contract, e.output, answer.text) for e, answer in pairs},
    )


def _reference(base: BaseLm) -> BaseReference:
    card = base.card
    return BaseReference(
        name=card.name,
        repository=card.repository,
        revision=card.revision,
        licence=card.licence,
        licence_note=card.licence_note,
        files={name: wanted.sha256 for name, wanted in sorted(card.files.items())},
    )

"""The training loop of the recipe `lora`: steps, evaluations, early stopping, checkpoints.

Owns the schedule and when it ends; refuses to know prompts, answers and artifacts. What an evaluation is comes as a
function. Settings follow "LoRA Without Regret" (Schulman et al. 2025): adapters on all linear layers, small batches, a
learning rate ten times that of full fine-tuning.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import torch

from tierwright.core.errors import GateError
from tierwright.training.lm.checkpoints import Checkpoints, State
from tierwright.training.lm.model import adapter_tensors, completion_loss, set_adapter
from tierwright.training.lm.rows import IGNORED, steps
from tierwright.training.lm.throughput import Speed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import Tensor

    from tierwright.training.lm.model import Language
    from tierwright.training.lm.rows import Row

#: Largest norm of a step's gradient.
_CLIP = 1.0
#: Share of the least loss so far below which a loss counts as still falling.
_FALLING = 0.99
#: Seconds between lines of progress.
_SAY_S = 5.0
#: Seconds between checkpoints, besides those at evaluations.
_SAVE_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How much is learned, and how fast."""

    learning_rate: float
    #: Rows a step.
    batch: int
    epochs: int
    #: Tokens of a micro-batch, padding included: bounds the memory.
    micro_tokens: int
    #: Share of all steps in which the learning rate rises; then it falls as a cosine, to a tenth.
    warm_up: float = 0.05
    weight_decay: float = 0.0
    #: Evaluations an epoch, and how many in a row may bring nothing, after the first epoch, before it ends.
    evaluations: int = 4
    patience: int = 3
    #: Steps between two evaluations at least.
    min_steps: int = 5
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One evaluation."""

    #: The task's metric on rows that are not learned from, in [0, 1].
    score: float
    standard_error: float
    #: Mean cross entropy of the tokens of their right answers.
    loss: float


def train(
    language: Language,
    rows: Sequence[Row],
    *,
    schedule: Schedule,
    checkpoints: Checkpoints,
    evaluate: Callable[[], Judged],
    progress: Callable[[str], None],
) -> Speed:
    """Trains the adapter of a model and leaves its best weights in it, as evaluations found; returns how fast that was.

    Goes on from the newest checkpoint. Interrupted and resumed it takes the same steps as without. Raises GateError
    where the loss is no number any more, ServiceError where a checkpoint can't be written.
    """
    return _Run(language, rows, schedule, checkpoints, evaluate, progress).train()


class _Run:
    """One run: what changes while it goes on."""

    def __init__(
        self,
        language: Language,
        rows: Sequence[Row],
        schedule: Schedule,
        checkpoints: Checkpoints,
        evaluate: Callable[[], Judged],
        progress: Callable[[str], None],
    ) -> None:
        self._language, self._rows, self._schedule = language, rows, schedule
        self._checkpoints, self._evaluate, self._say = checkpoints, evaluate, progress
        self._lengths = [len(row.input_ids) for row in rows]
        self._per_epoch = math.ceil(len(rows) / schedule.batch)
        self._total = self._per_epoch * schedule.epochs
        self._weights = {name: weight for name, weight in language.model.named_parameters() if weight.requires_grad}
        self._optimizer = torch.optim.AdamW(
            self._weights.values(), lr=schedule.learning_rate, weight_decay=schedule.weight_decay
        )
        self._best: dict[str, Tensor] = {}
        self._state = State()
        self._begun = self._said = self._saved = time.perf_counter()
        self._before = 0.0

    def train(self) -> Speed:
        self._resume()
        self._language.model.train()
        resumed_at, tokens_before = self._begun, self._state.tokens
        every = max(self._schedule.min_steps, self._per_epoch // self._schedule.evaluations)
        loss = math.nan
        for number, step in self._steps():
            if self._state.stopped:
                break
            loss = self._step(number, step)
            done = number + 1
            self._state = msgspec.structs.replace(
                self._state, step=done, tokens=self._state.tokens + sum(self._lengths[row] for m in step for row in m)
            )
            judged = done % every == 0 or done == self._total
            if judged:
                self._judge()
            if judged or time.perf_counter() - self._saved > _SAVE_S:
                self._save()
            self._tell(loss, resumed_at, tokens_before)
        if self._best:
            set_adapter(self._language, self._best)
        self._language.model.eval()
        return self._speed(resumed_at, tokens_before)

    @property
    def seconds(self) -> float:
        return self._before + time.perf_counter() - self._begun

    def _steps(self) -> Iterator[tuple[int, list[list[int]]]]:
        """The steps that are still to be done, numbered from 0."""
        schedule = self._schedule
        for epoch in range(self._state.step // self._per_epoch, schedule.epochs):
            made = steps(
                self._lengths, batch=schedule.batch, max_tokens=schedule.micro_tokens, seed=schedule.seed, epoch=epoch
            )
            for place, step in enumerate(made):
                number = epoch * self._per_epoch + place
                if number >= self._state.step:
                    yield number, step

    def _step(self, number: int, step: list[list[int]]) -> float:
        """One step; returns the mean loss of the tokens in it."""
        for group in self._optimizer.param_groups:
            group["lr"] = self._schedule.learning_rate * self._rate(number)
        # Of dropout: the same after a resume as without.
        torch.manual_seed(self._schedule.seed * 1_000_003 + number)
        micro = [[self._rows[row] for row in rows] for rows in step]
        count = sum(label != IGNORED for rows in micro for row in rows for label in row.labels)
        total = 0.0
        for rows in micro:
            loss = completion_loss(self._language, rows) / count
            loss.backward()  # type: ignore[no-untyped-call]  # torch has no types for it
            total += loss.item()
        norm = torch.nn.utils.clip_grad_norm_(self._weights.values(), _CLIP)
        if not math.isfinite(total) or not torch.isfinite(norm):
            raise GateError(
                f"the loss is no number any more at step {number + 1}: the learning rate "
                f"{self._schedule.learning_rate:g} is too high for these base weights; halve it and train again"
            )
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        return total

    def _rate(self, number: int) -> float:
        """The share of the learning rate at a step."""
        rising = max(1, round(self._schedule.warm_up * self._total))
        if number < rising:
            return (number + 1) / rising
        done = (number - rising) / max(1, self._total - rising)
        return 0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * done))

    def _judge(self) -> None:
        """One evaluation: keeps the weights where they are the best, ends where nothing was gained for long."""
        self._language.model.eval()
        judged = self._evaluate()
        self._language.model.train()
        state = self._state
        if (judged.score, -judged.loss) > (state.best_score, -state.best_loss):
            self._best = adapter_tensors(self._language)
            state = msgspec.structs.replace(state, best_score=judged.score, best_loss=judged.loss, best_step=state.step)
        # While the loss still falls, a measure that stands still may be about to rise: before anything is learned every
        # answer is the commonest one.
        gained = judged.score > state.bar or judged.loss < _FALLING * state.least_loss
        state = msgspec.structs.replace(
            state,
            bar=max(state.bar, judged.score + judged.standard_error) if judged.score > state.bar else state.bar,
            least_loss=min(state.least_loss, judged.loss),
            patience_used=0 if gained or state.step <= self._per_epoch else state.patience_used + 1,
        )
        self._state = msgspec.structs.replace(state, stopped=state.patience_used >= self._schedule.patience)
        stopped = self._state.stopped
        self._say(
            f"lora: step {state.step} of {self._total}: {judged.score:.1%} on held-out examples, "
            f"best {state.best_score:.1%}" + (", stopped early" if stopped and state.step < self._total else "")
        )

    def _tell(self, loss: float, begun: float, tokens_before: int) -> None:
        now = time.perf_counter()
        if now - self._said < _SAY_S:
            return
        self._said = now
        done = self._state.step
        left = self.seconds / done * (self._total - done)
        speed = f", {self._speed(begun, tokens_before)}" if self._language.device.name is not None else ""
        self._say(f"lora: step {done} of {self._total}, loss {loss:.3f}, at most {left:.0f} s left{speed}")

    def _speed(self, begun: float, tokens_before: int) -> Speed:
        return Speed(
            tokens=self._state.tokens - tokens_before,
            seconds=time.perf_counter() - begun,
            parameters=self._language.parameters,
            device=self._language.device.name,
        )

    def _save(self) -> None:
        self._saved = time.perf_counter()
        moments = {
            f"{name}.{kind}": self._optimizer.state[weight][kind].to("cpu").contiguous()
            for name, weight in self._weights.items()
            for kind in ("exp_avg", "exp_avg_sq", "step")
            if weight in self._optimizer.state
        }
        state = msgspec.structs.replace(self._state, seconds=self.seconds)
        tensors = {"adapter": adapter_tensors(self._language), "best": self._best, "moments": moments}
        self._checkpoints.save(state, tensors)

    def _resume(self) -> None:
        found = self._checkpoints.newest()
        if found is None:
            return
        self._state, tensors = found
        self._before, self._best = self._state.seconds, tensors["best"]
        set_adapter(self._language, tensors["adapter"])
        moments = tensors["moments"]
        for name, weight in self._weights.items():
            self._optimizer.state[weight] = {
                "exp_avg": moments[f"{name}.exp_avg"].to(weight.device),
                "exp_avg_sq": moments[f"{name}.exp_avg_sq"].to(weight.device),
                "step": moments[f"{name}.step"],
            }
        self._say(f"lora: goes on at step {self._state.step} of {self._total}, from a checkpoint")

"""Tunes a whole sentence encoder together with the linear heads on it, in torch on the cores at hand.

Owns the optimisation: batches of like length, the schedule, the running average of the weights, early stopping on the
task metric, and resuming after a kill. Refuses to know where texts and labels come from and what becomes of the
weights. Imports torch, so that it is imported only by what trains.

The heads begin as the softmax regression on the frozen embeddings, so that the encoder is not first distorted by heads
that know nothing (Kumar et al. 2022, Fine-Tuning can Distort Pretrained Features). What is evaluated and returned is
the running average of the weights (Polyak and Juditsky 1992), which is better than the last ones at no cost.
"""

from __future__ import annotations

import math
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np
import torch
from torch import nn
from torch.nn import functional

from tierwright.training.bert import Bert
from tierwright.training.tuning_plan import TunedWeights

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from tierwright.training.checkpoints import Checkpoints
    from tierwright.training.softmax import Head
    from tierwright.training.tuning_plan import TuningPlan, TuningTexts
    from tierwright.training.weights import TunableWeights

#: Batches whose examples are sorted by length together: enough to waste little padding, few enough to stay random.
_BUCKET: Final = 40
#: Threads that share a batch. Always as many, so that the weights do not depend on how many cores there are.
_SHARDS: Final = 2
#: Steps between checkpoints, and seconds between words.
_SAVE_EVERY: Final = 100
_SAY_EVERY_S: Final = 15.0
_MOMENTS: Final = ("step", "exp_avg", "exp_avg_sq")


def tune(
    base: TunableWeights,
    texts: TuningTexts,
    heads: Sequence[Head],
    *,
    plan: TuningPlan,
    seed: int,
    threads: int,
    checkpoints: Checkpoints,
    progress: Callable[[str], None],
) -> TunedWeights:
    """The tuned encoder and heads. The same arguments give the same weights on one machine, resumed or not.

    `heads` are the weights and intercepts to begin with. Raises ServiceError where a checkpoint can't be written.
    """
    # One barrier a step between two threads: torch's own threads meet after every product, and on shared cores wait.
    torch.set_num_threads(max(1, threads // _SHARDS))
    used = np.unique(np.concatenate([np.asarray(row, dtype=np.int64) for row in texts.tokens]))
    model = _Model(Bert(base.tensors, base.config, used=used, dropout=plan.dropout), heads)
    run = _Run(model, texts, plan, seed)
    history = run.go(checkpoints, progress)
    return TunedWeights(
        tensors=model.encoder.tensors(base.tensors), heads=model.heads(), held=run.embedded(), history=history
    )


class _Model(nn.Module):
    """The encoder and its heads side by side in one matrix."""

    def __init__(self, encoder: Bert, heads: Sequence[Head]) -> None:
        super().__init__()
        self.encoder = encoder
        self.widths = [bias.shape[0] for _, bias in heads]
        self.weight = nn.Parameter(torch.from_numpy(np.concatenate([weight for weight, _ in heads], axis=1)))
        self.bias = nn.Parameter(torch.from_numpy(np.concatenate([bias for _, bias in heads])))

    def forward(
        self, ids: torch.Tensor, mask: torch.Tensor, noise: torch.Generator | None = None
    ) -> tuple[torch.Tensor, ...]:
        """The scores of each head, shape (batch, k)."""
        scores = self.encoder(ids, mask, noise) @ self.weight + self.bias
        return torch.split(scores, self.widths, dim=1)

    def heads(self) -> list[Head]:
        """Weights and intercepts of each head as they are now."""
        ends = np.cumsum(self.widths)[:-1]
        weights = np.split(self.weight.detach().numpy().copy(), ends, axis=1)
        biases = np.split(self.bias.detach().numpy().copy(), ends)
        return [(np.ascontiguousarray(weight), bias) for weight, bias in zip(weights, biases, strict=True)]


class _State(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a checkpoint says besides arrays."""

    epoch: int
    #: Steps of that epoch that are done, and of all epochs.
    step: int
    steps: int
    history: list[float]
    #: Epochs that were done when the figure last rose; 0: it has not.
    best_epoch: int


class _Run:
    """One training from its first step to its last."""

    def __init__(self, model: _Model, texts: TuningTexts, plan: TuningPlan, seed: int) -> None:
        self._model, self._texts, self._plan, self._seed = model, texts, plan, seed
        self._halved = has_bfloat16()
        self._lengths = np.array([len(row) for row in texts.tokens])
        groups = _groups(model, plan)
        self._parameters = [parameter for group in groups for parameter in group["params"]]
        self._peaks = [float(group["lr"]) for group in groups]
        self._optimiser = torch.optim.AdamW(groups, betas=(0.9, 0.98), eps=1e-6, fused=True)
        self._average = [parameter.detach().clone() for parameter in self._parameters]
        self._best = [parameter.detach().clone() for parameter in self._parameters]
        self._epochs = plan.epochs_for(len(texts.learned))
        self._total = self._epochs * len(self._batches(0))
        self._state = _State(epoch=0, step=0, steps=0, history=[], best_epoch=0)

    def go(self, checkpoints: Checkpoints, progress: Callable[[str], None]) -> list[float]:
        """Trains to the end, or goes on with what a checkpoint holds; returns the history."""
        if (found := checkpoints.load(_State)) is not None:
            self._restore(*found)
            progress(f"going on after step {self._state.steps:,} of {self._total:,}")
        else:
            self._state = msgspec.structs.replace(self._state, history=[self._judge()])
        clock = _Clock(done=self._state.steps, total=self._total)
        with ThreadPoolExecutor(_SHARDS) as pool:
            while self._state.epoch < self._epochs and not self._is_stale():
                self._epoch(pool, checkpoints, clock, progress)
        self._load(self._best)
        return self._state.history

    def embedded(self) -> NDArray[np.float32]:
        """Embeddings of the held-out examples as the weights are now, in their order."""
        held = self._texts.held
        order = np.argsort(self._lengths[held], kind="stable")
        found = np.zeros((len(held), self._model.weight.shape[0]), dtype=np.float32)
        with torch.inference_mode():
            for places in _cut(order, self._lengths[held], 64, self._plan.batch_tokens):
                ids, mask = _padded([self._texts.tokens[held[place]] for place in places])
                found[places] = self._model.encoder(ids, mask).numpy()
        return found

    def _epoch(
        self, pool: ThreadPoolExecutor, checkpoints: Checkpoints, clock: _Clock, progress: Callable[[str], None]
    ) -> None:
        batches = self._batches(self._state.epoch)
        for step in range(self._state.step, len(batches)):
            self._step(pool, batches[step])
            self._state = msgspec.structs.replace(self._state, step=step + 1, steps=self._state.steps + 1)
            if self._state.steps % _SAVE_EVERY == 0:
                checkpoints.save(self._arrays(), self._state)
            if clock.is_due(self._state.steps):
                progress(
                    f"epoch {self._state.epoch + 1} of {self._epochs}, "
                    f"{100 * max(self._state.history):.1f} % right on held-out examples, {clock.left()} left at most"
                )
        now = [parameter.detach().clone() for parameter in self._parameters]
        self._load(self._average)
        right = self._judge()
        before = max(self._state.history)
        if right >= before:  # as good and trained for longer is better, but nothing to wait on for
            self._best = [value.clone() for value in self._average]
        best = self._state.epoch + 1 if right > before else self._state.best_epoch
        self._load(now)
        self._state = msgspec.structs.replace(
            self._state,
            epoch=self._state.epoch + 1,
            step=0,
            history=[*self._state.history, right],
            best_epoch=best,
        )
        checkpoints.save(self._arrays(), self._state)

    def _step(self, pool: ThreadPoolExecutor, rows: NDArray[np.int64]) -> None:
        """One step of the optimiser. The batch is shared between threads: each takes every other example."""
        done, plan = self._state.steps, self._plan
        climb = min(1.0, (done + 1) / max(1.0, plan.warm_up * self._total))
        factor = climb * 0.5 * (1 + math.cos(math.pi * done / self._total))
        for group, peak in zip(self._optimiser.param_groups, self._peaks, strict=True):
            group["lr"] = peak * factor
        shares = [rows[shard::_SHARDS] for shard in range(_SHARDS) if len(rows) > shard]
        jobs = [
            pool.submit(self._gradients, share, len(rows), torch.Generator().manual_seed(self._noise(done, shard)))
            for shard, share in enumerate(shares)
        ]
        found = [job.result() for job in jobs]
        for place, parameter in enumerate(self._parameters):
            total = found[0][place]
            for other in found[1:]:
                total = total + other[place]
            parameter.grad = total
        torch.nn.utils.clip_grad_norm_(self._parameters, 1.0)
        self._optimiser.step()
        with torch.no_grad():
            reach = 1 / (1 + min(done, plan.average * self._total))
            torch._foreach_lerp_(
                self._average, [p.detach() for p in self._parameters], reach
            )  # torch has no public name for it

    def _gradients(self, rows: NDArray[np.int64], batch: int, noise: torch.Generator) -> tuple[torch.Tensor, ...]:
        """Gradients of the loss of some of a batch's examples, their share of the batch's mean."""
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self._halved):
            scores = self._model(*_padded([self._texts.tokens[row] for row in rows]), noise)
        labels = torch.from_numpy(self._texts.labels[rows])
        loss = torch.zeros(())
        for place, head in enumerate(scores):
            loss = loss + functional.cross_entropy(
                head.float(), labels[:, place], label_smoothing=self._plan.smoothing, reduction="sum"
            )
        return torch.autograd.grad(loss / batch, self._parameters)

    def _noise(self, step: int, shard: int) -> int:
        """A seed of its own for what each thread drops in each step, so that a resumed training drops the same."""
        return int(np.random.SeedSequence([self._seed, step, shard]).generate_state(1)[0])

    def _batches(self, epoch: int) -> list[NDArray[np.int64]]:
        """Batches of like length in random order, the same for the same seed and epoch."""
        draw = np.random.default_rng([self._seed, epoch])
        order = draw.permutation(self._texts.learned)
        found: list[NDArray[np.int64]] = []
        for start in range(0, len(order), _BUCKET * self._plan.batch):
            bucket = order[start : start + _BUCKET * self._plan.batch]
            bucket = bucket[np.argsort(self._lengths[bucket], kind="stable")]
            found += _cut(bucket, self._lengths, self._plan.batch, self._plan.batch_tokens)
        return [found[place] for place in draw.permutation(len(found))]

    def _judge(self) -> float:
        """Share of the held-out examples whose every head is right."""
        embeddings = self.embedded()
        said = [(embeddings @ weight + bias).argmax(axis=1) for weight, bias in self._model.heads()]
        right = (np.stack(said, axis=1) == self._texts.labels[self._texts.held]).all(axis=1)
        return float(right.mean()) if len(right) else 0.0

    def _is_stale(self) -> bool:
        return self._state.epoch - self._state.best_epoch >= self._plan.patience

    def _load(self, values: Sequence[torch.Tensor]) -> None:
        with torch.no_grad():
            for parameter, value in zip(self._parameters, values, strict=True):
                parameter.copy_(value)

    def _arrays(self) -> dict[str, NDArray[np.generic]]:
        """Everything that a step depends on."""
        found: dict[str, NDArray[np.generic]] = {}
        for place, parameter in enumerate(self._parameters):
            state = self._optimiser.state[parameter]
            parts = {"now": parameter, "average": self._average[place], "best": self._best[place]}
            parts |= {name: state[name] for name in _MOMENTS}
            found |= {f"{place}.{name}": part.detach().numpy() for name, part in parts.items()}
        return found

    def _restore(self, arrays: Mapping[str, NDArray[np.generic]], state: _State) -> None:
        def part(place: int, name: str) -> torch.Tensor:
            return torch.from_numpy(np.array(arrays[f"{place}.{name}"]))

        for place, parameter in enumerate(self._parameters):
            self._optimiser.state[parameter] = {name: part(place, name) for name in _MOMENTS}
            self._average[place], self._best[place] = part(place, "average"), part(place, "best")
        self._load([part(place, "now") for place in range(len(self._parameters))])
        self._state = state


def has_bfloat16() -> bool:
    """Whether this processor multiplies 16-bit numbers faster than 32-bit ones; elsewhere torch only imitates it."""
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))


class _Clock:
    """When to say something, and how long it will still take."""

    def __init__(self, *, done: int, total: int) -> None:
        self._begun_s = self._said_s = time.monotonic()
        self._first, self._done, self._total = done, done, total

    def is_due(self, done: int) -> bool:
        """Whether enough time has passed since the last word."""
        self._done = done
        now_s = time.monotonic()
        if now_s - self._said_s < _SAY_EVERY_S:
            return False
        self._said_s = now_s
        return True

    def left(self) -> str:
        """The time left at the speed so far, in words."""
        left_s = (time.monotonic() - self._begun_s) / (self._done - self._first) * (self._total - self._done)
        return f"{left_s / 60:.0f} min" if left_s >= 90 else f"{left_s:.0f} s"


def _groups(model: _Model, plan: TuningPlan) -> list[dict[str, Any]]:
    """Parameters with their peak rates; intercepts, norms, words and heads are not decayed."""
    groups: list[dict[str, Any]] = [{"params": [model.weight, model.bias], "lr": plan.head_rate, "weight_decay": 0.0}]
    layers = list(model.encoder.layers)
    for above, layer in enumerate(reversed(layers)):
        rate = plan.rate * plan.layer_decay**above
        for is_matrix in (True, False):
            chosen = [parameter for parameter in layer.parameters() if (parameter.ndim > 1) == is_matrix]
            groups.append({"params": chosen, "lr": rate, "weight_decay": plan.decay if is_matrix else 0.0})
    embedding = [model.encoder.words, model.encoder.positions, *model.encoder.norm.parameters()]
    groups.append({"params": embedding, "lr": plan.rate * plan.layer_decay ** len(layers), "weight_decay": 0.0})
    return groups


def _cut(rows: NDArray[np.int64], lengths: NDArray[np.int64], count: int, tokens: int) -> list[NDArray[np.int64]]:
    """Rows sorted by length, cut into batches of at most so many rows, and so many padded tokens or one row."""
    found: list[NDArray[np.int64]] = []
    start = 0
    while start < len(rows):
        stop = start + 1
        while stop < len(rows) and stop - start < count and (stop - start + 1) * int(lengths[rows[stop]]) <= tokens:
            stop += 1
        found.append(rows[start:stop])
        start = stop
    return found


def _padded(tokens: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and mask of a batch, shape (batch, tokens)."""
    width = max(1, *(len(row) for row in tokens))
    ids = np.zeros((len(tokens), width), dtype=np.int64)
    mask = np.zeros((len(tokens), width), dtype=np.bool_)
    for place, row in enumerate(tokens):
        ids[place, : len(row)] = row
        mask[place, : len(row)] = True
    return torch.from_numpy(ids), torch.from_numpy(mask)

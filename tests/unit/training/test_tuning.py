from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.tiny_bert import CONFIG, tiny_card, tiny_tokenizer, tiny_weights
from tierwright.core.errors import ServiceError
from tierwright.training.checkpoints import Checkpoints
from tierwright.training.encoder_graph import read_config
from tierwright.training.tuning import tune
from tierwright.training.tuning_plan import TuningPlan, TuningTexts
from tierwright.training.weights import TunableWeights

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from tierwright.training.tuning_plan import TunedWeights

PLAN = TuningPlan(epochs=6, batch=8, rate=3e-3, head_rate=3e-2)


def base() -> TunableWeights:
    """The tiny model's weights."""
    card = tiny_card(max_tokens=16)
    config = read_config(json.dumps(CONFIG).encode())
    return TunableWeights(tensors=tiny_weights(), config=config, tokenizer=tiny_tokenizer(), card=card)


def problem() -> TuningTexts:
    """Which of two words comes first, and whether the text is long: word order is nothing a bag of words could tell."""
    draw = np.random.default_rng(3)
    tokens, labels = [], []
    for _ in range(240):
        first, long = bool(draw.integers(2)), bool(draw.integers(2))
        filler = draw.integers(20, 40, 6 if long else 2).tolist()
        words = [7, *filler[: len(filler) // 2], 9] if first else [9, *filler[: len(filler) // 2], 7]
        tokens.append([2, *words, *filler[len(filler) // 2 :], 3])
        labels.append([int(first), int(long)])
    return TuningTexts(tokens=tokens, labels=np.array(labels), learned=np.arange(160), held=np.arange(160, 240))


def heads() -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Two heads that know nothing yet."""
    return [(np.zeros((CONFIG["hidden_size"], 2), np.float32), np.zeros(2, np.float32)) for _ in range(2)]


def run(
    folder: Path, *, plan: TuningPlan = PLAN, progress: Callable[[str], None] = str, seed: int = 1, threads: int = 2
) -> TunedWeights:
    """One tuning of the problem above."""
    checkpoints = Checkpoints(folder=folder, key=repr((plan, seed)))
    return tune(
        base(), problem(), heads(), plan=plan, seed=seed, threads=threads, checkpoints=checkpoints, progress=progress
    )


def equal(one: TunedWeights, other: TunedWeights) -> bool:
    """Whether two tunings came to the same bits."""
    tensors = all(np.array_equal(one.tensors[name], other.tensors[name]) for name in one.tensors)
    pairs = zip(one.heads, other.heads, strict=True)
    return tensors and all(np.array_equal(a[0], b[0]) and np.array_equal(a[1], b[1]) for a, b in pairs)


@pytest.mark.slow
def test_learns_what_the_frozen_encoder_cannot_say(tmp_path: Path) -> None:
    """Both heads are learned together, far above chance; what is returned is the best epoch, judged as a whole."""
    found = run(tmp_path)
    assert found.history[0] < 0.6
    assert max(found.history) > 0.9
    said = np.stack([(found.held @ weight + bias).argmax(axis=1) for weight, bias in found.heads], axis=1)
    right = float((said == problem().labels[160:]).all(axis=1).mean())
    assert right == max(found.history)


@pytest.mark.slow
def test_same_bits(tmp_path: Path) -> None:
    """The same arguments give the same weights, on however many cores; another seed gives others."""
    plan = replace(PLAN, epochs=1)
    one = run(tmp_path / "a", plan=plan)
    assert equal(one, run(tmp_path / "b", plan=plan, threads=1))
    assert not equal(one, run(tmp_path / "c", plan=plan, seed=2))


class KilledError(Exception):
    """Stands for the end of the process."""


@pytest.mark.slow
@pytest.mark.parametrize("saves", [1, 3])
def test_resume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, saves: int) -> None:
    """Killed after a checkpoint, within an epoch or at its end, it goes on there and comes to the same weights."""
    monkeypatch.setattr("tierwright.training.tuning._SAVE_EVERY", 14)
    plan = replace(PLAN, epochs=2)
    whole = run(tmp_path / "whole", plan=plan)
    save, done = Checkpoints.save, 0

    def save_and_die(*given: object) -> None:
        nonlocal done
        save(*given)  # type: ignore[arg-type]  # passed on as they came
        done += 1
        if done == saves:
            raise KilledError

    with monkeypatch.context() as patched:
        patched.setattr(Checkpoints, "save", save_and_die)
        with pytest.raises(KilledError):
            run(tmp_path / "killed", plan=plan)
    said: list[str] = []
    resumed = run(tmp_path / "killed", plan=plan, progress=said.append)
    assert said[0].startswith("going on after step")
    assert equal(whole, resumed)
    assert whole.history == resumed.history


@pytest.mark.slow
def test_stops_early(tmp_path: Path) -> None:
    """It stops once so many epochs came without a better figure, and gives back the best one's weights."""
    plan = replace(PLAN, epochs=12, rate=0.0, head_rate=0.0, patience=2)
    found = run(tmp_path, plan=plan)
    assert found.history == [found.history[0]] * 3
    assert all(np.allclose(found.tensors[name], tensor, atol=1e-6) for name, tensor in tiny_weights().items())


def test_says_what_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress names the epoch, the held-out figure and the time left."""
    monkeypatch.setattr("tierwright.training.tuning._SAY_EVERY_S", 0.0)
    said: list[str] = []
    run(tmp_path, plan=replace(PLAN, epochs=1), progress=said.append)
    assert len(said) == 20
    assert said[-1].startswith("epoch 1 of 1, ")
    assert said[-1].endswith("0 s left at most")


def test_checkpoint_that_cannot_be_written(tmp_path: Path) -> None:
    """A folder that can't be made is said before hours are spent for nothing."""
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ServiceError, match="unfinished training"):
        run(tmp_path / "file" / "deeper", plan=replace(PLAN, epochs=1))


def test_epochs() -> None:
    """Many examples are read fewer times, but all of them once."""
    plan = TuningPlan(epochs=6, examples=1000)
    assert [plan.epochs_for(count) for count in (0, 100, 200, 400, 5000)] == [6, 6, 5, 2, 1]


def test_bfloat16(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the processor has it, products are of 16 bits: other last digits, and weights that are 32-bit numbers."""
    plan = replace(PLAN, epochs=1)
    found = []
    for has in (False, True):
        monkeypatch.setattr("tierwright.training.tuning.has_bfloat16", lambda has=has: has)
        found.append(run(tmp_path / str(has), plan=plan))
    assert not equal(*found)
    for name, tensor in found[1].tensors.items():
        assert tensor.dtype == np.float32
        assert np.abs(tensor - found[0].tensors[name]).max() < 0.1

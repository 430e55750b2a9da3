"""Rows of tokens to learn from, and the audit that they teach what they should before any compute is spent.

Owns which tokens of a row are in the loss, the audit, and the order in which rows are learned from; refuses to know
tensors and models. A tokenizer comes as functions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tierwright.core.errors import InputError, NotEnoughData

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

#: The label of a token that is not in the loss, as torch's cross entropy has it.
IGNORED = -100
#: Rows, in steps, among which lengths are sorted: long enough for little padding, short enough for mixed steps.
_BUCKET_STEPS = 32
#: Share of the rows that may be unusable before it is the data that is wrong.
_MOST_UNUSABLE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One example in tokens: the prompt, then the completion."""

    #: What the completion is, as text, without the token that ends it.
    target: str
    input_ids: tuple[int, ...]
    #: As long as `input_ids`: the token itself where it is in the loss, else IGNORED.
    labels: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Coding:
    """A tokenizer, as rows need it."""

    #: The prompt's tokens, as short as asked for by cutting the end of the input; never shorter than without input.
    prompt: Callable[[str, int], list[int]]
    #: The tokens of an answer, without any that a tokenizer adds by itself.
    answer: Callable[[str], list[int]]
    #: The text of tokens, special ones written out.
    decode: Callable[[Sequence[int]], str]
    #: The token that ends an answer, and its text.
    end: int
    end_text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long a row may be, the same in training and when answering."""

    #: Tokens of a prompt.
    prompt: int
    #: Tokens of an answer, the one that ends it included.
    completion: int


def make_rows(
    pairs: Sequence[tuple[str, str]], coding: Coding, limits: Limits, *, progress: Callable[[str], None]
) -> list[Row]:
    """A row for each pair of input and answer; the loss is on the answer and the token that ends it.

    A long input is cut at its end, an answer never. Pairs that are too long all the same, or whose answer the tokenizer
    can't write (one that normalises Unicode), are left out and counted in `progress`. Raises NotEnoughData where more
    than 5 % are.
    """
    rows, long, unwritable = [], 0, 0
    for given, target in pairs:
        completion = [*coding.answer(target), coding.end]
        prompt = coding.prompt(given, limits.prompt)
        if len(prompt) > limits.prompt or len(completion) > limits.completion:
            long += 1
        elif coding.decode(completion) != target + coding.end_text:
            unwritable += 1
        else:
            labels = (*[IGNORED] * len(prompt), *completion)
            rows.append(Row(target=target, input_ids=(*prompt, *completion), labels=labels))
    if long or unwritable:
        progress(f"lora: left out {long} examples too long for the model and {unwritable} its tokenizer can't write")
    if len(rows) < (1 - _MOST_UNUSABLE) * len(pairs):
        raise NotEnoughData(
            f"{long} of {len(pairs)} examples are too long: the limits are {limits.prompt} tokens of "
            f"prompt and {limits.completion} of answer; {unwritable} can't be written by the "
            "model's tokenizer: take other base weights"
        )
    return rows


def audit(rows: Sequence[Row], coding: Coding, limits: Limits) -> None:
    """Checks that every row teaches its answer, all of it and nothing else; raises InputError for the first that fails.

    At least one token is in the loss; the tokens in the loss decode to exactly the answer and the token that ends it,
    and are the last ones of the row; no token of the prompt is in the loss; nothing was cut. Most complaints about
    trained models that answer wrongly come down to one of these.
    """
    for number, row in enumerate(rows):
        fault = _fault(row, coding, limits)
        if fault is not None:
            raise InputError(f"row {number} would teach the wrong thing: {fault}; nothing was trained")


def _fault(row: Row, coding: Coding, limits: Limits) -> str | None:
    """What is wrong with a row, in words; None: nothing."""
    most = limits.prompt + limits.completion
    taught = [label for label in row.labels if label != IGNORED]
    expected = [*coding.answer(row.target), coding.end]
    begin = len(row.labels) - len(taught)
    # In order: the first that holds is the cause of those after it.
    checks = (
        (len(row.labels) != len(row.input_ids), f"it has {len(row.input_ids)} tokens and {len(row.labels)} labels"),
        (
            len(row.input_ids) > most,
            f"it has {len(row.input_ids)} tokens, and {most} are read: the answer would be cut",
        ),
        (not taught, "no token is in the loss"),
        (taught[-1:] != [coding.end], "the token that ends the answer is not in the loss: it would not learn to stop"),
        (len(taught) < len(expected), "a part of the answer is not in the loss: it was cut, or masked"),
        (len(taught) > len(expected), "more than the answer is in the loss: a part of the prompt, or padding"),
        (list(row.labels[begin:]) != taught, "the tokens in the loss are not the last ones of the row, in one piece"),
        (begin == 0, "there is no prompt before the answer"),
        (list(row.input_ids[begin:]) != taught, "a token in the loss is not the token of the row"),
        (taught != expected, "what is in the loss is not the answer"),
        (coding.decode(taught) != row.target + coding.end_text, "what is in the loss does not read as the answer"),
    )
    return next((fault for found, fault in checks if found), None)


def steps(lengths: Sequence[int], *, batch: int, max_tokens: int, seed: int, epoch: int) -> Iterator[list[list[int]]]:
    """The steps of one epoch: each a list of micro-batches, each a list of row numbers.

    Every row comes once. A step has `batch` rows (the last one maybe fewer), of like lengths, split into micro-batches
    of at most `max_tokens` tokens, padding included, or of one row. The order depends on seed and epoch only.
    """
    random = np.random.default_rng((seed, epoch))
    order = random.permutation(len(lengths))
    width = np.asarray(lengths)
    made: list[list[int]] = []
    for start in range(0, len(order), batch * _BUCKET_STEPS):
        bucket = order[start : start + batch * _BUCKET_STEPS]
        bucket = bucket[np.argsort(width[bucket], kind="stable")]
        made += [bucket[at : at + batch].tolist() for at in range(0, len(bucket), batch)]
    for number in random.permutation(len(made)):
        yield list(micro_batches(made[number], lengths, max_tokens=max_tokens))


def micro_batches(rows: Sequence[int], lengths: Sequence[int], *, max_tokens: int) -> Iterator[list[int]]:
    """Rows, in order of length, in groups of at most so many tokens, padding included, or of one row."""
    group: list[int] = []
    for row in sorted(rows, key=lambda row: lengths[row]):
        if group and (len(group) + 1) * lengths[row] > max_tokens:
            yield group
            group = []
        group.append(row)
    if group:
        yield group

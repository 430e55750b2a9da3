from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierwright.core.errors import InputError, NotEnoughData
from tierwright.training.lm.rows import IGNORED, Coding, Limits, Row, audit, make_rows, micro_batches, steps

if TYPE_CHECKING:
    from collections.abc import Sequence

#: The token that ends an answer.
END = 1


def a_coding(*, normalises: bool = False) -> Coding:
    """A token for each character; prompts are `<input>`."""

    def decode(ids: Sequence[int]) -> str:
        text = "".join("$" if token == END else chr(token) for token in ids)
        return text.lower() if normalises else text

    return Coding(
        prompt=lambda given, limit: [ord("<"), *map(ord, given[: max(0, limit - 2)]), ord(">")],
        answer=lambda text: list(map(ord, text)),
        decode=decode,
        end=END,
        end_text="$",
    )


CODING, LIMITS = a_coding(), Limits(prompt=20, completion=10)


def a_row(given: str = "some text", answer: str = "yes") -> Row:
    """A sound row."""
    (row,) = make_rows([(given, answer)], CODING, LIMITS, progress=str)
    return row


def test_a_row_teaches_the_answer_and_its_end() -> None:
    """The loss is on the answer's tokens and the one that ends it, nothing else."""
    row = a_row()
    assert [chr(label) for label in row.labels if label not in {IGNORED, END}] == ["y", "e", "s"]
    assert row.labels[-1] == END
    assert row.labels.count(IGNORED) == len("<some text>")
    audit([row], CODING, LIMITS)


def test_a_long_input_is_cut_and_its_answer_is_not() -> None:
    """The prompt fits its limit, the answer stands whole."""
    row = a_row("x" * 99, "nine char")
    assert len(row.input_ids) == 20 + 10
    assert CODING.decode([label for label in row.labels if label != IGNORED]) == "nine char$"


def test_pairs_that_can_not_be_learned_are_left_out_and_counted() -> None:
    """Few of them: they are said; many: the data is wrong, and it is an error."""
    said: list[str] = []
    pairs = [("x", "yes")] * 98 + [("x", "much too long an answer"), ("x", "Yes")]
    rows = make_rows(pairs, a_coding(normalises=True), LIMITS, progress=said.append)
    assert len(rows) == 98
    assert said == ["lora: left out 1 examples too long for the model and 1 its tokenizer can't write"]
    with pytest.raises(NotEnoughData, match="2 of 12 examples are too long"):
        make_rows([*pairs[:10], pairs[98], pairs[98]], CODING, LIMITS, progress=str)


def masked(row: Row) -> Row:
    """Nothing in the loss."""
    return replace(row, labels=(IGNORED,) * len(row.labels))


def truncated(row: Row) -> Row:
    """The answer cut, the end kept."""
    return replace(row, input_ids=(*row.input_ids[:-2], END), labels=(*row.labels[:-2], END))


def endless(row: Row) -> Row:
    """The token that ends the answer missing."""
    return replace(row, input_ids=row.input_ids[:-1], labels=row.labels[:-1])


def end_masked(row: Row) -> Row:
    """The token that ends the answer there, and not in the loss."""
    return replace(row, labels=(*row.labels[:-1], IGNORED))


def prompted(row: Row) -> Row:
    """All of the prompt in the loss."""
    return replace(row, labels=row.input_ids)


def one_prompt_token(row: Row) -> Row:
    """The last token of the prompt in the loss, the first of the answer not."""
    at = row.labels.count(IGNORED)
    labels = list(row.labels)
    labels[at - 1], labels[at] = row.input_ids[at - 1], IGNORED
    return replace(row, labels=tuple(labels))


def padded(row: Row) -> Row:
    """Padding after the end, in the loss."""
    return replace(row, input_ids=(*row.input_ids, END), labels=(*row.labels, END))


def shifted(row: Row) -> Row:
    """Labels that are not the tokens of the row."""
    return replace(row, input_ids=(*row.input_ids[:-4], *map(ord, "not"), END))


def overlong(row: Row) -> Row:
    """More than is read."""
    return replace(row, input_ids=(*[60] * 40, *row.input_ids), labels=(*[IGNORED] * 40, *row.labels))


def bare(row: Row) -> Row:
    """No prompt at all."""
    at = row.labels.count(IGNORED)
    return replace(row, input_ids=row.input_ids[at:], labels=row.labels[at:])


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (masked, "no token is in the loss"),
        (truncated, "a part of the answer is not in the loss"),
        (endless, "would not learn to stop"),
        (end_masked, "would not learn to stop"),
        (prompted, "a part of the prompt"),
        (one_prompt_token, "not the last ones of the row"),
        (padded, "more than the answer"),
        (shifted, "not the token of the row"),
        (overlong, "the answer would be cut"),
        (bare, "no prompt before the answer"),
        (lambda row: replace(row, target="no!"), "not the answer"),
        (lambda row: replace(row, labels=row.labels[1:]), "14 labels"),
    ],
)
def test_the_audit_stops_before_anything_is_trained(spoil: object, says: str) -> None:
    """Each of the ways to teach the wrong thing is found, also in the last of many rows, and named."""
    assert callable(spoil)
    with pytest.raises(InputError, match=f"row 3 would teach the wrong thing: .*{says}"):
        audit([a_row(), a_row("other"), a_row("third"), spoil(a_row())], CODING, LIMITS)


def test_the_audit_reads_what_is_taught() -> None:
    """Tokens that don't read as the answer are found even where they are the tokenizer's own for it."""
    row = Row(target="Yes", input_ids=(60, 62, *map(ord, "Yes"), END), labels=(IGNORED, IGNORED, *map(ord, "Yes"), END))
    audit([row], CODING, LIMITS)
    with pytest.raises(InputError, match="does not read as the answer"):
        audit([row], a_coding(normalises=True), LIMITS)


@given(lengths=st.lists(st.integers(1, 50), min_size=1, max_size=120), batch=st.integers(1, 16), seed=st.integers(0, 9))
def test_every_row_comes_once_an_epoch(lengths: list[int], batch: int, seed: int) -> None:
    """Steps have `batch` rows but for one, micro-batches keep to the limit; the same seed gives the same order."""
    made = list(steps(lengths, batch=batch, max_tokens=100, seed=seed, epoch=2))
    counts = Counter(row for step in made for micro in step for row in micro)
    assert counts == Counter(range(len(lengths)))
    sizes = sorted(sum(map(len, step)) for step in made)
    assert all(size == batch for size in sizes[1:])
    for step in made:
        for micro in step:
            assert len(micro) == 1 or len(micro) * max(lengths[row] for row in micro) <= 100
    assert made == list(steps(lengths, batch=batch, max_tokens=100, seed=seed, epoch=2))


def test_rows_of_like_length_come_together() -> None:
    """Little of a step is padding, and the order of steps is not the order of lengths."""
    lengths = [1 + number % 100 for number in range(1000)]
    made = list(steps(lengths, batch=10, max_tokens=10_000, seed=1, epoch=0))
    padded = sum(len(micro) * max(lengths[row] for row in micro) for step in made for micro in step)
    assert padded < 1.05 * sum(lengths)
    means = [sum(lengths[row] for micro in step for row in micro) for step in made]
    assert means != sorted(means)


def test_a_row_longer_than_a_micro_batch_stands_alone() -> None:
    """It is read all the same."""
    assert list(micro_batches([0, 1, 2], [5, 500, 5], max_tokens=20)) == [[0, 2], [1]]

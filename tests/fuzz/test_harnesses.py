"""Every harness holds for some mutations of sound input, the same ones every time.

Looking for more is for atheris: tests/fuzz/run.py.
"""

from __future__ import annotations

from contextlib import contextmanager
from random import Random
from typing import TYPE_CHECKING

import pytest

from tests.fuzz.catalogue import HARNESSES
from tests.fuzz.findings import FINDINGS
from tests.fuzz.mutation import mutated

if TYPE_CHECKING:
    from collections.abc import Iterator

ROUNDS = 150


@pytest.mark.parametrize("name", HARNESSES)
def test_claims_hold_for_mutations(name: str) -> None:
    """Sound input, and what is near it."""
    harness, random = HARNESSES[name], Random(name)
    for seed in harness.seeds:
        harness.check(seed)
    for number in range(ROUNDS):
        data = mutated(random.choice(harness.seeds), random, random.choice(harness.seeds))
        with _noted(f"mutation {number} of {name}: {data[:2000]!r}"):
            harness.check(data)


@contextmanager
def _noted(what: str) -> Iterator[None]:
    """Says beside whatever is raised what it was raised on."""
    try:
        yield
    except BaseException as error:
        error.add_note(what)
        raise


@pytest.mark.parametrize("name", FINDINGS)
def test_what_was_found_stays_mended(name: str) -> None:
    """Input that broke the claim once does not any more."""
    for number, data in enumerate(FINDINGS[name]):
        with _noted(f"finding {number} of {name}: {data[:2000]!r}"):
            HARNESSES[name].check(data)

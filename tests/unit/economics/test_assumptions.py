"""What is assumed, and how it is drawn."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

from tierwright.core.errors import InputError
from tierwright.economics.assumptions import Assumption, between, drawn, exactly, read, stated, with_value

NEEDED = {
    name: exactly(name, Decimal(value), "a test")
    for name, value in (("calls_per_month", 1000), ("api_usd_per_call", 1), ("calls_per_second", 1))
}


def test_written_with_and_without_a_range() -> None:
    """A number, or its range around it, as people write them."""
    assert read("local_share", "0.8", "me") == exactly("local_share", Decimal("0.8"), "me")
    ranged = between("local_share", Decimal("0.6"), Decimal("0.8"), Decimal("0.9"), "me")
    assert read("local_share", "0.6..0.8..0.9", "me") == read("local_share", " 0.6 .. 0.8 .. 0.9 ", "me") == ranged


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("local_share", "a lot", "'a lot' is no number"),
        ("local_share", "0.1 .. 0.2", "write it as 0.02"),
        ("local_share", "0.3 .. 0.2 .. 0.4", "not in its range"),
        ("local_share", "0.3 .. 0.5 .. 1.4", "local_share"),
        ("spare_machines", "0 .. 1 .. 2", "needs no range"),
        ("locl_share", "0.5", "there is no assumption 'locl_share'; there are calls_per_month"),
    ],
)
def test_what_can_not_be_is_refused(name: str, text: str, says: str) -> None:
    """Each error names the assumption and says how to write it."""
    with pytest.raises(InputError, match=says):
        read(name, text, "me")


def test_what_nobody_stated_is_asked_for() -> None:
    """Volume, price and throughput have no default that would not be a guess."""
    with pytest.raises(InputError, match=r"calls_per_second \(calls a busy machine answers"):
        stated({name: NEEDED[name] for name in ("calls_per_month", "api_usd_per_call")})


def spread(low: str, value: str, high: str, draws: int = 4000) -> list[float]:
    """Draws of a growth with this range."""
    growth = between("growth_per_month", Decimal(low), Decimal(value), Decimal(high), "a test")
    found = drawn(NEEDED | {growth.name: growth}, np.random.default_rng(7), draws)
    return [float(one.growth_per_month) for one in found]


def test_draws_keep_to_the_range_with_the_value_as_median() -> None:
    """Of a lopsided range: half the draws below the value, none beyond the ends, quartiles where the density says.

    A side of width w has its middle at w (1 - sqrt(1/2)): 0.0293 below the value and 0.1464 above it here.
    """
    found = np.array(spread("-0.1", "0", "0.5"))
    assert -0.1 <= found.min() < -0.09
    assert 0.45 < found.max() <= 0.5
    # Four standard errors of a share of 4,000 draws are 0.032.
    assert abs(float((found < 0).mean()) - 0.5) < 0.032
    assert abs(float((found < -0.1 * (1 - 0.5**0.5)).mean()) - 0.25) < 0.028
    assert abs(float((found > 0.5 * (1 - 0.5**0.5)).mean()) - 0.25) < 0.028


def test_the_seed_decides() -> None:
    """The same draws from the same seed, and what has no range is never moved."""
    assert spread("0", "0.1", "0.2", draws=5) == spread("0", "0.1", "0.2", draws=5)
    assert set(spread("0.1", "0.1", "0.1", draws=5)) == {0.1}


def test_one_is_changed_and_the_rest_stand() -> None:
    """For looking at one assumption alone."""
    found = with_value(NEEDED, "local_share", Decimal("0.5"))
    assert (found.local_share, found.calls_per_month) == (Decimal("0.5"), 1000)


def test_a_value_outside_its_range_is_refused() -> None:
    """Also where no text was read."""
    with pytest.raises(InputError, match="not in its range"):
        Assumption(name="pue", value=Decimal(3), low=Decimal(1), high=Decimal(2), source="me")

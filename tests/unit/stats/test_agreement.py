"""How far two raters agree."""

from __future__ import annotations

import numpy as np
import pytest

from tierwright.core.errors import InputError, NotEnoughData
from tierwright.stats.agreement import agreement, cohen_kappa, kappa_of_table
from tierwright.stats.intervals import wilson


def test_kappa_of_the_textbook() -> None:
    """Fleiss (1981), Statistical Methods for Rates and Proportions, table 13.1: kappa 0.68, standard error 0.087."""
    table = np.array([[75.0, 1, 4], [5, 4, 1], [0, 0, 10]])
    found = kappa_of_table(table)
    assert found.value == pytest.approx(0.23 / 0.34)
    assert (found.ci_high - found.value) / 1.959964 == pytest.approx(0.087, abs=0.001)
    assert found.n == 100


def test_kappa_by_hand() -> None:
    """Two raters agree on 3 of 4, chance on half: kappa is (0.75 - 0.5) / 0.5."""
    assert cohen_kappa(["a", "a", "b", "b"], ["a", "a", "b", "a"]).value == pytest.approx(0.5)


def test_full_agreement_and_none() -> None:
    """Kappa is 1 where both always say the same of two classes, below 0 where they never do."""
    assert cohen_kappa(["a", "b"], ["a", "b"]).value == 1.0
    assert cohen_kappa(["a", "b"], ["b", "a"]).value == -1.0


def test_agreement_is_a_share_with_wilsons_interval() -> None:
    """Two of three the same."""
    assert agreement(["a", "b", "a"], ["a", "b", "b"]) == wilson(2, 3)


def test_what_says_nothing_is_refused() -> None:
    """No item, one class throughout, unequal lengths and a table that is not square are refused."""
    with pytest.raises(NotEnoughData, match="no item"):
        cohen_kappa([], [])
    with pytest.raises(NotEnoughData, match="same class"):
        cohen_kappa(["a", "a"], ["a", "a"])
    with pytest.raises(InputError, match="length"):
        cohen_kappa(["a"], ["a", "b"])
    with pytest.raises(InputError, match="square"):
        kappa_of_table(np.ones((2, 3)))

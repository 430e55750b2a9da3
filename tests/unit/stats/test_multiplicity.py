"""Several claims at once."""

from __future__ import annotations

import pytest

from tierwright.core.errors import InputError, NotEnoughData
from tierwright.stats.multiplicity import fixed_sequence, gates, holm, simultaneous_level, step_down

#: Thrombolysis trial, fifteen cardiac endpoints: Benjamini and Hochberg (1995), J. R. Statist. Soc. B 57:289-300,
#: section 4.
TRIAL = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528]
TRIAL += [0.7590, 1.0]


def test_holm_reproduces_the_thrombolysis_trial() -> None:
    """Three of fifteen endpoints hold at 5 %, as published; the first are 15, 14, 13 and 12 times the raw ones."""
    adjusted = holm(TRIAL)
    assert (adjusted <= 0.05).sum() == 3
    assert adjusted[:6].tolist() == pytest.approx([0.0015, 0.0056, 0.0247, 0.114, 0.2211, 0.278])
    assert adjusted[6] == pytest.approx(0.278)  # 9 * 0.0298 is less than the one before
    assert adjusted[-1] == 1.0


def test_holm_keeps_the_order_given() -> None:
    """Adjusted values belong to the claims as they were given."""
    assert holm([0.04, 0.01, 0.03]).tolist() == pytest.approx([0.06, 0.03, 0.06])


def test_step_down_proves_what_holm_proves() -> None:
    """On the trial, read as intervals, the same three claims, each with the level of its step."""
    claims = {f"e{n}": p for n, p in enumerate(TRIAL)}
    proved = step_down(list(claims), lambda claim, level: claims[claim] <= 1 - level)
    assert set(proved) == {"e0", "e1", "e2"}
    assert proved["e0"] == pytest.approx(1 - 0.05 / 15)
    pair = {"a": 0.01, "b": 0.04}
    assert step_down(["b", "a"], lambda claim, level: pair[claim] <= 1 - level + 1e-12) == pytest.approx(
        {"a": 0.975, "b": 0.95}
    )


def test_fixed_sequence_stops_at_the_first_failure() -> None:
    """What comes after a failure does not count, however small its value."""
    assert fixed_sequence([0.01, 0.04, 0.06, 0.001]) == 2
    assert fixed_sequence([0.01, 0.02]) == 2
    assert fixed_sequence([0.2]) == 0


def test_gates_open_only_behind_a_family_that_is_proved_whole() -> None:
    """A later family is not looked at while one claim before it is open."""
    first, second = [("a", 0.01), ("b", 0.04)], [("c", 0.001), ("d", 0.9)]
    assert gates([first, second]) == {"a", "b", "c"}
    assert gates([[("a", 0.01), ("b", 0.06)], second]) == {"a"}
    assert gates([]) == set()


def test_bad_numbers_are_refused() -> None:
    """Probabilities outside [0, 1], NaN, none at all, and no statement."""
    with pytest.raises(InputError, match=r"outside \[0, 1\]"):
        holm([0.1, 1.2])
    with pytest.raises(InputError, match="NaN"):
        holm([0.1, float("nan")])
    with pytest.raises(NotEnoughData):
        holm([])
    with pytest.raises(InputError, match="none"):
        simultaneous_level(0.95, 0)
    assert simultaneous_level(0.95, 5) == pytest.approx(0.99)

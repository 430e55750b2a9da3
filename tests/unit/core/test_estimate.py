"""How figures are put into words."""

from __future__ import annotations

import pytest

from tierwright.core.estimate import Estimate, as_percent, as_points, in_points


@pytest.mark.parametrize(
    ("share", "said"), [(0.01, "1 point"), (0.02, "2 points"), (0.005, "0.5 points"), (0.0, "0 points")]
)
def test_points(share: float, said: str) -> None:
    """One is a point, everything else is points, and no digit is made up."""
    assert in_points(share) == said


def test_estimates() -> None:
    """A share in percent; a difference in points, signed, with as many digits as are asked for."""
    found = Estimate(value=0.0262, ci_low=-0.004, ci_high=0.0561, n=100, method="Tango")
    assert as_percent(found) == "2.6% [-0.4%, 5.6%]"
    assert as_points(found) == "+2.6 points [-0.4, +5.6]"
    assert as_points(found, digits=2) == "+2.62 points [-0.40, +5.61]"

"""How figures are put into words."""

from __future__ import annotations

import pytest

from tierwright.core.estimate import in_points


@pytest.mark.parametrize(
    ("share", "said"), [(0.01, "1 point"), (0.02, "2 points"), (0.005, "0.5 points"), (0.0, "0 points")]
)
def test_points(share: float, said: str) -> None:
    """One is a point, everything else is points, and no digit is made up."""
    assert in_points(share) == said

"""What an audit's scores need of other packages, put together."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tierwright.app.probe import NgramProbe
from tierwright.curation.profile import ProfileMeans
from tierwright.evals.languages import language_of
from tierwright.training.drift import tell_apart

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from tierwright.core.estimate import Estimate


def profile_means(*, seed: int) -> ProfileMeans:
    """What `curation.profile.profile` is handed."""
    return ProfileMeans(
        language_of=language_of, learner=partial(NgramProbe, seed=seed), tell_apart=partial(_tell_apart, seed=seed)
    )


def _tell_apart(texts: Sequence[str], late: NDArray[np.bool_], *, seed: int) -> Estimate:
    return tell_apart(texts, late, seed=seed)[0]

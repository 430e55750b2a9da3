"""Whether a backend takes our key: where it does not, nothing gets better until somebody acts, so somebody is told.

Owns what is remembered of refusals and said of them in the log. Refuses to know the key.
"""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

_LOG = logging.getLogger(__name__)
#: Seconds between two lines about one backend at least: a server that refuses some requests only (403 also stands for
#: a model that the key is not for, and with some providers for a prompt they won't have) must not fill the log.
_QUIET_S = 60.0


class KeyAlarm:
    """What the deployments of one backend say of our key. `now` is seconds of a timer that never goes back."""

    __slots__ = ("_backend", "_refused", "_said", "_said_at")

    def __init__(self, backend: str) -> None:
        self._backend = backend
        #: HTTP status of the last refusal, by the deployment whose last word it is.
        self._refused: dict[str, int] = {}
        #: Whether the log has the refusal that is in force.
        self._said = False
        self._said_at = -math.inf

    @property
    def status(self) -> int | None:
        """HTTP status with which the key is refused; None: it is not, as far as is known."""
        return next(iter(self._refused.values()), None)

    def refused(self, deployment: str, status: int, now: float) -> None:
        """A deployment has answered so; logged once until all of the backend's take the key again."""
        self._refused[deployment] = status
        if not self._said and now - self._said_at >= _QUIET_S:
            self._said, self._said_at = True, now
            _LOG.error(
                "the backend '%s' refuses our key, or what it is used for (HTTP %d, deployment '%s'); "
                "check its api_key and what that key may do",
                self._backend,
                status,
                deployment,
            )

    def taken(self, deployment: str) -> None:
        """A deployment has answered a request."""
        if self._refused and self._refused.pop(deployment, None) is not None:
            self._calm()

    def keep(self, deployments: Collection[str]) -> None:
        """Forgets deployments that are no more."""
        self._refused = {name: status for name, status in self._refused.items() if name in deployments}
        self._calm()

    def _calm(self) -> None:
        if self._said and not self._refused:
            self._said = False
            _LOG.warning("the backend '%s' takes our key again", self._backend)

"""What is known of a backend: who runs it, where, and what its provider has promised, until when and on what evidence.

Owns the rule that what is missing or has expired counts against the backend; refuses to know what a class of data needs
(`policy` does).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from tierwright.core.privacy import DataClass, PrivacyMode

#: What stands before the name of the region that a class asks for, such as "region:eu".
REGION: Final = "region:"

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise(Generic[T]):
    """A fact or a promise about a backend."""

    value: T
    #: From this instant on it counts as missing; None: it does not expire (only what is said of one's own machines).
    expires_at: datetime | None = None
    #: Where an auditor finds it: a contract's number, a document's digest. Empty: nowhere.
    evidence: str = ""

    def holds(self, at: datetime) -> bool:
        """Whether it still counts at an instant."""
        return self.expires_at is None or at < self.expires_at

    def facts(self) -> dict[str, object]:
        """As ledgers and reports write it."""
        expires = None if self.expires_at is None else self.expires_at.isoformat()
        return {"value": self.value, "expires": expires, "evidence": self.evidence}


@dataclass(frozen=True, slots=True, kw_only=True)
class Promises:
    """All that is known of one backend; None: nothing was said."""

    #: Whether its machines are the operator's own, so that nothing needs to be promised.
    self_hosted: Promise[bool] | None = None
    region: Promise[str] | None = None
    #: A business associate agreement (HIPAA) or a contract of the same weight.
    baa: Promise[bool] | None = None
    #: Nothing of a request is kept once it is answered.
    zero_retention: Promise[bool] | None = None
    #: Whether it learns from what it is sent. Missing or expired: it does.
    trains_on_data: Promise[bool] | None = None
    #: The classes it may see; None: all on machines of one's own, else public and internal.
    allowed: frozenset[DataClass] | None = None
    #: What becomes of requests of a class that it may not see, where that differs from the policy's.
    modes: Mapping[DataClass, PrivacyMode] = field(default_factory=dict)

    def ours(self, at: datetime) -> bool:
        """Whether it runs on machines of one's own, as far as is known at an instant."""
        return _lack(self.self_hosted, True, at, missing="", wrong="", named="") is None

    def lacks(self, need: str, at: datetime) -> str | None:
        """Why a need isn't met at an instant, in few words; None: it is. A need that nobody knows is never met."""
        match need:
            case "baa":
                return _lack(self.baa, True, at, missing="no baa", wrong="no baa", named="baa")
            case "zero_retention":
                return _lack(
                    self.zero_retention,
                    True,
                    at,
                    missing="no zero retention",
                    wrong="no zero retention",
                    named="zero retention",
                )
            case "no_training":
                return _lack(
                    self.trains_on_data,
                    False,
                    at,
                    missing="may train on data",
                    wrong="trains on data",
                    named="promise not to train",
                )
            case _ if need.startswith(REGION):
                wanted = need.removeprefix(REGION)
                return _lack(
                    self.region, wanted, at, missing="no region", wrong=f"not in region {wanted}", named="region"
                )
            case _:
                return f"no {need}"

    def all(self) -> dict[str, Promise[bool] | Promise[str]]:
        """What was said, by the name that the settings give it."""
        said: dict[str, Promise[bool] | Promise[str] | None] = {
            "self_hosted": self.self_hosted,
            "region": self.region,
            "baa": self.baa,
            "zero_retention": self.zero_retention,
            "trains_on_data": self.trains_on_data,
        }
        return {name: promise for name, promise in said.items() if promise is not None}

    def facts(self) -> dict[str, object]:
        """As ledgers and reports write it."""
        return {
            **{name: promise.facts() for name, promise in self.all().items()},
            "allowed_classes": None if self.allowed is None else [one.label for one in sorted(self.allowed)],
            "modes": {one.label: mode.value for one, mode in sorted(self.modes.items())},
        }


#: What a class may ask of a third party, besides a region.
NEEDS: Final = ("baa", "zero_retention", "no_training")


def _lack(promise: Promise[T] | None, wanted: T, at: datetime, *, missing: str, wrong: str, named: str) -> str | None:
    if promise is None:
        return missing
    if promise.value != wanted:
        return wrong
    if not promise.holds(at):
        assert promise.expires_at is not None
        return f"{named} expired {promise.expires_at:%Y-%m-%d}"
    return None

"""The rules of the gate: which backend may see which class, what a finding makes of a request, and what happens then.

Owns the rules and their canonical text, by whose SHA-256 every decision names them. Pure: the time is passed. Refuses
to know how anything is detected, and the settings file (`app` makes a policy of it).
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from tierwright.core.privacy import DataClass, Declared, Permitted, PrivacyMode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from tierwright.privacy.promises import Promises

#: Why a backend of which nobody said anything may not see anything.
UNKNOWN: Final = "not known"
#: The class of each type of finding, unless the settings say otherwise. A type that stands in neither is restricted.
TYPES: Final[Mapping[str, DataClass]] = MappingProxyType(
    {
        **dict.fromkeys(("card", "health_id", "national_id", "secret", "us_ssn"), DataClass.RESTRICTED),
        **dict.fromkeys(
            ("account", "coordinates", "device", "email", "file_number", "iban", "ip", "phone"),
            DataClass.CONFIDENTIAL,
        ),
        # What detectors beside the rules find.
        **dict.fromkeys(
            ("address", "age", "date", "licence_plate", "location", "name", "person", "postcode"),
            DataClass.CONFIDENTIAL,
        ),
        **dict.fromkeys(("organisation", "url"), DataClass.INTERNAL),
    }
)
#: What a third party must have promised before it may see a class, unless the settings say otherwise.
REQUIRES: Final[Mapping[DataClass, tuple[str, ...]]] = MappingProxyType(
    {
        DataClass.CONFIDENTIAL: ("zero_retention", "no_training"),
        DataClass.RESTRICTED: ("baa", "zero_retention", "no_training"),
    }
)
#: What a third party may see of which nobody said what it may.
_OF_THIRD_PARTIES: Final = frozenset({DataClass.PUBLIC, DataClass.INTERNAL})


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What the settings say of privacy, all of it that a decision rests on. Not slotted: its text is made once."""

    #: By their names.
    backends: Mapping[str, Promises]
    #: Of a request of which nobody says anything.
    default_class: DataClass = DataClass.INTERNAL
    #: What becomes of a request that a backend may not see; ROUTE where nothing is said.
    modes: Mapping[DataClass, PrivacyMode] = field(default_factory=dict)
    #: Over those of `TYPES`.
    types: Mapping[str, DataClass] = field(default_factory=dict)
    #: By the names of tasks.
    tasks: Mapping[str, DataClass] = field(default_factory=dict)
    #: Over those of `REQUIRES`.
    requires: Mapping[DataClass, tuple[str, ...]] = field(default_factory=dict)
    #: Asked in mode "route" where no backend of the model asked for may see a request; None: nobody is.
    route_model: str | None = None
    #: Who may see a class, by the class and by how many promises had expired: nothing else changes with the time.
    _permitted: dict[tuple[DataClass, int], Permitted] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def class_of(self, kinds: Iterable[str]) -> DataClass:
        """The class of data in which such findings are; PUBLIC where there are none."""
        return max((self._class(kind) for kind in kinds), default=DataClass.PUBLIC)

    def why_not(self, backend: str, data_class: DataClass, at: datetime) -> str | None:
        """Why a backend may not see a class at an instant, in few words; None: it may. An unknown one may see nothing.

        Stable words: "not known", "not allowed", "no baa", "no zero retention", "may train on data", "trains on data",
        "no region", "not in region NAME", "baa expired DATE" and the like.
        """
        promises = self.backends.get(backend)
        if promises is None:
            return UNKNOWN
        ours = promises.ours(at)
        allowed = promises.allowed
        if allowed is None and not ours:
            allowed = _OF_THIRD_PARTIES
        if allowed is not None and data_class not in allowed:
            return "not allowed"
        if ours:
            return None
        needs = self.needs(data_class)
        return next((lack for need in needs if (lack := promises.lacks(need, at)) is not None), None)

    def needs(self, data_class: DataClass) -> tuple[str, ...]:
        """What a third party must have promised before it may see a class."""
        return self.requires.get(data_class, REQUIRES.get(data_class, ()))

    def permitted(self, data_class: DataClass, at: datetime) -> Permitted:
        """Which backends may see a class at an instant."""
        key = (data_class, bisect_right(self._expiries, at))
        found = self._permitted.get(key)
        if found is None:
            found = self._permitted[key] = self._permitted_at(data_class, at)
        return found

    def _permitted_at(self, data_class: DataClass, at: datetime) -> Permitted:
        excluded = {name: lack for name in self.backends if (lack := self.why_not(name, data_class, at)) is not None}
        return Permitted(backends=frozenset(self.backends.keys() - excluded.keys()), excluded=excluded)

    def mode(self, data_class: DataClass, backend: str) -> PrivacyMode:
        """What becomes of a request of a class that a backend may not see."""
        promises = self.backends.get(backend)
        modes = self.modes if promises is None or data_class not in promises.modes else promises.modes
        return modes.get(data_class, PrivacyMode.ROUTE)

    @cached_property
    def _expiries(self) -> list[datetime]:
        """The instants from which on a promise does not count any more, in order."""
        said = [promise for promises in self.backends.values() for promise in promises.all().values()]
        return sorted(promise.expires_at for promise in said if promise.expires_at is not None)

    @cached_property
    def undeclared(self) -> Declared:
        """What holds for a request of which nobody says anything."""
        return Declared(data_class=self.default_class)

    @cached_property
    def text(self) -> str:
        """All of it as canonical JSON: the same rules give the same text."""
        facts = {
            "default_class": self.default_class.label,
            "modes": {one.label: self.modes.get(one, PrivacyMode.ROUTE).value for one in DataClass},
            "types": {kind: one.label for kind, one in {**TYPES, **self.types}.items()},
            "tasks": {task: one.label for task, one in self.tasks.items()},
            "requires": {one.label: self.needs(one) for one in DataClass},
            "route_model": self.route_model,
            "backends": {name: promises.facts() for name, promises in self.backends.items()},
        }
        return json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    @cached_property
    def sha256(self) -> str:
        """Of the text, in UTF-8; lower-case hex."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def _class(self, kind: str) -> DataClass:
        found = self.types.get(kind)
        return found if found is not None else TYPES.get(kind, DataClass.RESTRICTED)

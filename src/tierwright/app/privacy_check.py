"""What the gate would make of a text, and why: nothing is sent, and nothing is written down.

Owns what is explained; the class, the findings and who may see them are the gate's own parts' doing. Refuses to know
where texts come from and how the outcome is shown. Holds types and places, never what stands there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from tierwright.core.privacy import DataClass, Found
from tierwright.privacy.fields import read

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from tierwright.core.privacy import Declared, Seen
    from tierwright.privacy.looking import Located, Looker
    from tierwright.privacy.policy import Policy

#: Where a plain text stands in the request that it is looked at as.
_PLACE: Final = ("messages", 0, "content")
#: The detector of what no single place shows.
_ELSEWHERE: Final = "another reading"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A finding, and where it is."""

    #: Its places are those of the text, or of the member at `path`.
    found: Found
    #: The way to the member of a request; None: the text was given as such.
    path: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What the gate would make of one text or request."""

    declared: Declared
    seen: Seen
    places: tuple[Place, ...]
    #: Names of the backends that may see it, in order.
    permitted: tuple[str, ...]
    #: The others, and why not, in few words.
    excluded: Mapping[str, str]
    #: What becomes of the request where one of those is asked, by its name: "block", "route" or "pseudonymise".
    modes: Mapping[str, str]

    @property
    def data_class(self) -> DataClass:
        """As the gate would have it."""
        return max(self.declared.data_class, self.seen.data_class)

    def document(self) -> dict[str, Any]:
        """As `privacy check --json` prints it."""
        return {
            "class": self.data_class.label,
            "declared": self.declared.data_class.label,
            "declared_by": self.declared.by,
            "findings": [_place_json(place) for place in self.places],
            "unread": list(self.seen.unread),
            "failed": list(self.seen.failed),
            "permitted": list(self.permitted),
            "excluded": dict(self.excluded),
            "modes": dict(self.modes),
        }


class Checker:
    """Explains; on one event loop."""

    def __init__(
        self,
        policy: Policy,
        looker: Looker,
        *,
        declared: Declared,
        clock: Callable[[], datetime],
        ungated: frozenset[str] | None = None,
    ) -> None:
        """`ungated`: the backends where no gate is configured, which may all see everything; None: one is."""
        self._policy = policy
        self._looker = looker
        self._declared = declared
        self._clock = clock
        self._ungated = ungated

    async def text(self, text: str) -> Checked:
        """Of a text, as the only message of a request."""
        fields = read({"messages": [{"role": "user", "content": text}]})
        seen = await self._looker.see(fields, self._policy.class_of)
        located, _ = await self._looker.locate(fields)
        places = [Place(found=one.found) for one in located if one.keys == _PLACE]
        return self._checked(seen, _whole(places, seen, len(text), None))

    async def request(self, payload: object) -> Checked:
        """Of a request, given as decoded JSON."""
        fields = read(payload)
        seen = await self._looker.see(fields, self._policy.class_of)
        located, _ = await self._looker.locate(fields)
        places = [Place(found=one.found, path=_path(one)) for one in located]
        return self._checked(seen, _whole(places, seen, 0, "$"))

    async def line(self, line: str) -> Checked:
        """Of a line of a file: a JSON string is the text in it, a JSON object a request, anything else itself."""
        if line[:1] in {'"', "{"}:
            try:
                value = msgspec.json.decode(line)
            except (msgspec.DecodeError, RecursionError):
                return await self.text(line)
            return await (self.text(value) if isinstance(value, str) else self.request(value))
        return await self.text(line)

    def _checked(self, seen: Seen, places: tuple[Place, ...]) -> Checked:
        data_class = max(self._declared.data_class, seen.data_class)
        excluded: Mapping[str, str] = {}
        if self._ungated is None:
            found = self._policy.permitted(data_class, self._clock())
            permitted, excluded = found.backends, dict(sorted(found.excluded.items()))
        else:
            permitted = self._ungated
        return Checked(
            declared=self._declared,
            seen=seen,
            places=places,
            permitted=tuple(sorted(permitted)),
            excluded=excluded,
            modes={name: self._policy.mode(data_class, name).value for name in excluded},
        )


def _whole(places: list[Place], seen: Seen, length: int, path: str | None) -> tuple[Place, ...]:
    """The findings in order of place, and those that no single place shows as standing in all of the text."""
    shown = {place.found.type for place in places}
    places += [
        Place(found=Found(type=kind, start=0, end=length, detector=_ELSEWHERE, validated=False), path=path)
        for kind in seen.counts
        if kind not in shown
    ]
    return tuple(sorted(places, key=lambda place: (place.path or "", place.found.start, place.found.end)))


def _path(one: Located) -> str:
    return "$" + "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in one.keys)


def _place_json(place: Place) -> dict[str, Any]:
    one = place.found
    said = {"type": one.type, "start": one.start, "end": one.end, "detector": one.detector, "validated": one.validated}
    return said if place.path is None else said | {"path": place.path}

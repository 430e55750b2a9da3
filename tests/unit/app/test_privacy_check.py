"""`privacy check` explains what the gate would do: the same class, places in the text as given, and why not."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.app.privacy_evidence import NOW, a_policy
from tierwright.app.privacy_check import Checker
from tierwright.core.privacy import DataClass, Declared, Found, PrivacyMode
from tierwright.privacy.fields import read
from tierwright.privacy.looking import Looker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tierwright.app.privacy_check import Checked
    from tierwright.privacy.policy import Policy

SSN = "536-90-4399"
DECLARED = Declared(data_class=DataClass.INTERNAL)


class Fails:
    """A detector that raises."""

    name = "broken"
    version = "1"

    async def find(self, texts: Sequence[str]) -> list[list[Found]]:
        """Raises."""
        raise OSError

    async def aclose(self) -> None:
        """Nothing is open."""


def checker(policy: Policy | None = None, *, declared: Declared = DECLARED, **options: Any) -> Checker:
    """A checker by a policy, with the rules alone unless said otherwise."""
    policy = policy or a_policy()
    detectors = options.pop("detectors", ())
    looker = Looker(detectors, timeout_s=5.0, secret=bytes(32))
    return Checker(policy, looker, declared=declared, clock=lambda: NOW, **options)


def line(text: str, **options: Any) -> Checked:
    """What becomes of a line."""
    return asyncio.run(checker(**options).line(text))


def places(found: Checked) -> list[tuple[int, int, str | None]]:
    """Where findings are."""
    return [(place.found.start, place.found.end, place.path) for place in found.places]


def test_a_text_is_explained() -> None:
    """Class, place, and which backend may not see it and why; the document never holds the value."""
    found = line(f"my ssn is {SSN} thanks")
    assert places(found) == [(10, 21, None)]
    document = found.document()
    assert document["class"] == "restricted"
    assert document["permitted"] == ["own"]
    assert document["excluded"] == {"frontier": "baa expired 2026-03-11"}
    assert document["modes"] == {"frontier": "route"}
    assert set(document["findings"][0]) == {"type", "start", "end", "detector", "validated"}
    assert SSN not in json.dumps(document)


def test_the_mode_is_the_policys() -> None:
    """Where restricted requests are blocked, the explanation says so."""
    found = line(SSN, policy=a_policy(modes={DataClass.RESTRICTED: PrivacyMode.BLOCK}))
    assert found.document()["modes"] == {"frontier": "block"}


def test_a_json_string_is_the_text_in_it() -> None:
    """Offsets are those of the text, not of its JSON."""
    text = f'say "{SSN}"\tnow'
    (place,) = line(json.dumps(text)).places
    assert text[place.found.start : place.found.end] == SSN


def test_a_json_object_is_a_request() -> None:
    """Each finding names its member; offsets are those of the member's text."""
    request = {"messages": [{"role": "user", "content": "hi"}, {"role": "user", "content": f"ssn {SSN}"}]}
    place, *_ = [one for one in line(json.dumps(request)).places if one.path == "$.messages[1].content"]
    assert request["messages"][1]["content"][place.found.start : place.found.end] == SSN


def test_what_only_looks_like_json_is_text() -> None:
    """A brace or a quotation mark at the beginning of a plain line costs nothing: it is looked at as it stands."""
    for text in (f"{{ssn {SSN}", f'"ssn {SSN}', f"[1] ssn {SSN}"):
        (place,) = line(text).places
        assert text[place.found.start : place.found.end] == SSN


def test_a_picture_is_restricted_and_said() -> None:
    """What nobody can read makes a request restricted, with its path."""
    part = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    found = line(json.dumps({"messages": [{"role": "user", "content": [part]}]}))
    assert found.data_class is DataClass.RESTRICTED
    assert found.document()["unread"]


def test_a_detector_that_fails_is_restricted_and_said() -> None:
    """An explanation fails closed, as the gate does."""
    found = line("hello", detectors=(Fails(),))
    assert (found.document()["class"], found.document()["failed"]) == ("restricted", ["broken"])


def test_what_no_single_place_shows_stands_for_all_of_the_text() -> None:
    """A finding in JSON inside a text has a type; its place is the text as a whole."""
    text = json.dumps({"ssn": [5, 3, 6, 9, 0, 4, 3, 9, 9]})
    found = line(json.dumps(text))
    assert found.data_class is DataClass.RESTRICTED
    assert (0, len(text), None) in places(found)


def test_what_is_declared_stays() -> None:
    """Nothing lowers a declared class; without findings it is the class."""
    found = line("hello", declared=Declared(data_class=DataClass.CONFIDENTIAL, by="caller"))
    assert (found.document()["class"], found.document()["declared_by"]) == ("confidential", "caller")


def test_without_a_gate_everybody_may_see_everything() -> None:
    """The explanation is what is true, not what one would like."""
    found = line(f"ssn {SSN}", ungated=frozenset({"b", "a"}))
    assert (found.permitted, found.excluded) == (("a", "b"), {})


@pytest.mark.parametrize("empty", ["", " ", '""', "{}"])
def test_an_empty_line_has_an_outcome(empty: str) -> None:
    """Each line of a file has one, the empty ones, too."""
    assert line(empty).document()["class"] == "internal"


@given(st.text(max_size=60), st.sampled_from(["", f"ssn {SSN}", "mail a@b.example", "card 4111 1111 1111 1111"]))
def test_the_class_is_the_gates_and_places_lie_in_the_text(before: str, planted: str) -> None:
    """For any text: the class that the gate's own look gives, and no place outside."""
    text = f"{before} {planted}"
    policy = a_policy()

    async def both() -> tuple[Checked, DataClass]:
        looker = Looker(timeout_s=5.0, secret=bytes(32))
        seen = await looker.see(read({"messages": [{"role": "user", "content": text}]}), policy.class_of)
        return await checker().text(text), seen.data_class

    found, data_class = asyncio.run(both())
    assert found.data_class is max(data_class, DataClass.INTERNAL)
    assert all(0 <= start < end <= len(text) for start, end, _ in places(found))
    assert {place.found.type for place in found.places} == set(found.seen.counts)

"""What detectors say of texts, and what their silence means."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

import pytest

from tests.unit.privacy.gates import POLICY, Fixed, looker
from tierwright.core.privacy import DataClass, Found
from tierwright.privacy import detector as rules
from tierwright.privacy.fields import read

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME = Found(type="person", start=0, end=2, detector="names", validated=False)
TEXTS = {"messages": [{"role": "user", "content": "Jo wrote"}]}


def test_a_further_detector_adds_to_the_rules() -> None:
    """Its findings count beside theirs."""
    seen = asyncio.run(looker(Fixed(NAME)).see(read({"input": "Jo, jo@example.com"}), POLICY.class_of))
    assert seen.counts["email"] == 1
    assert seen.counts["person"] >= 1
    assert seen.failed == ()


@pytest.mark.parametrize(
    "broken",
    [
        Fixed(error=RuntimeError("the text of a prompt")),
        Fixed(hangs=True),
        Fixed(hangs=True, deaf=True),
        Fixed(Found(type="person", start=0, end=10_000, detector="x", validated=False)),
        Fixed(Found(type="", start=0, end=1, detector="x", validated=False)),
        Fixed(Found(type="person", start=1, end=1, detector="x", validated=False)),
    ],
)
def test_a_detector_that_raises_hangs_or_lies_makes_a_request_restricted(
    broken: Fixed, caplog: pytest.LogCaptureFixture
) -> None:
    """It is named, what the others found stays, and no text is logged."""
    with caplog.at_level(logging.DEBUG):
        seen = asyncio.run(looker(broken, Fixed(NAME)).see(read(TEXTS), POLICY.class_of))
    assert seen.data_class is DataClass.RESTRICTED
    assert seen.failed == ("fixed",)
    assert seen.counts["person"] >= 1
    assert "the text of a prompt" not in caplog.text


class _Short(Fixed):
    async def find(self, texts: Sequence[str]) -> list[tuple[Found, ...]]:
        return [()] * (len(texts) - 1)


def test_an_answer_for_fewer_texts_is_none() -> None:
    """A finding could be anybody's."""
    assert asyncio.run(looker(_Short()).see(read(TEXTS), POLICY.class_of)).failed == ("fixed",)


def test_rules_that_raise_make_a_request_restricted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short and long texts alike."""

    def broken(text: str) -> list[Found]:
        raise KeyError(text)

    monkeypatch.setattr(rules, "scan", broken)
    for text in ("hello", "hello " * 10_000):
        seen = asyncio.run(looker().see(read({"input": text}), POLICY.class_of))
        assert seen.data_class is DataClass.RESTRICTED
        assert seen.failed == ("rules",)


def test_rules_that_take_too_long_for_a_long_text_make_it_restricted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for them."""

    def slow(_text: str) -> list[Found]:
        time.sleep(1)
        return []

    monkeypatch.setattr(rules, "scan", slow)
    seen = asyncio.run(looker(timeout_s=0.01).see(read({"input": "hello " * 5_000}), POLICY.class_of))
    assert seen.failed == ("rules",)


def test_long_texts_are_looked_at_beside_the_event_loop() -> None:
    """And what is in them is found."""
    text = "ordinary words and nothing else. " * 4_000 + "card 4111 1111 1111 1111"
    assert asyncio.run(looker(timeout_s=20).see(read({"input": text}), POLICY.class_of)).counts == {"card": 1}


def test_a_text_is_looked_at_once_as_long_as_all_could_tell() -> None:
    """A text seen by a detector that failed is looked at again."""
    good, bad = Fixed(NAME), Fixed(error=RuntimeError())

    async def twice(one: Fixed) -> None:
        looks = looker(one)
        first = await looks.see(read(TEXTS), POLICY.class_of)
        assert await looks.see(read(TEXTS), POLICY.class_of) == first

    asyncio.run(twice(good))
    asyncio.run(twice(bad))
    assert (good.asked, bad.asked) == (1, 2)


def test_another_version_looks_again() -> None:
    """What is remembered is what that version said."""
    one = Fixed(NAME)

    async def look() -> None:
        looks = looker(one)
        await looks.see(read(TEXTS), POLICY.class_of)
        one.version = "2"
        assert "fixed/2" in looks.versions
        await looks.see(read(TEXTS), POLICY.class_of)

    asyncio.run(look())
    assert one.asked == 2


def test_no_text_is_kept() -> None:
    """The memory holds digests, and findings without values."""
    looks = looker()
    asyncio.run(looks.see(read({"input": "jo@example.com has an unmistakable prompt"}), POLICY.class_of))
    assert "jo@example" not in repr(vars(looks))
    assert "unmistakable" not in repr(vars(looks))


def test_half_a_surrogate_pair_is_a_text_like_any_other() -> None:
    """JSON may hold one."""
    seen = asyncio.run(looker().see(read({"input": "\ud83d and jo@example.com"}), POLICY.class_of))
    assert seen.counts == {"email": 1}
    assert seen.failed == ()

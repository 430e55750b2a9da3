"""The gate permits exactly these bytes, to a backend that may see them, once, and after that is written down."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.privacy.gates import NOW, OURS, POLICY, SENDING, Fixed, MemoryBook, gate
from tierwright.core.errors import PermitError
from tierwright.core.privacy import Assessment, DataClass, Declared, Denial, Outgoing, Permit
from tierwright.privacy import gate as gate_module
from tierwright.privacy.policy import Policy
from tierwright.privacy.promises import Promise, Promises

if TYPE_CHECKING:
    from tierwright.privacy.gate import ConfiguredGate

INTERNAL = Declared(data_class=DataClass.INTERNAL, by="header")


def _outgoing(content: object = "hello") -> Outgoing:
    return Outgoing("/chat/completions", json.dumps({"messages": [{"role": "user", "content": content}]}).encode())


async def _asked(
    one: ConfiguredGate, outgoing: Outgoing, backend: str, declared: Declared | None = INTERNAL
) -> Permit | Denial:
    assessment = None
    if declared is not None:
        assessment = await one.assess(json.loads(outgoing.body), declared=declared)
    return await one.permit(outgoing, backend=backend, assessment=assessment, sending=SENDING)


def _decided(
    book: MemoryBook, outgoing: Outgoing, backend: str = "third", declared: Declared | None = INTERNAL
) -> Permit | Denial:
    async def ask() -> Permit | Denial:
        return await _asked(gate(book), outgoing, backend, declared)

    return asyncio.run(ask())


def test_ordinary_bytes_get_a_permit_that_names_its_entry() -> None:
    """The policy is told before the first decision by it, and a digest says nothing of a short body."""
    book, outgoing = MemoryBook(), _outgoing()
    permit = _decided(book, outgoing)
    assert isinstance(permit, Permit)
    assert permit.entry == "chain:2"
    assert permit.digest == outgoing.digest("third")
    (policy,), (facts,) = book.of("policy"), book.of("permit")
    assert json.loads(str(policy["text"]))["default_class"] == "internal"
    assert policy["sha256"] == facts["policy_sha256"] == permit.policy_sha256
    assert (facts["backend"], facts["class"], facts["declared_by"]) == ("third", "internal", "header")
    assert facts["bytes"] == len(outgoing.body)
    assert len(str(facts["body_sha256"])) == 64


def test_what_a_backend_may_not_see_is_denied_and_the_reason_has_types_and_no_values() -> None:
    """The denial is in the ledger, too, without the value."""
    book = MemoryBook()
    denial = _decided(book, _outgoing("write to jo@example.com"))
    assert isinstance(denial, Denial)
    assert (denial.reason, denial.data_class) == ("class", DataClass.CONFIDENTIAL)
    assert "email" in denial.advice
    assert "jo@example.com" not in denial.advice + repr(book.entries)
    assert book.of("deny")[0]["findings"] == {"email": 1}
    assert book.of("deny")[0]["excluded"] == {"third": "not allowed"}
    assert not book.of("permit")
    assert isinstance(_decided(book, _outgoing("write to jo@example.com"), "ours"), Permit)


@given(st.sampled_from(DataClass), st.sampled_from(["hello", "jo@example.com", "card 4111 1111 1111 1111"]))
def test_nothing_lowers_a_class(declared: DataClass, content: str) -> None:
    """It is at least what was declared and at least what was seen, in the request and in the bytes."""
    book = MemoryBook()

    async def assess() -> Assessment:
        return await gate(book).assess({"input": content}, declared=Declared(data_class=declared, by="key"))

    assessment = asyncio.run(assess())
    assert assessment.data_class == max(declared, assessment.seen.data_class)
    decided = _decided(book, _outgoing(content), "ours", Declared(data_class=declared, by="key"))
    assert isinstance(decided, Permit)
    assert decided.data_class == assessment.data_class


def test_bytes_that_show_more_than_the_request_are_decided_by_what_they_show() -> None:
    """What was assessed may have been another text."""
    book = MemoryBook()
    looked_at = asyncio.run(gate(book).assess({"input": "hello"}, declared=INTERNAL))

    async def ask() -> Permit | Denial:
        outgoing = _outgoing("card 4111 1111 1111 1111")
        return await gate(book).permit(outgoing, backend="third", assessment=looked_at, sending=SENDING)

    assert isinstance(asyncio.run(ask()), Denial)


def test_nobody_declares_anything_and_the_default_holds() -> None:
    """A judge's question is of no request."""
    policy = replace(POLICY, default_class=DataClass.RESTRICTED)

    async def ask() -> Permit | Denial:
        return await _asked(gate(MemoryBook(), policy=policy), _outgoing(), "third", None)

    assert isinstance(asyncio.run(ask()), Denial)
    assessed = asyncio.run(gate(MemoryBook(), policy=policy).assess({}, declared=Declared(data_class=DataClass.PUBLIC)))
    assert assessed.declared.data_class is DataClass.RESTRICTED


@pytest.mark.parametrize("fault", ["refuses", "not durable", "raises"])
def test_without_a_durable_decision_nothing_leaves(fault: str) -> None:
    """Whatever keeps the ledger from it."""
    book = MemoryBook()
    book.refusal = "EIO" if fault == "refuses" else None
    book.durable = fault != "not durable"
    book.error = OSError("no") if fault == "raises" else None
    denial = _decided(book, _outgoing())
    assert isinstance(denial, Denial)
    assert denial.reason == "ledger"


def test_a_policy_that_was_not_written_down_is_told_again() -> None:
    """No decision names a policy that the ledger lacks."""
    book = MemoryBook()

    async def ask() -> list[Permit | Denial]:
        one = gate(book)
        book.durable = False
        first = await _asked(one, _outgoing(), "third")
        book.durable = True
        return [first, await _asked(one, _outgoing(), "third")]

    first, second = asyncio.run(ask())
    assert isinstance(first, Denial)
    assert isinstance(second, Permit)
    assert len(book.of("policy")) == 2


@pytest.mark.parametrize("name", ["read", "read_bytes"])
def test_whatever_goes_wrong_while_looking_is_restricted(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of our own shows nothing to be harmless."""

    def broken(*_: object) -> object:
        raise RuntimeError("jo@example.com")

    monkeypatch.setattr(gate_module, name, broken)
    book = MemoryBook()

    async def ask() -> tuple[Assessment, Permit | Denial]:
        one = gate(book)
        assessment = await one.assess({}, declared=INTERNAL)
        return assessment, await one.permit(_outgoing(), backend="third", assessment=assessment, sending=SENDING)

    assessment, decided = asyncio.run(ask())
    blind = assessment.seen if name == "read" else book.entries[-1][1]["failed"]
    assert blind == ["gate"] or assessment.data_class is DataClass.RESTRICTED
    assert isinstance(decided, Denial) == (name == "read_bytes")


def test_a_detector_that_is_down_closes_the_way_out() -> None:
    """What it would have seen may be in there."""

    async def ask() -> Permit | Denial:
        return await _asked(gate(MemoryBook(), Fixed(error=RuntimeError())), _outgoing(), "third")

    denial = asyncio.run(ask())
    assert isinstance(denial, Denial)
    assert denial.data_class is DataClass.RESTRICTED


def test_a_promise_that_ends_between_two_permits_closes_the_way_out() -> None:
    """The clock is asked each time."""
    sworn = Promise(value=True, expires_at=NOW + timedelta(seconds=1), evidence="contract 12")
    policy = Policy(
        backends={
            "third": Promises(
                zero_retention=sworn,
                trains_on_data=replace(sworn, value=False),
                allowed=frozenset(DataClass),
            )
        }
    )
    outgoing = _outgoing("jo@example.com")

    async def ask(late_s: int) -> Permit | Denial:
        return await _asked(gate(MemoryBook(), policy=policy, at=NOW + timedelta(seconds=late_s)), outgoing, "third")

    assert isinstance(asyncio.run(ask(0)), Permit)
    denial = asyncio.run(ask(1))
    assert isinstance(denial, Denial)
    assert "zero retention expired 2026-11-28" in denial.advice


def test_a_permit_is_for_these_bytes_and_this_backend_once() -> None:
    """Other bytes, another backend, a second time, another gate's, a copy: none of them is sent."""
    book, outgoing = MemoryBook(), _outgoing()
    one = gate(book)

    def fresh() -> Permit:
        permit = asyncio.run(_asked(one, outgoing, "ours"))
        assert isinstance(permit, Permit)
        return permit

    permit = fresh()
    one.check(permit, outgoing, backend="ours")
    for wrong, sent, backend in (
        (permit, outgoing, "ours"),
        (fresh(), _outgoing("hello!"), "ours"),
        (fresh(), replace(outgoing, headers={"x": "y"}), "ours"),
        (fresh(), outgoing, "third"),
        (replace(fresh()), outgoing, "ours"),
    ):
        with pytest.raises(PermitError):
            one.check(wrong, sent, backend=backend)
    with pytest.raises(PermitError):
        gate(book).check(fresh(), outgoing, backend="ours")


def test_a_refusal_is_noted_and_nobody_waits_for_it() -> None:
    """Even where the ledger can't take it, the caller gets its answer."""
    book = MemoryBook()
    assessment = asyncio.run(gate(book).assess({"input": "jo@example.com"}, declared=INTERNAL))

    async def refuse() -> None:
        gate(book).refused(assessment=assessment, sending=SENDING, excluded={"third": "not allowed"})
        book.error = OSError()
        gate(book).refused(assessment=assessment, sending=SENDING, excluded={})

    asyncio.run(refuse())
    (facts,) = book.of("refused")
    assert (facts["class"], facts["excluded"]) == ("confidential", {"third": "not allowed"})


def test_permitted_names_who_may_see_a_class_and_why_the_others_may_not() -> None:
    """By the clock of the moment."""
    policy = replace(POLICY, backends={**POLICY.backends, "more": OURS})
    found = gate(MemoryBook(), policy=policy).permitted(DataClass.RESTRICTED)
    assert found.backends == {"ours", "more"}
    assert found.excluded == {"third": "not allowed"}


def test_a_body_that_was_assessed_is_looked_at_again_by_other_detectors_only() -> None:
    """A detector of another version may see what the one before did not."""
    detector, outgoing = Fixed(), _outgoing("Jo wrote")

    async def ask() -> list[bool]:
        one, decided = gate(MemoryBook(), detector), []
        assessment = await one.assess({}, declared=INTERNAL, body=outgoing.body)
        for version in ("1", "1", "2"):
            detector.version = version
            before = detector.asked
            await one.permit(outgoing, backend="third", assessment=assessment, sending=SENDING)
            decided.append(detector.asked > before)
        return decided

    assert asyncio.run(ask()) == [False, False, True]


def test_each_body_has_the_digest_of_its_own_bytes() -> None:
    """However many bodies come and go, in memory that others had before."""
    book = MemoryBook()

    async def ask() -> None:
        one = gate(book)
        for number in range(600):
            await _asked(one, _outgoing(f"number {number % 400} of many"), "third")

    asyncio.run(ask())
    permits = book.of("permit")
    assert len({facts["body_sha256"] for facts in permits}) == 400
    assert [facts["body_sha256"] for facts in permits[400:]] == [facts["body_sha256"] for facts in permits[:200]]

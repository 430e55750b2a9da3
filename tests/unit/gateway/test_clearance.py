"""Nothing lowers a class, and nobody is let in whom the gate has not: over any servers, modes and declarations."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import NOON
from tierwright.core.ids import InferenceId
from tierwright.core.inference import CallRole
from tierwright.core.privacy import Assessment, DataClass, Declared, Permitted, PrivacyMode, Seen
from tierwright.gateway.clearance import Clearance, Closed, PrivacyState, Ways, raised, unseen
from tierwright.gateway.problems import Problem
from tierwright.gateway.tenancy.caller import Caller
from tierwright.gateway.trail import Pricing, Trail
from tierwright.gateway.upstreams.config import DeploymentConfig, ResilienceConfig, UpstreamsConfig
from tierwright.gateway.upstreams.upstreams import Upstreams
from tierwright.gateway.wire import declared_class, headers_in
from tierwright.privacy.policy import Policy
from tierwright.privacy.ungated import Ungated

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierwright.core.privacy import Sending

BACKENDS = ("a", "b", "c", "d")
#: Who serves which model; "gpt" falls back to "spare".
SERVED = {"gpt": ("a", "b"), "spare": ("c",), "own": ("d",)}
CLASSES = st.sampled_from(DataClass)
SOME = st.frozensets(st.sampled_from(BACKENDS))


class Open(Ungated):
    """A gate that permits certain backends, and remembers refusals."""

    def __init__(self, backends: frozenset[str]) -> None:
        super().__init__()
        self._open = backends
        self.noted: list[Mapping[str, str]] = []

    def permitted(self, data_class: DataClass) -> Permitted:
        """As `Gate.permitted`."""
        return Permitted(
            backends=self._open, excluded={one: "not allowed" for one in BACKENDS if one not in self._open}
        )

    def refused(self, *, assessment: Assessment, sending: Sending, excluded: Mapping[str, str]) -> None:
        """As `Gate.refused`."""
        self.noted.append(excluded)


def clearance(gate: Open, policy: Policy | None) -> Clearance:
    """Of the servers above."""
    deployments = [
        DeploymentConfig(name=f"{model}-{backend}", backend=backend, model=model)
        for model, backends in SERVED.items()
        for backend in backends
    ]
    config = UpstreamsConfig(deployments=tuple(deployments), resilience=ResilienceConfig(fallbacks={"gpt": ("spare",)}))

    async def sleep(_: float) -> None:
        return

    upstreams = Upstreams(config, timer=lambda: 0.0, sleep=sleep, random=Random(1))
    return Clearance(gate, policy, upstreams, state=PrivacyState())


def a_trail(data_class: DataClass) -> Trail:
    """A request of a class."""
    return Trail(
        id=InferenceId("chatcmpl-1"),
        created_at=NOON,
        client_id="desk",
        workload_id=None,
        began=0.0,
        request=b"{}",
        model="gpt",
        assessment=Assessment(declared=Declared(data_class=data_class), seen=Seen(), detectors="rules/1"),
        pricing=Pricing(lambda *_: None),
    )


@given(
    allowed=SOME,
    without=SOME,
    data_class=CLASSES,
    modes=st.dictionaries(CLASSES, st.sampled_from([PrivacyMode.BLOCK, PrivacyMode.ROUTE])),
    route=st.sampled_from([None, "own", "gpt"]),
)
def test_nobody_is_asked_whom_the_gate_has_not_let_in(
    allowed: frozenset[str],
    without: frozenset[str],
    data_class: DataClass,
    modes: dict[DataClass, PrivacyMode],
    route: str | None,
) -> None:
    """Whoever may be asked is permitted and was not denied; nobody is left out without a reason in words."""
    policy = Policy(backends={}, modes=modes, route_model=route)
    found = clearance(Open(allowed), policy)
    ways = found.ways("gpt", a_trail(data_class), without=without)
    blocks = modes.get(data_class) is PrivacyMode.BLOCK
    if isinstance(ways, Closed):
        assert set(ways.excluded)
        assert not set(ways.excluded) & (allowed - without)
        assert ways.by_mode == blocks
        return
    asked = ways.allowed if ways.allowed is not None else {"a", "b", "c"} if ways.model == "gpt" else {"d"}
    assert asked
    assert asked <= allowed - without
    assert not (blocks and {"a", "b"} - (allowed - without))
    assert ways.model in {"gpt", route}


def test_without_a_gate_everybody_is_asked() -> None:
    """No policy, no limits."""
    assert clearance(Open(frozenset()), None).ways("gpt", a_trail(DataClass.RESTRICTED)) == Ways("gpt", None)


def test_a_refusal_is_counted_and_noted() -> None:
    """With its class, and with why each backend may not see it."""
    gate = Open(frozenset())
    found = clearance(gate, Policy(backends={}))
    trail = a_trail(DataClass.CONFIDENTIAL)
    ways = found.ways("gpt", trail)
    assert isinstance(ways, Closed)
    problem = found.refuse("gpt", trail, ways, role=CallRole.PRIMARY)
    assert (problem.status, problem.code) == (403, "privacy_blocked")
    assert gate.noted == [{"a": "not allowed", "b": "not allowed", "c": "not allowed"}]
    assert found.state.refused == {("confidential", "privacy_blocked"): 1}


@given(header=st.none() | CLASSES, key=st.none() | CLASSES, default=CLASSES)
def test_the_highest_declaration_counts(header: DataClass | None, key: DataClass | None, default: DataClass) -> None:
    """The default holds only where nobody declares anything, and is raised and lowered by who does."""
    found = clearance(Open(frozenset()), Policy(backends={}, default_class=default))
    headers = {} if header is None else {b"x-tierwright-data-class": header.label.encode()}
    said = found.declared(headers, Caller(client_id="desk", data_class=key))
    assert isinstance(said, Declared)
    declarations = [one for one in (header, key) if one is not None]
    assert said.data_class == max(declarations, default=default)
    assert (said.by == "default") == (not declarations)


@given(labels=st.lists(CLASSES, min_size=1, max_size=5), data=st.data())
def test_several_labels_are_as_their_highest(labels: list[DataClass], data: st.DataObject) -> None:
    """In one header or in many, in any order, with or without spaces."""
    cut = data.draw(st.integers(0, len(labels) - 1))
    lines = [labels[:cut], labels[cut:]] if cut else [labels]
    raw = [(b"x-tierwright-data-class", ", ".join(one.label for one in line).encode()) for line in lines]
    assert declared_class(headers_in([(b"host", b"x"), *raw])) is max(labels)


@pytest.mark.parametrize("value", [b"", b"secret", b"public,", b"Public", b"internal;q=1", b"\xff"])
def test_an_unreadable_label_is_none(value: bytes) -> None:
    """What is no label is a 400, and never taken for a lower class."""
    said = declared_class({b"x-tierwright-data-class": value})
    assert isinstance(said, Problem)
    assert (said.status, said.code) == (400, "invalid_data_class")


@given(first=CLASSES, second=CLASSES)
def test_what_the_bytes_show_only_raises(first: DataClass, second: DataClass) -> None:
    """A denial for a lower class changes nothing, and one for a higher class is kept."""
    before = Assessment(declared=Declared(data_class=first), seen=Seen(), detectors="")
    after = raised(before, second)
    assert after is not None
    assert after.data_class == max(first, second)
    assert raised(None, second) is None
    assert raised(before, None) is before


def test_nobody_has_looked_means_restricted() -> None:
    """Whatever was declared."""
    assert unseen(Declared(data_class=DataClass.PUBLIC)).data_class is DataClass.RESTRICTED

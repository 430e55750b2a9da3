"""Who may see a request: the class it has, and the model servers that are open to that class.

Owns how declarations combine, what the modes mean for the choice of servers, and the counts of both. Refuses to know
what makes a class or a server's promises (the gate does) and in what order servers are asked (`upstreams`). Fails
closed: until somebody has looked a request is restricted.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from tierwright.core.inference import CallRole
from tierwright.core.privacy import Assessment, DataClass, Declared, PrivacyMode, Seen, Sending
from tierwright.gateway import privacy_problems, wire
from tierwright.gateway.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierwright.core.protocols import Gate
    from tierwright.gateway.dialects.dialect import Asked
    from tierwright.gateway.tenancy.caller import Caller
    from tierwright.gateway.trail import Trail
    from tierwright.gateway.upstreams.upstreams import Upstreams
    from tierwright.privacy.policy import Policy

#: What a request says of itself while nobody has looked at it yet.
_UNSEEN = Seen(data_class=DataClass.RESTRICTED, failed=("nobody yet",))
#: The highest class that may be declared where there is no gate: what any third party may see.
_UNGATED = DataClass.INTERNAL
_NOBODY: Final[frozenset[str]] = frozenset()
#: Models remembered; names come from callers, so there is no end to them.
_REMEMBERED = 1024


class Ways(NamedTuple):
    """Whom a request may be sent to."""

    #: The model to ask for: the one that was asked for, or the one that stands in for it.
    model: str
    #: The backends that may see it; None: all that serve the model.
    allowed: frozenset[str] | None


class Closed(NamedTuple):
    """A request that may be sent to nobody."""

    #: Why each backend that could answer may not see it, in few words.
    excluded: Mapping[str, str]
    #: Whether that is so because the settings want it refused.
    by_mode: bool


class _Servers(NamedTuple):
    #: The backends that serve a model itself.
    own: frozenset[str]
    #: Those and the backends of its fallbacks.
    all: frozenset[str]


@dataclass(slots=True)
class PrivacyState:
    """What became of requests and their bytes; grows only, across reloads."""

    #: Permits by backend and class.
    permits: Counter[tuple[str, str]] = field(default_factory=Counter)
    #: Denials by backend and reason.
    denials: Counter[tuple[str, str]] = field(default_factory=Counter)
    #: Requests that were sent to nobody, by class and code.
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)


class Clearance:
    """Who may see what, by one version of the settings."""

    def __init__(
        self,
        gate: Gate,
        policy: Policy | None,
        upstreams: Upstreams,
        *,
        state: PrivacyState,
        pseudonymises: bool = False,
    ) -> None:
        """`policy`: None: no gate is configured, and everybody may see everything.

        `pseudonymises`: whether there is somebody to put tokens in the place of values.
        """
        self._pseudonymises = pseudonymises
        self.gate = gate
        self.state = state
        self._policy = policy
        self._upstreams = upstreams
        self._servers = lru_cache(maxsize=_REMEMBERED)(self._who_serves)

    def declared(self, headers: Mapping[bytes, bytes], caller: Caller) -> Declared | Problem | None:
        """What the request and its caller's key declare, or else the default; None: there is no gate.

        A Problem where the header can't be read, or where a class is declared that only a gate could keep.
        """
        said = wire.declared_class(headers)
        if isinstance(said, Problem):
            return said
        if said is None and caller.data_class is None:
            return None if self._policy is None else self._policy.undeclared
        declarations = [
            Declared(data_class=found, by=by)
            for by, found in (("header", said), ("key", caller.data_class))
            if found is not None
        ]
        highest = max(declarations, key=lambda one: one.data_class)
        if self._policy is not None:
            return highest
        return privacy_problems.no_gate(highest.data_class) if highest.data_class > _UNGATED else None

    async def look(self, trail: Trail, asked: Asked, *, task_name: str | None) -> None:
        """Finds out the class of a request whose declaration is known; the trail then tells it."""
        if self._policy is None or trail.assessment is None:
            return
        declared = trail.assessment.declared
        of_task = None if task_name is None else self._policy.tasks.get(task_name)
        if of_task is not None and (declared.by == "default" or of_task > declared.data_class):
            declared = Declared(data_class=of_task, by="task")
        trail.assessment = await self.gate.assess(asked.payload, declared=declared, body=asked.body)

    def ways(self, model: str, trail: Trail, *, without: frozenset[str] = _NOBODY) -> Ways | Closed:
        """Whom a request for a model may be sent to; `without` those backends, whatever they may see."""
        policy, assessment = self._policy, trail.assessment
        if policy is None or assessment is None:
            return Ways(model, None)
        data_class = assessment.data_class
        permitted = self.gate.permitted(data_class)
        open_to = (permitted.backends | self._with_tokens(assessment)) - without
        own, every = self._servers(model)
        if every <= open_to:
            return Ways(model, None)
        if any(policy.mode(data_class, backend) is PrivacyMode.BLOCK for backend in own - open_to):
            return Closed(_why(own - open_to, permitted.excluded), by_mode=True)
        if not every & open_to and policy.route_model is not None:
            model = policy.route_model
            every |= self._servers(model).all
        if every & open_to:
            return Ways(model, every & open_to)
        return Closed(_why(every, permitted.excluded), by_mode=False)

    def hides_from(self, backend: str, trail: Trail) -> bool:
        """Whether a backend gets tokens in the place of what was found in a request."""
        assessment = trail.assessment
        if assessment is None or backend not in self._with_tokens(assessment):
            return False
        return backend not in self.gate.permitted(assessment.data_class).backends

    def _with_tokens(self, assessment: Assessment) -> frozenset[str]:
        """Backends that may see what was declared, and get tokens for what was found beyond it.

        Whether these bytes may leave is the gate's to say; where something could not be read, or looked at, they won't.
        """
        policy, seen = self._policy, assessment.seen
        if not self._pseudonymises or policy is None or seen.unread or seen.failed:
            return _NOBODY
        open_to = self.gate.permitted(assessment.declared.data_class).backends
        wanted = PrivacyMode.PSEUDONYMISE
        return frozenset(one for one in open_to if policy.mode(assessment.data_class, one) is wanted)

    def may_see(self, model: str, trail: Trail) -> bool:
        """Whether anybody may be asked for that very model, or a fallback of it."""
        ways = self.ways(model, trail)
        return isinstance(ways, Ways) and ways.model == model

    def first_may_see(self, model: str, trail: Trail) -> bool:
        """Whether the server that is asked first for a model may see the request."""
        ways = self.ways(model, trail)
        if isinstance(ways, Closed) or ways.model != model:
            return False
        return ways.allowed is None or self._upstreams.owner(model) in ways.allowed

    def refuse(self, model: str, trail: Trail, closed: Closed, *, role: CallRole) -> Problem:
        """What a caller is told whose request may be sent to nobody; it is counted and noted in the ledger."""
        assert trail.assessment is not None
        problem = privacy_problems.blocked(
            model,
            trail.assessment,
            closed.excluded,
            by_mode=closed.by_mode,
            escalated=role is not CallRole.PRIMARY,
        )
        self.state.refused[trail.assessment.data_class.label, problem.code] += 1
        self.gate.refused(
            assessment=trail.assessment, sending=sending_of(trail, role, attempt=0), excluded=closed.excluded
        )
        return problem

    def _who_serves(self, model: str) -> _Servers:
        found = self._upstreams.deployments(model)
        own = frozenset(deployment.backend for name, deployment in found if name == model)
        return _Servers(own, own | {deployment.backend for _, deployment in found})


def unseen(declared: Declared) -> Assessment:
    """What holds for a request at which nobody has looked yet."""
    return Assessment(declared=declared, seen=_UNSEEN, detectors="")


def raised(assessment: Assessment | None, data_class: DataClass | None) -> Assessment | None:
    """The same for a request whose bytes have shown a class which may be higher than the request's."""
    if assessment is None or data_class is None or data_class <= assessment.data_class:
        return assessment
    return replace(assessment, seen=replace(assessment.seen, data_class=data_class))


def sending_of(trail: Trail, role: CallRole, *, attempt: int) -> Sending:
    """What bytes leave for, as the ledger names it; attempt 0: none do."""
    return Sending(
        request_id=trail.id,
        attempt=attempt,
        role=role.value,
        client_id=trail.client_id,
        key_id=trail.key_id,
        task_id=trail.task_id,
    )


def _why(backends: frozenset[str], excluded: Mapping[str, str]) -> dict[str, str]:
    """Why not, for each; one that may see the class as such has denied its permit for these bytes."""
    return {backend: excluded.get(backend, "not for these bytes") for backend in sorted(backends)}

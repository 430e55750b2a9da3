"""One request from its body to its answer: specialist or frontier model, plain or streamed, and its capture.

Owns the order of steps: read, recognise, route, ask, record, answer. Every request that names a model is recorded once,
before the caller has the last of its answer, whatever becomes of it. Refuses to know how connections, stores and models
work, and what callers speak.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from tierwright.core.ids import InferenceId, TaskId, uuid7
from tierwright.core.inference import CallRole, Endpoint, ModelCall, Route, RouteReason
from tierwright.gateway import problems, wire
from tierwright.gateway.backends.kinds import Speech
from tierwright.gateway.batching import Failed
from tierwright.gateway.call import Call
from tierwright.gateway.clearance import unseen
from tierwright.gateway.config import SPECIALIST
from tierwright.gateway.conversation import conversation_of
from tierwright.gateway.dialects.counting import counted
from tierwright.gateway.frontier import Errand
from tierwright.gateway.local import LocalAnswer
from tierwright.gateway.policy import draw_of
from tierwright.gateway.problems import Problem
from tierwright.gateway.second import Answered
from tierwright.gateway.target import Target, model_of, target_of
from tierwright.gateway.tenancy import bounds
from tierwright.gateway.tenancy.caller import may_ask, may_name, permitted
from tierwright.gateway.tracing import traceparent_of
from tierwright.gateway.trail import Trail

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierwright.core.protocols import RoutePolicy
    from tierwright.core.task import Task
    from tierwright.gateway.asgi import Receive, Send
    from tierwright.gateway.capture import Capture
    from tierwright.gateway.catalogue import Catalogue
    from tierwright.gateway.clearance import Clearance
    from tierwright.gateway.dialects.dialect import Asked, Dialect
    from tierwright.gateway.frontier import Frontier
    from tierwright.gateway.recognise import Recognised
    from tierwright.gateway.second import SecondDesk
    from tierwright.gateway.sources import EntropyPool, Sources
    from tierwright.gateway.specialists import LiveSpecialist, Snapshot, SpecialistRegistry
    from tierwright.gateway.tenancy.caller import Caller
    from tierwright.gateway.tenancy.quota import Quotas
    from tierwright.gateway.trail import Pricing

#: Conversations stay with one deployment of a model whatever the task.
_NO_TASK = TaskId("")
#: What an answer's id begins with, as callers know it from the API they speak.
_ID_PREFIXES = {
    Endpoint.CHAT: "chatcmpl-",
    Endpoint.RESPONSES: "resp_",
    Endpoint.MESSAGES: "msg_",
    Endpoint.COUNT_TOKENS: "cnt_",
    Endpoint.EMBEDDINGS: "embd-",
    Endpoint.MODERATIONS: "modr-",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """Answers every kind of request that names a model."""

    catalogue: Catalogue
    #: Who may see what.
    clearance: Clearance
    frontier: Frontier
    specialists: SpecialistRegistry
    policy: RoutePolicy
    capture: Capture
    pricing: Pricing
    dearest: bounds.Dearest
    quotas: Quotas
    #: Told of every answer to a request of a task.
    second: SecondDesk
    sources: Sources
    entropy: EntropyPool
    #: Whether a request may say when it was first made.
    accept_recorded_at: bool
    #: Whether all requests of a person are one conversation, where they name none.
    sticky_by_person: bool = False
    #: Whether requests and answers are kept at all.
    keep_content: bool = True
    #: Names of tasks whose requests and answers are not kept.
    no_content_tasks: frozenset[str] = frozenset()

    async def answer(
        self,
        dialect: Dialect,
        body: bytes,
        headers: Mapping[bytes, bytes],
        caller: Caller,
        *,
        receive: Receive,
        send: Send,
    ) -> None:
        """Answers one request, whose body has just arrived, and captures it."""
        asked = dialect.read(body, headers)
        trail = self._begin(dialect, body, headers, caller)
        call = Call(
            trail=trail,
            dialect=dialect,
            headers=headers,
            receive=receive,
            send=send,
            timer=self.sources.timer,
            finish=lambda: self._finish(trail),
        )
        if self.capture.refusal is not None:
            # Before anything is spent: the answer could not be given.
            trail.captured = True
            await call.turn_away(problems.capture_unavailable())
            return
        if not isinstance(asked, Problem) and self.accept_recorded_at:
            recorded = wire.recorded_at(headers)
            if isinstance(recorded, Problem):
                asked = recorded
            elif recorded is not None:
                trail.created_at = recorded
        if not isinstance(asked, Problem):
            declared = self.clearance.declared(headers, caller)
            if isinstance(declared, Problem):
                asked = declared
            elif declared is not None:
                trail.assessment = unseen(declared)
        if isinstance(asked, Problem):
            # It names no model and no task: there is nothing to learn from it, and nothing was spent.
            trail.captured = True
            await call.refuse(asked)
            return
        trail.model = asked.model
        trail.request = asked.content
        try:
            await self._serve(call, asked, caller)
        except asyncio.CancelledError:
            trail.error_code = problems.SHUT_DOWN
            raise
        finally:
            self._finish(trail)

    async def models(self, caller: Caller, *, created: int) -> list[dict[str, object]]:
        """What GET /v1/models lists for a caller: the models and the live tasks that its key is for, and no others.

        A key for certain tasks may name its models as long as one of the tasks is known.
        """
        snapshot = self.specialists.snapshot
        live = [snapshot.tasks[name] for name in snapshot.live_tasks if may_ask(caller, name)]
        tasks = [
            task.name for task in live if may_name(caller, await model_of(task, self.specialists, self.catalogue) or "")
        ]
        any_work = may_ask(caller, None) or any(may_ask(caller, name) for name in snapshot.tasks)
        return self.catalogue.listing(tasks, created=created, named=lambda model: any_work and may_name(caller, model))

    def _begin(self, dialect: Dialect, body: bytes, headers: Mapping[bytes, bytes], caller: Caller) -> Trail:
        now = self.sources.clock()
        workload, subject = headers.get(wire.WORKLOAD), headers.get(wire.SUBJECT)
        return Trail(
            id=InferenceId(_ID_PREFIXES[dialect.endpoint] + uuid7(now, self.entropy.draw())),
            created_at=now,
            client_id=caller.client_id,
            key_id=None if caller.key is None else caller.key.id,
            endpoint=dialect.endpoint,
            workload_id=None if workload is None else workload.decode("latin-1"),
            subject=subject.decode("latin-1") if subject else None,
            traceparent=traceparent_of(headers),
            began=self.sources.timer(),
            request=body,
            model="",
            pricing=self.pricing,
            keep_content=self.keep_content and (caller.key is None or caller.key.keep_content),
        )

    def _finish(self, trail: Trail) -> None:
        """Records the request, once; what happens to it afterwards is not told any more."""
        if trail.captured:
            return
        trail.captured = True
        if trail.counts_early:
            # Its caller was cut off, so that nobody waits for this.
            trail.take(trail.counted_calls())
        trail.ended = self.sources.timer()
        trail.settle()
        trail.kept = self.capture.commit(trail.draft())

    async def _serve(self, call: Call, asked: Asked, caller: Caller) -> None:
        trail = call.trail
        snapshot = self.specialists.snapshot
        target = await target_of(asked, snapshot, self.specialists, self.catalogue)
        if isinstance(target, Problem):
            await call.refuse(target)
            return
        found = target.found
        if found is not None:
            # First: what is refused is recorded, too, and a task may say that its content is not kept.
            self._note_task(trail, found.task, snapshot)
        refusal = self._admit(trail, asked, target, caller)
        if refusal is not None:
            await call.refuse(refusal)
            return
        await self.clearance.look(trail, asked, task_name=None if found is None else found.task.name)
        if target.pinned is not None and found is not None:
            await self._answer_pinned(call, asked, found, target.pinned)
            return
        if call.dialect.endpoint is Endpoint.COUNT_TOKENS and await self._counts_itself(call, asked, target.model):
            return
        can = found is not None and asked.for_specialists and found.task.is_servable
        live = snapshot.specialists.get(found.task.id) if found is not None and can else None
        if not self.catalogue.serves(target.model) and not (live is not None and target.is_alone):
            await call.refuse(problems.model_not_found(target.model))
            return
        role = await self._ask_first(call, asked, target, live)
        if role is not None:
            await self.frontier.answer(
                Errand(call=call, asked=asked, model=target.model, role=role, sticky=_sticky(call.headers))
            )
        shadow = snapshot.shadows.get(found.task.id) if found is not None and found.task.is_servable else None
        if found is not None and (shadow is not None or self.second.audits):
            self.second.after(
                Answered(
                    trail=trail,
                    dialect=call.dialect,
                    asked=asked,
                    found=found,
                    model=target.model,
                    has_frontier=not target.is_alone and self.catalogue.serves(target.model),
                    may_leave=self.clearance.may_see(target.model, trail),
                    deployment=None if live is None else live.deployment,
                    shadow=shadow,
                )
            )

    async def _ask_first(
        self, call: Call, asked: Asked, target: Target, live: LiveSpecialist | None
    ) -> CallRole | None:
        """Lets the specialist answer, if it may and can; the role in which the frontier model is to be asked, or None.

        None: the request was answered, or refused since nobody else can be asked.
        """
        trail, found = call.trail, target.found
        if live is None or found is None:
            trail.route = self.policy.decide(None, draw=0.0)
            return CallRole.PRIMARY
        unit = conversation_of(asked, call.headers, trail.client_id, by_person=self.sticky_by_person)
        draw = draw_of(found.task.id, unit or trail.id)
        trail.route = self.policy.decide(live.deployment, draw=draw)
        if target.is_alone:
            trail.route = replace(trail.route, reason=RouteReason.SPECIALIST, propensity=1.0)
        elif trail.route.reason is RouteReason.HOLDOUT and not self.clearance.may_see(target.model, trail):
            # Nobody could be asked there: the specialist is all that may see it, and nothing is random about that.
            trail.route = replace(trail.route, reason=RouteReason.SPECIALIST, propensity=1.0)
        if trail.route.reason is not RouteReason.SPECIALIST:
            return CallRole.PRIMARY
        local = await self._ask_specialist(trail, asked, found, live, threshold=live.deployment.threshold)
        if not isinstance(local, LocalAnswer):
            if not target.is_alone:
                return local
            await call.refuse(problems.model_not_found(target.model))
            return None
        await _send_local(call, asked, local)
        return None

    def _admit(self, trail: Trail, asked: Asked, target: Target, caller: Caller) -> Problem | None:
        """None where the caller's key is for this and has enough left of what it may use; else a Problem."""
        key = caller.key
        if key is None:
            return None
        found = target.found
        refusal = permitted(caller, model=target.model, task_name=None if found is None else found.task.name)
        if refusal is not None:
            return refusal
        now = self.sources.clock()
        # A version that was named answers alone, on this machine.
        answerers = self.catalogue.answerers(target.model) if target.pinned is None else ()
        tokens = bounds.expected(asked, trail.endpoint, answerers)
        cost = Decimal(0)
        if key.limits.budget_usd is not None:
            cost = self.dearest.usd(tokens, asked, answerers, now)
        admitted = self.quotas.admit(key, tokens=tokens.usual, cost_usd=cost, now=now)
        if isinstance(admitted, Problem):
            return admitted
        trail.reservation, trail.limit_headers = admitted, admitted.headers(now)
        return None

    def _note_task(self, trail: Trail, task: Task, snapshot: Snapshot) -> None:
        trail.task_id = task.id
        trail.task_label = snapshot.labels[task.id]
        if task.name in self.no_content_tasks:
            trail.keep_content = False

    async def _counts_itself(self, call: Call, asked: Asked, model: str) -> bool:
        """Answers a request to count tokens where the model's server can't; False: it can, or nobody serves it.

        A server that may not see the request can't.
        """
        kind, count = self.catalogue.kind_of(model), self.pricing.count
        if count is None or kind is None:
            return False
        if kind.speaks is Speech.ANTHROPIC and self.clearance.first_may_see(model, call.trail):
            return False
        await call.answer(await asyncio.to_thread(counted, asked, count))
        return True

    async def _answer_pinned(self, call: Call, asked: Asked, found: Recognised, pinned: LiveSpecialist) -> None:
        """The version that was named answers, whatever its confidence; where it can't, nobody else does."""
        trail = call.trail
        trail.route = Route(reason=RouteReason.PINNED)
        if not (asked.for_specialists and found.task.is_servable):
            problem = problems.not_for_specialists(trail.model)
        else:
            local = await self._ask_specialist(trail, asked, found, pinned, threshold=None)
            if isinstance(local, LocalAnswer):
                await _send_local(call, asked, local)
                return
            problem = problems.specialist_failed(trail.model)
        await call.refuse(problem)

    async def _ask_specialist(
        self, trail: Trail, asked: Asked, found: Recognised, live: LiveSpecialist, *, threshold: float | None
    ) -> LocalAnswer | CallRole:
        """The specialist's answer, or the role in which the frontier model is to be asked; the route says why.

        `threshold`: None: it answers whatever its confidence is.
        """
        started_at, began = self.sources.clock(), self.sources.timer()
        outcome = await live.queue.predict(found.input)
        call = ModelCall(
            role=CallRole.PRIMARY,
            backend=SPECIALIST,
            model=live.model,
            model_version_id=live.version.id,
            started_at=started_at,
            latency_ms=(self.sources.timer() - began) * 1000,
            status=None,
            answered=False,
        )
        if isinstance(outcome, Failed):
            trail.calls.append(replace(call, error_code=outcome.code))
            trail.route = replace(trail.route, reason=RouteReason.SPECIALIST_FAILED)
            return CallRole.FALLBACK
        confidence = outcome.prediction.confidence
        call = replace(call, status=200, cost_usd=live.terms.cost_usd(outcome.seconds))
        # A confidence that is no number is not above the threshold.
        if threshold is not None and not confidence >= threshold:
            trail.calls.append(call)
            trail.route = replace(trail.route, reason=RouteReason.LOW_CONFIDENCE, confidence=confidence)
            return CallRole.ESCALATION
        assert asked.chat is not None
        usage = live.terms.usage(wire.characters_of(asked.chat))
        trail.route = replace(trail.route, confidence=confidence)
        trail.calls.append(
            replace(
                call,
                prompt_tokens=usage.prompt_tokens,
                completion_tokens=usage.completion_tokens,
                answered=True,
            )
        )
        return LocalAnswer(
            inference_id=trail.id,
            model=trail.model,
            content=outcome.prediction.output,
            usage=usage,
            version_id=live.version.id,
            created_at=self.sources.clock(),
        )


async def _send_local(call: Call, asked: Asked, local: LocalAnswer) -> None:
    """Answers with what a specialist has said."""
    call.trail.response, call.trail.streamed = local.completion(), asked.stream
    await call.answer(call.dialect.local(asked, local), wire.EVENT_STREAM if asked.stream else wire.JSON)


def _sticky(headers: Mapping[bytes, bytes]) -> float | None:
    conversation = wire.conversation_of(headers)
    return None if conversation is None else draw_of(_NO_TASK, conversation)

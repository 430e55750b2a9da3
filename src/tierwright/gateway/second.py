"""Second answers: what a specialist on trial, or the frontier model, would have said to a request already answered.

Owns who is drawn, when it is asked and what is compared. It is asked after the caller has the whole answer, so that
nothing here can delay or change one; no tool that a request offers is ever called. Fails open: whatever goes wrong
costs a second answer only, and is counted (`lanes`).
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from tierwright.core.chat import decode_answer, written
from tierwright.core.contract import ContractKind
from tierwright.core.errors import TierwrightError
from tierwright.core.inference import CallRole, ModelCall, RouteReason
from tierwright.core.second import SecondAnswer
from tierwright.gateway.batching import Failed
from tierwright.gateway.config import SPECIALIST, SecondConfig
from tierwright.gateway.frontier import Query
from tierwright.gateway.lanes import Lane, Spent
from tierwright.gateway.policy import draw_of
from tierwright.gateway.reassemble import reassemble

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tierwright.core.deployment import Deployment
    from tierwright.core.ids import InferenceId, TaskId
    from tierwright.core.protocols import SecondAnswerStore
    from tierwright.gateway.dialects.dialect import Asked, Dialect
    from tierwright.gateway.frontier import Frontier
    from tierwright.gateway.lanes import LaneState
    from tierwright.gateway.recognise import Recognised
    from tierwright.gateway.sources import Sources
    from tierwright.gateway.specialists import LiveSpecialist
    from tierwright.gateway.trail import Trail

_LOG = logging.getLogger(__name__)
#: What the call of a shadow says of a request that no specialist would be asked for: not a text, or more than one.
NOT_FOR_SPECIALISTS = "not_for_specialists"
#: Contracts whose answers may differ in wording and be equally good.
_NOT_TO_THE_LETTER = frozenset({ContractKind.TEXT, ContractKind.OPEN})
#: Seconds between two writes to the store.
_WRITE_EVERY_S = 0.25
#: Seconds that one which is done waits for its inference to be stored.
_PATIENCE_S = 60.0
#: Second answers that wait for the store; what comes beyond is lost and counted.
_MOST_UNWRITTEN = 2_000
#: Shadows predicted at a time: whoever waits for one specialist at the same time is predicted together.
_SHADOW_WORKERS = 4
#: Model servers asked at a time: audits take few of the places that callers need.
_AUDIT_WORKERS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A request of a task whose answer has been delivered."""

    trail: Trail
    dialect: Dialect
    asked: Asked
    found: Recognised
    #: The model that a model server is asked for where no specialist answers.
    model: str
    #: Whether any model server can be asked for it.
    has_frontier: bool
    #: Whether any of those may see the request.
    may_leave: bool
    #: The deployment that was considered; None: none serves the task.
    deployment: Deployment | None
    #: The specialist on trial; None: there is none.
    shadow: LiveSpecialist | None


class _Unwritten(NamedTuple):
    second: SecondAnswer
    lane: Lane
    #: Second of the timer at which it is given up.
    until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondState:
    """How second answers are doing."""

    #: By the role of the calls.
    lanes: dict[CallRole, LaneState] = field(default_factory=dict)


class SecondDesk:
    """Takes answered requests on the event loop, has some of them answered again, and stores what came of it."""

    def __init__(
        self, store: SecondAnswerStore, config: SecondConfig, *, sources: Sources, frontier: Frontier | None = None
    ) -> None:
        """`frontier` may follow with `renew`, before anything is offered."""
        self._store = store
        self._config = config
        self._sources = sources
        self._frontier = frontier
        self._shadows = self._lane(CallRole.SHADOW, _SHADOW_WORKERS)
        self._audits = self._lane(CallRole.AUDIT, _AUDIT_WORKERS)
        self._unwritten: deque[_Unwritten] = deque()
        self._writer: asyncio.Task[None] | None = None
        self._store_error: str | None = None

    def start(self) -> None:
        """Starts to work; on the event loop."""
        self._shadows.start()
        self._audits.start()
        self._writer = asyncio.create_task(self._write_on(), name="tierwright-second-answers")

    def renew(self, config: SecondConfig, frontier: Frontier) -> None:
        """Goes by other settings from the next request on. The bounds of what waits stay."""
        self._config, self._frontier = config, frontier
        self._shadows.allow(config.shadow)
        self._audits.allow(config.audit)

    @property
    def audits(self) -> bool:
        """Whether any answer can be drawn for an audit."""
        return self._config.audit_share > 0

    def state(self) -> SecondState:
        """The counters of this moment."""
        return SecondState(lanes={CallRole.SHADOW: self._shadows.state(), CallRole.AUDIT: self._audits.state()})

    def after(self, answered: Answered) -> None:
        """Told each request of a task when its answer is delivered; takes microseconds and never raises."""
        trail = answered.trail
        if trail.status >= 300 or trail.error_code is not None:
            return
        task_id, shadow, deployment = answered.found.task.id, answered.shadow, answered.deployment
        if shadow is not None and second_draw(CallRole.SHADOW, task_id, trail.id) < shadow.deployment.share:
            self._shadows.offer(lambda: self._shadow(answered, shadow), size_bytes=_size(answered))
        if deployment is None or trail.route.reason is not RouteReason.SPECIALIST or not answered.has_frontier:
            return
        if second_draw(CallRole.AUDIT, task_id, trail.id) < self._config.audit_share:
            if not answered.may_leave:
                self._audits.barred()
                return
            share = self._config.audit_share
            self._audits.offer(lambda: self._audit(answered, deployment, share), size_bytes=_size(answered))

    async def aclose(self) -> None:
        """Finishes what waits within the time the settings give it; the rest is dropped and counted.

        What is done is stored by `flush`, when its inference is.
        """
        timeout_s = self._config.close_timeout_s
        await asyncio.gather(self._shadows.aclose(timeout_s), self._audits.aclose(timeout_s))
        if self._writer is not None:
            self._writer.cancel()
            await asyncio.gather(self._writer, return_exceptions=True)

    async def flush(self) -> None:
        """Stores what is done, once; what the store does not take is lost and counted."""
        self._give_up(await asyncio.to_thread(self._write, last=True))

    def _lane(self, role: CallRole, workers: int) -> Lane:
        config = self._config
        return Lane(
            role.value,
            workers=workers,
            limit=config.queue_limit,
            limit_bytes=config.queue_limit_bytes,
            allowance=config.shadow if role is CallRole.SHADOW else config.audit,
            clock=self._sources.clock,
        )

    async def _shadow(self, answered: Answered, shadow: LiveSpecialist) -> Spent:
        """What the specialist on trial says."""
        started_at, began = self._sources.clock(), self._sources.timer()
        outcome = await shadow.queue.predict(answered.found.input)
        call = ModelCall(
            role=CallRole.SHADOW,
            backend=SPECIALIST,
            model=shadow.model,
            model_version_id=shadow.version.id,
            started_at=started_at,
            latency_ms=(self._sources.timer() - began) * 1000,
            status=None,
            answered=False,
        )
        second = SecondAnswer(
            inference_id=answered.trail.id,
            call=call,
            deployment_id=shadow.deployment.id,
            propensity=shadow.deployment.share,
            confidence=None,
            output=None,
            agrees=None,
        )
        if isinstance(outcome, Failed):
            self._done(replace(second, call=replace(call, error_code=outcome.code)), self._shadows)
            return Spent(done=False)
        # Live it would not have been asked: its answer says something all the same, but nothing about its share.
        unfit = None if answered.asked.for_specialists else NOT_FOR_SPECIALISTS
        output, confidence = outcome.prediction.output, outcome.prediction.confidence
        self._done(
            replace(
                second,
                call=replace(call, status=200, error_code=unfit, cost_usd=shadow.terms.cost_usd(outcome.seconds)),
                # A confidence that is no number is none.
                confidence=confidence if confidence == confidence else None,  # noqa: PLR0124 - false for NaN alone
                output=output if answered.trail.keep_content else None,
                agrees=await asyncio.to_thread(_agrees, answered, output),
            ),
            self._shadows,
        )
        return Spent(done=True, seconds=outcome.seconds)

    async def _audit(self, answered: Answered, deployment: Deployment, share: float) -> Spent:
        """What the frontier model would have said."""
        trail, frontier = answered.trail, self._frontier
        assert frontier is not None
        query = Query(
            dialect=answered.dialect, asked=answered.asked, model=answered.model, role=CallRole.AUDIT, trail=trail
        )
        said = await frontier.ask(query)
        if said is None:
            return Spent(done=False)
        call, content = said
        output = None if content is None else decode_answer(content).text
        if content is not None and call.prompt_tokens is None:
            call = await asyncio.to_thread(_counted, answered, call, content)
        self._done(
            SecondAnswer(
                inference_id=trail.id,
                call=call,
                deployment_id=deployment.id,
                propensity=share,
                confidence=trail.route.confidence,
                output=output if trail.keep_content else None,
                # An answer without text, such as a call of a tool, is another one than the specialist gave.
                agrees=None if content is None else await asyncio.to_thread(_agrees, answered, output),
            ),
            self._audits,
        )
        return Spent(done=content is not None, usd=call.cost_usd or Decimal(0))

    def _done(self, second: SecondAnswer, lane: Lane) -> None:
        self._unwritten.append(_Unwritten(second, lane, self._sources.timer() + _PATIENCE_S))
        while len(self._unwritten) > _MOST_UNWRITTEN:
            self._unwritten.popleft().lane.lost()

    async def _write_on(self) -> None:
        while True:
            await asyncio.sleep(_WRITE_EVERY_S)
            if self._unwritten:
                self._give_up(await asyncio.to_thread(self._write))

    def _give_up(self, lanes: Sequence[Lane]) -> None:
        for lane in lanes:
            lane.lost()

    def _write(self, *, last: bool = False) -> list[Lane]:
        """Stores what can be stored, and returns the lanes of what is given up; runs in a thread, one at a time."""
        waiting = [self._unwritten.popleft() for _ in range(len(self._unwritten))]
        missing = self._add([one.second for one in waiting])
        now = self._sources.timer()
        lost: list[Lane] = []
        for one in waiting:
            if missing is not None and one.second.inference_id not in missing:
                continue
            if last or now >= one.until:
                lost.append(one.lane)
            else:
                self._unwritten.append(one)
        return lost

    def _add(self, seconds: Sequence[SecondAnswer]) -> set[InferenceId] | None:
        """The inferences that are not stored yet; None: the store took nothing."""
        if not seconds:
            return set()
        try:
            missing = self._store.add_second_answers(seconds)
        except Exception as error:  # noqa: BLE001 - a worker's loop: whatever the store does, the gateway goes on
            name = error.__class__.__name__
            if self._store_error != name:
                what = str(error) if isinstance(error, TierwrightError) else "unexpected; please report it"
                _LOG.error("the store does not take second answers, they are tried again: %s (%s)", what, name)
            self._store_error = name
            return None
        self._store_error = None
        return missing


def second_draw(role: CallRole, task_id: TaskId, inference_id: InferenceId) -> float:
    """The number in [0, 1) that decides whether a request is answered again; independent of who answers it.

    By the request and not by its conversation: many conversations say more than the turns of a few.
    """
    return draw_of(task_id, f"{role.value}:{inference_id}")


def _agrees(answered: Answered, output: str | None) -> bool | None:
    """Whether an answer means the same as the one the caller got; None: such answers can't be compared."""
    contract, trail = answered.found.task.contract, answered.trail
    if contract.kind in _NOT_TO_THE_LETTER:
        return None
    response = trail.response
    if trail.stream is not None:
        response = reassemble(trail.stream.payloads, answer_id=trail.id).body
    if response is None:
        return None
    given = decode_answer(response).text
    if given is None or output is None:
        # A call of a tool, or a refusal: something else than a text.
        return given is None and output is None
    return contract.canonical(given) == contract.canonical(output)


def _counted(answered: Answered, call: ModelCall, content: bytes) -> ModelCall:
    """A call with tokens and a price that are estimates of ours, since the server counted none."""
    pricing, chat = answered.trail.pricing, answered.asked.chat
    if pricing.count is None or chat is None:
        return call
    usage = pricing.count(chat, written(content), call.model)
    tally = pricing.tally(usage, call.model, decode_answer(content).model, answered.trail.created_at)
    return replace(
        call,
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        usage_estimated=True,
        cost_usd=tally.cost_usd,
    )


def _size(answered: Answered) -> int:
    """Bytes that are held for it while it waits."""
    trail = answered.trail
    held = len(trail.request) + (0 if trail.response is None else len(trail.response))
    return held + (0 if trail.stream is None else sum(map(len, trail.stream.payloads)))

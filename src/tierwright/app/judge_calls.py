"""Asks a judge over a model server, and keeps what it said in a file that a later run goes on from.

Owns the calls, their repetition and the file of verdicts. Refuses to know what a verdict means for a comparison
(`evals.judged`). Inputs and answers leave for the backend that is named: where the privacy gate is in force it has to
permit that first, as for any request.

The file is JSON Lines, one line for each answered question, written when it is answered: `key` (of question, judge and
prompt), `id`, `candidate_first`, `said`, `prompt_tokens`, `completion_tokens`, `cost_usd`. It holds no text of inputs
and answers. A question whose key is there is not asked again; calls that failed are not in it.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from tierwright.core.chat import read_answer
from tierwright.core.errors import BackendBroken, BackendError, InputError, PermitError
from tierwright.core.privacy import Assessment, Declared, Denial, Outgoing, Seen, Sending
from tierwright.evals.judge import Said
from tierwright.gateway.anthropic.answers import chat_answer
from tierwright.gateway.anthropic.requests import messages_request
from tierwright.gateway.backends.kinds import KINDS, Speech

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from typing import TextIO

    from tierwright.core.chat import ChatAnswer, Usage
    from tierwright.core.privacy import DataClass
    from tierwright.core.protocols import Backend, Gate
    from tierwright.evals.judge import Question

#: Tokens the judge may write, its thinking included.
_MOST_TOKENS = 4096
#: Times a question is asked where the server is busy or out of reach.
_TRIES = 4
_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 30.0
#: Answers that say: later.
_LATER = frozenset({408, 409, 429})


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """Who is asked."""

    backend: Backend
    #: What the backend was made with.
    gate: Gate
    #: The backend's kind, a key of `KINDS`.
    kind: str
    model: str
    #: What the task is, for the judge; empty: the input says it.
    instructions: str = ""
    timeout_s: float = 120.0
    #: Of what it is shown; None: nobody knows, and the gate's default holds.
    data_class: DataClass | None = None

    def key(self, question: Question) -> str:
        """Of a question to this judge."""
        return question.key(backend=self.backend.name, model=self.model, instructions=self.instructions)


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the file of verdicts."""

    key: str
    id: str
    candidate_first: bool
    said: Said
    #: None: the provider sent no counts.
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    #: US dollars as text; None: no price is known.
    cost_usd: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What all questions came to."""

    #: By key; questions whose calls failed are not in it.
    said: Mapping[str, Line]
    #: Questions asked in this run, and those known from an earlier one.
    asked: int
    known: int
    #: Questions whose calls failed every time.
    failed: int
    #: The last failure in words; None: there was none.
    failure: str | None
    #: US dollars of all verdicts used, this run's and earlier ones'.
    cost_usd: Decimal
    #: Verdicts without a price.
    unpriced: int


def read_verdicts(path: Path) -> dict[str, Line]:
    """The verdicts in a file, by key; none where there is no file. A last line that breaks off is passed over.

    Raises InputError where another line is not a verdict.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise InputError(f"{path} can't be read ({error.strerror}); name a file of verdicts, or a new one") from error
    found: dict[str, Line] = {}
    for number, raw in enumerate(lines, 1):
        if not raw.strip():
            continue
        try:
            line = msgspec.json.decode(raw, type=Line)
        except msgspec.DecodeError as error:
            if number == len(lines):
                break
            raise InputError(f"{path}, line {number} is no verdict ({error}); name a file of verdicts") from error
        found[line.key] = line
    return found


async def ask_all(
    judge: Judge,
    questions: Sequence[Question],
    path: Path,
    *,
    concurrency: int,
    price: Callable[[str, Usage], Decimal | None],
    progress: Callable[[int, int], None] = lambda _done, _total: None,
    pause: Callable[[float], Any] = asyncio.sleep,
) -> Asked:
    """Asks what the file does not know yet, so many questions at a time, and adds each verdict to it at once.

    Raises BackendError where the server refuses the key, the model or the request: that would not change; InputError
    where the file can't be written, OSError where it can't be any more.
    """
    if concurrency < 1:
        raise InputError(f"the concurrency is {concurrency}; ask at least one question at a time")
    known = read_verdicts(path)
    wanted = {judge.key(question): question for question in questions}
    missing = [(key, question) for key, question in wanted.items() if key not in known]
    said = {key: line for key, line in known.items() if key in wanted}
    already, failures = len(said), list[str]()
    with _appending(path) as out:
        waiting = iter(missing)

        async def work() -> None:
            for key, question in waiting:
                try:
                    line = await _ask(judge, key, question, price=price, pause=pause)
                except _GaveUp as error:
                    failures.append(str(error))
                else:
                    said[key] = line
                    out.write(msgspec.json.encode(line).decode() + "\n")
                    out.flush()
                progress(len(said) - already + len(failures), len(missing))

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(concurrency, len(missing))):
                    group.create_task(work())
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from errors
    costs = [Decimal(line.cost_usd) for line in said.values() if line.cost_usd is not None]
    return Asked(
        said=said,
        asked=len(missing),
        known=already,
        failed=len(failures),
        failure=failures[-1] if failures else None,
        cost_usd=sum(costs, Decimal(0)),
        unpriced=len(said) - len(costs),
    )


class _GaveUp(Exception):  # noqa: N818 - a state: the question stays unanswered
    """A question whose every call failed."""


def _appending(path: Path) -> TextIO:
    """The file, open at its end; a line that broke off is ended first, so that the next one begins its own."""
    try:
        broken = path.exists() and path.stat().st_size > 0 and not path.read_bytes().endswith(b"\n")
        out = path.open("a", encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path} can't be written ({error.strerror}); name a file in a folder of yours") from error
    if broken:
        whole = path.read_bytes()
        out.truncate(whole.rfind(b"\n") + 1)
    return out


async def _ask(
    judge: Judge,
    key: str,
    question: Question,
    *,
    price: Callable[[str, Usage], Decimal | None],
    pause: Callable[[float], Any],
) -> Line:
    """The verdict on one question. Raises _GaveUp, or BackendError where asking other questions would not help."""
    path, body = _request(judge, question)
    why = ""
    for attempt in range(_TRIES):
        try:
            status, raw, wait = await _exchange(judge, path, body)
        except PermitError as error:
            # Other questions may hold nothing that has to stay here.
            raise _GaveUp(str(error)) from error
        except BackendError as error:
            why, wait = str(error), None
        else:
            if status == 200:
                return _line(key, question, _read(judge, raw), price=price, model=judge.model)
            if status == 400 and b"content_filter" in raw:
                return Line(key=key, id=question.pair.id, candidate_first=question.candidate_first, said=Said.REFUSED)
            why = f"the backend '{judge.backend.name}' answers HTTP {status}"
            if status < 500 and status not in _LATER:
                raise BackendBroken(
                    f"{why} to the judge's question; check its api_key, that it serves the model {judge.model!r}, and "
                    "that its kind is right"
                )
        if attempt + 1 < _TRIES:
            await pause(min(_LONGEST_PAUSE_S, wait if wait is not None else _FIRST_PAUSE_S * 2**attempt))
    raise _GaveUp(why)


async def _exchange(judge: Judge, path: str, body: bytes) -> tuple[int, bytes, float | None]:
    """Status, body and the seconds to wait that the server asks for."""
    outgoing, name = Outgoing(path, body), judge.backend.name
    sending = Sending(request_id="", attempt=1, role="judge", client_id="")
    assessment = None
    if judge.data_class is not None:
        declared = Declared(data_class=judge.data_class, by="dataset")
        assessment = Assessment(declared=declared, seen=Seen(), detectors="")
    permit = await judge.gate.permit(outgoing, backend=name, assessment=assessment, sending=sending)
    if isinstance(permit, Denial):
        raise PermitError(permit.advice)
    reply = await judge.backend.send(outgoing, permit=permit, timeout_s=judge.timeout_s)
    try:
        raw = b"".join([chunk async for chunk in reply.chunks()])
    finally:
        await reply.aclose()
    try:
        wait = max(0.0, float(reply.headers.get("retry-after", "")))
    except ValueError:
        wait = None
    return reply.status, raw, wait


def _request(judge: Judge, question: Question) -> tuple[str, bytes]:
    system, user = question.messages(judge.instructions)
    kind = KINDS[judge.kind]
    chat: dict[str, Any] = {
        "model": judge.model,
        "messages": [{"role": "system", "content": system}, {"role": "user", "content": user}],
    }
    if kind.speaks is Speech.ANTHROPIC:
        return "/messages", json.dumps(messages_request(chat, default_max_tokens=_MOST_TOKENS)).encode()
    limit = "max_completion_tokens"
    chat[kind.renamed.get(limit, limit)] = _MOST_TOKENS
    return "/chat/completions", json.dumps(chat).encode()


def _read(judge: Judge, raw: bytes) -> ChatAnswer:
    """The answer; what is no JSON reads as one that says nothing."""
    try:
        payload = json.loads(raw)
    except (ValueError, RecursionError):
        return read_answer(None)
    if KINDS[judge.kind].speaks is Speech.ANTHROPIC and isinstance(payload, dict):
        payload = chat_answer(payload)
    return read_answer(payload)


def _line(
    key: str,
    question: Question,
    answer: ChatAnswer,
    *,
    price: Callable[[str, Usage], Decimal | None],
    model: str,
) -> Line:
    declined = answer.text is None or answer.finish_reason == "content_filter"
    usage = answer.usage
    cost = None if usage is None else price(model, usage)
    return Line(
        key=key,
        id=question.pair.id,
        candidate_first=question.candidate_first,
        said=question.read(None if declined else answer.text),
        prompt_tokens=None if usage is None else usage.prompt_tokens,
        completion_tokens=None if usage is None else usage.completion_tokens,
        cost_usd=None if cost is None else str(cost),
    )

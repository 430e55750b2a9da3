"""What must hold of every run, whatever the fault.

I1  every acknowledged request is in the store exactly once, and nothing that was not asked is
I2  every request the upstream received is a call in the record, and the money is right: see `money`
I3  no request was billed twice: no second attempt follows one that may have been accepted
I4  the process does not grow by more than 64 MiB; a refusal for lack of room says when to come back
I5  one answer to each request: whole, or an error; a stream ends with its real finish_reason and [DONE], or with an
    error event and [DONE]; no word in it that the upstream did not say
I7  after the fault a healthy request is answered
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tests.faults.upstream import Told, prompt_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.faults.client import Heard
    from tests.faults.upstream import InvoiceRow, Script, Upstream
    from tierwright.core.inference import Inference, ModelCall

#: Codes of refusals that are the gateway's own.
_REFUSALS = frozenset({"overloaded", "upstream_unavailable"})
GROWTH_LIMIT_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """The two accounts of one run."""

    #: What the upstream billed and told.
    billed_usd: Decimal
    #: What is recorded from the upstream's own counts.
    recorded_usd: Decimal
    #: What the upstream billed for answers whose counts never reached the gateway.
    untold_usd: Decimal
    #: What is recorded for these, as estimates marked as such.
    estimated_usd: Decimal


def tag_of(inference: Inference) -> str:
    """What a recorded request is known by."""
    assert inference.request is not None
    return prompt_words(json.loads(inference.request))[0]


def once_each(heard: Sequence[Heard], inferences: Sequence[Inference], unread: frozenset[str]) -> Iterable[str]:
    """I1; `unread`: tags of requests that name no model, of which nothing is kept."""
    stored: defaultdict[str, list[Inference]] = defaultdict(list)
    for inference in inferences:
        stored[tag_of(inference)].append(inference)
    asked = {one.tag for one in heard}
    for tag, found in stored.items():
        if tag not in asked:
            yield f"I1: {tag} is stored and was never asked"
        if len(found) > 1:
            yield f"I1: {tag} is stored {len(found)} times"
    by_id = {inference.id: inference for inference in inferences}
    for one in heard:
        acknowledged = one.inference_id
        if acknowledged is None or one.cut or one.tag in unread:
            continue
        if acknowledged not in by_id:
            yield f"I1: {one.tag} was acknowledged as {acknowledged} and is not stored"
        elif by_id[acknowledged].status != one.status:
            yield f"I1: {one.tag} got HTTP {one.status}, and HTTP {by_id[acknowledged].status} is stored"


def money(upstream: Upstream, heard: Sequence[Heard], inferences: Sequence[Inference]) -> tuple[Money, list[str]]:
    """I2 and I3.

    Where the upstream told its counts, the record holds exactly one call that costs exactly the invoice. Where it
    billed and its counts never arrived (it died, or we left), the record holds the call with the code of what went
    wrong, and its cost is either unknown or an estimate that is marked and not above the invoice. A call that was not
    billed costs nothing that is not such an estimate. A request whose answer was cut because the gateway was killed was
    never acknowledged: there may be no record of it, and it is on neither account then.
    """
    wrong: list[str] = []
    calls: defaultdict[str, list[ModelCall]] = defaultdict(list)
    for inference in inferences:
        calls[tag_of(inference)].extend(inference.calls)
    received = Counter(order.tag for order in upstream.orders)
    rows: defaultdict[str, list[InvoiceRow]] = defaultdict(list)
    unrecorded = {one.tag for one in heard if one.cut} - calls.keys()
    for row in upstream.invoice:
        rows[row.tag].append(row)
    recorded = estimated = Decimal(0)
    for tag in (received.keys() | calls.keys()) - unrecorded:
        if received[tag] > len(calls[tag]):
            wrong.append(f"I2: {tag} reached the upstream {received[tag]} times; {len(calls[tag])} calls are recorded")
        if len(rows[tag]) > 1:
            wrong.append(f"I3: {tag} was billed {len(rows[tag])} times")
        told = [call for call in calls[tag] if call.cost_usd is not None and not call.usage_estimated]
        guessed = [call for call in calls[tag] if call.cost_usd is not None and call.usage_estimated]
        recorded += sum((call.cost_usd for call in told if call.cost_usd is not None), Decimal(0))
        estimated += sum((call.cost_usd for call in guessed if call.cost_usd is not None), Decimal(0))
        wrong += _of_one(tag, rows[tag], told, guessed, calls[tag])
    counted = [row for row in upstream.invoice if row.tag not in unrecorded]
    billed = sum((row.cost_usd for row in counted if row.told is not Told.NO), Decimal(0))
    untold = sum((row.cost_usd for row in counted if row.told is Told.NO), Decimal(0))
    if all(row.told is not Told.MAYBE for row in counted) and billed != recorded:
        wrong.append(f"I2: the upstream billed and told {billed} USD, {recorded} USD are recorded")
    return Money(billed_usd=billed, recorded_usd=recorded, untold_usd=untold, estimated_usd=estimated), wrong


def _of_one(
    tag: str,
    rows: list[InvoiceRow],
    told: list[ModelCall],
    guessed: list[ModelCall],
    calls: list[ModelCall],
) -> Iterable[str]:
    """The account of one request."""
    if not rows:
        if told:
            yield f"I2: {tag} was never billed and {told[0].cost_usd} USD are recorded as counted by the upstream"
        return
    row = rows[0]
    if len(told) + len(guessed) > 1:
        yield f"I2: {tag} was billed once, {len(told) + len(guessed)} calls have a cost"
    if told and row.told is Told.NO:
        yield f"I2: the upstream never said what {tag} used, and it is recorded as if it had"
    if told and told[0].cost_usd != row.cost_usd:
        yield f"I2: {tag} was billed {row.cost_usd} USD, {told[0].cost_usd} USD are recorded"
    if not told and row.told is Told.YES:
        yield f"I2: the upstream said what {tag} used, and it is not recorded"
    if not told and not any(call.error_code is not None or call.usage_estimated for call in calls):
        yield f"I2: {tag} was billed, and no call of its record is marked as failed or estimated"
    if guessed and guessed[0].cost_usd is not None and guessed[0].cost_usd > row.cost_usd:
        yield f"I2: {tag} was billed {row.cost_usd} USD and is estimated at {guessed[0].cost_usd} USD"


def answers(heard: Sequence[Heard], scripts: dict[str, Script]) -> Iterable[str]:
    """I5, and of I4 what a refusal says."""
    for one in heard:
        if one.left or one.cut:
            continue
        if one.hung:
            yield f"I5: {one.tag} hung"
        elif one.status is None:
            yield f"I5: {one.tag} got no answer"
        elif not one.complete:
            yield f"I5: the answer of {one.tag} (HTTP {one.status}) was cut"
        elif one.surplus:
            yield f"I5: {one.tag} got more than one answer"
        elif one.event_stream:
            yield from _stream(one, scripts.get(one.tag))
        else:
            yield from _whole(one, scripts.get(one.tag))


def _whole(one: Heard, script: Script | None) -> Iterable[str]:
    try:
        payload: Any = json.loads(one.body)
    except ValueError:
        # An error page of something before the upstream may pass; an answer may not.
        if one.status == 200:
            yield f"I5: {one.tag} got HTTP 200 with something that is no JSON"
        return
    if one.status == 200:
        choice = payload["choices"][0]
        if script is None or not script.finish_sent or choice["finish_reason"] != script.finish_reason:
            yield f"I5: the finish_reason {choice['finish_reason']!r} of {one.tag} is invented"
        elif choice["message"]["content"] != script.text:
            yield f"I5: the text of {one.tag} is not what the upstream said"
        return
    if not isinstance(payload, dict) or not isinstance(payload.get("error"), dict):
        yield f"I5: {one.tag} got HTTP {one.status} with something that is no error"
    elif one.status == 503 and one.error_code in _REFUSALS and "retry-after" not in one.headers:
        yield f"I4: {one.tag} was refused (HTTP {one.status}) without a Retry-After"


def _stream(one: Heard, script: Script | None) -> Iterable[str]:
    if not one.streamed:
        yield f"I5: {one.tag} asked for no stream and got one"
    data = [part.removeprefix(b"data: ") for part in one.body.split(b"\n\n") if part.startswith(b"data: ")]
    if not data or data[-1] != b"[DONE]" or data.count(b"[DONE]") != 1:
        yield f"I5: the stream of {one.tag} does not end with one [DONE]"
        return
    texts: list[str] = []
    finish, failed = None, False
    for payload in data[:-1]:
        try:
            chunk = json.loads(payload)
        except ValueError:
            yield f"I5: the stream of {one.tag} holds an event that is no JSON"
            continue
        if "error" in chunk:
            failed = True
            continue
        for choice in chunk.get("choices", ()):
            texts.append(choice["delta"].get("content") or "")
            finish = choice.get("finish_reason") or finish
    text = "".join(texts)
    if finish is None and not failed:
        yield f"I5: the stream of {one.tag} ends with neither a finish_reason nor an error"
    if finish is not None and (script is None or not script.finish_sent or finish != script.finish_reason):
        yield f"I5: the finish_reason {finish!r} of {one.tag} is invented"
    if script is not None and not (script.text.startswith(text) if failed else script.text == text):
        yield f"I5: the text of {one.tag} is not what the upstream said"


def growth(before_bytes: int, peak_bytes: int) -> Iterable[str]:
    """I4 of the whole process, the upstream and the callers included."""
    if peak_bytes - before_bytes > GROWTH_LIMIT_BYTES:
        yield f"I4: the process grew by {(peak_bytes - before_bytes) / 2**20:.0f} MiB"

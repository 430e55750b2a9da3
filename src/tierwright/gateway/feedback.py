"""`POST /v1/feedback`: people's and programs' words on answers, one or a list.

Owns the three shapes that are read: Tierwright's own, TensorZero's (`metric_name`) and Langfuse's scores (`traceId`,
`observationId`), and that callers judge their own answers only: somebody else's is answered as one that is not there.
Refuses to know whether a word fits a task's contract. Fails closed: 200 means that the word is stored.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from tierwright.core.errors import InputError, StoreError
from tierwright.core.feedback import Feedback, Score, ScoreKind
from tierwright.core.ids import FeedbackId, InferenceId, ScoreId, digest
from tierwright.gateway import problems
from tierwright.gateway.feedback_import import OUTPUT_COLUMNS
from tierwright.gateway.feedback_members import (
    LONGEST_NAME,
    LONGEST_TEXT,
    WrongMemberError,
    blocks_text,
    kind_of,
    number_in,
    required_text,
    text_in,
    word_in,
)
from tierwright.gateway.log_format import read_id
from tierwright.gateway.problems import Problem
from tierwright.gateway.wire import decode_json

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime

    from tierwright.core.protocols import FeedbackStore, InferenceStore
    from tierwright.gateway.tenancy.caller import Caller

_LOG = logging.getLogger(__name__)
_IDEMPOTENCY_KEY = b"idempotency-key"
#: Items of one list; each is a row or two, and the store keeps them in one transaction.
_MOST_ITEMS = 1_000
_FLUSH_S = 2.0
#: Langfuse's words for what a value is.
_DATA_TYPES = {kind.value.upper(): kind for kind in ScoreKind}


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What a body says, in its order."""

    #: A demonstration or a score each.
    said: tuple[Feedback | Score, ...]
    #: Of each word the member that names its inference, as an error's `param` says it.
    members: tuple[str, ...]
    #: Whether the body was a list.
    many: bool
    #: Whether nothing is to be kept: TensorZero's `dryrun`, in any item.
    dry: bool


class FeedbackDesk:
    """Takes feedback in and stores it."""

    def __init__(
        self,
        store: FeedbackStore,
        *,
        inferences: InferenceStore,
        flush: Callable[[float], Awaitable[bool]],
        soon_s: float,
        clock: Callable[[], datetime],
    ) -> None:
        """`flush` stores what this process has captured, within so many seconds, and `clock` tells the aware present.

        `soon_s`: seconds until what other processes have answered is in `inferences`, where all is well.
        """
        self._store = store
        self._inferences = inferences
        self._flush = flush
        self._soon_s = soon_s
        self._clock = clock

    async def take(self, body: bytes, headers: Mapping[bytes, bytes], caller: Caller) -> tuple[int, bytes]:
        """HTTP status and JSON body of the answer; the word is durable when it is 200. Header names in lower case.

        One word is answered by `{"feedback_id", "new"}`, a list by `{"accepted", "new", "feedback_ids"}`. What was said
        before is not new, and no error. 404: an inference is unknown, or another client's.
        """
        key = headers.get(_IDEMPOTENCY_KEY)
        words = read_feedback(
            body,
            client_id=caller.client_id,
            now=self._clock(),
            idempotency_key=None if key is None else key.decode("latin-1"),
            as_operator=caller.alone,
        )
        if not isinstance(words, Words):
            return words.status, words.body()
        try:
            foreign = await self._foreign({word.inference_id for word in words.said}, caller)
            if foreign:
                member = next(
                    member
                    for word, member in zip(words.said, words.members, strict=True)
                    if word.inference_id in foreign
                )
                problem = problems.inference_not_found(member)
                return problem.status, problem.body()
            new = 0 if words.dry else await asyncio.to_thread(self._keep, words.said)
        except StoreError as error:
            _LOG.warning("feedback could not be stored: %s", error)
            problem = problems.store_unavailable("feedback")
            return problem.status, problem.body()
        ids = [word.id for word in words.said]
        if words.many:
            return 200, msgspec.json.encode({"accepted": len(ids), "new": new, "feedback_ids": ids})
        return 200, msgspec.json.encode({"feedback_id": ids[0], "new": new > 0})

    async def _foreign(self, asked: set[InferenceId], caller: Caller) -> set[InferenceId]:
        """Those that are not known as the caller's. Looks again where the answer may not be stored yet.

        Another client's is looked for as long as an unknown one, so that the time tells them apart as little.
        """
        foreign = await asyncio.to_thread(self._not_of, caller, asked)
        if foreign:
            await self._flush(_FLUSH_S)
            foreign = await asyncio.to_thread(self._not_of, caller, foreign)
        if foreign:
            await asyncio.sleep(self._soon_s)
            foreign = await asyncio.to_thread(self._not_of, caller, foreign)
        return foreign

    def _not_of(self, caller: Caller, asked: set[InferenceId]) -> set[InferenceId]:
        owners = self._inferences.owners(sorted(asked))
        return {one for one in asked if one not in owners or not (caller.alone or owners[one] == caller.client_id)}

    def _keep(self, said: Sequence[Feedback | Score]) -> int:
        return self._store.add_feedback([word for word in said if isinstance(word, Feedback)]) + self._store.add_scores(
            [word for word in said if isinstance(word, Score)]
        )


def read_feedback(
    body: bytes,
    *,
    client_id: str,
    now: datetime,
    idempotency_key: str | None = None,
    as_operator: bool = False,
) -> Words | Problem:
    """The words in a JSON body; a Problem with the code `invalid_feedback` that names the member that is wrong.

    `as_operator`: nobody needs a key here, and whoever reaches the gateway speaks for whoever runs it.

    The id of a word is a hash of the caller and the id (or idempotency key) it gave, or else of all it says, so that
    sending it twice keeps it once and no caller can take another's id.
    """
    payload = decode_json(body)
    if isinstance(payload, Problem):
        return payload
    many = isinstance(payload, list)
    items = payload if isinstance(payload, list) else [payload]
    if not 1 <= len(items) <= _MOST_ITEMS:
        return _wrong(f"the list has {len(items)} items; send 1 to {_MOST_ITEMS}", None)
    said: list[Feedback | Score] = []
    members: list[str] = []
    dry = False
    for place, item in enumerate(items):
        reader = _Reader(
            client_id=client_id,
            said_by=None if as_operator else client_id,
            # Later words of a list are newer, as those of a file are.
            now=now + timedelta(microseconds=place),
            key=None if idempotency_key is None else f"{idempotency_key}\x00{place}",
        )
        try:
            found = reader.words(item)
        except RecursionError:
            return _wrong("it is nested too deeply; send less deeply nested JSON", f"[{place}]" if many else None)
        except WrongMemberError as error:
            where = f"item {place}: " if many else ""
            return _wrong(f"{where}{error}", f"[{place}].{error.member}" if many else error.member)
        said += found
        member = _id_member(item)
        members += [f"[{place}].{member}" if many else member] * len(found)
        dry = dry or item.get("dryrun") is True
    return Words(said=tuple(said), members=tuple(members), many=many, dry=dry)


def _wrong(message: str, member: str | None) -> Problem:
    return problems.invalid_request(message, code=problems.INVALID_FEEDBACK, param=member)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    """Reads one item."""

    client_id: str
    #: `Feedback.client_id` of what is read.
    said_by: str | None
    now: datetime
    #: Under which the caller sends it again; None: it gave none.
    key: str | None

    def words(self, item: object) -> list[Feedback | Score]:
        """At least one; raises WrongMemberError."""
        if not isinstance(item, Mapping):
            raise WrongMemberError("", "feedback is not a JSON object; send an id and what you say of the answer")
        if _is_tensorzero(item):
            return self._tensorzero(item)
        return self._langfuse(item) if _is_langfuse(item) else self._own(item)

    def _own(self, item: Mapping[str, object]) -> list[Feedback | Score]:
        id_member = _id_member(item)
        inference_id = _id(item, id_member)
        author = text_in(item, "author", LONGEST_NAME)
        key = text_in(item, "idempotency_key", LONGEST_NAME) or (
            text_in(item, "id", LONGEST_NAME) if id_member != "id" else None
        )
        said: list[Feedback | Score] = []
        output_member = next(
            (name for name in (*OUTPUT_COLUMNS, "demonstration") if item.get(name) not in (None, "")), None
        )
        if output_member is not None:
            said.append(self._demonstration(inference_id, item[output_member], output_member, author))
        value_member = next((name for name in ("score", "value") if item.get(name) is not None), None)
        comment = text_in(item, "comment", LONGEST_TEXT)
        if value_member is not None:
            name = text_in(item, "name", LONGEST_NAME) or "score"
            said.append(self._score(inference_id, name, item[value_member], value_member, author, comment=comment))
        elif comment is not None:
            said.append(self._score(inference_id, "comment", comment, "comment", author, kind=ScoreKind.TEXT))
        if not said:
            raise WrongMemberError(
                "score", "it says nothing of the answer; send a 'score', an 'output' that would be right or a 'comment'"
            )
        return self._with_key(said, key)

    def _tensorzero(self, item: Mapping[str, object]) -> list[Feedback | Score]:
        inference_id = _id(item, _id_member(item))
        name, value = required_text(item, "metric_name"), item.get("value")
        word: Feedback | Score
        if name == "demonstration":
            word = self._demonstration(inference_id, blocks_text(value), "value", None)
        elif name == "comment":
            word = self._score(inference_id, name, value, "value", None, kind=ScoreKind.TEXT)
        else:
            word = self._score(inference_id, name, value, "value", None)
        return self._with_key([word], None)

    def _langfuse(self, item: Mapping[str, object]) -> list[Feedback | Score]:
        inference_id = _id(item, _id_member(item))
        data_type = item.get("dataType")
        if data_type is not None and not (isinstance(data_type, str) and data_type in _DATA_TYPES):
            raise WrongMemberError("dataType", f"'dataType' is none of {', '.join(_DATA_TYPES)}")
        word = self._score(
            inference_id,
            required_text(item, "name"),
            item.get("value"),
            "value",
            text_in(item, "author", LONGEST_NAME),
            kind=None if data_type is None else _DATA_TYPES[data_type],
            comment=text_in(item, "comment", LONGEST_TEXT),
        )
        return self._with_key([word], text_in(item, "id", LONGEST_NAME))

    def _demonstration(self, inference_id: InferenceId, output: object, member: str, author: str | None) -> Feedback:
        if output is None or output == "":
            raise WrongMemberError(member, f"'{member}' is empty; send the answer that would have been right")
        text = output if isinstance(output, str) else json.dumps(output, ensure_ascii=False)
        parts = (inference_id, author or "", text, *(() if self.said_by is None else (self.said_by,)))
        return Feedback(
            id=FeedbackId(digest(*parts, length=32)),
            inference_id=inference_id,
            output=text,
            author=author,
            client_id=self.said_by,
            created_at=self.now,
        )

    def _score(
        self,
        inference_id: InferenceId,
        name: str,
        value: object,
        member: str,
        author: str | None,
        *,
        kind: ScoreKind | None = None,
        comment: str | None = None,
    ) -> Score:
        kind = kind or kind_of(value, member)
        number, text = number_in(value, kind, member), word_in(value, kind, member)
        parts = (inference_id, name, kind.value, repr(number), text or "", comment or "", author or "")
        return Score(
            id=ScoreId(digest("score", *parts, length=32)),
            inference_id=inference_id,
            name=name,
            kind=kind,
            number=number,
            text=text,
            comment=comment,
            author=author,
            created_at=self.now,
        )

    def _with_key(self, said: list[Feedback | Score], given: str | None) -> list[Feedback | Score]:
        """The same with ids made of the caller and the key it gave, in the item or in a header."""
        key = self.key if given is None else given
        if key is None:
            return said
        return [
            _renamed(word, digest("key", self.client_id, key, str(place), length=32)) for place, word in enumerate(said)
        ]


def _renamed(word: Feedback | Score, word_id: str) -> Feedback | Score:
    return replace(word, id=ScoreId(word_id)) if isinstance(word, Score) else replace(word, id=FeedbackId(word_id))


def _is_tensorzero(item: Mapping[str, object]) -> bool:
    return "metric_name" in item


def _is_langfuse(item: Mapping[str, object]) -> bool:
    return "traceId" in item or "observationId" in item or "dataType" in item


def _id_member(item: Mapping[str, object]) -> str:
    """The member that names the inference."""
    if _is_tensorzero(item):
        return "inference_id"
    if _is_langfuse(item):
        return "observationId" if item.get("observationId") else "traceId"
    return next((name for name in ("inference_id", "response_id", "id") if item.get(name)), "inference_id")


def _id(item: Mapping[str, object], member: str) -> InferenceId:
    try:
        return InferenceId(read_id(item.get(member), member))
    except InputError as error:
        raise WrongMemberError(member, str(error)) from error

"""Finds the frames in any amount of traffic with bounded memory: looks for them in a sample, recognises the rest.

Owns the rounds. What a frame is and how it is recognised is not its business (frames.py, `core.frame_index`). A round
draws a uniform sample of what has no frame yet, looks for frames in it, and recognises them in all of it; what is then
still without goes into the next round, where the frequent is gone and the rare has a larger share; from the second
round on each system message that recurs is in the sample often enough to be found. Traffic that fits the sample is
looked at whole, in one round. Where there are conversations, which request goes on from which is told from all of them.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from tierwright.core.contract import ContractKind, fold_label, parse_json_list, parse_json_object
from tierwright.core.frame_index import FrameIndex
from tierwright.curation.contracts import LABEL_CHARACTERS, is_closed
from tierwright.curation.jobs import prompt_of
from tierwright.curation.links import NOTHING, Links, has_answers
from tierwright.curation.observation import ObservationReader, Refusal, read_texts
from tierwright.curation.recurrence import MIN_INPUTS
from tierwright.curation.steps import Groups, contract_of, different_inputs, find_groups
from tierwright.curation.traffic_table import text_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from tierwright.core.chat import ChatRequest
    from tierwright.core.contract import OutputContract
    from tierwright.core.ids import FrameId, InferenceId
    from tierwright.core.protocols import TrafficStore
    from tierwright.core.task import Frame
    from tierwright.core.traffic import KeptContent
    from tierwright.curation.frames import FrameGroup
    from tierwright.curation.observation import Observation
    from tierwright.curation.traffic_table import TrafficTable

#: Requests of a round's sample at most, and bytes of their contents.
SAMPLE = 30_000
_SAMPLE_BYTES = 512 * 1024 * 1024
#: Requests read at a time while the sample is drawn.
_DRAWN_AT_ONCE = 1_000
#: Rounds at most. Each leaves to the next at most half of what recurs in its sample.
ROUNDS = 6
#: Requests in the sample from which a frame is taken as it is; a rarer one has a larger share in the next round.
_WELL_SEEN = 100
#: Members of a frame by which the kind of its answers is told.
_KIND_SAMPLE = 2_000
#: Different answers of a frame that are counted.
_ANSWERS = 2_000
#: Requests between two words on progress.
_WORD_EVERY = 2_000


class Progress(Protocol):
    """Hears how far the work is."""

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        """So many of so many are done in a stage; None: how many there are can't be known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundFrame:
    """A frame that recurs in the traffic."""

    #: Its requests in the sample it was found in; in small traffic all of them.
    group: FrameGroup
    contract: OutputContract
    #: Of later turns of conversations, the frame of the turns that they go on from; None: of no such.
    root: FrameId | None = None
    #: Answers given outside the sample and how often, where they come from a closed set; at most 2,000 different ones.
    others: Counter[str] = field(default_factory=Counter)

    def count(self, answer: str) -> None:
        """Counts an answer from outside the sample, if it may be made of members of closed sets."""
        heads = len(self.contract.heads)
        if heads and (answer in self.others or len(self.others) < _ANSWERS):
            said = answer.strip()
            if len(said) <= 2 * LABEL_CHARACTERS * heads:
                self.others[said] += 1


class Discovery:
    """Looks for frames in the traffic of a table and marks there which request has which."""

    def __init__(
        self, store: TrafficStore, table: TrafficTable, *, seed: int, progress: Progress, sample: int = SAMPLE
    ) -> None:
        """`sample`: requests of a round's sample at most."""
        self._store, self._table, self._progress = store, table, progress
        self._seed, self._most = seed, sample
        #: By the numbers that the table holds.
        self.frames: list[FoundFrame] = []
        #: The sampled requests that have a frame, by row.
        self._sampled: dict[int, Observation] = {}
        #: Tools called in answers outside the samples, by the number of the frame.
        self.called: dict[int, Counter[str]] = defaultdict(Counter)
        #: The row that each goes on from; None: nobody has asked yet.
        self._parents: NDArray[np.int64] | None = None
        self._reader = ObservationReader()
        #: A key of the system message and shape of rows that were read and have no frame; 0: there is no message.
        self._prompts = np.zeros(len(table), dtype=np.uint64)

    def look(self) -> NDArray[np.int64]:
        """Looks until nothing new is found; returns the rows that can be read and have no frame."""
        pending = np.flatnonzero(self._table.is_readable())
        rng = np.random.default_rng(self._seed)
        for number in range(1, ROUNDS + 1):
            sample = self._drawn(pending, rng, number)
            # Some of them turn out to be unreadable when they are read.
            whole = len(sample) == int(self._table.is_readable()[pending].sum())
            self._progress(_searching(len(sample), len(pending), number), 0, None)
            found = find_groups(
                sample.values(),
                is_closed=is_closed,
                seed=self._seed,
                known=[one.group for one in self.frames if one.root is None and one.group.frame.after is None],
                parents=self._parents_of(sample, whole=whole),
            )
            if not whole and number < ROUNDS:
                found = _well_seen(found, prompts_known=number > 1)
            first = len(self.frames)
            self._take(found, sample)
            pending = self._without_frame(pending)
            # The first round's pass over everything also counts the system messages, for the second to draw by.
            if whole or (len(self.frames) == first and number > 1):
                break
            wanted = [(one.group.frame, one.contract) for one in self.frames[first:]]
            pending = self.recognise(pending, wanted, first=first, stage=f"recognising requests, round {number}")
            if not len(pending):
                break
        return pending

    def recognise(
        self, rows: NDArray[np.int64], frames: Sequence[tuple[Frame, OutputContract]], *, first: int, stage: str
    ) -> NDArray[np.int64]:
        """Marks which of the rows have one of these frames, numbered from `first`; returns those that have none."""
        index = FrameIndex(frame for frame, _ in frames)
        keys = [AnswerKeys(contract) for _, contract in frames]
        for done, (row, content) in enumerate(self._contents(rows)):
            if done % _WORD_EVERY == 0:
                self._progress(stage, done, len(rows))
            texts = read_texts(content.request, content.response)
            if isinstance(texts, Refusal):
                self._table.refused[row] = texts
                continue
            found = index.find(texts.request)
            if found is None:
                self._prompts[row] = _prompt_key(texts.request)
            else:
                place, given = found
                self._table.mark(row, first + place, given, keys[place].of(texts.answer))
                if texts.calls:
                    self.called[first + place].update(texts.calls)
                if first + place < len(self.frames):
                    self.frames[first + place].count(texts.answer)
        self._progress(stage, len(rows), len(rows))
        return self._without_frame(rows)

    def groups(self) -> Groups:
        """What was found, with what goes on from what in all of the traffic."""
        return Groups(
            groups=tuple(found.group for found in self.frames if found.root is None),
            turns=tuple((found.group, found.root) for found in self.frames if found.root is not None),
            links=self._links(),
        )

    def different_inputs(self, groups: Sequence[FrameGroup]) -> int:
        """Number of different inputs of some of the frames together, in all of the traffic."""
        mine = {group.frame.id for group in groups}
        numbers = [number for number, found in enumerate(self.frames) if found.group.frame.id in mine]
        return len(np.unique(self._table.inputs()[np.isin(self._table.frames(), numbers)]))

    def without(self, frames: set[FrameId], rest: NDArray[np.int64]) -> NDArray[np.int64]:
        """Takes frames back that are no task's; returns the rest, ascending, with their rows."""
        numbers = [number for number, found in enumerate(self.frames) if found.group.frame.id in frames]
        return rest if not numbers else np.sort(np.concatenate([rest, self._table.unmark(numbers)]))

    def _parents_of(self, sample: Mapping[int, Observation], *, whole: bool) -> dict[InferenceId, InferenceId]:
        """The request that each of the sample goes on from, wherever it is.

        Where the sample is not all there is, this takes one pass over everything, if there are conversations at all.
        """
        if self._parents is None:
            if not any(has_answers(one.request) for one in sample.values()):
                return {}
            links = Links(len(self._table))
            if whole:
                for row, one in sample.items():
                    links.note(row, one.request, one.answer)
            else:
                self._read_links(links)
            self._parents = links.parents()
        parents = ((one.id, int(self._parents[row])) for row, one in sample.items())
        return {child: self._table.ids[parent] for child, parent in parents if parent != NOTHING}

    def _read_links(self, links: Links) -> None:
        rows = np.flatnonzero(self._table.is_readable())
        stage = "reading which request goes on from which"
        for done, (row, content) in enumerate(self._contents(rows)):
            if done % _WORD_EVERY == 0:
                self._progress(stage, done, len(rows))
            texts = read_texts(content.request, content.response)
            if isinstance(texts, Refusal):
                self._table.refused[row] = texts
            else:
                links.note(row, texts.request, texts.answer)
        self._progress(stage, len(rows), len(rows))

    def _links(self) -> dict[tuple[FrameId, FrameId], int]:
        if self._parents is None:
            return {}
        frames = self._table.frames()
        child = np.flatnonzero(self._parents != NOTHING)
        pairs = np.stack([frames[self._parents[child]], frames[child]], axis=1)
        found, counts = np.unique(pairs[(pairs >= 0).all(axis=1)], axis=0, return_counts=True)
        ids = [one.group.frame.id for one in self.frames]
        return {(ids[a], ids[b]): count for (a, b), count in zip(found.tolist(), counts.tolist(), strict=True)}

    def _drawn(self, pending: NDArray[np.int64], rng: np.random.Generator, number: int) -> dict[int, Observation]:
        """A uniform sample of the rows, as far as they can be read, ascending; rows that can't are refused."""
        wanted = min(self._most, len(pending))
        stage = f"reading {wanted:,} of {len(pending):,} requests, round {number}"
        order = pending if wanted == len(pending) else self._recurring_first(rng.permutation(pending))
        found: dict[int, Observation] = {}
        size = 0
        at = 0
        while at < len(order) and len(found) < self._most and size < _SAMPLE_BYTES:
            self._progress(stage, len(found), wanted)
            some = order[at : at + min(_DRAWN_AT_ONCE, self._most - len(found))]
            at += len(some)
            for row, content in self._contents(np.sort(some)):
                one = self._observation(row, content)
                if one is not None:
                    found[row] = one
                    size += len(content.request or b"") + len(content.response or b"")
        self._progress(stage, wanted, wanted)
        return dict(sorted(found.items()))

    def _recurring_first(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The rows, with some of each recurring system message brought forward, to half of the sample in all."""
        keys = self._prompts[rows]
        _, group, counts = np.unique(keys, return_inverse=True, return_counts=True)
        by_group = np.argsort(group, kind="stable")
        rank = np.empty(len(rows), dtype=np.int64)
        rank[by_group] = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
        forward = (keys != 0) & (counts[group] >= MIN_INPUTS) & (rank < _WELL_SEEN)
        forward[np.flatnonzero(forward)[self._most // 2 :]] = False
        return np.concatenate([rows[forward], rows[~forward]])

    def observations(self, rows: NDArray[np.int64]) -> Iterator[tuple[int, Observation]]:
        """The requests of some rows, those of the samples first; what can't be read is left out."""
        unread: list[int] = []
        for row in rows.tolist():
            if row in self._sampled:
                yield row, self._sampled[row]
            else:
                unread.append(row)
        for row, content in self._contents(np.array(unread, dtype=np.int64)):
            one = self._observation(row, content)
            if one is not None:
                yield row, one

    def _observation(self, row: int, content: KeptContent) -> Observation | None:
        """What is in a content; None: it is refused."""
        one = self._reader.read(content.id, self._table.at(row), content.request, content.response)
        if isinstance(one, Refusal):
            self._table.refused[row] = one
            return None
        return one

    def _contents(self, rows: NDArray[np.int64]) -> Iterator[tuple[int, KeptContent]]:
        """The contents of rows; rows whose content went in the meantime are refused."""
        ids = self._table.ids
        expected = iter(rows.tolist())
        for content in self._store.contents(ids[row] for row in rows.tolist()):
            for row in expected:
                if ids[row] == content.id:
                    yield row, content
                    break
                self._table.refused[row] = Refusal.NO_CONTENT
        for row in expected:
            self._table.refused[row] = Refusal.NO_CONTENT

    def _take(self, found: Groups, sample: dict[int, Observation]) -> None:
        """Keeps the frames of a sample and marks its requests."""
        row_of = {observation.id: row for row, observation in sample.items()}
        for group, root in (*((group, None) for group in found.groups), *found.turns):
            number, contract = len(self.frames), _contract(group)
            self.frames.append(FoundFrame(group=group, contract=contract, root=root))
            keys = AnswerKeys(contract)
            for member, given in zip(group.members, group.inputs, strict=True):
                row = row_of[member.id]
                self._sampled[row] = member
                self._table.mark(row, number, given, keys.of(member.answer))

    def _without_frame(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Those of the rows that can be read and have no frame."""
        return rows[(self._table.frames()[rows] < 0) & self._table.is_readable()[rows]]


class AnswerKeys:
    """Keys of the answers of one frame, equal where `answer_form` is; what is said often is worked out once."""

    def __init__(self, contract: OutputContract) -> None:
        self._contract = contract
        self._known: dict[str, int] = {}

    def of(self, answer: str) -> int:
        """The key."""
        key = self._known.get(answer)
        if key is None:
            key = text_key(answer_form(self._contract, answer))
            # Free texts hardly recur, and would fill the memory.
            if self._contract.heads and len(self._known) < _ANSWERS:
                self._known[answer] = key
        return key


def answer_form(contract: OutputContract, answer: str) -> str:
    """One text for all answers that mean the same, whatever members of the closed sets are known by now."""
    if contract.kind is ContractKind.LABEL:
        return fold_label(answer)
    if contract.style is None:
        return answer.strip()
    found = parse_json_list(answer) if contract.is_list else parse_json_object(answer)
    return answer.strip() if found is None else json.dumps(found, sort_keys=True)


def _contract(group: FrameGroup) -> OutputContract:
    step = max(1, len(group.members) // _KIND_SAMPLE)
    return contract_of(list(zip(group.members[::step], group.inputs[::step], strict=True)), prompt_of(group.frame))


def _prompt_key(request: ChatRequest) -> int:
    told = (request.system, request.response_format or "", request.after or "", *request.toolset)
    return text_key("\0".join(told)) if request.system else 0


def _well_seen(found: Groups, *, prompts_known: bool) -> Groups:
    """The groups that are taken from a sample of more traffic; all of them where most would be left.

    Where the sample was drawn by system message, a group with one has as many members as it can have. Later turns go
    with the turns that they go on from.

    One that is left must still be there in the next round: where the frames that are taken would recognise its
    requests, it is taken too.
    """
    turns: dict[FrameId, list[FrameGroup]] = defaultdict(list)
    for turn, root in found.turns:
        turns[root].append(turn)

    def is_seen(group: FrameGroup) -> bool:
        system = group.frame.system
        return len(group.members) >= _WELL_SEEN or (prompts_known and system.slots == 0 and system.literals != ("",))

    taken = [group for group in found.groups if is_seen(group)]
    if 2 * sum(len(group.members) for group in taken) < sum(len(group.members) for group in found.groups):
        # A step is one however few of its inputs are in the sample, and what it answers is told from more.
        taken = [one for one in found.groups if one.frame.after is None or different_inputs([one]) >= MIN_INPUTS]
        return replace(found, groups=tuple(taken))
    rare = [group for group in found.groups if not is_seen(group)]
    left = {group.frame.id for group in rare}
    index = FrameIndex(
        [group.frame for group in taken] + [turn.frame for turn, root in found.turns if root not in left]
    )
    for group in rare:
        members = (member for one in (group, *turns[group.frame.id]) for member in one.members)
        if any(index.find(member.request) is not None for member in members):
            taken.append(group)
            left.remove(group.frame.id)
    kept = tuple((turn, root) for turn, root in found.turns if root not in left)
    return replace(found, groups=tuple(taken), turns=kept)


def _searching(sampled: int, pending: int, number: int) -> str:
    if sampled == pending:
        return f"looking for recurring requests among {sampled:,}"
    return f"looking for recurring requests in a sample of {sampled:,} of {pending:,}, round {number}"

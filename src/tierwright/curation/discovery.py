"""Finds the frames in any amount of traffic with bounded memory: looks for them in a sample, recognises the rest.

Owns the rounds. What a frame is and how it is recognised is not its business (frames.py, `core.frame_index`). A round
draws a uniform sample of what has no frame yet, looks for frames in it, and recognises them in all of it; what is then
still without goes into the next round, where the frequent is gone and the rare has a larger share. Traffic that fits
the sample is looked at whole, in one round.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np

from tierwright.core.contract import ContractKind, fold_label, parse_json_list, parse_json_object
from tierwright.core.frame_index import FrameIndex
from tierwright.curation.contracts import LABEL_CHARACTERS, infer_contract, is_closed
from tierwright.curation.frames import find_frames
from tierwright.curation.jobs import prompt_of
from tierwright.curation.observation import ObservationReader, Refusal, read_texts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from tierwright.core.contract import OutputContract
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
    #: Answers given outside the sample and how often, where they come from a closed set; at most 2,000 different ones.
    others: Counter[str] = field(default_factory=Counter)


class Discovery:
    """Looks for frames in the traffic of a table and marks there which request has which."""

    def __init__(self, store: TrafficStore, table: TrafficTable, *, seed: int, progress: Progress) -> None:
        self._store, self._table, self._progress = store, table, progress
        self._seed = seed
        #: By the numbers that the table holds.
        self.frames: list[FoundFrame] = []
        #: The sampled requests that have a frame, by row.
        self._sampled: dict[int, Observation] = {}
        self._reader = ObservationReader()

    def look(self) -> NDArray[np.int64]:
        """Looks until nothing new is found; returns the rows that can be read and have no frame."""
        pending = np.flatnonzero(self._table.is_readable())
        rng = np.random.default_rng(self._seed)
        for number in range(1, ROUNDS + 1):
            sample = self._drawn(pending, rng, number)
            # Some of them turn out to be unreadable when they are read.
            whole = len(sample) == int(self._table.is_readable()[pending].sum())
            self._progress(_searching(len(sample), len(pending), number), 0, None)
            groups = find_frames(sample.values(), is_closed=is_closed, seed=self._seed)
            if not whole and number < ROUNDS:
                groups = _well_seen(groups)
            first = len(self.frames)
            self._take(groups, sample)
            pending = self._without_frame(pending)
            if whole or not groups:
                break
            wanted = [(found.group.frame, found.contract) for found in self.frames[first:]]
            pending = self.recognise(pending, wanted, first=first, stage=f"recognising requests, round {number}")
            if not len(pending):
                break
        return pending

    def recognise(
        self, rows: NDArray[np.int64], frames: Sequence[tuple[Frame, OutputContract]], *, first: int, stage: str
    ) -> NDArray[np.int64]:
        """Marks which of the rows have one of these frames, numbered from `first`; returns those that have none."""
        index = FrameIndex(frame for frame, _ in frames)
        for done, (row, content) in enumerate(self._contents(rows)):
            if done % _WORD_EVERY == 0:
                self._progress(stage, done, len(rows))
            texts = read_texts(content.request, content.response)
            if isinstance(texts, Refusal):
                self._table.refused[row] = texts
                continue
            request, answer = texts
            found = index.find(request)
            if found is not None:
                place, given = found
                contract = frames[place][1]
                self._table.mark(row, first + place, given, answer_form(contract, answer))
                if contract.heads and first + place < len(self.frames):
                    _count(self.frames[first + place].others, answer.strip(), contract)
        self._progress(stage, len(rows), len(rows))
        return self._without_frame(rows)

    def _drawn(self, pending: NDArray[np.int64], rng: np.random.Generator, number: int) -> dict[int, Observation]:
        """A uniform sample of the rows, as far as they can be read, ascending; rows that can't are refused."""
        wanted = min(SAMPLE, len(pending))
        stage = f"reading {wanted:,} of {len(pending):,} requests, round {number}"
        order = pending if wanted == len(pending) else rng.permutation(pending)
        found: dict[int, Observation] = {}
        size = 0
        for start in range(0, len(order), _DRAWN_AT_ONCE):
            if len(found) >= SAMPLE or size >= _SAMPLE_BYTES:
                break
            self._progress(stage, min(len(found), wanted), wanted)
            for row, content in self._contents(np.sort(order[start : start + _DRAWN_AT_ONCE])):
                one = self._observation(row, content)
                if one is not None:
                    found[row] = one
                    size += len(content.request or b"") + len(content.response or b"")
        self._progress(stage, wanted, wanted)
        return dict(sorted(found.items()))

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

    def _take(self, groups: Sequence[FrameGroup], sample: dict[int, Observation]) -> None:
        """Keeps the frames of a sample and marks its requests."""
        row_of = {observation.id: row for row, observation in sample.items()}
        for group in groups:
            number, contract = len(self.frames), _contract(group)
            self.frames.append(FoundFrame(group=group, contract=contract))
            for member, given in zip(group.members, group.inputs, strict=True):
                row = row_of[member.id]
                self._sampled[row] = member
                self._table.mark(row, number, given, answer_form(contract, member.answer))

    def _without_frame(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Those of the rows that can be read and have no frame."""
        return rows[(self._table.frames()[rows] < 0) & self._table.is_readable()[rows]]


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
    answers = [member.answer for member in group.members[::step]]
    return infer_contract(group.inputs[::step], answers, prompt_of(group.frame))


def _count(answers: Counter[str], answer: str, contract: OutputContract) -> None:
    """Counts an answer that may be made of members of closed sets."""
    if answer in answers or (len(answers) < _ANSWERS and len(answer) <= 2 * LABEL_CHARACTERS * len(contract.heads)):
        answers[answer] += 1


def _well_seen(groups: Sequence[FrameGroup]) -> list[FrameGroup]:
    """The groups that are taken from a sample of more traffic; all of them where most would be left.

    One that is left must still be there in the next round: where the frames that are taken would recognise its
    requests, it is taken too.
    """
    taken = [group for group in groups if len(group.members) >= _WELL_SEEN]
    if 2 * sum(len(group.members) for group in taken) < sum(len(group.members) for group in groups):
        return list(groups)
    index = FrameIndex(group.frame for group in taken)
    rare = [group for group in groups if len(group.members) < _WELL_SEEN]
    lost = [group for group in rare if any(index.find(member.request) is not None for member in group.members)]
    return [*taken, *lost]


def _searching(sampled: int, pending: int, number: int) -> str:
    if sampled == pending:
        return f"looking for recurring requests among {sampled:,}"
    return f"looking for recurring requests in a sample of {sampled:,} of {pending:,}, round {number}"

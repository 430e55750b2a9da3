"""Recurring jobs among single requests, conversations and agents that call tools.

A request *goes on from* another if its messages begin with the other's messages and answer. What goes on is no new job
by itself: a later turn of a chat belongs to the job that its first turn is of. An agent's loop is one *process*: the
requests behind one system message that offer the same tools; its *steps* are jobs, told apart by the tool whose result
a request ends with. Owns these rules. Refuses to know templates (frames.py) and wordings (jobs.py).
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Generic, TypeVar

from tierwright.core.calls import TOOL
from tierwright.core.contract import ContractKind, FieldSpec, JsonStyle, parse_json_object, render_json
from tierwright.curation.contracts import infer_contract
from tierwright.curation.frames import find_frames, group_of, make_frame, oldest_first
from tierwright.curation.jobs import join_jobs, prompt_of_job
from tierwright.curation.links import NOTHING, Links, has_answers
from tierwright.curation.naming import free_name
from tierwright.curation.recurrence import MIN_INPUTS
from tierwright.curation.templates import whole
from tierwright.curation.wording import is_specific

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from tierwright.core.contract import OutputContract
    from tierwright.core.ids import FrameId, InferenceId
    from tierwright.core.task import Frame, Task
    from tierwright.curation.frames import FrameGroup, IsClosed
    from tierwright.curation.observation import Observation

T = TypeVar("T")
#: What can't stand in a name.
_NO_NAME = re.compile(r"\W+")
#: Requests of a job by which the kind of its answers is told.
_LOOKED_AT = 4000
#: The system message, the tools and, where the system message says nothing of the job, the user message's frame.
_Household = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """Frames with their requests."""

    #: Of requests that begin something, and of the steps of agents, these with however few inputs.
    groups: tuple[FrameGroup, ...]
    #: Of later turns, each with the frame of the turns that they go on from.
    turns: tuple[tuple[FrameGroup, FrameId], ...]
    #: How many requests of the second frame go on from one of the first.
    links: Mapping[tuple[FrameId, FrameId], int]


def find_groups(
    observations: Iterable[Observation],
    *,
    is_closed: IsClosed,
    seed: int,
    known: Sequence[FrameGroup] = (),
    parents: Mapping[InferenceId, InferenceId] | None = None,
) -> Groups:
    """The frames among requests, where what goes on from something founds none of its own. As `find_frames`.

    `known`: beginnings that were found elsewhere in the traffic, and are not returned again; turns may go on from them,
    too. `parents`: the request that each goes on from, which need not be here; None: it is looked for here.
    """
    everything = list(observations)
    parents = continued(everything) if parents is None else parents
    later = _later(everything, parents)
    held = {one.id for one in later}
    groups = find_frames((one for one in everything if one.id not in held), is_closed=is_closed, seed=seed)
    places = _Places([*known, *groups])
    left = {one.id for one in later if not places.take(one)}
    # Where too few beginnings were seen, all turns behind instructions or tools of their own stand for them.
    own = {
        (one.shape, one.request.system)
        for one in later
        if one.id in left and (one.shape.tools or is_specific([one.request.system]))
    }
    taken = {member.id for group in groups for member in group.members} | (held - left)
    alone = [
        one
        for one in everything
        if one.id not in taken
        and ((one.shape, one.request.system) in own or (one.id in left and one.id not in parents))
    ]
    more = find_frames(alone, is_closed=is_closed, seed=seed)
    steps, turns = places.groups()
    old = {group.frame.id for group in known}
    fresh = [group for group in places.widened() if group.frame.id not in old]
    found = (*fresh, *steps, *more)
    return Groups(groups=found, turns=tuple(turns), links=_links([*found, *(turn for turn, _ in turns)], parents))


def different_inputs(groups: Sequence[FrameGroup]) -> int:
    """Number of different inputs of some frames together."""
    return len({given for group in groups for given in group.inputs})


def jobs_among(
    found: Groups, *, seed: int, inputs: Callable[[Sequence[FrameGroup]], int] = different_inputs
) -> list[list[FrameGroup]]:
    """The jobs that frames are of, each its oldest frame first; steps with too few inputs are of none.

    `found` may be put together from several looks at the traffic, and hold some of the requests only; `inputs` then
    says of how many different inputs the frames are.
    """
    jobs = join_jobs([group for group in found.groups if group.frame.after is None], seed=seed)
    job_of = {group.frame.id: number for number, job in enumerate(jobs) for group in job}
    houses = _houses(jobs)
    kinds: dict[int, ContractKind] = {}
    for turn, root in found.turns:
        number = job_of[root]
        if number not in kinds:
            kinds[number] = _kind(jobs[number])
        kind = kinds[number]
        if kind in {ContractKind.OPEN, _kind([turn])}:
            jobs[number].append(turn)
        else:
            jobs.append([turn])
    by_step: dict[tuple[_Household, str], list[FrameGroup]] = defaultdict(list)
    for group in found.groups:
        if group.frame.after is not None:
            by_step[houses.root(_household(group.frame)), group.frame.after].append(group)
    # A step that both wordings of a prompt lead to is seen with the inputs of both.
    jobs += (step for step in by_step.values() if inputs(step) >= MIN_INPUTS)
    return [oldest_first(job) for job in jobs]


def continued(observations: Sequence[Observation]) -> dict[InferenceId, InferenceId]:
    """The request that each goes on from, where it is among them; `observations` in order of time."""
    links = Links(len(observations))
    going = {one.request.system for one in observations if has_answers(one.request)}
    for number, one in enumerate(observations):
        if one.request.system in going:
            links.note(number, one.request, one.answer)
    return {
        observations[child].id: observations[parent].id
        for child, parent in enumerate(links.parents().tolist())
        if parent != NOTHING
    }


def _later(everything: Sequence[Observation], parents: Mapping[InferenceId, InferenceId]) -> list[Observation]:
    """The requests that go on from something, be it in the log or not.

    Turns with which many requests begin alike are examples in the prompt, and no conversation.
    """
    several = {one.id: _beginning(one) for one in everything if has_answers(one.request)}
    begun = Counter(
        (one.request.system, several[one.id]) for one in everything if one.id in several and one.id not in parents
    )
    return [
        one
        for one in everything
        if one.request.after is not None
        or (one.id in several and (one.id in parents or begun[one.request.system, several[one.id]] < MIN_INPUTS))
    ]


def _beginning(one: Observation) -> tuple[str, ...]:
    """The first turns of a request that has several, up to the first answer."""
    turns = one.request.turns
    first = next(place for place, turn in enumerate(turns) if turn.role == "assistant")
    return tuple(turn.text for turn in turns[: first + 1])


def contract_of(found: Sequence[tuple[Observation, str]], prompt: str) -> OutputContract:
    """The contract of requests with their inputs, in order of time; also where answers call tools.

    Where one tool is called, its arguments are judged without its name, which need not stand in an input.
    """
    inputs, answers = [given for _, given in found], [one.answer for one, _ in found]
    contract = infer_contract(inputs, answers, prompt)
    called = Counter(name for one, _ in found for name in one.calls)
    if contract.kind is ContractKind.OPEN and len(called) == 1:
        bare = infer_contract(inputs, [_without_tool(answer) for answer in answers], prompt)
        if bare.kind is ContractKind.SPANS and bare.fields:
            contract = replace(bare, fields=(FieldSpec(name=TOOL), *bare.fields))
    return with_calls(contract, called)


def with_calls(contract: OutputContract, called: Counter[str]) -> OutputContract:
    """The contract, where answers call these tools, too."""
    known = dict.fromkeys([*(name for name, _ in called.most_common()), *contract.calls])
    return replace(contract, calls=tuple(known)) if called else contract


def step_names(
    jobs: Sequence[Sequence[FrameGroup]],
    processes: Sequence[int | None],
    names: Sequence[str],
    *,
    taken: Collection[str] = (),
) -> list[str]:
    """The names proposed for the jobs, where a step has that of its process and the tool it comes after.

    `taken` are names that others have.
    """
    bases: dict[int, str] = {}
    result: list[str] = []
    for job, process, name in zip(jobs, processes, names, strict=True):
        after = job[0].frame.after
        proposed = name
        if process is not None:
            base = bases.setdefault(process, name)
            proposed = name if after is None else f"{base}-after-{_NO_NAME.sub('-', after)}"
        result.append(free_name(proposed, {*result, *taken}))
    return result


def with_processes(tasks: Sequence[Task], processes: Sequence[int | None], known: Sequence[Task]) -> list[Task]:
    """The tasks with the process that each is a step of; a process that was known before keeps its name."""
    before = {task.id: task.process for task in known}
    names: dict[int, str] = {}
    for task, process in zip(tasks, processes, strict=True):
        if process is not None and (old := before.get(task.id)) is not None and old not in names.values():
            names.setdefault(process, old)
    for task, process in zip(tasks, processes, strict=True):
        if process is not None and process not in names:
            names[process] = free_name(task.name, names.values())
    return [
        replace(task, process=None if process is None else names[process])
        for task, process in zip(tasks, processes, strict=True)
    ]


class _Places:
    """Where requests that go on from something belong, by what was found of those that begin something."""

    def __init__(self, groups: Sequence[FrameGroup]) -> None:
        self._groups = {group.frame.id: group for group in groups}
        self._by_system: dict[tuple[tuple[str, ...], str], list[Frame]] = {}
        #: Later turns that a frame of beginnings fits as it is.
        self._more: dict[FrameId, list[Observation]] = defaultdict(list)
        #: The others, by the frame made for them.
        self._made: dict[FrameId, tuple[Frame, FrameId]] = {}
        self._members: dict[FrameId, list[Observation]] = defaultdict(list)

    def take(self, one: Observation) -> bool:
        """Notes a request where it belongs; False: there is no such place."""
        frames = self._frames(one)
        if one.shape.after is None:
            for frame in frames:
                if frame.match(one.request) is not None:
                    self._more[frame.id].append(one)
                    return True
        for frame in frames:
            opening = None if frame.user == whole() or (one.shape.after and _is_told(frame)) else frame.user
            made = make_frame(frame.system, whole(), one.shape, opening)
            if made.match(one.request) is not None:
                self._made.setdefault(made.id, (made, frame.id))
                self._members[made.id].append(one)
                return True
        return False

    def widened(self) -> list[FrameGroup]:
        """The groups of beginnings with the later turns that their frames fit."""
        return [
            group
            if (more := self._more.get(group.frame.id)) is None
            else group_of(group.frame, [*group.members, *more])
            for group in self._groups.values()
        ]

    def groups(self) -> tuple[list[FrameGroup], list[tuple[FrameGroup, FrameId]]]:
        """The steps, with however few inputs, and the later turns with the frame they go on from."""
        steps: list[FrameGroup] = []
        turns: list[tuple[FrameGroup, FrameId]] = []
        for frame, root in self._made.values():
            group = group_of(frame, self._members[frame.id])
            if frame.after is None:
                turns.append((group, root))
            else:
                steps.append(group)
        return steps, turns

    def _frames(self, one: Observation) -> list[Frame]:
        """The frames of beginnings behind the same system message with the same tools, the most telling first."""
        key = one.shape.tools, one.request.system
        if key not in self._by_system:
            found = [
                group.frame
                for group in self._groups.values()
                if group.frame.tools == one.shape.tools and group.frame.system.match(one.request.system) is not None
            ]
            self._by_system[key] = sorted(found, key=lambda frame: -sum(map(len, frame.user.literals)))
        return self._by_system[key]


class _Union(Generic[T]):
    """Things that belong together."""

    def __init__(self) -> None:
        self._parent: dict[T, T] = {}

    def root(self, thing: T) -> T:
        """One of the things that belong together, the same for all of them."""
        while (above := self._parent.get(thing, thing)) != thing:
            thing = above
        return thing

    def join(self, one: T, other: T) -> None:
        """Says that two things belong together."""
        if (root := self.root(one)) != (below := self.root(other)):
            self._parent[below] = root


def _is_told(frame: Frame) -> bool:
    return is_specific(frame.system.literals)


def _household(frame: Frame) -> _Household:
    """What all steps of one agent share."""
    first = () if _is_told(frame) else (frame.user if frame.opening is None else frame.opening).literals
    return frame.system.literals, frame.tools, first


def _kind(job: Sequence[FrameGroup]) -> ContractKind:
    pairs = [pair for group in job for pair in zip(group.inputs, group.members, strict=True)][:_LOOKED_AT]
    prompt = prompt_of_job(job)
    return infer_contract([given for given, _ in pairs], [one.answer for _, one in pairs], prompt).kind


def processes_among(
    jobs: Sequence[Sequence[FrameGroup]], links: Mapping[tuple[FrameId, FrameId], int]
) -> list[int | None]:
    """Number of each job's process: jobs of one household with steps, and such that go on from each other."""
    union, houses = _Union[int](), _houses(jobs)
    homes: dict[_Household, list[int]] = defaultdict(list)
    for number, job in enumerate(jobs):
        homes[houses.root(_household(job[0].frame))].append(number)
    for home in homes.values():
        if any(jobs[number][0].frame.after is not None for number in home):
            for number in home[1:]:
                union.join(home[0], number)
    job_of = {group.frame.id: number for number, job in enumerate(jobs) for group in job}
    linked = Counter[tuple[int, int]]()
    for (parent, child), count in links.items():
        if parent in job_of and child in job_of:
            linked[job_of[parent], job_of[child]] += count
    for (one, other), count in linked.items():
        if one != other and count >= MIN_INPUTS:
            union.join(one, other)
    sizes = Counter(union.root(number) for number in range(len(jobs)))
    return [root if sizes[root := union.root(number)] > 1 else None for number in range(len(jobs))]


def _houses(jobs: Sequence[Sequence[FrameGroup]]) -> _Union[_Household]:
    """The households that share a job."""
    houses = _Union[_Household]()
    for job in jobs:
        for group in job:
            houses.join(_household(job[0].frame), _household(group.frame))
    return houses


def _links(
    groups: Sequence[FrameGroup], parents: Mapping[InferenceId, InferenceId]
) -> Counter[tuple[FrameId, FrameId]]:
    frame_of = {member.id: group.frame.id for group in groups for member in group.members}
    return Counter(
        (frame_of[parent], frame_of[child])
        for child, parent in parents.items()
        if parent in frame_of and child in frame_of
    )


def _without_tool(answer: str) -> str:
    """The arguments of a rendered call."""
    found = parse_json_object(answer)
    return answer if found is None else render_json({name: v for name, v in found.items() if name != TOOL}, JsonStyle())

"""Finds the frames of requests: the fixed texts around the variable ones.

Owns the search for frames in unlabelled requests; refuses to say which frames are one task (jobs.py does).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from tierwright.core.ids import FrameId, digest
from tierwright.core.task import Frame, Template
from tierwright.curation.near_duplicates import members_of, near_duplicate_groups
from tierwright.curation.recurrence import MIN_INPUTS, templates_among
from tierwright.curation.templates import fixed_words, mine, whole, word_count
from tierwright.curation.wording import is_specific

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tierwright.curation.observation import Observation, Shape

#: Different texts from which a system message with variables is told from one with several versions.
_MIN_VARIANTS = 5
#: With fewer, texts that are each in use for many inputs are versions or different jobs, not values of a variable.
_MANY_VARIANTS = 20
#: Share of a system message that must be fixed where it has variables.
_MIN_FIXED_SHARE = 0.6
#: Share of a group that such templates must cover together.
_INNER_SHARE = 0.5
#: Fixed words by which a user message without a system message is a template whatever the answers look like.
_STRONG_WORDS = 10
#: Of them at one end, where the instructions are in several pieces.
_STRONG_END = 4
#: Fixed words by which a system message with variables is a prompt, where they are most of it.
_PROMPT_WORDS = 6
#: Share of a group's answers that must be known to the rest of its family for the group to be no frame of its own.
_SAME_ANSWERS = 0.9
#: Templates behind one system message from which it belongs to an application and not to a task.
_SEVERAL = 2
#: Fixed words and different inputs by which it is one if the answers come from a closed set.
_WEAK_WORDS, _WEAK_INPUTS = 3, 20


class IsClosed(Protocol):
    """Evidence for a job where the wording alone is too short to be."""

    def __call__(self, inputs: Sequence[str], answers: Sequence[str], prompt: str) -> bool:
        """Whether answers come from a closed set or are made of the input."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameGroup:
    """A frame and the requests that have it."""

    frame: Frame
    members: tuple[Observation, ...]
    #: Input of each member.
    inputs: tuple[str, ...]


def oldest_first(groups: Iterable[FrameGroup]) -> list[FrameGroup]:
    """Frames by their first request."""
    return sorted(groups, key=lambda group: (group.members[0].at, group.frame.id))


def find_frames(observations: Iterable[Observation], *, is_closed: IsClosed, seed: int) -> list[FrameGroup]:
    """The frames that recur in these requests, the most frequent first; requests of none are left out.

    `is_closed` is asked only where the wording is too short to be evidence.
    """
    by_shape: dict[Shape, dict[str, list[Observation]]] = defaultdict(lambda: defaultdict(list))
    for observation in observations:
        by_shape[observation.shape][observation.request.system].append(observation)
    groups: list[FrameGroup] = []
    for by_system in by_shape.values():
        for system, members in _system_families(by_system, seed):
            groups += _frames_of_family(system, members, is_closed)
    return sorted(groups, key=lambda group: (-len(group.members), group.frame.id))


def make_frame(system: Template, user: Template, shape: Shape, opening: Template | None = None) -> Frame:
    """A frame with its id."""
    tools, response_format, after = shape
    said = [*system.literals, "\0user", *user.literals, "\0tools", *tools, "\0format", response_format or ""]
    if after is not None:
        said += ["\0after", after]
    if opening is not None:
        said += ["\0opening", *opening.literals]
    return Frame(
        id=FrameId(f"frame_{digest(*said)}"),
        system=system,
        user=user,
        tools=tools,
        response_format=response_format,
        after=after,
        opening=opening,
    )


def _system_families(
    by_system: dict[str, list[Observation]], seed: int
) -> Iterator[tuple[Template, list[Observation]]]:
    """System templates with their requests: system messages that differ only in variables share one."""
    texts = [text for text in by_system if text]
    taken: set[str] = set()
    similar = members_of(near_duplicate_groups(texts, threshold=0.6, seed=seed)) if len(texts) > 1 else {}
    for indices in similar.values():
        family = [texts[i] for i in indices]
        settled = len(family) < _MANY_VARIANTS and all(
            len({member.user for member in by_system[text]}) >= MIN_INPUTS for text in family
        )
        template = None if settled or taken.intersection(family) else _variable_system(family)
        if template is not None:
            family = [t for t in texts if t not in taken and template.match(t) is not None]
            taken.update(family)
            yield template, [member for text in family for member in by_system[text]]
    rare = [t for t in texts if t not in taken and len({o.user for o in by_system[t]}) < MIN_INPUTS]
    for template, family in templates_among(rare, accept=_is_prompt):
        taken.update(family)
        yield template, [member for text in family for member in by_system[text]]
    for text, members in by_system.items():
        if text not in taken:
            yield Template(literals=(text,)), members


def _is_prompt(template: Template, texts: Sequence[str]) -> bool:
    """Whether a template of system messages is a prompt with variables: instructions, or half of the text fixed."""
    fixed = sum(map(len, template.literals)) * len(texts)
    return _is_strong(template, texts) or (
        fixed_words(template) >= _PROMPT_WORDS and fixed >= sum(map(len, texts)) / 2 and is_specific(template.literals)
    )


def _variable_system(family: Sequence[str]) -> Template | None:
    """The template of system messages that differ in variables; None where they are versions, each for itself.

    Two or three similar prompts are versions, or jobs with different label lists; a variable takes many values.
    """
    if len(family) < _MIN_VARIANTS:
        return None
    template = mine(family)
    fixed = sum(len(literal) for literal in template.literals)
    if template.slots == 0 or fixed < _MIN_FIXED_SHARE * sum(map(len, family)) / len(family):
        return None
    return template


def _frames_of_family(system: Template, members: list[Observation], is_closed: IsClosed) -> Iterator[FrameGroup]:
    """The frames among requests with one system template."""
    by_user: dict[str, list[Observation]] = defaultdict(list)
    for member in members:
        by_user[member.user].append(member)
    if len(by_user) < MIN_INPUTS and system.slots == 0:
        return
    shape = members[0].shape
    if shape.after is not None:
        # What a tool returned is data: there is no prompt to be found in it.
        yield group_of(make_frame(system, whole(), shape), members)
        return
    specific = is_specific(system.literals)
    found = _user_templates(system, by_user, is_closed, specific=specific)
    taken = {text for _, texts in found for text in texts}
    rest = {text: same for text, same in by_user.items() if text not in taken}
    prompt = "\n".join(system.literals)
    # Tools are an application's own, and as good as a prompt that says what the job is.
    told = specific or bool(shape.tools)
    # Behind a message that several templates share, what is left is no task of its own account.
    several = specific and len({template.literals for template, _ in found}) >= _SEVERAL
    if rest and ((told and not several) or _answers_closed(rest, whole(), prompt, is_closed)):
        if not told:
            found = [pair for pair in found if not _belongs(pair[1], rest, by_user)]
            taken = {text for _, texts in found for text in texts}
            rest = {text: same for text, same in by_user.items() if text not in taken}
        few = len(rest) < MIN_INPUTS and len(rest) < len(by_user)
        if few or len(rest) >= MIN_INPUTS or system.slots:
            yield _group(system, _common_template(list(rest)), [member for same in rest.values() for member in same])
    for template, texts in found:
        yield _group(system, template, [member for text in texts for member in by_user[text]])


def _belongs(texts: Sequence[str], rest: dict[str, list[Observation]], by_user: dict[str, list[Observation]]) -> bool:
    """Whether texts that begin or end alike are answered like the rest, so that what they share is part of them."""
    known = {same[0].answer for same in rest.values()}
    return len(texts) < len(rest) and sum(by_user[text][0].answer in known for text in texts) >= _SAME_ANSWERS * len(
        texts
    )


def _user_templates(
    system: Template,
    by_user: dict[str, list[Observation]],
    is_closed: IsClosed,
    *,
    specific: bool,
) -> list[tuple[Template, list[str]]]:
    """User templates that split a family of requests; empty where the family is one frame or none."""
    texts = list(by_user)
    if specific:
        if _common_template(texts) != whole():
            return []
        found = list(templates_among(texts, accept_weak=lambda t, _: _splits(t)))
        covered = sum(len(members) for _, members in found)
        return found if covered >= _INNER_SHARE * len(texts) else []

    def accept_weak(template: Template, among: list[str]) -> bool:
        if _is_strong(template, among):
            return True
        if len(among) < _WEAK_INPUTS:
            return False
        if _introduces(template):
            return True
        first, last = template.literals[0], template.literals[-1]
        asks = last.startswith("\n") and last.rstrip().endswith((":", "\uff1a"))
        if not asks and word_count(first) + word_count(last) < _WEAK_WORDS:
            return False
        prompt = "\n".join((*system.literals, *template.literals))
        return _answers_closed({text: by_user[text] for text in among}, template, prompt, is_closed)

    return list(templates_among(texts, accept=_is_strong, accept_weak=accept_weak))


def _introduces(template: Template) -> bool:
    """Whether a piece says that the variable text follows: it ends with a colon or a line break."""
    pieces = [piece.rstrip(" ") for piece in template.literals[:-1]]
    if word_count(pieces[0]) and pieces[0].endswith((":\n", "\uff1a\n")):
        return True
    return fixed_words(template) >= _WEAK_WORDS and any(
        word_count(piece) and piece.endswith((":", "\uff1a", "\n")) for piece in pieces
    )


def _is_strong(template: Template, texts: Sequence[str]) -> bool:
    """Whether a user template is boilerplate whatever is answered: long instructions, or most of the text."""
    if max(map(word_count, template.literals)) >= _STRONG_WORDS:
        return True
    if fixed_words(template) < _STRONG_WORDS:
        return False
    ends = word_count(template.literals[0]), word_count(template.literals[-1])
    fixed = sum(map(len, template.literals)) * len(texts)
    framed = _introduces(template) or template.literals[-1].startswith("\n")
    return (framed and max(ends) >= _STRONG_END) or fixed >= sum(map(len, texts)) / 2


def _splits(template: Template) -> bool:
    """Whether a user template is boilerplate even behind a specific system message.

    What recurs inside the texts may be what people often write; a label before or after the variable is not.
    """
    first, last = template.literals[0], template.literals[-1]
    return (word_count(first) > 0 and any(mark in first for mark in ":\uff1a\n")) or (
        word_count(last) > 0 and last.startswith("\n")
    )


def _common_template(texts: Sequence[str]) -> Template:
    """What all the texts share at their ends and inside; one slot where there are too few texts to tell."""
    return mine(texts) if len(texts) >= MIN_INPUTS else whole()


def _answers_closed(
    by_user: dict[str, list[Observation]],
    template: Template,
    prompt: str,
    is_closed: IsClosed,
) -> bool:
    if len(by_user) < _WEAK_INPUTS:
        return False
    inputs = ["\n".join(template.match(text) or (text,)) for text in by_user]
    return is_closed(inputs, [same[0].answer for same in by_user.values()], prompt)


def _group(system: Template, user: Template, members: list[Observation]) -> FrameGroup:
    return group_of(make_frame(system, user, members[0].shape), members)


def group_of(frame: Frame, members: Iterable[Observation]) -> FrameGroup:
    """A frame with the requests that have it, in order of time."""
    ordered = sorted(members, key=lambda member: (member.at, member.id))
    inputs = tuple(frame.match(member.request) or "" for member in ordered)
    return FrameGroup(frame=frame, members=tuple(ordered), inputs=inputs)

"""Finds the frames of requests: the fixed texts around the variable ones.

Owns the search for frames in unlabelled requests; refuses to say which frames are one task (jobs.py does).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from tierwright.core.ids import FrameId, digest
from tierwright.core.task import Frame, Template
from tierwright.curation.near_duplicates import members_of, near_duplicate_groups
from tierwright.curation.templates import fixed_words, mine, tokens, whole, words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from tierwright.curation.observation import Observation

#: Different inputs a frame must have been seen with.
MIN_INPUTS = 8
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
#: Fixed words and different inputs by which it is one if the answers come from a closed set.
_WEAK_WORDS, _WEAK_INPUTS = 3, 20
#: Words of a system message from which it says what the job is; shorter ones ("You are a helpful assistant.") don't.
_SPECIFIC_WORDS = 8
#: Tokens of the runs by which texts of one template are found; texts, and characters of each, that are looked at.
_ANCHOR_TOKENS, _ANCHOR_TEXTS, _ANCHOR_CHARACTERS = 7, 2000, 6000
#: Characters by which texts begin or end alike.
_END_CHARACTERS = 16
#: Runs tried without success before the search for further templates ends.
_PATIENCE = 40


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


def find_frames(observations: Iterable[Observation], *, is_closed: IsClosed, seed: int) -> list[FrameGroup]:
    """The frames that recur in these requests, the most frequent first; requests of none are left out.

    `is_closed` is asked only where the wording is too short to be evidence.
    """
    by_shape: dict[tuple[tuple[str, ...], str | None], dict[str, list[Observation]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for observation in observations:
        by_shape[observation.shape][observation.request.system].append(observation)
    groups: list[FrameGroup] = []
    for by_system in by_shape.values():
        for system, members in _system_families(by_system, seed):
            groups += _frames_of_family(system, members, is_closed)
    return sorted(groups, key=lambda group: (-len(group.members), group.frame.id))


def make_frame(system: Template, user: Template, shape: tuple[tuple[str, ...], str | None]) -> Frame:
    """A frame with its id."""
    tools, response_format = shape
    identity = digest(*system.literals, "\0user", *user.literals, "\0tools", *tools, "\0format", response_format or "")
    return Frame(
        id=FrameId(f"frame_{identity}"), system=system, user=user, tools=tools, response_format=response_format
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
        template = None if settled else _variable_system(family)
        if template is not None:
            taken.update(family)
            yield template, [member for text in family for member in by_system[text]]
    rare = [t for t in texts if t not in taken and len({o.user for o in by_system[t]}) < MIN_INPUTS]
    for template, family in _templates_among(rare, accept=_is_strong):
        taken.update(family)
        yield template, [member for text in family for member in by_system[text]]
    for text, members in by_system.items():
        if text not in taken:
            yield Template(literals=(text,)), members


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
    specific = sum(len(words(literal)) for literal in system.literals) >= _SPECIFIC_WORDS
    rest = dict(by_user)
    for template, texts in _user_templates(system, by_user, is_closed, specific=specific):
        yield _group(system, template, [member for text in texts for member in by_user[text]])
        for text in texts:
            del rest[text]
    remaining = [member for same in rest.values() for member in same]
    prompt = "\n".join(system.literals)
    if remaining and (specific or _answers_closed(rest, whole(), prompt, is_closed)):
        few = len(rest) < MIN_INPUTS and len(rest) < len(by_user)
        if few or len(rest) >= MIN_INPUTS or system.slots:
            yield _group(system, _common_template(list(rest)), remaining)


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
        found = list(_templates_among(texts, accept=lambda t, _: _splits(t)))
        covered = sum(len(members) for _, members in found)
        return found if covered >= _INNER_SHARE * len(texts) else []

    def accept(template: Template, among: list[str]) -> bool:
        if _is_strong(template, among):
            return True
        first, last = template.literals[0], template.literals[-1]
        if len(words(first)) + len(words(last)) < _WEAK_WORDS or len(among) < _WEAK_INPUTS:
            return False
        if first.rstrip(" ").endswith((":", "\n")):
            return True
        prompt = "\n".join((*system.literals, *template.literals))
        return _answers_closed({text: by_user[text] for text in among}, template, prompt, is_closed)

    return list(_templates_among(texts, accept=accept))


def _is_strong(template: Template, texts: Sequence[str]) -> bool:
    """Whether a user template is boilerplate whatever is answered: instructions in one piece, or most of the text."""
    if max(len(words(literal)) for literal in template.literals) >= _STRONG_WORDS:
        return True
    fixed = sum(map(len, template.literals)) * len(texts)
    return fixed_words(template) >= _STRONG_WORDS and fixed >= sum(map(len, texts)) / 2


def _splits(template: Template) -> bool:
    """Whether a user template is boilerplate even behind a specific system message.

    What recurs inside the texts may be what people often write; a label before or after the variable is not.
    """
    first, last = template.literals[0], template.literals[-1]
    return (bool(words(first)) and (":" in first or "\n" in first)) or (bool(words(last)) and last.startswith("\n"))


def _templates_among(
    texts: Sequence[str], *, accept: Callable[[Template, list[str]], bool]
) -> Iterator[tuple[Template, list[str]]]:
    """Templates that recur in the texts, each with the texts that have it and were not taken by an earlier one.

    Looks for the run of tokens that most texts share, takes the texts that hold it, and mines what else they share.
    """
    rest = list(texts)
    failed = 0
    runs = _shared_runs(rest)
    while failed < _PATIENCE:
        run = next(runs, None)
        if run is None:
            return
        for template in _candidates([text for text in rest if run in text]):
            members = [text for text in rest if template.match(text) is not None]
            if template != whole() and len(members) >= MIN_INPUTS and accept(template, members):
                yield template, members
                chosen = set(members)
                rest = [text for text in rest if text not in chosen]
                runs = _shared_runs(rest)
                break
        else:
            failed += 1


def _candidates(holding: list[str]) -> Iterator[Template]:
    """Templates of texts that hold the same run: of all, then of those that begin alike, then of those that end alike.

    The narrower ones leave out texts that hold the run by accident.
    """
    if len(holding) < MIN_INPUTS:
        return
    yield mine(holding)
    for side in (slice(None, _END_CHARACTERS), slice(-_END_CHARACTERS, None)):
        end, count = Counter(text[side] for text in holding).most_common(1)[0]
        if MIN_INPUTS <= count < len(holding):
            yield mine([text for text in holding if text[side] == end])


def _shared_runs(texts: Sequence[str]) -> Iterator[str]:
    """Runs of tokens that enough of the texts hold, the most shared first, each saying something new.

    A run that is held by the same texts as one before, because both stand in one piece, is left out.
    """
    sample = texts[:: max(1, len(texts) // _ANCHOR_TEXTS)]
    counts: Counter[str] = Counter()
    for text in sample:
        found = tokens(text[:_ANCHOR_CHARACTERS])
        counts.update({"".join(found[i : i + _ANCHOR_TOKENS]) for i in range(len(found) - _ANCHOR_TOKENS + 1)})
    needed = MIN_INPUTS * len(sample) / max(1, len(texts))
    seen: set[frozenset[int]] = set()
    for run, count in counts.most_common():
        if count < needed:
            return
        holders = frozenset(index for index, text in enumerate(sample) if run in text)
        if holders not in seen:
            seen.add(holders)
            yield run


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
    frame = make_frame(system, user, members[0].shape)
    ordered = sorted(members, key=lambda member: (member.at, member.id))
    inputs = tuple(frame.match(member.request) or "" for member in ordered)
    return FrameGroup(frame=frame, members=tuple(ordered), inputs=inputs)

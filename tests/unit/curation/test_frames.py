"""Tests of discovery: frames, and frames that are one job."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from tests.unit.curation.logs import seen, tickets
from tierwright.curation.contracts import is_closed
from tierwright.curation.frames import find_frames
from tierwright.curation.jobs import join_jobs

if TYPE_CHECKING:
    from tierwright.curation.observation import Observation

TOPIC_PROMPT = (
    "You sort the mail of a web shop. Read the customer's message and say which topic it is about.\n"
    "Topics:\n- account\n- billing\n- delivery\n- returns\nAnswer with the topic only."
)
TOPIC_PROMPT_2 = (
    "# Role\nClassifier of inbound shop messages\n# Allowed values\nbilling, delivery, returns, account\n"
    "# Output\nExactly one of the values, nothing else."
)


def found(observations: list[Observation]) -> list[set[str]]:
    """The ids of each job that is found, largest first."""
    jobs = join_jobs(find_frames(observations, is_closed=is_closed, seed=0), seed=0)
    return sorted(({m.id for group in job for m in group.members} for job in jobs), key=len, reverse=True)


def test_one_prompt_is_one_task() -> None:
    """Requests behind one system message are one task with the user message as input."""
    observations = seen(tickets(120, 1), system=TOPIC_PROMPT)
    groups = find_frames(observations, is_closed=is_closed, seed=0)
    assert [len(group.members) for group in groups] == [120]
    assert groups[0].inputs == tuple(observation.user for observation in observations)


def test_reworded_prompt_joins_its_task() -> None:
    """A new wording with another user template joins the task it continues."""
    pairs = tickets(500, 2)
    old = seen(pairs[:300], system=TOPIC_PROMPT)
    new = seen(pairs[300:], system=TOPIC_PROMPT_2, user='Message:\n"""\n{}\n"""', start=300, prefix="s")
    assert found(old + new) == [{o.id for o in old + new}]


def test_two_label_sets_are_two_tasks() -> None:
    """Prompts that differ only in the labels they offer, and in nothing but that, stay two tasks."""
    names = {"billing": "money", "delivery": "parcel", "account": "login", "returns": "goods"}
    pairs = tickets(500, 3)
    one = seen(pairs[:250], system=TOPIC_PROMPT)
    prompt = TOPIC_PROMPT
    for label, name in names.items():
        prompt = prompt.replace(f"- {label}", f"- {name}")
    other = seen([(text, names[topic]) for text, topic in pairs[250:]], system=prompt, prefix="s")
    assert sorted(map(sorted, found(one + other))) == [sorted(o.id for o in one), sorted(o.id for o in other)]


def test_same_labels_for_another_question_are_another_task() -> None:
    """Two yes-or-no questions about the same texts are two tasks: the answers of one don't predict the other's."""
    pairs = tickets(600, 4)
    one = seen(
        [(text, "yes" if topic == "billing" else "no") for text, topic in pairs[:300]],
        system="Is the customer's message about money, invoices or payments? Answer yes or no, nothing else.",
    )
    other = seen(
        [(text, "yes" if topic in {"delivery", "account"} else "no") for text, topic in pairs[300:]],
        system="Does the customer's message need a colleague with warehouse or login access? Answer yes or no only.",
        prefix="s",
    )
    assert len(found(one + other)) == 2


def test_template_wholly_inside_the_user_message() -> None:
    """Without a system message the instructions around the variable make the frame."""
    observations = seen(tickets(100, 5), user=f"{TOPIC_PROMPT}\n\n<<<\n{{}}\n>>>")
    groups = find_frames(observations, is_closed=is_closed, seed=0)
    assert len(groups) == 1
    assert groups[0].inputs[0] == tickets(100, 5)[0][0]


def test_variables_in_the_system_message() -> None:
    """A date and a name in the system message don't found a task for every value, and new values are recognised."""
    observations = seen(
        tickets(150, 6), system=lambda n: f"Today is 2025-09-{n % 28 + 1:02}. You help agent {n}.\n{TOPIC_PROMPT}"
    )
    groups = find_frames(observations, is_closed=is_closed, seed=0)
    assert len(groups) == 1
    unseen = seen(
        [("where is my parcel", "delivery")], system=f"Today is 2026-01-31. You help agent 999.\n{TOPIC_PROMPT}"
    )
    given = groups[0].frame.match(unseen[0].request)
    assert given is not None
    assert given.endswith("where is my parcel")


def test_short_template_with_a_generic_system_message() -> None:
    """A short question around the text is a frame if its answers come from a closed set, whatever stands before it."""
    pairs = tickets(100, 7)
    observations = seen(pairs, system="You are a helpful assistant.", user="{}\n\nWhich topic is it?")
    assert found(observations) == [{o.id for o in observations}]


def test_long_tail_stays_unassigned() -> None:
    """Requests of all kinds, with and without a generic system message, found no task, though some begin alike."""
    rng = random.Random(8)
    words = ["tell", "me", "write", "explain", "poem", "story", "list", "python", "sql", "trip", "dinner", "of", "cats"]
    texts = [" ".join(rng.choices(words, k=rng.randint(8, 40))) for _ in range(200)]
    texts += [f"I want you to act as a {' '.join(rng.choices(words, k=25))}" for _ in range(60)]
    pairs = [(text, " ".join(rng.choices(words, k=30))) for text in texts]
    system = ["", "You are a helpful assistant."]
    observations = seen(pairs, system=lambda n: system[n % 2])
    assert find_frames(observations, is_closed=is_closed, seed=0) == []


def test_repeats_of_one_request_are_no_task() -> None:
    """One request sent a hundred times has no variable part, so there is nothing to learn."""
    observations = seen([("ping", "pong")] * 100, system=TOPIC_PROMPT)
    assert find_frames(observations, is_closed=is_closed, seed=0) == []


def test_order_of_the_log_does_not_matter() -> None:
    """The same requests in another order give the same tasks."""
    pairs = tickets(400, 9)
    observations = seen(pairs[:200], system=TOPIC_PROMPT) + seen(
        pairs[200:], system=TOPIC_PROMPT_2, user="Message: {}", prefix="s"
    )
    shuffled = random.Random(9).sample(observations, len(observations))
    assert found(observations) == found(shuffled)

"""Tests of joining frames that are one job."""

from __future__ import annotations

import json
import random

from tests.unit.curation.logs import TOPICS, tickets
from tierwright.curation.jobs import Profile, same_job

PROMPT = (
    "You sort the mail of a web shop by its topic. Topics: account, billing, delivery, returns. Name the topic only."
)
REWORDED = "Which of the topics account, billing, delivery, returns does the shop's customer write about?"


def profiled(pairs: list[tuple[str, str]], prompt: str) -> Profile:
    """The profile of (input, answer) pairs behind a prompt."""
    return Profile([text for text, _ in pairs], [answer for _, answer in pairs], prompt, seed=0)


def fine_labels(count: int, seed: int) -> list[tuple[str, str]]:
    """Messages with one of 24 labels, each the phrase that the message holds first."""
    rng = random.Random(seed)
    phrases = [phrase for topic in TOPICS.values() for phrase in topic]
    pairs = []
    for number in range(count):
        phrase = rng.choice(phrases)
        pairs.append((f"about {phrase} in case {seed}-{number} please", phrase.replace(" ", "_").replace("-", "_")))
    return pairs


def offering(labels: list[str]) -> str:
    """A prompt that offers labels."""
    return "Name the subject of a shop customer's message, exactly as listed: " + ", ".join(labels)


def test_a_label_that_one_of_two_never_gives() -> None:
    """Two prompts over the same texts are two jobs where one of four labels is offered and given by one only."""
    pairs = tickets(800, 1)
    one = profiled(pairs[:400], PROMPT)
    other = profiled([p for p in pairs[400:] if p[1] != "returns"], PROMPT.replace(", returns", ""))
    assert not same_job(one, other)
    assert same_job(one, profiled(pairs[400:], REWORDED))


def test_many_rare_labels_that_only_one_prompt_offers() -> None:
    """Labels too rare to be missed one by one are missed together where the other prompt does not offer them."""
    pairs = fine_labels(240, 2)
    labels = sorted({label for _, label in pairs})
    fewer = labels[: len(labels) * 2 // 3]
    other = [pair for pair in fine_labels(120, 3) if pair[1] in fewer]
    assert not same_job(profiled(pairs, offering(labels)), profiled(other, offering(fewer)))


def test_prompt_that_was_cut_short_still_gets_its_labels() -> None:
    """A prompt that lost the end of its label list is the same job while the answers are what they were."""
    pairs, more = fine_labels(240, 4), fine_labels(120, 5)
    labels = sorted({label for _, label in pairs})
    cut = offering(labels[: len(labels) // 2])
    assert same_job(profiled(pairs, offering(labels)), profiled(more, cut))


def test_few_answers_of_many_labels_join_by_what_the_others_say() -> None:
    """A frame whose few answers show no closed set by themselves joins one whose answers do."""
    many, few = fine_labels(600, 6), fine_labels(40, 14)
    labels = sorted({label for _, label in many})
    known, small = profiled(many, offering(labels)), profiled(few, "What is the subject of this mail to our shop?")
    assert known.closed
    assert not small.closed
    assert same_job(known, small)


def test_field_that_cannot_be_learned() -> None:
    """Two wordings join by the field that can be learned, where another of the same answer is noise."""
    rng = random.Random(8)
    levels = ["P1", "P2", "P3", "P4", "P5", "--"]
    pairs = [(text, json.dumps({"topic": topic, "level": rng.choice(levels)})) for text, topic in tickets(300, 9)]
    one = profiled(pairs[:180], f"{PROMPT} JSON with topic and level.")
    other = profiled(pairs[180:], "Read the mail. Return an object with its topic and the level from P1 to P5 or --.")
    assert same_job(one, other)


def test_list_in_another_order_each_time() -> None:
    """Inputs that hold a label list in another order each time are compared by the rest of them."""
    rng = random.Random(10)
    labels = sorted({label for _, label in fine_labels(500, 11)})
    pairs = fine_labels(400, 12)
    mixed = [("\n".join(rng.sample(labels, len(labels))) + f"\n{text}", label) for text, label in pairs[200:]]
    assert same_job(profiled(pairs[:200], offering(labels)), profiled(mixed, "Name the subject, one of these:"))

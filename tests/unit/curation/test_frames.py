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


def test_two_questions_in_one_user_template() -> None:
    """Two questions about the same texts, each after the text and before the same last words, are two tasks."""
    pairs = tickets(600, 31)
    one = seen(
        [(text, "Yes" if topic == "billing" else "No") for text, topic in pairs[:300]],
        user="{}\n\nIs the message above about an invoice, a charge or money? Reply Yes or No.",
    )
    other = seen(
        [(text, "Yes" if topic in {"delivery", "account"} else "No") for text, topic in pairs[300:]],
        user="{}\n\nIs the message above for the parcel or login team? Reply Yes or No.",
        prefix="s",
    )
    assert sorted(map(sorted, found(one + other))) == [sorted(o.id for o in one), sorted(o.id for o in other)]


def test_short_system_message_with_recurring_names() -> None:
    """Names that come again in a short system message are values of a variable, not versions of the prompt."""
    names = ["Ada Byron", "Li Wei", "Tom Ferreira", "Sofia Rossi", "Mia Lund", "Hana Sato", "Zoe Day", "Rita Ora"]
    observations = seen(
        tickets(300, 32),
        system=lambda n: (
            f"Date: 2025-0{n % 9 + 1}-{n % 28 + 1:02} | Agent: {names[n % 8]} | id u{n * 7919:08x}\n"
            "Sort a message. Topics: account, billing, delivery, returns."
        ),
    )
    assert len(find_frames(observations, is_closed=is_closed, seed=0)) == 1


def test_one_word_before_the_variable() -> None:
    """`Summarise:` on a line of its own is a frame, whatever is answered."""
    pairs = [(text, f"{topic} since {text[-20:]}") for text, topic in tickets(60, 33)]
    groups = find_frames(seen(pairs, user="Summarise:\n{}"), is_closed=is_closed, seed=0)
    assert [group.inputs[0] for group in groups] == [pairs[0][0]]


def test_same_opening_before_two_label_lists() -> None:
    """Templates that open alike and differ in the labels they end with are two frames, each in one piece."""
    pairs = tickets(400, 34)
    user = 'Topic of "{}"? One of these, nothing else and spelled exactly as here: '
    one = seen(pairs[:200], system="You are a helpful assistant.", user=user + "account, billing, delivery, returns")
    lost = [(text, "a letter" if topic == "billing" else "an object") for text, topic in pairs[200:]]
    other = seen(lost, system="You are a helpful assistant.", user=user + "a letter, an object", prefix="s")
    groups = find_frames(one + other, is_closed=is_closed, seed=0)
    assert sorted(len(group.members) for group in groups) == [200, 200]


def test_long_rules_of_behaviour_before_the_long_tail() -> None:
    """A long system message that names no job makes no task of whatever is asked behind it."""
    rng = random.Random(35)
    vocabulary = [f"word{n}" for n in range(400)]
    pairs = [(" ".join(rng.choices(vocabulary, k=15)), " ".join(rng.choices(vocabulary, k=30))) for _ in range(200)]
    system = "You are ChatGPT, a large language model trained by OpenAI. Answer as concisely as possible."
    assert find_frames(seen(pairs, system=system), is_closed=is_closed, seed=0) == []


def test_inputs_that_begin_alike_behind_a_short_prompt() -> None:
    """What many inputs begin with splits no task, even where the system message is short."""
    pairs = [(text if n % 3 else f"RT @user: {text}", topic) for n, (text, topic) in enumerate(tickets(200, 36))]
    system = "Label messages: account, billing, delivery, returns."
    assert len(find_frames(seen(pairs, system=system), is_closed=is_closed, seed=0)) == 1


def test_fixed_examples_that_change_with_the_version() -> None:
    """Other fixed examples are another wording of the task, and no part of the input."""
    pairs = tickets(400, 37)
    shots = [tickets(3, seed) for seed in (38, 39)]
    prompts = [
        "You label shop mail.\n\n" + "".join(f"Q: {text}\nA: {topic}\n\n" for text, topic in shot) + "Q: {}\nA:"
        for shot in shots
    ]
    one = seen(pairs[:200], user=prompts[0])
    other = seen(pairs[200:], user=prompts[1], prefix="s", start=200)
    groups = find_frames(one + other, is_closed=is_closed, seed=0)
    assert {given for group in groups for given in group.inputs} == {text for text, _ in pairs}
    assert len(found(one + other)) == 1


def test_templates_in_a_script_without_spaces() -> None:
    """Two Chinese questions behind a generic system message are two frames, though each counts few spaced words."""
    rng = random.Random(40)
    letters = "天地人你我他大小上下中国城市电影音乐工作学习朋友老师学生今天明天高兴难过"
    texts = ["".join(rng.choices(letters, k=12)) for _ in range(120)]
    system = "You are a helpful assistant."
    one = seen([(text, str(n % 2)) for n, text in enumerate(texts[:60])], system=system, user="这有毒吗, 回答1或0:\n{}")
    other = seen(
        [(text, "是否"[n % 2]) for n, text in enumerate(texts[60:])],
        system=system,
        user="这条评论礼貌吗, 回答是或否:\n{}",
        prefix="s",
    )
    groups = find_frames(one + other, is_closed=is_closed, seed=0)
    assert sorted(group.inputs[0] for group in groups) == sorted([texts[0], texts[60]])


def test_rare_yes_is_still_learned() -> None:
    """Two questions whose answer is mostly no are two tasks: the few other answers tell them apart."""
    pairs = tickets(900, 41)
    one = seen(
        [(text, "yes" if "refund" in text else "no") for text, _ in pairs[:450]],
        system="Does the message concern a refund of money? yes/no",
    )
    other = seen(
        [(text, "yes" if "courier" in text else "no") for text, _ in pairs[450:]],
        system="Does the message concern a courier at work? yes/no",
        prefix="s",
    )
    assert len(found(one + other)) == 2


def test_answers_that_cannot_be_learned_but_are_telling() -> None:
    """A rewording joins where answers are few and noisy, if their names fit no other question."""
    rng = random.Random(42)
    pairs = [(text, rng.choice(["hate speech", "offensive", "neither of these"])) for text, _ in tickets(80, 42)]
    one = seen(pairs[:40], system="You moderate a forum and give every post one of three labels, nothing else.")
    other = seen(pairs[40:], system="Content policy check of messages; write the category alone.", prefix="s")
    assert len(found(one + other)) == 1


def test_attributes_in_another_notation() -> None:
    """A version that sends the same attributes in another notation and asks in other words joins its task."""
    rng = random.Random(43)
    names, foods, areas = ["Aroma", "Cotto", "The Mill", "Zizzi"], ["Thai", "Greek", "French"], ["north", "harbour"]
    rows = [(rng.choice(names), rng.choice(foods), rng.choice(areas), str(n)) for n in range(200)]
    answers = [f"{a} at number {d} serves {b} food in the {c} of town." for a, b, c, d in rows]
    lines = [f"name: {a}\nfood: {b}\narea: {c}\nnumber: {d}" for a, b, c, d in rows]
    brackets = [f"name[{a}], food[{b}], area[{c}], number[{d}]" for a, b, c, d in rows]
    one = seen(list(zip(lines[:100], answers[:100], strict=True)), user="Write one sentence about this place.\n{}")
    other = seen(
        list(zip(brackets[100:], answers[100:], strict=True)),
        system="You are a copywriter of a city guide: use all facts.",
        prefix="s",
    )
    assert len(found(one + other)) == 1


def test_instructions_beside_the_input_in_json() -> None:
    """A JSON message that holds the instructions as one value and the input as another is a frame."""
    pairs = [(text, f"{topic} since {text[-20:]}") for text, topic in tickets(60, 44)]
    user = '{"do": "say in one sentence what the customer wants", "message": "{}"}'
    groups = find_frames(seen(pairs, user=user), is_closed=is_closed, seed=0)
    assert [len(group.members) for group in groups] == [60]
    assert groups[0].inputs[0].removesuffix('"}') == pairs[0][0]


def test_long_tail_behind_an_application_of_two_tasks() -> None:
    """Where two templates stand behind one system message, other requests behind it are no third task."""
    rng = random.Random(45)
    vocabulary = [f"word{n}" for n in range(400)]
    tail = [(" ".join(rng.choices(vocabulary, k=15)), " ".join(rng.choices(vocabulary, k=30))) for _ in range(30)]
    system = "Ti si koristan pomoćnik naše firme. Odgovaraj kratko, ljubazno i tačno."
    topics = seen(tickets(100, 46), system=system, user="Koja je tema ove poruke kupca:\n{}")
    money = [(text, "da" if topic == "billing" else "ne") for text, topic in tickets(100, 47)]
    asked = seen(money, system=system, user="Poruka: {}\n\nRadi li se o novcu? da/ne", prefix="s")
    groups = find_frames([*topics, *asked, *seen(tail, system=system, prefix="t")], is_closed=is_closed, seed=0)
    assert sorted(len(group.members) for group in groups) == [100, 100]

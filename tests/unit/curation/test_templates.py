"""Tests of the search for fixed pieces."""

from __future__ import annotations

import pytest

from tierwright.core.task import Template
from tierwright.curation.templates import mine, whole

WORDS = ["red apples", "a long story about nothing", "Hello?", "why\nnot", "x", "two words.", "1 2 3", "last one!"]


@pytest.mark.parametrize(
    "literals",
    [
        ("Summarise this ticket:\n", ""),
        ("", "\n\nIs the message above spam? Answer yes or no."),
        ("Read the post.\n<<<\n", "\n>>>\nAnswer with one word."),
    ],
)
def test_mine_variable_at_start_middle_or_end(literals: tuple[str, str]) -> None:
    """The fixed text around one variable is found wherever the variable stands."""
    texts = [literals[0] + word + literals[1] for word in WORDS]
    assert mine(texts) == Template(literals=literals)


def test_mine_two_variables() -> None:
    """A fixed piece between two variables is found, and matching gives both variables back."""
    pairs = [(w, v) for w, v in zip(WORDS, reversed(WORDS), strict=True)]
    template = mine([f"Title: {a}\nPlease judge the following text:\n{b}" for a, b in pairs])
    assert template.slots == 2
    for a, b in pairs:
        assert template.match(f"Title: {a}\nPlease judge the following text:\n{b}") == (a, b)


def test_mine_texts_that_share_nothing() -> None:
    """Texts without a common piece have one slot and nothing else."""
    assert mine(WORDS) == whole()


def test_mine_common_first_word() -> None:
    """A single word that all texts begin with is no boilerplate."""
    assert mine([f"how {word}" for word in WORDS]) == whole()


def test_mine_json_documents() -> None:
    """JSON inputs are left whole: their shared punctuation and keys belong to the input."""
    assert mine([f'{{"name": "{word}", "price": 1}}'.replace("\n", " ") for word in WORDS]) == whole()


def test_mine_attribute_lines() -> None:
    """Attributes behind an instruction are left whole, first name included."""
    texts = [f"Write copy for this.\nname: {word}\ncolour: blue" for word in ("desk", "lamp", "sofa", "rug", "bed")]
    assert mine(texts).literals[0] == "Write copy for this.\n"


def test_match_text_shorter_than_its_fixed_pieces() -> None:
    """Fixed pieces that overlap in a text are not matched twice."""
    assert Template(literals=("ab", "ba")).match("aba") is None
    assert Template(literals=("ab", "ba")).match("abba") == ("",)


def test_mine_script_without_spaces() -> None:
    """Chinese instructions around the variable are found, though no spaces part their words."""
    literals = ("判断下面的评论是否有毒, 只回答1或0:\n", "")
    comments = ["今天天气很好", "你说得对", "不要这样说话", "成都是人民的城市", "谢谢大家", "没有意思"]
    texts = [literals[0] + comment for comment in comments]
    assert mine(texts) == Template(literals=literals)


def test_mine_attributes_that_begin_alike() -> None:
    """Attributes that most texts share are still part of the input, not of the prompt."""
    foods = ["Thai", "Greek", "French", "Indian", "Fast food"]
    assert mine([f"name: The Eagle\ntype: pub\nfood: {food}\narea: north" for food in foods]) == whole()


def test_mine_examples_that_vary() -> None:
    """Examples drawn anew for each request are variables, and the lines around them fixed pieces."""
    template = mine([f"Sort each.\n\nInput: {a}\nOutput: {len(a)}\n\nInput: {a[::-1]}\nOutput:" for a in WORDS])
    assert template.literals == ("Sort each.\n\nInput: ", "\nOutput: ", "\n\nInput: ", "\nOutput:")


def test_mine_definitions_before_the_variable() -> None:
    """Definitions in lines of their own belong to the prompt, though they look like attributes."""
    prompt = "insult: attacks a person\nthreat: announces harm\nneither: all else\nPost: "
    assert mine([prompt + word for word in WORDS]).literals[0] == prompt

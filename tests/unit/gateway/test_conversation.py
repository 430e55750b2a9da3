"""Which conversation a request belongs to."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tierwright.gateway.conversation import conversation_of
from tierwright.gateway.dialects.chat import ChatDialect
from tierwright.gateway.dialects.dialect import Asked
from tierwright.gateway.dialects.messages import MessagesDialect
from tierwright.gateway.dialects.responses import ResponsesDialect

USER, ASSISTANT = {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}


def asked(*turns: dict[str, Any], **members: Any) -> Asked:
    """A chat of these turns."""
    body = json.dumps({"model": "m", "messages": list(turns or (USER,)), **members}).encode()
    found = ChatDialect().read(body, {})
    assert isinstance(found, Asked)
    return found


def named(found: Asked, client: str = "desk", **headers: str) -> str | None:
    """Its conversation, with these headers."""
    given = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    return conversation_of(found, given, client)


def test_a_header_goes_before_everything() -> None:
    """What the header says is the conversation as it stands, whoever asks."""
    found = asked(metadata={"conversation_id": "c2"})
    assert named(found, x_conversation_id="c1") == "c1"
    assert named(found, "other", x_session_id="c1") == "c1"


@pytest.mark.parametrize("name", ["conversation_id", "session_id", "thread_id"])
def test_metadata_may_name_it(name: str) -> None:
    """Each member that is in use for it counts, for one client."""
    found = asked(metadata={name: "c1"})
    assert named(found) == named(asked({"role": "user", "content": "Other"}, metadata={name: "c1"}))
    assert named(found) != named(found, "other")
    assert named(found) != named(asked(metadata={name: "c2"}))


@pytest.mark.parametrize("metadata", [None, [], "c1", {"conversation_id": 5}, {"conversation_id": ""}])
def test_metadata_of_another_shape_names_nothing(metadata: Any) -> None:
    """What is no text is no name."""
    assert named(asked(metadata=metadata)) is None


@pytest.mark.parametrize("conversation", ["conv_1", {"id": "conv_1"}])
def test_responses_name_their_conversation(conversation: Any) -> None:
    """OpenAI's Responses say it as a text or as an object."""
    body = json.dumps({"model": "m", "input": "Hi", "conversation": conversation}).encode()
    found = ResponsesDialect().read(body, {})
    assert isinstance(found, Asked)
    assert named(found) == "desk\x00conv_1"


def test_a_growing_chat_stays_one_conversation() -> None:
    """From the second turn on the beginning names it, the same for one client and person, another for others."""
    second = named(asked(USER, ASSISTANT, {"role": "user", "content": "More"}))
    third = named(asked(USER, ASSISTANT, {"role": "user", "content": "More"}, ASSISTANT, USER))
    assert second is not None
    assert second == third
    assert second != named(asked(USER, ASSISTANT, USER), "other")
    assert second != named(asked(USER, ASSISTANT, USER, user="ann"))
    assert second != named(asked({"role": "user", "content": "Bye"}, ASSISTANT, USER))


def test_a_single_request_is_on_its_own() -> None:
    """One turn without a name belongs to nothing, so that equal texts are drawn apart."""
    assert named(asked()) is None
    assert named(asked({"role": "system", "content": "s"}, USER)) is None


def test_people_count_only_where_asked_for() -> None:
    """By default a user's requests are drawn apart; with the setting they are one conversation."""
    found = asked(user="ann")
    assert named(found) is None
    assert conversation_of(found, {}, "desk", by_person=True) == "desk\x00ann"
    assert conversation_of(asked(safety_identifier="ann"), {}, "desk", by_person=True) == "desk\x00ann"
    body = json.dumps({"model": "m", "max_tokens": 5, "messages": [USER], "metadata": {"user_id": "ann"}}).encode()
    message = MessagesDialect().read(body, {})
    assert isinstance(message, Asked)
    assert conversation_of(message, {}, "desk", by_person=True) == "desk\x00ann"

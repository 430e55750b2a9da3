"""Errors of either API in the other's shape."""

from __future__ import annotations

from typing import Any

import pytest
from anthropic.types import ErrorResponse

from tierwright.gateway.anthropic.errors import chat_error, error_body, error_type, messages_error, status_of


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (402, "billing_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (405, "invalid_request_error"),
        (408, "timeout_error"),
        (409, "conflict_error"),
        (413, "request_too_large"),
        (422, "invalid_request_error"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (502, "api_error"),
        (503, "overloaded_error"),
        (504, "timeout_error"),
        (529, "overloaded_error"),
    ],
)
def test_types(status: int, kind: str) -> None:
    """Each status has the type that Anthropic's documentation gives it, and each type a status of its kind."""
    assert error_type(status) == kind
    assert error_type(status_of(kind)) == kind


def test_types_of_unknown_name() -> None:
    """A type that nobody knows is the server's fault."""
    assert status_of("new_idea") == 500


def test_chat_error_for_anthropics_clients() -> None:
    """A chat server's error keeps its message, and gets the type of its status and the id of the request."""
    body = {"error": {"message": "No such model.", "type": "invalid_request_error", "code": "model_not_found"}}
    found = messages_error(body, status=404, request_id="req_1")
    assert found == {
        "type": "error",
        "error": {"type": "not_found_error", "message": "No such model."},
        "request_id": "req_1",
    }
    assert ErrorResponse.model_validate(found).error.type == "not_found_error"
    assert "request_id" not in messages_error(body, status=404)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"code": "rate_limit_exceeded"}, "rate_limit_error"),
        ({"code": 429}, "rate_limit_error"),
        ({"code": "503"}, "overloaded_error"),
        ({"type": "overloaded_error"}, "overloaded_error"),
        ({"code": "context_length_exceeded"}, "invalid_request_error"),
        ({"type": "insufficient_quota"}, "billing_error"),
        ({"code": 7, "type": []}, "api_error"),
        ({}, "api_error"),
    ],
)
def test_errors_inside_of_streams(error: dict[str, Any], kind: str) -> None:
    """Where there is no status, the error's own words say what kind it is."""
    assert messages_error({"error": error}, status=None)["error"]["type"] == kind


@pytest.mark.parametrize("body", [None, [], "<html>", {}, {"error": None}, {"error": {"message": 7}}, {"error": []}])
def test_what_is_no_error_body(body: object) -> None:
    """Whatever a server sends with an error is an error that a client can read."""
    assert messages_error(body, status=502)["error"] == {
        "type": "api_error",
        "message": "the model server reported an error",
    }
    assert chat_error(body)["error"]["message"] == "the model server reported an error"


def test_error_that_is_a_text() -> None:
    """Some servers send nothing but a message."""
    assert messages_error({"error": "Busy."}, status=503)["error"]["message"] == "Busy."
    assert chat_error({"error": "Busy."})["error"]["message"] == "Busy."


@pytest.mark.parametrize(
    ("kind", "chat_kind", "code"),
    [
        ("invalid_request_error", "invalid_request_error", None),
        ("authentication_error", "authentication_error", "invalid_api_key"),
        ("billing_error", "insufficient_quota", "insufficient_quota"),
        ("permission_error", "permission_error", None),
        ("not_found_error", "invalid_request_error", "not_found"),
        ("request_too_large", "invalid_request_error", "request_too_large"),
        ("rate_limit_error", "rate_limit_error", "rate_limit_exceeded"),
        ("api_error", "server_error", None),
        ("timeout_error", "server_error", "timeout"),
        ("overloaded_error", "server_error", "overloaded"),
        ("new_idea", "server_error", None),
    ],
)
def test_anthropics_errors_for_openais_clients(kind: str, chat_kind: str, code: str | None) -> None:
    """Each of Anthropic's types has a type and a code that OpenAI's clients know."""
    assert chat_error(error_body(kind, "No.")) == {
        "error": {"message": "No.", "type": chat_kind, "param": None, "code": code}
    }


def test_context_that_is_too_long() -> None:
    """Clients of either API can tell that the conversation has to be shortened."""
    there = chat_error(error_body("invalid_request_error", "prompt is too long: 9 tokens > 8 maximum"))
    assert there["error"]["code"] == "context_length_exceeded"
    assert messages_error(there, status=400)["error"]["message"] == "prompt is too long: 9 tokens > 8 maximum"
    body = {"error": {"message": "Maximum is 8 tokens.", "code": "context_length_exceeded"}}
    assert messages_error(body, status=400)["error"]["message"] == "prompt is too long: Maximum is 8 tokens."


def test_model_of_unknown_name() -> None:
    """OpenAI's clients tell a wrong model from a wrong address by the code."""
    assert chat_error(error_body("not_found_error", "model: claude-0"))["error"]["code"] == "model_not_found"

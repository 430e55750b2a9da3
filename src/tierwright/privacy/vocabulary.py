"""The member names and content kinds of the APIs that callers speak, sorted by what they say about a value.

Owns the lists; refuses to know how a request is walked (`fields` does). What stands in no list is the careful case:
a kind of content that is not here can't be read, a member name that is not here is never written down.
"""

from __future__ import annotations

from typing import Final


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Members that say nothing of their value: the name of what they are in is its label.
GENERIC: Final = _words(
    """args arguments code const content contents data default digits enum example examples id identifier identifiers
    input items nr no num number output parameters parts properties raw ref reference result results schema string
    text type value values"""
)
#: Members whose text is what people and models say; it needs no label, and goes on in the next of them.
SPOKEN: Final = _words(
    """content contents document documents input instructions messages output parts prompt reasoning refusal summary
    system text thinking"""
)
#: Members that give the name of what stands in one of `PAIRED` beside them, as in {"name": "iban", "value": "..."}.
NAMING: Final = ("name", "key", "field", "label", "title")
PAIRED: Final = frozenset({"value", "values", "data", "default", "const", "number", "digits", "text", "content"})
#: Lists of parts, each of which says its kind.
PART_LISTS: Final = frozenset({"content", "contents", "input", "output", "parts", "system", "messages"})
#: Kinds of parts whose text stands in the part itself.
READABLE_KINDS: Final = _words(
    """text input_text output_text refusal summary_text reasoning_text reasoning message thinking redacted_thinking
    tool_use tool_result tool_addition tool_reference server_tool_use mcp_tool_use mcp_tool_result mcp_call
    mcp_list_tools mcp_approval_request mcp_approval_response web_search_call web_search_tool_result
    web_search_result_location web_fetch_tool_result function_call function_call_output custom_tool_call
    custom_tool_call_output local_shell_call local_shell_call_output shell_call shell_call_output apply_patch_call
    apply_patch_call_output tool_search_call tool_search_output tool_search_tool_result additional_tools
    bash_code_execution_tool_result text_editor_code_execution_tool_result code_execution_tool_result
    advisor_tool_result search_result compaction file input_file document"""
)
#: Members that name content which lies elsewhere.
ELSEWHERE: Final = _words(
    """file_id file_ids file_uri fileUri previous_response_id conversation conversation_id container vector_store_ids
    image_file"""
)
#: Members that hold an address from which the server fetches content.
ADDRESSES: Final = frozenset({"image_url", "file_url", "video_url", "audio_url"})
#: Members under which "url" is such an address, and "data" the content itself, as base64 or as text.
SOURCES: Final = frozenset(
    {"image_url", "video_url", "audio_url", "file", "source", "image", "input_audio", "inline_data", "inlineData"}
)
#: What is content as base64 wherever it stands.
BLOBS: Final = frozenset({"file_data"})
#: Members by whose name content may lie elsewhere or be a file; of any other nobody need ask.
POINTING: Final = ELSEWHERE | ADDRESSES | BLOBS | {"id", "url", "data"}
#: Members that a server wrote for itself and gets back as they are: it has seen what is in them.
SEALED: Final = frozenset({"encrypted_content", "signature", "thought_signature", "thoughtSignature", "obfuscation"})
#: Members below which names are a caller's own: forms of answers and of tools, notes.
DATA: Final = frozenset({"parameters", "input_schema", "json_schema", "schema", "metadata", "variables"})
#: Who may say something.
ROLES: Final = _words("user assistant system developer tool function")
#: Words of the APIs themselves: there is nothing to look for in them.
WORDS: Final = (
    READABLE_KINDS
    | ROLES
    | _words(
        """auto none required json_object json_schema object string number
    integer boolean array null ephemeral custom"""
    )
)
#: Characters of the longest of them.
LONGEST_WORD: Final = max(map(len, WORDS))
#: Members whose numbers say how an answer is to be made, as long as they are small.
TUNING: Final = _words(
    """temperature top_p top_k n max_tokens max_completion_tokens max_output_tokens presence_penalty frequency_penalty
    top_logprobs budget_tokens"""
)
#: Kinds of parts with which a model calls a tool: their "input" is of the tool's form.
CALLS: Final = frozenset({"tool_use", "server_tool_use", "mcp_tool_use", "custom_tool_call"})
#: Members that hold names which programs made up: of requests, calls and conversations.
HANDLES: Final = _words(
    """approval_request_id call_id conversation_id id idempotency-key item_id prompt_cache_key request_id response_id
    run_id session_id thread_id tool_call_id tool_use_id traceparent user_id x-request-id"""
)
#: Members whose lists of whole numbers are tokens.
TOKENS: Final = frozenset({"input", "prompt"})
#: Names that may stand in the ledger; any other may be part of what a caller wrote.
KNOWN: Final = (
    GENERIC
    | SPOKEN
    | PART_LISTS
    | ELSEWHERE
    | ADDRESSES
    | SOURCES
    | BLOBS
    | SEALED
    | _words(
        """audio cache_control call_id citations description file function function_call functions headers input_schema
    json_schema logit_bias max_tokens mcp_servers media_type metadata model name output_config prediction
    prompt_cache_key query response_format role safety_identifier stop temperature tool_calls tool_choice
    tool_call_id tools title tool_use_id url user variables"""
    )
)
#: Names in which there is nothing to look for: words of the APIs themselves.
PLAIN_NAMES: Final = (
    KNOWN | TUNING | _words("additionalProperties include_usage required seed store stream stream_options strict")
)

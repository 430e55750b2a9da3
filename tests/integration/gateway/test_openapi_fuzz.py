"""Requests made from the published OpenAPI document, sound and broken, are answered as it says.

Schemathesis makes them, in a process of its own. Checks that are left out, and why:

- `negative_data_rejection`, `positive_data_acceptance`: bodies are open. What the gateway does not read is for the
  model server to refuse, and some of what a schema allows has no word in another API and is refused.
- `missing_required_header`: no header of the caller's is required, but the key, for which there is `ignored_auth`.
- `use_after_free`, `ensure_resource_availability`, `object_level_authorization`: nothing is made here that could be
  read again or be somebody's.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.integration.gateway.conftest import KEY, Running
from tests.integration.gateway.well_behaved import well_behaved
from tierwright.gateway.openapi import document

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: Random requests for each operation, besides those at the bounds of every schema; more when faults are looked for.
EXAMPLES = os.environ.get("TIERWRIGHT_FUZZ_EXAMPLES", "5")
#: Seconds an answer may take: far more than any does, so that only one that never comes fails.
PATIENCE_S = 20
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "allow_header_conformance",
    "ignored_auth",
)
CHAT, RESPONSES, MESSAGES = "/v1/chat/completions", "/v1/responses", "/v1/messages"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "paths"),
    [
        ("openai", ()),
        # What these makes are asked in another API than their own.
        ("anthropic", (CHAT,)),
        ("mistral", (RESPONSES, MESSAGES)),
    ],
)
def test_requests_are_answered_as_the_document_says(
    start: Callable[..., Running], tmp_path: Path, kind: str, paths: tuple[str, ...]
) -> None:
    """No 500, no hang, no status, header, content type or body that is not in the document; the key is asked for."""
    # One server for the models that are listed, and one of the same make for every other name.
    gateway = start(backend={"kind": kind}, others=[{"name": "any", "kind": kind, "models": ()}])
    gateway.upstream.script = well_behaved
    published = document()
    for path in published["paths"].values():
        # The model server makes no errors here, so that none of an undeclared status may arrive.
        path.get("post", {"responses": {}})["responses"].pop("default", None)
        # Without a privacy gate no higher class may be declared, and what is no class is refused unread.
        for parameter in path.get("post", {}).get("parameters", ()):
            if parameter["name"] == "x-tierwright-data-class":
                parameter["schema"] = {"type": "string", "enum": ["public", "internal"]}
    (tmp_path / "openapi.json").write_text(json.dumps(published), encoding="utf-8")
    chosen = [f"--include-path={path}" for path in paths]
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", "openapi.json", "--url", gateway.listener.address),
            *("--header", f"Authorization: Bearer {KEY}", "--request-timeout", str(PATIENCE_S), *chosen),
            *("--checks", ",".join(CHECKS), "--phases", "coverage,fuzzing", "--max-examples", EXAMPLES),
            # The same requests every time; generating them is slow on a busy machine, and no fault of the gateway.
            *("--generation-deterministic", "--suppress-health-check", "all", "--no-color", "--warnings", "off"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    # They were not all refused before they were read.
    assert len(gateway.upstream.seen) > 50
    # None of it has got into a state in which it would not answer.
    assert gateway.readiness()["status"] == "ready"

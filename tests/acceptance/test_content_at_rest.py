"""Content at rest of a gateway as a program: sealed in the store and in the journal, through a kill and an erasure."""

from __future__ import annotations

import base64
import json
import signal
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

from tests.acceptance.servers import FRONTIER, eventually, gateway, replayed, settings
from tierwright.store.connection import open_store

if TYPE_CHECKING:
    from pathlib import Path

    from tests.acceptance.conftest import Cli

SECRET = "ada-said-so"
KEY = bytes(range(32))


def a_log(path: Path, texts: list[str]) -> None:
    """What the replayed frontier model answers."""
    lines = []
    for number, text in enumerate(texts):
        response = {
            "id": f"chatcmpl-{number}",
            "object": "chat.completion",
            "created": 1756684940,
            "model": "gpt-4o",
            "choices": [
                {"index": 0, "message": {"role": "assistant", "content": f"re: {text}"}, "finish_reason": "stop"}
            ],
            "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12},
        }
        lines.append({"timestamp": 1756684940 + number, "client_id": "x", "request": asked(text), "response": response})
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")


def asked(text: str) -> dict[str, Any]:
    """A request."""
    return {"model": "gpt-4o", "messages": [{"role": "user", "content": text}]}


def held(folder: Path) -> bytes:
    """All bytes of the store, the register and the journal."""
    files = [*folder.glob("*.db*"), *(path for path in (folder / "spool").rglob("*") if path.is_file())]
    return b"".join(path.read_bytes() for path in files)


def test_nothing_a_person_said_is_readable_at_rest_and_an_erasure_reaches_a_running_gateway(cli: Cli) -> None:
    """While the store is held up, after a kill, after the restart, and after an erasure beside the gateway."""
    folder = cli.folder
    a_log(folder / "log.jsonl", [SECRET, "bob asks"])
    (folder / "content.key").write_text(base64.b64encode(KEY).decode(), encoding="ascii")
    with replayed(folder / "log.jsonl", folder, speedup="inf") as url:
        text = settings(url)
        marker = f'name = "{FRONTIER}"\n'
        assert marker in text
        (folder / "tierwright.toml").write_text(
            f'{text}[privacy]\ndefault_class = "internal"\ncontent_key = "file:content.key"\n', encoding="utf-8"
        )
        store_path = folder / "tierwright.db"
        with gateway(folder) as running, closing(sqlite3.connect(store_path, isolation_level=None)) as other:
            # Nothing reaches the store: what was said waits in the journal, and the process is killed.
            other.execute("BEGIN IMMEDIATE")
            headers = {"x-tierwright-subject": "ada"}
            raw = running.client.chat.completions.with_raw_response.create(**asked(SECRET), extra_headers=headers)
            inference_id = raw.headers["x-tierwright-inference-id"]
            assert SECRET.encode() not in held(folder)
            running.process.send_signal(signal.SIGKILL)
            running.process.wait()
            other.execute("ROLLBACK")
        assert SECRET.encode() not in held(folder)
        with gateway(folder) as running:
            with closing(
                open_store(
                    f"sqlite:///{store_path}",
                    register_url=f"sqlite:///{folder / 'tierwright-keys.db'}",
                    content_key=KEY,
                )
            ) as store:
                eventually(lambda: store.count() == 1)
                kept = store.get(inference_id)
                assert kept.request is not None
                assert SECRET.encode() in kept.request
                assert kept.subject is not None
                assert SECRET.encode() not in held(folder)

                erased = cli("privacy", "erase", "--subject", "ada", "--json")
                assert erased.code == 0, erased.err
                assert erased.document["inferences"] == [inference_id]
                # The gateway goes on, and she is a customer again.
                running.client.chat.completions.create(**asked("bob asks"), extra_headers=headers)
                eventually(lambda: store.count() == 2)
                contents = [one.request is not None for one in store.scan()]
                assert contents == [False, True]
            assert running.stop() == 0

"""Threat 4: text of a caller that is run as SQL, before or after it is known who calls."""

from __future__ import annotations

import ast
import sqlite3
from typing import TYPE_CHECKING

from tests.integration.gateway.conftest import KEY
from tests.threats.asking import BODIES, ask
from tests.threats.sources import calls, modules
from tierwright.core.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.gateway.conftest import Running

CORPUS = (
    "' OR '1'='1",
    "' OR 1=1 --",
    '" OR ""="',
    "') OR ('1'='1",
    "'; DROP TABLE caller_keys; --",
    "'; DELETE FROM inferences; --",
    "1; UPDATE caller_keys SET revoked_at_us = NULL",
    "' UNION SELECT sha256 FROM caller_keys --",
    "' UNION ALL SELECT NULL,NULL,NULL --",
    "' AND (SELECT COUNT(*) FROM sqlite_master) > 0 --",
    "' || (SELECT sha256 FROM caller_keys LIMIT 1) || '",
    "'; ATTACH DATABASE '/tmp/x' AS x; --",
    "'; SELECT pg_sleep(10); --",
    "'; COPY (SELECT '') TO PROGRAM 'id'; --",
    "$$; SELECT 1; $$",
    "\\'; SELECT 1; --",
    "%' OR '%'='",
    "_%",
    "admin'/*",
    "*/; SELECT 1; /*",
    ":name",
    "?1",
    "%(name)s",
)
#: Places of a header can't hold what HTTP does not allow there; all of these can.
_MESSAGES = [{"role": "user", "content": "hello"}]


def _tables(path: Path) -> dict[str, int]:
    """How many rows each table has."""
    with sqlite3.connect(path) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: connection.execute(f'SELECT COUNT(*) FROM "{name}"').fetchone()[0] for name in names}


def test_threat_04_sql_injection(gateway: Running, tmp_path: Path, probes: Callable[[int], None]) -> None:
    """Wherever a caller's text reaches the store it is kept as text: no table, row or key is another for it."""
    chat = BODIES["/v1/chat/completions"]
    assert ask(gateway.url, "/v1/chat/completions", chat).status == 200
    first = gateway.captured()[0]
    before = _tables(tmp_path / "store.db")
    tried = asked = said = 0
    for text in CORPUS:
        # Before anybody knows who calls.
        for headers in ({"authorization": f"Bearer {text}"}, {"x-api-key": text}, {"authorization": text}):
            answer = ask(gateway.url, "/v1/chat/completions", chat, key=None, headers=headers)
            assert (answer.status, answer.code) == (401, "invalid_api_key")
        assert ask(gateway.url, "/v1/chat/completions", chat, key=f"{KEY}{text}").status == 401
        # What a request says of itself.
        for body, headers in (
            ({**chat, "model": text}, {}),
            ({**chat, "model": f"task:{text}"}, {}),
            ({**chat, "user": text, "metadata": {"task": text, "user_id": text}}, {}),
            (chat, {"x-tierwright-task": text, "x-tierwright-conversation": text, "idempotency-key": text}),
            ({**chat, "messages": [{"role": "user", "content": text, "name": text}]}, {}),
        ):
            answer = ask(gateway.url, "/v1/chat/completions", body, headers=headers)
            assert answer.status in (200, 404), answer
            asked += 1
        # What is said of an answer.
        assert ask(gateway.url, "/v1/feedback", {"id": text, "output": "a"}).status in (400, 404)
        word = {"id": first.id, "output": text, "author": text, "name": text, "score": text, "comment": text}
        assert ask(gateway.url, "/v1/feedback", {**word, "idempotency_key": text}).status == 200
        said += 1
        assert ask(gateway.url, f"/v1/models/{'x'.join(text.split())}".replace("?", "")).status in (400, 404)
        tried += 13
    gateway.captured(1 + asked)
    after = _tables(tmp_path / "store.db")
    assert set(after) == set(before)
    assert after["inferences"] == 1 + asked
    assert after["caller_keys"] == before["caller_keys"] == 0
    assert (after["feedback"], after["scores"]) == (said, said)
    assert {word.author for word in gateway.store.scores_of([first.id])} == set(CORPUS)
    probes(tried)


def test_threat_04_sql_injection_by_operators_names(gateway: Running, probes: Callable[[int], None]) -> None:
    """Names that operators give are looked up as text, too: none of them finds anything."""
    tried = 0
    for text in CORPUS:
        for look in (gateway.store.task, gateway.store.get, gateway.store.dataset, gateway.store.version):
            try:
                look(text)
            except NotFound:
                tried += 1
    assert tried == 4 * len(CORPUS)
    probes(tried)


def test_threat_04_sql_injection_parameters_only(probes: Callable[[int], None]) -> None:
    """No statement is put together from text, but for two whose parts are literals beside them."""
    looked = 0
    together: list[str] = []
    for path, tree in modules("store"):
        for name, call in calls(tree):
            if name.rpartition(".")[2] not in ("text", "execute", "exec_driver_sql", "executescript") or not call.args:
                continue
            looked += 1
            given = call.args[0]
            formatted = isinstance(given, ast.Call) and getattr(given.func, "attr", "") == "format"
            if isinstance(given, (ast.JoinedStr, ast.BinOp)) or formatted:
                together.append(path.as_posix())
    # SQLite's pragmas take no parameters, and neither does the name of a function that tells a server's version.
    assert together == ["store/connection.py", "store/sql.py"]
    probes(looked)

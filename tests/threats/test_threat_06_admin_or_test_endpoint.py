"""Threat 6: an endpoint for operators or tests that runs what a caller sends, or that callers can reach."""

from __future__ import annotations

import ast
import json
from typing import TYPE_CHECKING

import pytest

from tests.integration.gateway.test_admin import admin
from tests.threats.asking import BODIES, ask
from tests.threats.sources import calls, imported, modules
from tierwright.gateway import server
from tierwright.gateway.config import AdminConfig, ServerConfig

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.gateway.conftest import Running

__all__ = ["admin"]

_NEVER = {"subprocess", "pty", "code", "runpy", "jinja2", "importlib", "multiprocessing", "cmd", "shlex"}
_RUNNING = {
    *("os.system", "os.popen", "eval", "exec", "compile", "__import__"),
    *("asyncio.create_subprocess_exec", "asyncio.create_subprocess_shell"),
}
_HARMLESS = {"importlib.metadata", "importlib.metadata.version"}
#: Modules that start or load what the settings name or this package brings, and nothing that a request does.
_BY_SETTINGS = {
    "privacy/identifiers.py",
    "privacy/measured.py",
    "privacy/plugins/callables.py",
    "privacy/plugins/process.py",
    "privacy/plugins/worker.py",
}
_ADMIN = ("/metrics", "/openapi.json", "/health/readiness", "/health/liveliness")
#: Where other gateways have such endpoints.
_ELSEWHERE = (
    *(
        "/admin",
        "/debug",
        "/debug/pprof",
        "/test",
        "/config",
        "/config/update",
        "/reload",
        "/shutdown",
        "/docs",
        "/redoc",
    ),
    *(
        "/mcp-rest/test/connection",
        "/mcp-rest/test/tools/list",
        "/guardrails/test",
        "/key/generate",
        "/user/new",
        "/ui",
    ),
    *("/v1/admin", "/v1/debug", "/v1/config", "/v1/files", "/v1/batches", "/v1/fine_tuning/jobs", "/model/new", "/env"),
    *("/openai/v1/chat/completions", "/utils/transform_request", "/prompts/test", "/health/services", "/graphql"),
)


def test_threat_06_admin_or_test_endpoint(gateway: Running, admin: str, probes: Callable[[int], None]) -> None:
    """Callers reach nothing that operators do; operators' pages are read and take nothing; there are no others."""
    tried = 0
    for path in ("/metrics", "/openapi.json", *_ELSEWHERE):
        for method in ("GET", "POST", "PUT", "DELETE"):
            body = {"command": "id", "args": ["-a"], "url": "file:///etc/passwd", "code": "1+1"}
            assert ask(gateway.url, path, body, method=method).status == 404, path
            assert ask(admin, path, body, method=method).status in ((200, 405) if path in _ADMIN else (404,)), path
            tried += 2
    for path in _ADMIN:
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            assert ask(admin, path, {"command": "id"}, method=method).status == 405
            tried += 1
    for path in BODIES:
        assert ask(admin, path, BODIES[path]).status == 404
        tried += 1
    probes(tried)


def test_threat_06_admin_or_test_endpoint_runs_nothing(
    gateway: Running, tmp_path: Path, probes: Callable[[int], None]
) -> None:
    """Commands, templates, paths and modules in a request are text: they are passed on to the letter, and not run."""
    made = tmp_path / "made"
    texts = (
        *(f"$(touch {made})", f"`touch {made}`", f"; touch {made}", f"| touch {made}", "{{ 7 * 191 }}", "${7*191}"),
        *("#{7*191}", "<%= 7*191 %>", f"__import__('os').system('touch {made}')", "{0.__class__}", "%(x)s", "{x}"),
        *("../../../../etc/passwd", "file:///etc/passwd", "C:\\x", "!!python/object/apply:os.system ['id']", "(a+)+$"),
        *("cos\nsystem\n(S'id'\ntR.", "${jndi:ldap://127.0.0.1:9/x}", "os:system", "tierwright.app.cli.main:run"),
    )
    for text in texts:
        body = {"model": "gpt-4o", "messages": [{"role": "user", "content": text}], "metadata": {"command": text}}
        assert ask(gateway.url, "/v1/chat/completions", body).status == 200
        sent = json.loads(gateway.upstream.seen[-1][1])
        assert sent["messages"][0]["content"] == text
        assert sent["metadata"]["command"] == text
    assert not made.exists()
    probes(len(texts))


def runs(tree: ast.Module) -> set[str]:
    """By what a module could start programs, render templates or load code by name."""
    found = {name for name in imported(tree) if name.partition(".")[0] in _NEVER and name not in _HARMLESS}
    return found | ({name for name, _ in calls(tree)} & _RUNNING)


def test_threat_06_admin_or_test_endpoint_cannot(probes: Callable[[int], None]) -> None:
    """What answers requests imports nothing that starts programs, renders templates or loads code by name.

    Nor does what looks at them, but for the plug-ins that the settings name, and the validators by their fixed list.
    """
    looked = 0
    for path, tree in (*modules("gateway"), *modules("privacy")):
        assert not runs(tree) or path.as_posix() in _BY_SETTINGS, path
        looked += 1
    assert AdminConfig().host == ServerConfig().host == "127.0.0.1"
    assert AdminConfig().port == 0
    assert set(server.DIALECTS) == set(BODIES)
    probes(looked)


@pytest.mark.parametrize(
    "planted",
    [
        "import subprocess",
        "from jinja2 import Template",
        "def f():\n    import importlib as i",
        "os.system(x)",
        "eval(x)",
    ],
)
def test_threat_06_admin_or_test_endpoint_would_be_seen(planted: str, probes: Callable[[int], None]) -> None:
    """A module that could would be found."""
    assert runs(ast.parse(planted))
    probes(1)

"""What in the code could open a connection, found by walking all of it: one module sends requests, and no other."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import Final

import pytest

import tierwright

SOURCE: Final = Path(tierwright.__file__).parent


def _words(table: str) -> frozenset[str]:
    return frozenset(table.split())


#: Modules of the standard library that can reach another process, or make one that can.
_NETWORK: Final = _words(
    """
    _posixsubprocess _socket _ssl _winapi asyncore asynchat cgi code codeop concurrent.interpreters ctypes ensurepip
    ftplib http.client http.server imaplib imp importlib logging.handlers multiprocessing nntplib pip poplib posix pty
    runpy smtpd smtplib socket socketserver ssl subprocess telnetlib turtledemo urllib.request urllib.robotparser venv
    webbrowser wsgiref xmlrpc zipimport
    """
)
#: Parts of those above that open nothing.
_HARMLESS: Final = frozenset({"importlib.metadata", "importlib.resources", "importlib.util.find_spec"})
#: Functions that connect, send, start a program or load code, on whatever object and under whatever alias.
_CALLS: Final = _words(
    """
    __import__ connect_ex create_async_engine create_connection create_datagram_endpoint create_engine
    create_subprocess_exec create_subprocess_shell create_unix_connection exec_module import_module load_module
    open_connection open_unix_connection posix_spawn posix_spawnp run_module run_path sock_connect sock_sendall
    sock_sendto start_connection subprocess_exec subprocess_shell urlopen urlretrieve
    """
)
#: Functions of `os` that start a program; elsewhere these are ordinary words.
_OF_OS: Final = _words(
    """
    execl execle execlp execlpe execv execve execvp execvpe fork forkpty popen spawnl spawnle spawnlp spawnlpe spawnv
    spawnve spawnvp spawnvpe system
    """
)
#: Functions that run text as code; as methods they are others.
_BUILT_IN: Final = frozenset({"compile", "eval", "exec"})
#: Packages that the code imports and that open nothing of themselves.
_QUIET: Final = _words(
    """
    alembic cryptography google google_crc32c httptools jinja2 llguidance msgspec numpy onnx onnxruntime opentelemetry
    peft phonenumbers prometheus_client re2 rich sacrebleu safetensors scipy sklearn splintr sqlalchemy starlette stdnum
    threadpoolctl tierwright tokenizers torch typer genai_prices
    """
)

#: All that can reach out of the process: by which means, what it sends, and to whom.
KNOWN: Final[dict[str, tuple[set[str], str]]] = {
    "gateway/backends/pool.py": (
        {"aiohappyeyeballs", "create_connection", "socket", "ssl", "start_connection"},
        "requests, each with a permit of its own, to the model servers of the settings: the one way out for content",
    ),
    "gateway/telemetry/otlp.py": (
        {"http.client", "ssl"},
        "spans and metrics without content, to the settings' collector",
    ),
    "gateway/serving.py": ({"socket", "uvicorn"}, "answers, to whoever has connected; opens nothing itself"),
    "gateway/tenancy/counters.py": ({"ctypes"}, "nothing: flock on a file of this machine"),
    "store/connection.py": ({"create_engine"}, "what is kept, to the settings' database"),
    "privacy/identifiers.py": ({"import_module", "importlib"}, "nothing: loads validators of python-stdnum by name"),
    "privacy/plugins/process.py": (
        {"create_subprocess_exec", "open_unix_connection", "socket"},
        "texts to look at, to a plug-in's process of this machine over a pair of sockets; the settings choose it",
    ),
    "privacy/plugins/worker.py": (
        {"import_module", "importlib", "socket"},
        "types and places of findings, to the process that started it over the same pair",
    ),
    "privacy/plugins/callables.py": (
        {"import_module", "importlib"},
        "nothing: loads the function that the settings name",
    ),
    "privacy/plugins/presidio.py": (
        {"create_engine", "presidio_analyzer", "spacy", "tldextract"},
        "nothing: models of this machine, and no list of domains is fetched",
    ),
    "curation/parquet.py": ({"pyarrow"}, "nothing: reads a file of this machine"),
    "training/weight_sources.py": (
        {"huggingface_hub", "subprocess"},
        "names of base weights, on `model pull`, to a hub",
    ),
    "training/lm_sources.py": ({"huggingface_hub"}, "the same"),
    "training/lm/model.py": ({"transformers"}, "nothing: loads weights of this machine, local files only"),
    "app/link.py": ({"open_unix_connection"}, "settings and metrics, to the supervisor over a pair of sockets"),
    "app/supervisor.py": ({"create_subprocess_exec", "socket", "subprocess"}, "starts this program's own workers"),
    "app/worker.py": ({"socket"}, "takes over the socket of its supervisor"),
    "app/demo/driver.py": ({"aiohttp"}, "the demo's own traffic, to the demo's own gateway"),
    "app/demo/replay.py": ({"socket", "uvicorn"}, "answers of the demo's stand-in for a frontier model, on loopback"),
    "app/demo/servers.py": ({"subprocess"}, "starts the demo's own servers"),
}


def ways(source: str) -> set[str]:
    """The means by which a module could reach out, as far as its text shows them; no means that a type needs."""
    return set(_Walker(ast.parse(source)).found)


class _Walker(ast.NodeVisitor):
    def __init__(self, tree: ast.AST) -> None:
        self.found: set[str] = set()
        self.visit(tree)

    def visit_If(self, node: ast.If) -> None:
        """What stands under `if TYPE_CHECKING:` never runs."""
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            for child in node.orelse:
                self.visit(child)
        else:
            self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        """`import a.b as c`."""
        for alias in node.names:
            self._import(alias.name)
            if alias.name == "os" and alias.asname is not None:
                # Its functions could not be told any more.
                self.found.add("os under another name")

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """`from a.b import c`, also where c is a module."""
        for alias in node.names:
            if node.level == 0 and node.module is not None:
                self._import(f"{node.module}.{alias.name}")
            if alias.name in _CALLS or (node.module == "os" and alias.name in _OF_OS):
                self.found.add(alias.name)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        """`x.open_connection`, called or handed on."""
        of_os = isinstance(node.value, ast.Name) and node.value.id == "os" and node.attr in _OF_OS
        if of_os or node.attr in _CALLS:
            self.found.add(node.attr)
        self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        """`exec`, called or handed on."""
        if node.id in _CALLS | _BUILT_IN:
            self.found.add(node.id)

    def visit_Constant(self, node: ast.Constant) -> None:
        """`getattr(loop, "create_connection")`."""
        if isinstance(node.value, str) and node.value in _CALLS:
            self.found.add(node.value)

    def _import(self, name: str) -> None:
        if any(name == one or name.startswith(one + ".") for one in _HARMLESS):
            return
        parts = name.split(".")
        prefixes = {".".join(parts[: count + 1]) for count in range(len(parts))}
        self.found.update(prefixes & _NETWORK)
        top = parts[0]
        if top not in sys.stdlib_module_names and top not in _QUIET:
            self.found.add(top)


def test_every_way_out_is_known() -> None:
    """Each module that could open a connection is named with its means, and none is named that could not."""
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        means = ways(path.read_text(encoding="utf-8"))
        if means:
            found[path.relative_to(SOURCE).as_posix()] = means
    assert found == {name: set(means) for name, (means, _) in KNOWN.items()}


def test_what_is_known_is_told() -> None:
    """For each module it is said in words what it sends, and to whom."""
    assert all(about.strip() for _, about in KNOWN.values())


def test_only_the_pool_is_asked_for_connections() -> None:
    """Of all modules only the backend that demands permits uses the pool, and it checks one before it does."""
    users = [
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        if "backends.pool import" in path.read_text(encoding="utf-8")
    ]
    assert users == ["gateway/backends/http.py"]
    tree = ast.parse((SOURCE / users[0]).read_text(encoding="utf-8"))
    (send,) = [node for node in ast.walk(tree) if isinstance(node, ast.AsyncFunctionDef) and node.name == "send"]
    first = next(statement for statement in send.body if not _is_docstring(statement))
    assert ast.unparse(first).startswith("self._gate.check(permit, outgoing")


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


@pytest.mark.parametrize(
    ("source", "means"),
    [
        ("import socket", "socket"),
        ("import urllib.request as u", "urllib.request"),
        ("from urllib import request", "urllib.request"),
        ("from urllib.request import urlopen", "urllib.request"),
        ("def f():\n    import http.client", "http.client"),
        ("import importlib\nimportlib.import_module('soc' + 'ket')", "import_module"),
        ("from importlib import import_module as load", "importlib"),
        ("__import__('socket')", "__import__"),
        ("import asyncio\nawait asyncio.open_connection('x', 1)", "open_connection"),
        ("from asyncio import open_connection as o", "open_connection"),
        ("loop.create_connection(p, 'x', 1)", "create_connection"),
        ("getattr(loop, 'create_connection')", "create_connection"),
        ("import subprocess\nsubprocess.run(['curl', 'x'])", "subprocess"),
        ("await asyncio.create_subprocess_exec('curl', 'x')", "create_subprocess_exec"),
        ("import os\nos.system('curl x')", "system"),
        ("from os import popen", "popen"),
        ("import os as o\no.system('curl x')", "os under another name"),
        ("exec('import ' + 'socket')", "exec"),
        ("import ctypes", "ctypes"),
        ("import multiprocessing.connection", "multiprocessing"),
        ("from logging.handlers import HTTPHandler", "logging.handlers"),
        ("import requests", "requests"),
        ("import httpx", "httpx"),
        ("from aiohttp import ClientSession", "aiohttp"),
        ("import boto3", "boto3"),
        ("if TYPE_CHECKING:\n    pass\nelse:\n    import ssl", "ssl"),
        ("if TYPE_CHECKING or True:\n    import ssl", "ssl"),
    ],
)
def test_a_new_way_out_is_seen(source: str, means: str) -> None:
    """Whatever a module would open a connection with is found, under an alias or within a function too."""
    tree = source if "await" not in source else "async def f():\n    " + source.replace("\n", "\n    ")
    assert means in ways(tree)


@pytest.mark.parametrize(
    "source",
    [
        "import asyncio, json, urllib.parse",
        "from importlib.metadata import version",
        "from importlib.util import find_spec",
        "if TYPE_CHECKING:\n    import socket",
        "import re\nre.compile('x')\nmodel.eval()\nmessage.system",
    ],
)
def test_what_opens_nothing_is_left_alone(source: str) -> None:
    """Reading, parsing and typing are no ways out."""
    assert not ways(source)

"""The programs that stand in front of the model server, and the model server: where they are found, how they start.

Owns their settings, each as its makers say for production, with one worker. Refuses to know what is measured.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rig import nginx
from rig.processes import Program, free_port
from rig.wire import ANSWER, BODY, KEY, Target

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

_BENCHMARKS = Path(__file__).parents[1]
_LITELLM = """\
model_list:
  - model_name: gpt-4o
    litellm_params:
      model: openai/gpt-4o
      api_base: http://127.0.0.1:{upstream}/v1
      api_key: sk-bench-upstream
litellm_settings:
  telemetry: false
general_settings:
  master_key: {key}
"""
#: Portkey listens on every interface and has no setting for it; without authentication that would be an open proxy.
_ON_LOOPBACK = (
    "data:text/javascript,import net from 'node:net'; const listen = net.Server.prototype.listen; "
    "net.Server.prototype.listen = function (port, host, done) { return listen.call(this, port, '127.0.0.1', done); };"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """Something that answers, running."""

    name: str
    program: Program
    target: Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """What of the others is on this machine."""

    #: nginx; None: it is not there, nor is a plain proxy.
    nginx: str | None
    #: LiteLLM's programs, by name in the report.
    litellm: dict[str, str]
    #: The folder of Portkey's package; None: it is not there.
    portkey: Path | None
    #: What was found, with its version.
    versions: dict[str, str]
    #: What was not, and how to have it measured.
    left_out: dict[str, str]


def add_options(options: argparse.ArgumentParser) -> None:
    """Options that say where the other programs are."""
    options.add_argument("--litellm", action="append", help="LiteLLM's program; may be given more than once")
    options.add_argument("--portkey", help="the folder where @portkey-ai/gateway was installed with npm")
    options.add_argument("--nginx", help="nginx's program")


def find(chosen: argparse.Namespace) -> Installed:
    """Looks where the options say, then where TIERWRIGHT_BENCH_{LITELLM,PORTKEY,NGINX} say, then on the PATH."""
    versions: dict[str, str] = {}
    left_out: dict[str, str] = {}
    server = _program(chosen.nginx or os.environ.get("TIERWRIGHT_BENCH_NGINX") or "nginx")
    if server is None:
        left_out["nginx"] = "no nginx on the PATH; install it, or name its program with --nginx"
    else:
        versions["nginx"] = _says(server, "-v").rpartition("/")[2]
    litellm: dict[str, str] = {}
    for asked in chosen.litellm or [os.environ.get("TIERWRIGHT_BENCH_LITELLM") or "litellm"]:
        program = _program(asked)
        if program is None:
            left_out["litellm"] = f"no {asked}; install litellm[proxy], and name its program with --litellm"
            continue
        # After what may be warnings.
        version = _says(program, "--version").split()[-1]
        name = "litellm" if not litellm else f"litellm {version}"
        litellm[name], versions[name] = program, version
    folder = chosen.portkey or os.environ.get("TIERWRIGHT_BENCH_PORTKEY")
    portkey = Path(folder).resolve() / "node_modules" / "@portkey-ai" / "gateway" if folder else None
    if portkey is None or not (portkey / "package.json").exists() or shutil.which("node") is None:
        portkey = None
        left_out["portkey"] = "install @portkey-ai/gateway with npm, and name the folder with --portkey; needs node"
    else:
        versions["portkey"] = json.loads((portkey / "package.json").read_text(encoding="utf-8"))["version"]
        versions["node"] = _says("node", "--version")
    return Installed(nginx=server, litellm=litellm, portkey=portkey, versions=versions, left_out=left_out)


def start_upstream(folder: Path, cores: set[int], program: str | None) -> Contestant:
    """A model server that answers at once: nginx where there is one, else our own."""
    port = free_port()
    if program is not None:
        return _start_nginx(program, folder, "upstream (nginx)", cores, nginx.static_server(port), port)
    return start_own_upstream(folder, cores)


def start_own_upstream(folder: Path, cores: set[int]) -> Contestant:
    """Our own model server, which streams too."""
    port = free_port()
    paths = [str(_BENCHMARKS), *filter(None, [os.environ.get("PYTHONPATH")])]
    command = [sys.executable, "-m", "rig.upstream", str(port)]
    running = Program(command, cores=cores, folder=folder, environment={"PYTHONPATH": os.pathsep.join(paths)})
    return _answering("upstream (own)", running, Target(port=port))


def start_rivals(found: Installed, folder: Path, core: int, upstream: int) -> Iterator[Contestant]:
    """Each that was found, one after the other, as soon as it answers."""
    for name, program in found.litellm.items():
        yield _start_litellm(program, folder / name, name, core, upstream)
    if found.portkey is not None:
        yield _start_portkey(found.portkey, folder / "portkey", core, upstream)
    if found.nginx is not None:
        port = free_port()
        settings = nginx.proxy(port, upstream)
        yield _start_nginx(found.nginx, folder / "nginx proxy", "nginx proxy", {core}, settings, port)


def _start_nginx(program: str, folder: Path, name: str, cores: set[int], settings: str, port: int) -> Contestant:
    folder.mkdir(parents=True)
    (folder / "nginx.conf").write_text(settings, encoding="utf-8")
    command = [program, "-p", str(folder), "-e", "error.log", "-c", "nginx.conf"]
    return _answering(name, Program(command, cores=cores, folder=folder), Target(port=port))


def _start_litellm(program: str, folder: Path, name: str, core: int, upstream: int) -> Contestant:
    """https://docs.litellm.ai/docs/proxy/prod, without the database, which LiteLLM does not need."""
    folder.mkdir(parents=True)
    port = free_port()
    (folder / "config.yaml").write_text(_LITELLM.format(upstream=upstream, key=KEY), encoding="utf-8")
    command = [program, "--config", "config.yaml", "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]
    environment = {
        "LITELLM_LOG": "ERROR",
        "LITELLM_MODE": "PRODUCTION",
        # The list of prices in the package, not the one on the web.
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "PYTHONPATH": "",
    }
    running = Program([*command, "--telemetry", "False"], cores={core}, folder=folder, environment=environment)
    return _answering(name, running, Target(port=port))


def _start_portkey(package: Path, folder: Path, core: int, upstream: int) -> Contestant:
    port = free_port()
    command = ["node", "--import", _ON_LOOPBACK, str(package / "build" / "start-server.js"), f"--port={port}"]
    environment = {"NODE_ENV": "production"}
    running = Program([*command, "--headless"], cores={core}, folder=folder, environment=environment)
    headers = {"x-portkey-provider": "openai", "x-portkey-custom-host": f"http://127.0.0.1:{upstream}/v1"}
    return _answering("portkey", running, Target(port=port, headers=headers))


def _answering(name: str, running: Program, target: Target) -> Contestant:
    """The contestant, once it hands on the model server's answer; stopped where it never does."""

    def answers() -> bool:
        with closing(http.client.HTTPConnection("127.0.0.1", target.port, timeout=10)) as connection:
            try:
                connection.request("POST", "/v1/chat/completions", BODY, target.all_headers)
                response = connection.getresponse()
                content = response.read()
            except (OSError, http.client.HTTPException):
                return False
        return response.status == 200 and json.loads(content)["usage"] == json.loads(ANSWER)["usage"]

    try:
        running.wait_until(answers)
    except BaseException:
        running.stop()
        raise
    return Contestant(name=name, program=running, target=target)


def _program(name: str) -> str | None:
    """Where a program is; Debian keeps servers off the PATH of ordinary users."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")


def _says(*command: str) -> str:
    environment = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "PYTHONPATH": ""}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return (done.stdout + done.stderr).strip()

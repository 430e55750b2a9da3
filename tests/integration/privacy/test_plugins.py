"""Detectors in processes of their own: what they find, and what comes of it when they hang, die or lie."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from tierwright.core.errors import DetectorError
from tierwright.core.privacy import Found
from tierwright.privacy.plugins.host import PluginDetector
from tierwright.privacy.plugins.process import PluginSpec

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

#: A plug-in that does as the text says.
SOURCE = """
import os, re, sys, time

def find(text):
    print("printed", text)
    print("printed", text, file=sys.stderr)
    if "HANG" in text:
        while True: pass
    if "SLEEP" in text: time.sleep(3600)
    if "DIE" in text: os._exit(3)
    if "RAISE" in text: raise RuntimeError("about " + text)
    if "OUTSIDE" in text: return [("plate", 0, len(text) + 1)]
    if "UNNAMED" in text: return [("words of " + text, 0, 1)]
    if "NONSENSE" in text: return [None]
    if "GREEDY" in text: bytearray(8 * 1024 ** 3)
    return [("plate", m.start(), m.end()) for m in re.finditer("[A-Z]{2}-[0-9]{3}", text)]

def environment(text):
    return [("plate", 0, 1)] if "SECRET" in os.environ else []
"""
#: Seconds that nothing here takes, so that a test which needs them has hung.
LONG_S = 60.0


@pytest.fixture
def spec(tmp_path: Path) -> PluginSpec:
    """The plug-in, with time enough for a machine that is busy."""
    (tmp_path / "plates.py").write_text(SOURCE)
    return PluginSpec(
        name="plates",
        factory="tierwright.privacy.plugins.callables:load",
        options={"call": "plates:find", "types": ["plate"]},
        folders=(str(tmp_path),),
        deadline_s=5.0,
        first_pause_s=0.01,
        longest_pause_s=0.05,
    )


def with_detector(spec: PluginSpec, use: Callable[[PluginDetector], Awaitable[Any]], **environment: str) -> Any:
    """What is made of a running detector; it is ended in any case."""

    async def main() -> Any:
        found = PluginDetector(spec, environment={"PYTHONPATH": os.pathsep.join(sys.path), **environment})
        try:
            return await asyncio.wait_for(use(found), LONG_S)
        finally:
            await found.aclose()

    return asyncio.run(main())


async def again(detector: PluginDetector, text: str) -> list[list[Found]]:
    """Its answer once it is there again."""
    while True:
        try:
            return await detector.find([text])
        except DetectorError:
            await asyncio.sleep(0.01)


def workers() -> list[psutil.Process]:
    """The processes of plug-ins that this one has started."""
    return [
        child
        for child in psutil.Process().children(recursive=True)
        if child.status() != psutil.STATUS_ZOMBIE and "tierwright.privacy.plugins.worker" in child.cmdline()
    ]


def test_findings_are_those_of_each_text(spec: PluginSpec) -> None:
    """A function's findings come back by text, with the detector's name and a version that is the file's digest."""

    async def use(detector: PluginDetector) -> Any:
        await detector.start()
        return await detector.find(["my car is AB-123", "none", "\ud800 XY-999 \u00e9"]), detector.version

    found, version = with_detector(spec, use)
    plate = Found(type="plate", start=10, end=16, detector="plates", validated=False)
    assert found == [[plate], [], [replace(plate, start=2, end=8)]]
    assert len(version) == 16


@pytest.mark.parametrize("text", ["RAISE", "OUTSIDE", "UNNAMED", "NONSENSE", "GREEDY", "DIE"])
def test_whatever_goes_wrong_is_raised_and_says_nothing_of_the_text(spec: PluginSpec, text: str) -> None:
    """An exception, places outside, a type nobody named, no answer, no memory, death: an error without the text."""

    async def use(detector: PluginDetector) -> str:
        await detector.start()
        with pytest.raises(DetectorError) as caught:
            await detector.find(["harmless", f"{text} of mine"])
        assert await again(detector, "AB-123") != [[]]
        return str(caught.value)

    said = with_detector(spec, use)
    assert "plates" in said
    assert "mine" not in said


@pytest.mark.parametrize("text", ["HANG", "SLEEP"])
def test_one_that_hangs_is_ended_and_started_again(spec: PluginSpec, text: str) -> None:
    """No answer within the deadline is an error, the process is gone, and another one answers."""

    async def use(detector: PluginDetector) -> None:
        await detector.start()
        (first,) = workers()
        with pytest.raises(DetectorError, match="within"):
            await detector.find([text])
        assert await again(detector, "AB-123") != [[]]
        (second,) = workers()
        assert (first.pid != second.pid, first.is_running(), detector.starts) == (True, False, 2)

    with_detector(replace(spec, deadline_s=1.0), use)


def test_one_that_is_killed_is_started_again(spec: PluginSpec) -> None:
    """SIGKILL between two calls: later calls are answered by another process."""

    async def use(detector: PluginDetector) -> None:
        for _ in range(3):
            assert await again(detector, "AB-123") != [[]]
            for process in workers():
                os.kill(process.pid, signal.SIGKILL)
        assert await again(detector, "AB-123") != [[]]

    with_detector(spec, use)


def test_a_caller_that_stops_waiting_leaves_the_next_ones_answer_right(spec: PluginSpec) -> None:
    """Cancelled in the middle of a call, it never gives one caller's findings to another."""

    async def use(detector: PluginDetector) -> None:
        await detector.start()
        for _ in range(20):
            stopped = asyncio.create_task(detector.find(["AB-123"]))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            stopped.cancel()
            assert await detector.find(["none"]) == [[]]

    with_detector(spec, use)


def test_many_at_once_are_answered_each_with_its_own(spec: PluginSpec) -> None:
    """Calls beside one another are answered one after the other, each with what is in its own text."""

    async def use(detector: PluginDetector) -> None:
        await detector.start()
        texts = [f"{' ' * at}AB-123" for at in range(100)]
        answers = await asyncio.gather(*(detector.find([text]) for text in texts))
        assert [found[0].start for (found,) in answers] == list(range(100))

    with_detector(replace(spec, deadline_s=LONG_S), use)


def test_more_than_it_can_hold_is_refused_at_once(spec: PluginSpec) -> None:
    """Neither calls nor characters pile up before a process that is slow."""

    async def use(detector: PluginDetector) -> None:
        await detector.start()
        with pytest.raises(DetectorError, match="more to look at"):
            await detector.find(["x" * (17 * 1024 * 1024)])
        many = await asyncio.gather(*(detector.find(["SLEEP"]) for _ in range(300)), return_exceptions=True)
        refused = [str(error) for error in many if "more to look at" in str(error)]
        assert len(refused) == 300 - 256
        assert all(isinstance(error, DetectorError) for error in many)

    with_detector(replace(spec, deadline_s=0.5), use)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"call": "plates:nothing", "types": ["plate"]}, "AttributeError"),
        ({"call": "no_such_module:find", "types": ["plate"]}, "no_such_module"),
        ({"call": "plates:find", "types": []}, "types"),
        ({"call": "plates:find", "types": ["Words of a text"]}, "types"),
    ],
)
def test_one_that_cannot_start_says_why(spec: PluginSpec, options: dict[str, Any], says: str) -> None:
    """What is wrong with the settings of a plug-in is in the error, in its refusal, and in every call's error."""

    async def use(detector: PluginDetector) -> None:
        with pytest.raises(DetectorError, match=says):
            await detector.start()
        with pytest.raises(DetectorError, match=says):
            await detector.find(["AB-123"])
        assert says in (detector.refusal or "")

    with_detector(replace(spec, options=options, first_pause_s=LONG_S, longest_pause_s=LONG_S, deadline_s=0.05), use)


def test_one_that_is_closed_at_any_step_of_its_start_leaves_no_process(spec: PluginSpec) -> None:
    """Whichever step of its start a close interrupts, the process is gone when `aclose` returns."""

    async def after(steps: int) -> bool:
        detector = PluginDetector(spec, environment={"PYTHONPATH": os.pathsep.join(sys.path)})
        starting = asyncio.create_task(detector.start())
        for _ in range(steps):
            await asyncio.sleep(0)
        has_begun = bool(workers())
        await detector.aclose()
        starting.cancel()
        assert not workers()
        return has_begun

    # A dozen turns of the loop are between the process and its first order, whatever the machine.
    assert [asyncio.run(after(steps)) for steps in range(24)][-12:] == [True] * 12


def test_pauses_grow_while_it_dies_at_once(spec: PluginSpec) -> None:
    """One that never lives is not started without end: each pause is twice the one before."""

    async def use(detector: PluginDetector) -> int:
        with pytest.raises(DetectorError):
            await detector.start()
        await asyncio.sleep(3)
        return detector.starts

    wrong = replace(spec, options={"call": "plates:nothing", "types": ["x"]}, first_pause_s=0.5, longest_pause_s=LONG_S)
    assert with_detector(wrong, use) <= 3


def test_it_sees_no_secret_of_ours(spec: PluginSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its environment is what it was given."""
    monkeypatch.setenv("SECRET", "x")

    async def use(detector: PluginDetector) -> Any:
        await detector.start()
        return await detector.find(["text"])

    looking = replace(spec, options={"call": "plates:environment", "types": ["plate"]})
    assert with_detector(looking, use) == [[]]
    assert with_detector(looking, use, SECRET="x") != [[]]


def test_it_ends_with_whoever_started_it(spec: PluginSpec, tmp_path: Path) -> None:
    """When the process that asks is killed, the plug-in goes too, even from the middle of an endless loop."""
    program = tmp_path / "host.py"
    program.write_text(
        "import asyncio, os, sys\n"
        "from tierwright.privacy.plugins.host import PluginDetector\n"
        "from tierwright.privacy.plugins.process import PluginSpec\n"
        "async def main():\n"
        f"    spec = PluginSpec(name='p', factory={spec.factory!r}, options={dict(spec.options)!r},\n"
        f"                      folders={spec.folders!r}, deadline_s={LONG_S})\n"
        "    detector = PluginDetector(spec, environment={'PYTHONPATH': os.pathsep.join(sys.path)})\n"
        "    await detector.start()\n"
        "    print('ready', flush=True)\n"
        "    await detector.find(['HANG'])\n"
        "asyncio.run(main())\n"
    )

    async def main() -> list[psutil.Process]:
        host = await asyncio.create_subprocess_exec(
            *(sys.executable, str(program)),
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert host.stdout is not None
        await host.stdout.readline()
        theirs = psutil.Process(host.pid).children()
        host.kill()
        await host.wait()
        return theirs

    gone, alive = psutil.wait_procs(asyncio.run(main()), timeout=LONG_S)
    assert (len(gone), alive) == (1, [])

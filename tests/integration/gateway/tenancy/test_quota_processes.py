"""Several processes share what a key may use, and one that is killed takes nothing with it."""

from __future__ import annotations

import multiprocessing
import os
import signal
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from tests.fakes import NOON, a_key
from tierwright.core.caller import Limits
from tierwright.gateway.tenancy.counters import IN_FLIGHT, Counters
from tierwright.gateway.tenancy.quota import Quotas, Reservation

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.synchronize import Barrier
    from pathlib import Path

    from tierwright.core.caller import CallerKey

PROCESSES = 4
#: Seconds after which processes that wait for each other give up.
WAIT_S = 60.0
CENT = Decimal("0.01")
CONTEXT = multiprocessing.get_context("spawn")


def ask_often(path: Path, key: CallerKey, times: int, start: Barrier, end: Connection) -> None:
    """Asks so many times at once with the others, settles nothing, and says how often it was admitted."""
    quotas = Quotas(path)
    start.wait()
    found = [quotas.admit(key, tokens=1, cost_usd=CENT, now=NOON) for _ in range(times)]
    end.send(sum(isinstance(one, Reservation) for one in found))
    # What it holds must stay held until all have asked.
    start.wait()
    quotas.close()


def spend_often(path: Path, key: CallerKey, times: int, start: Barrier, end: Connection) -> None:
    """Asks and settles so many times at once with the others, and says how often it was admitted."""
    quotas = Quotas(path)
    start.wait()
    admitted = 0
    for _ in range(times):
        found = quotas.admit(key, tokens=3, cost_usd=2 * CENT, now=NOON)
        if isinstance(found, Reservation):
            admitted += 1
            found.settle(tokens=1, cost_usd=CENT)
    end.send(admitted)
    start.wait()
    quotas.close()


def hold_and_wait(path: Path, key: CallerKey, end: Connection) -> None:
    """Holds one reservation until it is killed."""
    held = Quotas(path).admit(key, tokens=1, cost_usd=CENT, now=NOON)
    end.send(isinstance(held, Reservation))
    signal.pause()


def die_in_the_middle(path: Path, key: CallerKey) -> None:
    """Is killed while it holds the lock and has changed a part of a record only."""
    counters = Counters(path, records=4096, processes=32)
    with counters:
        at = counters.record_of(key.id)
        counters.begin(at)
        counters.hold(at, 1, 10**10)
        counters.view[at + IN_FLIGHT] += 5
        os.kill(os.getpid(), signal.SIGKILL)


def run_together(target: Any, path: Path, key: CallerKey, times: int) -> list[int]:
    """What each of the processes was admitted."""
    start = CONTEXT.Barrier(PROCESSES, timeout=WAIT_S)
    pipes = [CONTEXT.Pipe(duplex=False) for _ in range(PROCESSES)]
    workers = [CONTEXT.Process(target=target, args=(path, key, times, start, end)) for _, end in pipes]
    for worker in workers:
        worker.start()
    # With the only writing end in the worker, one that fails ends the reading instead of leaving it to wait.
    for _, end in pipes:
        end.close()
    found = [receive.recv() for receive, _ in pipes]
    for worker in workers:
        worker.join()
    for receive, _ in pipes:
        receive.close()
    return found


@pytest.mark.parametrize(
    "limits",
    [
        Limits(requests_per_minute=100),
        Limits(tokens_per_minute=100),
        Limits(concurrent_requests=100),
        Limits(budget_usd=100 * CENT),
    ],
    ids=["requests", "tokens", "concurrent", "budget"],
)
def test_the_last_place_is_given_once(tmp_path: Path, limits: Limits) -> None:
    """At one below the limit four processes that ask at the same instant get exactly one admission between them."""
    key = a_key(limits=limits)
    first = Quotas(tmp_path / "quota")
    for _ in range(99):
        assert isinstance(first.admit(key, tokens=1, cost_usd=CENT, now=NOON), Reservation)
    assert sum(run_together(ask_often, tmp_path / "quota", key, 200)) == 1
    first.close()


def test_a_budget_is_exact_to_the_cent_among_processes(tmp_path: Path) -> None:
    """Thousands of admissions and settlements leave exactly what they did not spend."""
    key = a_key(limits=Limits(budget_usd=Decimal(1000), tokens_per_minute=10**6))
    times = 2000
    admitted = sum(run_together(spend_often, tmp_path / "quota", key, times))
    assert admitted == PROCESSES * times
    last = Quotas(tmp_path / "quota")
    left = Decimal(1000) - admitted * CENT
    over = last.admit(key, tokens=0, cost_usd=left + Decimal("1E-12"), now=NOON)
    assert not isinstance(over, Reservation)
    assert isinstance(last.admit(key, tokens=10**6 - admitted, cost_usd=left, now=NOON), Reservation)
    assert not isinstance(last.admit(key, tokens=1, cost_usd=Decimal(0), now=NOON), Reservation)
    last.close()


def test_what_a_killed_process_held_is_given_back(tmp_path: Path) -> None:
    """SIGKILL leaves no time to release anything; the next request that would be refused for it is admitted."""
    key = a_key(limits=Limits(concurrent_requests=1, budget_usd=CENT))
    alive = Quotas(tmp_path / "quota")
    receive, end = CONTEXT.Pipe(duplex=False)
    holder = CONTEXT.Process(target=hold_and_wait, args=(tmp_path / "quota", key, end))
    holder.start()
    end.close()
    assert receive.recv()
    assert not isinstance(alive.admit(key, tokens=0, cost_usd=CENT, now=NOON.replace(hour=1)), Reservation)
    holder.kill()
    holder.join()
    assert isinstance(alive.admit(key, tokens=0, cost_usd=CENT, now=NOON), Reservation)
    assert not isinstance(alive.admit(key, tokens=0, cost_usd=CENT, now=NOON), Reservation)
    receive.close()
    alive.close()


def test_a_process_killed_with_the_lock_in_its_hands_blocks_nobody(tmp_path: Path) -> None:
    """The lock is free at once, the half-changed record is whole again, and what it held is given back."""
    key = a_key(limits=Limits(concurrent_requests=2, budget_usd=2 * CENT))
    alive = Quotas(tmp_path / "quota")
    mine = alive.admit(key, tokens=0, cost_usd=CENT, now=NOON)
    assert isinstance(mine, Reservation)
    victim = CONTEXT.Process(target=die_in_the_middle, args=(tmp_path / "quota", key))
    victim.start()
    victim.join()
    assert victim.exitcode == -signal.SIGKILL
    assert isinstance(alive.admit(key, tokens=0, cost_usd=CENT, now=NOON), Reservation)
    assert not isinstance(alive.admit(key, tokens=0, cost_usd=Decimal(0), now=NOON), Reservation)
    mine.settle(tokens=0, cost_usd=Decimal(0))
    assert isinstance(alive.admit(key, tokens=0, cost_usd=CENT, now=NOON), Reservation)
    alive.close()

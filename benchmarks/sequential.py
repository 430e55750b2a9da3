"""How often the monitor's test is wrong, and how soon it is right, beside a z-test of a fixed window.

    python benchmarks/sequential.py [--streams 2000] [--json]

Streams of judged answers. *At the limit*: the error rate is exactly what is allowed; printed is the share of streams
with an alarm at any time within 1,000 and 5,000 answers, with its Clopper-Pearson interval. *After a change*: so many
good answers at half of the limit, then a higher rate; printed are the median and the 90 % quantile of the judged
answers from the change to the alarm, and the share of alarms before it. delta is 5 %; the z-test looks at the last 100
answers after each, at 5 %, as a dashboard would.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from tierwright.stats.intervals import clopper_pearson
from tierwright.stats.sequential import e_values

if TYPE_CHECKING:
    from numpy.typing import NDArray

DELTA, SEED = 0.05, 11
WINDOW, Z = 100, 1.6449
LIMITS = (0.02, 0.05, 0.10)
#: Good answers before the change.
BEFORE = (0, 1_000, 5_000)
#: The rate afterwards, as a multiple of the limit.
TIMES = (1.5, 2.0, 4.0, 8.0)
LONGEST = 3_000


def monitor_alarms(losses: NDArray[np.float64], limit: float) -> NDArray[np.bool_]:
    """Whether the monitor's test has enough evidence after each answer."""
    return np.asarray(e_values(losses, limit) >= 1 / DELTA)


def z_alarms(losses: NDArray[np.float64], limit: float) -> NDArray[np.bool_]:
    """The same of the z-test."""
    sums = np.concatenate([np.zeros((losses.shape[0], 1)), losses.cumsum(axis=1)], axis=1)
    over = np.zeros(losses.shape, dtype=bool)
    rates = (sums[:, WINDOW:] - sums[:, :-WINDOW]) / WINDOW
    over[:, WINDOW - 1 :] = (rates - limit) / np.sqrt(limit * (1 - limit) / WINDOW) > Z
    return over


def at_the_limit(streams: int, limit: float) -> list[dict[str, Any]]:
    """Alarms of streams that keep the limit, and no more."""
    generator = np.random.default_rng(SEED)
    losses = (generator.random((streams, 5_000)) < limit).astype(np.float64)
    alarms = {"monitor": monitor_alarms(losses, limit), "z_test": z_alarms(losses, limit)}
    return [
        {
            "limit": limit,
            "answers": n,
            **{
                name: asdict(clopper_pearson(int(over[:, :n].any(axis=1).sum()), streams))
                for name, over in alarms.items()
            },
        }
        for n in (1_000, 5_000)
    ]


def after_a_change(streams: int, limit: float, before: int, times: float) -> dict[str, Any]:
    """From the change to the alarm."""
    generator = np.random.default_rng(SEED)
    good = generator.random((streams, before)) < limit / 2
    bad = generator.random((streams, LONGEST)) < times * limit
    losses = np.concatenate([good, bad], axis=1).astype(np.float64)
    found: dict[str, Any] = {"limit": limit, "good_before": before, "rate": times * limit}
    for name, alarms in (("monitor", monitor_alarms(losses, limit)), ("z_test", z_alarms(losses, limit))):
        after = alarms[:, before:]
        delay = np.where(after.any(axis=1), after.argmax(axis=1) + 1, LONGEST)
        median, high = np.quantile(delay, [0.5, 0.9])
        found[name] = {
            "median": float(median),
            "q90": float(high),
            "not_found": float((~after.any(axis=1)).mean()),
            "alarms_before_the_change": float(alarms[:, :before].any(axis=1).mean()) if before else 0.0,
        }
    return found


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=2_000)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    null = [row for limit in LIMITS for row in at_the_limit(arguments.streams, limit)]
    delays = [
        after_a_change(max(100, arguments.streams // 10), limit, before, times)
        for limit in LIMITS
        for before in BEFORE
        for times in TIMES
    ]
    if arguments.json:
        print(json.dumps({"at_the_limit": null, "after_a_change": delays}))
        return
    print("alarms at the limit, % of streams [95 % interval]: monitor | z-test")
    for row in null:
        print(
            f"  limit {row['limit']:.2f}, {row['answers']:,} answers: "
            f"{_share(row['monitor'])} | {_share(row['z_test'])}"
        )
    print("judged answers from the change to the alarm, median (90 %); alarms before it: monitor | z-test")
    for row in delays:
        print(
            f"  limit {row['limit']:.2f}, {row['good_before']:,} good, then {row['rate']:.3f}: "
            f"{_delay(row['monitor'])} | {_delay(row['z_test'])}"
        )


def _share(found: dict[str, Any]) -> str:
    return f"{100 * found['value']:.1f} [{100 * found['ci_low']:.1f}, {100 * found['ci_high']:.1f}]"


def _delay(found: dict[str, Any]) -> str:
    return f"{found['median']:.0f} ({found['q90']:.0f}); {found['alarms_before_the_change']:.1%}"


if __name__ == "__main__":
    main()

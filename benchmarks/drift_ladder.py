"""A specialist in service while its callers' language drifts: standard Arabic, then Saudi, Moroccan, Tunisian.

    python benchmarks/drift_ladder.py [--replays 200] [--audit-share 0.2] [--skip-live] [--folder DIRECTORY] [--json]

The specialist (recipe ngram) learns ArBanking77's training and validation texts, standard and Palestinian. On half of
the standard test texts two promises are made, both by exact binomial bounds at 95 %: *sure*, the lowest threshold at
which errors among its own answers are certified to be at most 5 %; and *all*, it answers everything, at the rate that
can be certified for that. The certified rate is the monitor's limit. The other half, and the dialects' test texts, are
the streams.

*Live*: one stream under the promise *all* through `tierwright serve`, a process of its own with its store and its
monitor (period 0.2 s, which is so many requests here as 30 s are at some requests a second); the frontier model is
simulated and gives the gold label. A share of the answers, drawn at random, is labelled with the gold label by `POST
/v1/feedback` as `audit`.

*Replays*: the same test on recorded outcomes, without HTTP: orders and audits drawn anew each time. Without shift: the
other half of the standard test texts, five times over. With shift: the ladder. Printed are rollbacks without shift with
the Clopper-Pearson interval, and for the ladder the answers and the excess errors until the alarm: errors among its own
answers since the shift, less the certified rate's share of them. Beside it stands a z-test at 5 % of the last 100
audited answers, looked at after each. `--folder` keeps what was trained, and uses it again.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import gzip
import json
import os
import platform
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import numpy as np
from aiohttp import web

from rig.processes import Program
from tierwright.app.ring import climb, import_labelled
from tierwright.app.settings import load_settings
from tierwright.app.wiring import ArtifactLoader, open_parts
from tierwright.core.contract import ContractKind
from tierwright.core.dataset import Split
from tierwright.core.deployment import Stage
from tierwright.core.errors import InvalidTransition
from tierwright.curation.labelled import LabelledColumns, read_labelled
from tierwright.lifecycle.promotion import Proposal, promote
from tierwright.stats.bounds import error_upper_bound
from tierwright.stats.intervals import clopper_pearson
from tierwright.stats.sequential import e_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tierwright.app.wiring import Parts
    from tierwright.core.model import ModelVersion, Prediction

DATA = Path(os.environ.get("TIERWRIGHT_DATA", Path(__file__).parents[2] / "shared" / "data")) / "arbanking77"
TASK = "arbanking77"
SURE, DELTA, SEED = 0.05, 0.05, 7
LADDER = ("MSA", "Saudi", "Moroccan", "Tunisian")
#: Audited answers that the z-test looks back on, and its quantile.
WINDOW, Z = 100, 1.6449
AUDIT_SHARES = (0.02, 0.05, 0.1, 0.2, 0.4)
PORT = 18_431
SETTINGS = """version = 1
[server]
port = 0
[[backends]]
name = "simulated"
base_url = "http://127.0.0.1:{port}/v1"
models = ["simulated-frontier"]
[routing]
poll_interval_s = 0.1
[monitor]
period_s = 0.2
limit = {limit}
[training]
encoder = ""
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What the specialist does with the texts of a dialect."""

    texts: Sequence[str]
    gold: Sequence[str]
    #: Whether it answers itself.
    local: NDArray[np.bool_]
    wrong: NDArray[np.bool_]


def texts_of(name: str) -> list[tuple[str, str]]:
    """Texts and labels of a file."""
    with gzip.open(DATA / f"Banking77_Arabized_{name}.csv.gz", "rt", encoding="utf-8", newline="") as file:
        return [(row["text"], row["label"]) for row in csv.DictReader(file)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What was certified, and what the streams then hold."""

    threshold: float
    #: The error rate that is allowed.
    level: float
    found: dict[str, Recorded]

    @property
    def rungs(self) -> dict[str, Any]:
        """How each part of the streams goes."""
        return {
            name: {
                "n": len(one.texts),
                "local_share": float(one.local.mean()),
                "local_error_rate": float(one.wrong[one.local].mean()),
                "excess_errors": float(one.wrong[one.local].sum() - self.level * one.local.sum()),
            }
            for name, one in self.found.items()
        }


def trained(parts: Parts, folder: Path) -> ModelVersion:
    """The specialist, trained unless the folder has it."""
    known = parts.store.versions()
    if known:
        return known[0]
    held, _ = halves()
    rows = [(*pair, "train") for pair in texts_of("MSA_PAL_train")]
    rows += [(*pair, "calibration") for pair in texts_of("MSA_PAL_val")] + [(*pair, "test") for pair in held]
    path = folder / "history.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "label", "part"), *rows])
    columns = LabelledColumns(inputs=("text",), outputs=("label",), split="part")
    built = import_labelled(parts, TASK, read_labelled(path, columns), kind=ContractKind.LABEL, seed=SEED)
    _, version = climb(parts, built.dataset, built.examples, only="ngram", progress=lambda _: None)
    assert version is not None
    return version


def halves() -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Standard test texts: to certify on, and to stream."""
    standard = texts_of("MSA_test")
    order = np.random.default_rng(SEED).permutation(len(standard))
    half = len(standard) // 2
    return [standard[place] for place in order[:half]], [standard[place] for place in order[half:]]


def promises(parts: Parts, version: ModelVersion) -> dict[str, Promise]:
    """What can be certified, and what is recorded of the streams."""
    specialist = ArtifactLoader(parts).load(version)
    examples = parts.store.examples(version.dataset_id)
    tested = [example for example in examples if example.split is Split.TEST]
    said = specialist.predict([example.input for example in tested])
    gold = [example.output for example in tested]
    wrong = sum(one.output != right for one, right in zip(said, gold, strict=True))
    made = {
        "sure": (certified(said, gold), SURE),
        "all": (0.0, error_upper_bound(wrong, len(gold), level=1 - DELTA).ci_high),
    }
    known = {example.input for example in examples}
    streams = {}
    for name in ("MSA", "Saudi", "Moroccan", "Tunisian"):
        pairs = halves()[1] if name == "MSA" else texts_of(f"{name}_test")
        # The specialist's input is stripped of space at its ends.
        pairs = [(text.strip(), label.strip()) for text, label in pairs if text.strip() not in known]
        streams[name] = pairs, specialist.predict([text for text, _ in pairs])
    return {
        promise: Promise(
            threshold=threshold,
            level=level,
            found={
                name: Recorded(
                    texts=[text for text, _ in pairs],
                    gold=[label for _, label in pairs],
                    local=np.array([one.confidence >= threshold for one in answers]),
                    wrong=np.array([one.output != label for one, (_, label) in zip(answers, pairs, strict=True)]),
                )
                for name, (pairs, answers) in streams.items()
            },
        )
        for promise, (threshold, level) in made.items()
    }


def put_live(parts: Parts, version: ModelVersion, promise: Promise) -> None:
    """By a person: labelled history has no incumbent to compare with."""
    proposal = Proposal(
        version=version,
        evaluation=None,
        stage=Stage.LIVE,
        threshold=promise.threshold,
        approver="the benchmark",
        reason=f"errors certified at {promise.level:.1%}",
    )
    # Where an earlier run has left it live there is nothing to change.
    with suppress(InvalidTransition):
        promote(parts.store, proposal, at=parts.clock(), entropy=parts.entropy())


def certified(said: Sequence[Prediction], gold: Sequence[str]) -> float:
    """The lowest threshold whose error bound is at most the rate: starts at 10, 20, 35 and 50 %, in steps of 5 %.

    Each start is a fixed sequence at a quarter of delta that ends at its first failure.
    """
    confidence = np.array([one.confidence for one in said])
    wrong = np.array([one.output != right for one, right in zip(said, gold, strict=True)])
    order = np.argsort(-confidence, kind="stable")
    passed = []
    for start in (0.10, 0.20, 0.35, 0.50):
        for share in np.arange(start, 1.0001, 0.05):
            threshold = float(confidence[order[min(len(order), round(share * len(order))) - 1]])
            kept = confidence >= threshold
            if error_upper_bound(int(wrong[kept].sum()), int(kept.sum()), level=1 - DELTA / 4).ci_high > SURE:
                break
            passed.append(threshold)
    if not passed:
        raise SystemExit(f"no threshold can be certified at {SURE:.0%}")
    return min(passed)


def ladder(found: dict[str, Recorded], generator: np.random.Generator) -> tuple[NDArray[np.bool_], int]:
    """Whether each of the specialist's own answers along the ladder is wrong, and how many come before the shift."""
    rungs = [found[name].wrong[found[name].local] for name in LADDER]
    return np.concatenate([generator.permutation(rung) for rung in rungs]), rungs[0].size


def alarm(losses: NDArray[np.float64], level: float) -> int | None:
    """After how many audited answers the monitor's test takes it off; None: never."""
    over = e_values(losses[None, :], level)[0] >= 1 / DELTA
    return int(over.argmax()) + 1 if over.any() else None


def z_alarm(losses: NDArray[np.float64], level: float) -> int | None:
    """The same of the z-test."""
    if losses.size < WINDOW:
        return None
    sums = np.concatenate([[0.0], losses.cumsum()])
    rates = (sums[WINDOW:] - sums[:-WINDOW]) / WINDOW
    over = (rates - level) / np.sqrt(level * (1 - level) / WINDOW) > Z
    return int(over.argmax()) + WINDOW if over.any() else None


def replayed(promise: Promise, count: int, share: float) -> dict[str, Any]:
    """Both tests on so many replays without and with shift."""
    generator = np.random.default_rng(SEED + round(1000 * share))
    found, level = promise.found, promise.level
    quiet = np.tile(found["MSA"].wrong[found["MSA"].local], 5)
    tests = {"monitor": alarm, "z_test": z_alarm}
    false: dict[str, int] = dict.fromkeys(tests, 0)
    early: dict[str, int] = dict.fromkeys(tests, 0)
    missed: dict[str, int] = dict.fromkeys(tests, 0)
    excess: dict[str, list[float]] = {name: [] for name in tests}
    answers: dict[str, list[int]] = {name: [] for name in tests}
    for _ in range(count):
        stream = generator.permutation(quiet)
        audited = np.flatnonzero(generator.random(stream.size) < share)
        shifted, begin = ladder(found, generator)
        drawn = np.flatnonzero(generator.random(shifted.size) < share)
        for name, test in tests.items():
            false[name] += test(stream[audited].astype(float), level) is not None
            at = test(shifted[drawn].astype(float), level)
            place = None if at is None else int(drawn[at - 1]) + 1
            if place is None:
                missed[name] += 1
            elif place <= begin:
                early[name] += 1
            else:
                since = shifted[begin:place]
                answers[name].append(int(since.size))
                excess[name].append(float(since.sum() - level * since.size))
    return {
        name: {
            "rollbacks_without_shift": clopper_pearson(false[name], count),
            "rollbacks_before_the_shift": early[name],
            "never": missed[name],
            "answers_until_alarm": quantiles(answers[name]),
            "excess_errors_until_alarm": quantiles(excess[name]),
            "below_100_excess_errors": sum(x < 100 for x in excess[name]),
        }
        for name in tests
    }


def quantiles(values: Sequence[float]) -> dict[str, float]:
    """Median, 95 % quantile and largest."""
    if not values:
        return {}
    median, high = np.quantile(values, [0.5, 0.95])
    return {"median": float(median), "q95": float(high), "max": float(max(values))}


async def live(promise: Promise, folder: Path, share: float) -> dict[str, Any]:
    """The ladder through a running gateway, until it has rolled back and a hundred requests more."""
    found = promise.found
    gold = {text: label for one in found.values() for text, label in zip(one.texts, one.gold, strict=True)}

    async def frontier(request: web.Request) -> web.Response:
        body = await request.json()
        return web.json_response(
            {
                "id": f"simulated-{time.monotonic_ns()}",
                "object": "chat.completion",
                "created": 0,
                "model": "simulated-frontier",
                "choices": [
                    {
                        "index": 0,
                        "message": {"role": "assistant", "content": gold[body["messages"][-1]["content"]]},
                        "finish_reason": "stop",
                    }
                ],
                "usage": {"prompt_tokens": 50, "completion_tokens": 5, "total_tokens": 55},
            }
        )

    app = web.Application()
    app.router.add_post("/v1/chat/completions", frontier)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", PORT).start()
    ready = folder / "ready"
    program = Program(
        [
            str(Path(sys.executable).with_name("tierwright")),
            *("serve", "--config", str(folder / "tierwright.toml"), "--ready-file", str(ready)),
        ],
        cores=os.sched_getaffinity(0),
        folder=folder / "serve",
    )
    try:
        with program:
            await asyncio.to_thread(program.wait_until, ready.exists)
            async with aiohttp.ClientSession(ready.read_text(encoding="utf-8")) as session:
                return await _stream(promise, gold, session, share)
    finally:
        await runner.cleanup()


async def _stream(
    promise: Promise, gold: dict[str, str], session: aiohttp.ClientSession, share: float
) -> dict[str, Any]:
    generator = np.random.default_rng(SEED)
    seen = {"sent": 0, "answered": 0, "local": 0, "wrong": 0, "audited": 0}
    found, left, rolled_back_in = promise.found, 100, ""
    for rung in LADDER:
        if rung == LADDER[1]:
            seen |= {"local": 0, "wrong": 0, "audited": 0}
        for place in generator.permutation(len(found[rung].texts)):
            text = found[rung].texts[place]
            seen["sent"] += 1
            body = {"model": f"task:{TASK}", "messages": [{"role": "user", "content": text}]}
            async with session.post("/v1/chat/completions", json=body) as answer:
                document = await answer.json()
                reason = answer.headers.get("x-tierwright-route-reason")
                seen["answered"] += answer.status == 200
            said = document["choices"][0]["message"]["content"]
            if reason == "specialist":
                seen["local"] += 1
                seen["wrong"] += said != gold[text]
                if generator.random() < share:
                    seen["audited"] += 1
                    word = {"inference_id": document["id"], "output": gold[text], "author": "audit"}
                    async with session.post("/v1/feedback", json=word) as kept:
                        assert kept.status == 200, await kept.text()
            elif reason == "requested":
                # No specialist serves the task any more.
                rolled_back_in = rolled_back_in or rung
                left -= 1
                if not left:
                    return _live_outcome(seen, rolled_back_in, promise.level)
    return _live_outcome(seen, rolled_back_in, promise.level)


def _live_outcome(seen: dict[str, int], rung: str, level: float) -> dict[str, Any]:
    return seen | {
        "rolled_back_in": rung or None,
        "excess_errors": seen["wrong"] - level * seen["local"],
        "local_wrong_audited_from": "the shift on",
    }


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replays", type=int, default=200)
    parser.add_argument("--audit-share", type=float, default=0.2, help="Of the live stream.")
    parser.add_argument("--folder", type=Path, help="Keeps what was trained, and uses it again.")
    parser.add_argument("--skip-live", action="store_true")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = (arguments.folder or Path(name)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        config = folder / "tierwright.toml"
        config.write_text(SETTINGS.format(port=PORT, limit=0.0), encoding="utf-8")
        with open_parts(load_settings(config, {})) as parts:
            version = trained(parts, folder)
            made = promises(parts, version)
            put_live(parts, version, made["all"])
        document: dict[str, Any] = {
            name: {
                "threshold": promise.threshold,
                "certified_rate": promise.level,
                "rungs": promise.rungs,
                "replays": {str(share): replayed(promise, arguments.replays, share) for share in AUDIT_SHARES},
            }
            for name, promise in made.items()
        }
        if not arguments.skip_live:
            _say(document)
            config.write_text(SETTINGS.format(port=PORT, limit=made["all"].level), encoding="utf-8")
            document["live"] = asyncio.run(live(made["all"], folder, arguments.audit_share))
            with open_parts(load_settings(config, {})) as parts:
                document["incidents"] = [asdict(incident) for incident in parts.store.incidents()]
    document |= {"machine": platform.processor() or platform.machine(), "python": platform.python_version()}
    print(json.dumps(document, default=_plain, indent=None if arguments.json else 1, ensure_ascii=False))


def _say(document: dict[str, Any]) -> None:
    """What there is before the live part, on standard error."""
    sys.stderr.write(json.dumps(document, default=_plain, indent=1, ensure_ascii=False) + "\n")


def _plain(value: object) -> object:
    return asdict(value) if hasattr(value, "__dataclass_fields__") else str(value)  # type: ignore[call-overload]  # told by its fields


if __name__ == "__main__":
    main()

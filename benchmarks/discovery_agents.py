"""How well the audit finds the steps of agents, chats, and applications behind one key, in generated traffic.

    python -m benchmarks.discovery_agents [--seeds 101 102 103] [--conversations 60] [--json]

Twelve applications are played turn by turn: four agents with tools (support, coding, one that only chooses, one that is
not always offered all of its tools), three chats, two agents behind one key that differ in their tools alone, two with
the same tools whose instructions stand in the first user message, and people who ask anything. For every seed it prints
the adjusted Rand index (Hubert and Arabie 1985), homogeneity and completeness (Rosenberg and Hirschberg 2007) of the
assignments against the generator's key, the same index for the processes of the requests that are steps of one, the
requests of no job that were assigned, and, of the gateway's recognition of the same requests after the audit, how many
it puts where the audit did and the microseconds of processor time that takes. Then the same for a log of twice the
length of which every other request, drawn at random, was lost. Requests of no task are one cluster on both sides.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import tempfile
import time
from typing import Any

import numpy as np
from sklearn.metrics import adjusted_rand_score, completeness_score, homogeneity_score
from tests.agent_traffic import LONG_TAIL, traffic

from tierwright.core.chat import decode_request
from tierwright.curation.audit import audit
from tierwright.gateway.recognise import TaskIndex
from tierwright.store.connection import open_store


def measure(seed: int, conversations: int, share: float = 1.0) -> dict[str, Any]:
    """One audit of one log, or of a random share of its requests."""
    played = traffic(seed, conversations=conversations)
    draw = random.Random(seed)
    played.inferences = [one for one in played.inferences if draw.random() < share]
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(f"sqlite:///{folder}/bench.db")
        store.append(played.inferences)
        begun = time.perf_counter()
        found = audit(store, seed=1)
        audited = time.perf_counter()
        tasks = store.tasks()
        store.close()
    wanted = [played.key[i] for i in found.assignments]
    got = [task or "-" for task in found.assignments.values()]
    process_of = {task.id: task.process or task.id for task in tasks}
    steps = [i for i in found.assignments if i in played.process]
    index = TaskIndex(tasks)
    micros, same = [], 0
    for inference in played.inferences:
        request = decode_request(inference.request or b"")
        start = time.thread_time()
        recognised = index.recognise(request)
        micros.append(1e6 * (time.thread_time() - start))
        same += (None if recognised is None else recognised.task.id) == found.assignments[inference.id]
    return {
        "requests": found.requests,
        "jobs": len(set(wanted)),
        "tasks": len(found.tasks),
        "adjusted_rand_index": adjusted_rand_score(wanted, got),
        "homogeneity": homogeneity_score(wanted, got),
        "completeness": completeness_score(wanted, got),
        "process_adjusted_rand_index": adjusted_rand_score(
            [played.process[i] for i in steps],
            ["-" if (task := found.assignments[i]) is None else process_of[task] for i in steps],
        ),
        "processes": len({task.process for task in tasks if task.process}),
        "long_tail_assigned": sum(
            played.key[i] == LONG_TAIL and task is not None for i, task in found.assignments.items()
        ),
        "recognised_alike": same / len(played.inferences),
        "recognise_p50_us": float(np.percentile(micros, 50)),
        "recognise_p99_us": float(np.percentile(micros, 99)),
        "audit_s": audited - begun,
    }


def main() -> None:
    """The benchmark."""
    parser = argparse.ArgumentParser(description="How well the audit finds agents and chats.")
    parser.add_argument("--seeds", type=int, nargs="+", default=[101, 102, 103])
    parser.add_argument("--conversations", type=int, default=60)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    rows: dict[str, dict[str, Any]] = {}
    for seed in given.seeds:
        rows[f"seed {seed}"] = measure(seed, given.conversations)
        rows[f"seed {seed}, every other request lost"] = measure(seed, 2 * given.conversations, 0.5)
    if given.json:
        print(json.dumps(rows, indent=2))
        return
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; one run for each seed")
    for name, row in rows.items():
        print(
            f"{name}: n={row['requests']:,} jobs={row['jobs']} tasks={row['tasks']} "
            f"ARI={row['adjusted_rand_index']:.4f} homogeneity={row['homogeneity']:.4f} "
            f"completeness={row['completeness']:.4f} processes={row['processes']} "
            f"their ARI={row['process_adjusted_rand_index']:.4f} long tail assigned={row['long_tail_assigned']} "
            f"recognised alike={row['recognised_alike']:.4f} p50={row['recognise_p50_us']:.0f} us "
            f"p99={row['recognise_p99_us']:.0f} us audit {row['audit_s']:.1f} s"
        )


if __name__ == "__main__":
    main()

"""What can be said of the requests of no task: the groups among them that look like jobs, for people to judge.

Owns how many of them are read and what is reported of a group. Refuses to assign anything (`groups` says why).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tierwright.curation.groups import find_groups
from tierwright.curation.naming import propose_group_name

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    from tierwright.core.contract import ContractKind
    from tierwright.core.estimate import Estimate
    from tierwright.core.ids import InferenceId
    from tierwright.curation.discovery import Discovery
    from tierwright.curation.groups import Embed
    from tierwright.curation.task_traffic import TaskTraffic
    from tierwright.curation.traffic_table import TrafficTable

#: Requests of no task that are read at most, drawn uniformly: a group that is worth anything is no smaller part.
LOOKED_AT = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedGroup:
    """Requests without a frame that look like one job."""

    #: Different from those of the tasks and of the other groups.
    name: str
    #: What the answers have in common; OPEN: their length only, which is the weaker evidence.
    kind: ContractKind
    #: How surely it comes out again when half of the requests are left out.
    stability: Estimate
    #: The most typical requests.
    examples: tuple[InferenceId, ...]
    #: Those of it among the requests looked at.
    traffic: TaskTraffic
    #: Share of the requests of no task that were looked at, in (0, 1].
    looked_at: float


def groups_in_long_tail(
    rows: NDArray[np.int64],
    table: TrafficTable,
    discovery: Discovery,
    *,
    taken: Collection[str],
    seed: int,
    embed: Embed | None,
) -> tuple[ProposedGroup, ...]:
    """The groups among these rows, the largest first; rows that can't be read are passed over.

    `taken` are names that others have.
    """
    rows = rows[table.is_readable()[rows]]
    total = len(rows)
    if total > LOOKED_AT:
        rows = np.sort(np.random.default_rng(seed).choice(rows, size=LOOKED_AT, replace=False))
    read = {observation.id: (row, observation) for row, observation in discovery.observations(rows)}
    names = set(taken)
    found: list[ProposedGroup] = []
    for group in find_groups([one for _, one in read.values()], seed=seed, embed=embed):
        members = {member.id for member in group.members}
        others = [one.user for key, (_, one) in read.items() if key not in members]
        name = propose_group_name([one.user for one in group.members], others, group.contract, taken=names)
        names.add(name)
        mine = np.array(sorted(read[key][0] for key in members), dtype=np.int64)
        found.append(
            ProposedGroup(
                name=name,
                kind=group.contract.kind,
                stability=group.stability,
                examples=group.examples,
                traffic=table.traffic(mine, ()),
                looked_at=len(rows) / total,
            )
        )
    return tuple(found)

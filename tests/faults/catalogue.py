"""The faults in the order of the list, and what of the list is not here.

Of the forty: 15 (a name that changes to a private address) is none for a gateway whose operator names the addresses,
many of which are private on purpose. 32 and 34 (a failing fsync, lost pages) are of a gateway that acknowledges what is
durable, on a disk between it and the real one: it fails when it is told to, or remembers what was synced, and of all
else a power cut leaves what chance keeps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.faults.callers import CALLERS
from tests.faults.content import CONTENT
from tests.faults.killed import KILLED
from tests.faults.process import PROCESS
from tests.faults.slow import SLOW
from tests.faults.statuses import STATUSES
from tests.faults.transport import TRANSPORT

if TYPE_CHECKING:
    from tests.faults.run import Fault

FAULTS: tuple[Fault, ...] = tuple(
    sorted((*STATUSES, *TRANSPORT, *CONTENT, *CALLERS, *SLOW, *KILLED, *PROCESS), key=lambda fault: fault.number)
)

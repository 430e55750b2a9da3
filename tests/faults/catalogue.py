"""The faults in the order of the list, and what of the list is not here.

Of the forty, 15 (a name that changes to a private address) is none for a gateway whose operator names the addresses,
many of which are private on purpose.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.faults.callers import CALLERS
from tests.faults.content import CONTENT
from tests.faults.process import PROCESS
from tests.faults.statuses import STATUSES
from tests.faults.transport import TRANSPORT

if TYPE_CHECKING:
    from tests.faults.run import Fault

FAULTS: tuple[Fault, ...] = (*STATUSES, *TRANSPORT, *CONTENT, *CALLERS, *PROCESS)

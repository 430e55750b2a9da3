"""What this process may leave behind on its machine: nothing that others can read.

Owns the mode of new files and whether memory is written out when the process crashes. Refuses to know which files there
are. Whoever wants others to read a file changes its mode afterwards, as with a report.
"""

from __future__ import annotations

import os

#: Bits that no new file or folder has: any for the group and for others.
PRIVATE = 0o077


def confine() -> None:
    """Makes new files readable by this user alone from now on, and forbids core dumps: memory holds prompts and keys.

    What is already stricter stays so. Child processes inherit both.
    """
    os.umask(os.umask(PRIVATE) | PRIVATE)
    try:
        import resource  # noqa: PLC0415 - not on Windows
    except ModuleNotFoundError:
        return
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, most))

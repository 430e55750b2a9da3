"""Every error Tierwright raises on purpose, in one tree.

    TierwrightError                      exit code 1
    ├── UsageError                  (2)  wrong settings, arguments or input files: the caller can mend it
    │   ├── SettingsError                tierwright.toml
    │   └── InputError                   a file, a line, a request body
    ├── GateError                   (1)  a check said no
    │   ├── PermitError                  bytes that nobody has permitted to leave
    │   ├── NotEnoughData                too little to decide anything
    │   ├── NotLearnable                 no model beats the trivial answer by more than noise
    │   └── InvalidTransition            a deployment step without its evidence
    ├── ServiceError                (3)  something outside this process is missing or broken
    │   ├── BackendError                 a model server
    │   │   ├── BackendUnavailable       no connection: nothing was sent
    │   │   ├── BackendLost              the connection was lost after the request was sent
    │   │   ├── BackendTimeout           no answer within the deadline, after the request was sent
    │   │   └── BackendBroken            an answer that breaks the protocol, or stops half-way
    │   ├── StoreError                   the database
    │   │   ├── StoreFull                no space left for what was to be kept
    │   │   ├── NotFound            (2)  no such row
    │   │   └── Conflict            (2)  the row is there already, and is different
    │   ├── LedgerError                  what was decided about privacy can't be written down, or read
    │   ├── WeightsUnavailable           no source has the base weights
    │   └── DetectorError                a detector of personal data that can't tell what is in a text
    └── ArtifactError               (1)  a model or encoder directory that is damaged or does not fit

An adapter maps what its library raises to this tree once. A message says what is wrong, where, and what to do;
it never holds text of a prompt or an answer. `exit_code` is what the command line ends with.
"""

from __future__ import annotations

from typing import ClassVar


class TierwrightError(Exception):
    """Something Tierwright can explain."""

    exit_code: ClassVar[int] = 1


class UsageError(TierwrightError):
    """What was asked for can't be done as asked; the caller can mend it."""

    exit_code: ClassVar[int] = 2


class SettingsError(UsageError):
    """The settings file is missing, can't be read, or says something that is not allowed."""


class InputError(UsageError):
    """An input file, line or request body is not what it should be."""


class GateError(TierwrightError):
    """A check looked at the evidence and said no."""


class PermitError(GateError):
    """Bytes were about to leave without a permit that is for them."""


class NotEnoughData(GateError):  # noqa: N818 - a refusal, named for what it says
    """Too few examples to decide anything."""


class NotLearnable(GateError):  # noqa: N818 - a refusal, named for what it says
    """No model beats the trivial answer by more than noise: leave the task where it is."""


class InvalidTransition(GateError):  # noqa: N818 - a refusal, named for what it says
    """A deployment step that the rules or the evidence don't allow."""


class ServiceError(TierwrightError):
    """Something outside this process is missing, full or broken."""

    exit_code: ClassVar[int] = 3


class BackendError(ServiceError):
    """A model server failed."""


class BackendUnavailable(BackendError):  # noqa: N818 - a state, as in HTTP
    """No connection to the model server: it has seen nothing of the request."""


class BackendLost(BackendError):  # noqa: N818 - a state, as in HTTP
    """The connection was lost after the request was sent: whether it was accepted, and billed, is not known."""


class BackendTimeout(BackendError):  # noqa: N818 - a state, as in HTTP
    """The model server did not answer within the deadline: whether it goes on, and bills, is not known."""


class BackendBroken(BackendError):  # noqa: N818 - a state, as in HTTP
    """The model server's answer breaks the protocol or stops half-way."""


class StoreError(ServiceError):
    """The database failed."""


class StoreFull(StoreError):  # noqa: N818 - a state, as in HTTP
    """There is no space left for what was to be kept."""


class NotFound(StoreError):  # noqa: N818 - as every store calls it
    """There is no such row."""

    exit_code: ClassVar[int] = 2


class Conflict(StoreError):  # noqa: N818 - as HTTP calls it
    """The row is there already, and is different."""

    exit_code: ClassVar[int] = 2


class LedgerError(ServiceError):
    """The privacy ledger can't be written, or not be read."""


class WeightsUnavailable(ServiceError):  # noqa: N818 - a state, as in HTTP
    """None of the permitted sources has the base weights."""


class DetectorError(ServiceError):
    """A detector of personal data is not there, too slow, or wrong in form: nobody knows what a text holds."""


class ArtifactError(TierwrightError):
    """A model or encoder directory is damaged, unsafe or does not fit this program."""

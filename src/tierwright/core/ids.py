"""Names for the identifiers, so that one can't be passed for another, and how new ones are made."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NewType

if TYPE_CHECKING:
    from datetime import datetime

#: One application request; also the `id` of the answer the application receives.
InferenceId = NewType("InferenceId", str)
#: A recurring job.
TaskId = NewType("TaskId", str)
#: One wording of a task's request.
FrameId = NewType("FrameId", str)
#: One merge or split of tasks by a person.
TaskEditId = NewType("TaskEditId", str)
#: A frozen dataset: a hash of its content.
DatasetId = NewType("DatasetId", str)
#: A trained model: a hash of its artifact's manifest.
ModelVersionId = NewType("ModelVersionId", str)
#: What one controlled comparison was to show, written down beforehand.
ExperimentId = NewType("ExperimentId", str)
#: One controlled comparison.
EvaluationId = NewType("EvaluationId", str)
#: One attempt to certify a threshold.
CertificateId = NewType("CertificateId", str)
#: One decision about what serves a task.
DeploymentId = NewType("DeploymentId", str)
#: One person's word on one answer.
FeedbackId = NewType("FeedbackId", str)
#: One person's or program's judgement of one answer.
ScoreId = NewType("ScoreId", str)
#: One broken promise of a specialist in service.
IncidentId = NewType("IncidentId", str)
#: One key of one caller.
CallerKeyId = NewType("CallerKeyId", str)


def uuid7(at: datetime, entropy: bytes) -> str:
    """The 32 hex digits of a version 7 UUID (RFC 9562, section 5.7): sortable by time, unique by entropy.

    `at` is an aware instant; `entropy` holds at least 10 random bytes.
    """
    milliseconds = int(at.timestamp() * 1000) & ((1 << 48) - 1)
    random = int.from_bytes(entropy[:10], "big")
    rand_a, rand_b = random >> 68 & 0xFFF, random & ((1 << 62) - 1)
    return f"{milliseconds << 80 | 7 << 76 | rand_a << 64 | 2 << 62 | rand_b:032x}"


def digest(*parts: str, length: int = 16) -> str:
    """The first `length` hex digits of the SHA-256 of the parts, each closed by a byte that no UTF-8 text holds."""
    return hashlib.sha256(b"".join(part.encode("utf-8", "surrogatepass") + b"\xff" for part in parts)).hexdigest()[
        :length
    ]

"""All harnesses by name."""

from __future__ import annotations

from tests.fuzz import answers, records, requests

HARNESSES = {**requests.HARNESSES, **answers.HARNESSES, **records.HARNESSES}

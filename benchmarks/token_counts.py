"""How far token counts are off where a provider sends none, against recorded counts of those that do.

    python benchmarks/token_counts.py [--log FILE]

Nothing is timed, so the figures do not depend on the machine. The recordings hold many repetitions of a few short
prompts; errors of long prompts are smaller.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import sys
from collections import defaultdict
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any, NamedTuple

from tierwright.core.chat import ChatRequest, Usage, read_request, read_usage
from tierwright.core.errors import InputError
from tierwright.economics.count import TokenCounter, prompt_estimate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

DATA = Path(os.environ.get("TIERWRIGHT_DATA", Path(__file__).parents[2] / "shared" / "data"))
LOG = DATA / "provider_wire_log" / "wire_log.jsonl.gz"
#: Fewer calls of one kind say nothing.
FEWEST = 5


class Recording(NamedTuple):
    """A recorded exchange of text alone, with the provider's counts."""

    host: str
    request: ChatRequest
    answer: str
    definitions: str | None
    usage: Usage

    @property
    def visible_tokens(self) -> int:
        """What the answer's text took: thinking is not in it."""
        return self.usage.completion_tokens - self.usage.reasoning_tokens

    @property
    def characters(self) -> int:
        """Of all text sent."""
        texts = [message.text for message in self.request.messages]
        return sum(map(len, [*texts, self.definitions or "", self.request.response_format or ""]))


def recordings(log: Path) -> Iterator[Recording]:
    """The recorded calls of text alone that were answered whole."""
    with gzip.open(log, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            found = _recording(row["host"], row["request"], row["response"])
            if found is not None:
                yield found


def errors(calls: Iterable[Recording], counter: TokenCounter) -> dict[tuple[str, str], list[float]]:
    """Relative errors by host and by what was counted; negative: too few."""
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for call in calls:
        usage = counter.estimate(call.request, call.answer, call.request.model, definitions=call.definitions)
        kind = "prompt with tools" if call.definitions else "prompt"
        found[call.host, kind].append(usage.prompt_tokens / call.usage.prompt_tokens - 1)
        if call.answer and call.visible_tokens > 0:
            found[call.host, "answer"].append(usage.completion_tokens / call.visible_tokens - 1)
    return found


def _recording(host: str, sent: Any, got: Any) -> Recording | None:
    """A whole exchange of text; None: streamed, with pictures, cached in part, or of another endpoint."""
    if not isinstance(got, dict) or not isinstance(sent, dict):
        return None
    usage = read_usage(got.get("usage"))
    if sent.get("system"):
        sent = sent | {"messages": [{"role": "system", "content": sent["system"]}, *sent.get("messages", ())]}
    try:
        request = read_request(sent)
    except InputError:
        return None
    if usage is None or usage.prompt_tokens == 0 or request.opaque or request.n != 1:
        return None
    tools = sent.get("tools") or sent.get("functions")
    definitions = json.dumps(tools, separators=(",", ":"), ensure_ascii=False) if tools else None
    return Recording(host, request, _answer(got), definitions, usage)


def _answer(got: dict[str, Any]) -> str:
    """Everything visible that the model wrote; empty where some of it can't be seen."""
    if "choices" in got:
        message = got["choices"][0].get("message") or {} if got["choices"] else {}
        calls = [call["function"] for call in message.get("tool_calls") or () if "function" in call]
        parts = [message.get("content") or "", *(f"{call['name']} {call.get('arguments', '')}" for call in calls)]
        return "\n".join(part for part in parts if isinstance(part, str) and part)
    blocks = got.get("content")
    if not isinstance(blocks, list) or any(block.get("type") != "text" for block in blocks):
        return ""
    return "\n".join(block["text"] for block in blocks)


def main() -> None:
    """Prints one line for each provider and kind, and how many prompts a reservation covers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--log", type=Path, default=LOG)
    given = parser.parse_args()
    if not given.log.is_file():
        sys.exit(f"skipped: {given.log} is not there; set TIERWRIGHT_DATA or give --log")
    calls = list(recordings(given.log))
    print(f"{'provider':40}{'counted':20}{'n':>5}{'bias':>9}{'median':>9}{'p90':>9}")
    for (host, kind), found in sorted(errors(calls, TokenCounter()).items()):
        if len(found) >= FEWEST:
            sizes = [abs(error) for error in found]
            high = quantiles(sizes, n=10, method="inclusive")[8]
            print(f"{host:40}{kind:20}{len(found):5}{median(found):+9.1%}{median(sizes):9.1%}{high:9.1%}")
    covered = [prompt_estimate(c.characters, len(c.request.messages)) >= c.usage.prompt_tokens for c in calls]
    print(f"a reservation by characters covers {sum(covered) / len(covered):.1%} of {len(covered)} prompts")


if __name__ == "__main__":
    main()

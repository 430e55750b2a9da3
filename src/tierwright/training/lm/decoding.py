"""Answers of a language model, greedily, within a grammar, with the probabilities that confidence is made of.

Owns the loop over tokens and the masks; refuses to know how a model was trained and what its probabilities are worth
(`confidence`). This evaluates: requests are served by servers made for it, with the same prompts and grammars.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from llguidance import LLMatcher
from llguidance.hf import from_tokenizer

from tierwright.core.contract import ContractKind
from tierwright.core.errors import ArtifactError
from tierwright.training.lm.grammar import closed_grammar, copying_grammar
from tierwright.training.lm.model import autocast
from tierwright.training.lm.rows import micro_batches

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from tierwright.core.contract import OutputContract
    from tierwright.training.lm.grammar import Slot
    from tierwright.training.lm.model import Language
    from tierwright.training.lm.rows import Coding, Limits

#: Tokens of prompts, padding included, that are read at a time: bounds the memory.
_BATCH_TOKENS = {"cpu": 4096, "cuda": 32768}
#: A key of a JSON object with what stands before its value: it says nothing about the answer.
_KEY = re.compile(rb'[{,]?\s*"(?:[^"\\]|\\.)*"\s*:\s*')


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a model wrote."""

    text: str
    #: Whether it ended by itself; False: it was cut at the longest that is allowed.
    ended: bool
    #: Logarithm of the probability of each token that holds a value, the token that ends the answer included, as the
    #: model has it.
    raw: tuple[float, ...]
    #: Logarithm of the probability of the whole answer among those that the grammar allows, token by token.
    constrained: float


@dataclass(slots=True, kw_only=True)
class _Writing:
    """An answer under way."""

    matcher: LLMatcher | None
    tokens: list[int] = field(default_factory=list)
    raw: list[float] = field(default_factory=list)
    constrained: float = 0.0
    ended: bool = False


class Decoder:
    """A model that answers under a contract. Thread-safe: calls share nothing that changes."""

    def __init__(
        self,
        language: Language,
        *,
        contract: OutputContract,
        slots: Sequence[Slot],
        coding: Coding,
        limits: Limits,
    ) -> None:
        """Raises ArtifactError where the tokenizer can't be followed by a grammar."""
        self._language, self._contract, self._slots = language, contract, slots
        self._coding, self._limits = coding, limits
        self._vocabulary = int(language.model.config.vocab_size)
        try:
            self._tokens = from_tokenizer(language.tokenizer, n_vocab=self._vocabulary, eos_token=coding.end)
        except ValueError as error:
            raise ArtifactError(f"no grammar can follow this model's tokenizer: {error}") from error
        closed = closed_grammar(contract)
        self._closed = None if closed is None else self._matcher(closed)

    def answers(self, inputs: Sequence[str]) -> list[Answer]:
        """An answer to each input, in order."""
        prompts = [self._coding.prompt(given, self._limits.prompt) for given in inputs]
        lengths = [len(prompt) + self._limits.completion for prompt in prompts]
        found: dict[int, Answer] = {}
        budget = _BATCH_TOKENS[self._language.device.kind]
        for batch in micro_batches(range(len(inputs)), lengths, max_tokens=budget):
            written = self._write([prompts[at] for at in batch], [self._grammar(inputs[at]) for at in batch])
            found |= zip(batch, written, strict=True)
        return [found[at] for at in range(len(inputs))]

    def _grammar(self, given: str) -> LLMatcher | None:
        if self._closed is not None:
            return self._closed.deep_copy()
        if self._contract.kind is not ContractKind.SPANS:
            return None
        # What the model can't see it need not be able to copy.
        grammar = copying_grammar(self._contract, self._slots, given[: self._limits.prompt * 8])
        return None if grammar is None else self._matcher(grammar)

    def _matcher(self, grammar: str) -> LLMatcher:
        matcher = LLMatcher(self._tokens, LLMatcher.grammar_from_lark(grammar))
        if matcher.is_error():
            raise ArtifactError(f"the answers' grammar is not understood: {matcher.get_error().splitlines()[0]}")
        return matcher

    def _write(self, prompts: list[list[int]], matchers: list[LLMatcher | None]) -> list[Answer]:
        writing = [_Writing(matcher=matcher) for matcher in matchers]
        for logits in self._logits(prompts, writing):
            log_probabilities = torch.log_softmax(logits.float(), dim=-1)
            allowed = self._allowed(writing)
            if allowed is not None:
                log_probabilities = log_probabilities.masked_fill(~allowed.to(logits.device), -torch.inf)
            best, token = log_probabilities.max(dim=-1)
            total = log_probabilities.logsumexp(dim=-1)
            chosen = zip(writing, token.tolist(), best.tolist(), (best - total).tolist(), strict=True)
            for answer, number, raw, constrained in chosen:
                if not answer.ended:
                    self._append(answer, number, raw, constrained)
        return [self._answer(answer) for answer in writing]

    def _append(self, answer: _Writing, token: int, raw: float, constrained: float) -> None:
        answer.raw.append(raw)
        answer.constrained += constrained
        answer.ended = token == self._coding.end
        if not answer.ended:
            answer.tokens.append(token)
            if answer.matcher is not None and not answer.matcher.consume_token(token):
                raise ArtifactError(f"the grammar refused a token that it allowed: {answer.matcher.get_error()}")

    def _logits(self, prompts: list[list[int]], writing: list[_Writing]) -> Iterator[Tensor]:
        """Logits of the next token of each row, shape (n, vocabulary), until all have ended or are as long as may be.

        Whoever takes them appends a token to each row before asking for the next.
        """
        device = self._language.device
        width = max(map(len, prompts))
        ids = torch.full((len(prompts), width), self._coding.end, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, prompt in enumerate(prompts):
            ids[row, width - len(prompt) :] = torch.tensor(prompt)
            mask[row, width - len(prompt) :] = 1
        ids, mask = ids.to(device.kind), mask.to(device.kind)
        cache: Any = None
        for _ in range(self._limits.completion):
            with torch.inference_mode(), autocast(device):
                positions = (mask.cumsum(dim=1) - 1).clamp(min=0)[:, -ids.shape[1] :]
                out = self._language.model(
                    input_ids=ids,
                    attention_mask=mask,
                    position_ids=positions,
                    past_key_values=cache,
                    use_cache=True,
                    logits_to_keep=1,
                )
                cache = out.past_key_values
                yield out.logits[:, -1]
            if all(answer.ended for answer in writing):
                return
            last = [self._coding.end if answer.ended else answer.tokens[-1] for answer in writing]
            ids = torch.tensor(last, device=device.kind)[:, None]
            mask = torch.cat([mask, torch.ones_like(ids)], dim=1)

    def _allowed(self, writing: list[_Writing]) -> Tensor | None:
        """Which tokens may come next, shape (n, vocabulary); None: any may."""
        if all(answer.matcher is None for answer in writing):
            return None
        masks = np.ones((len(writing), self._vocabulary), dtype=np.bool_)
        for row, answer in enumerate(writing):
            if answer.matcher is not None and not answer.ended:
                bits = np.frombuffer(answer.matcher.compute_bitmask(), dtype=np.uint8)
                masks[row] = np.unpackbits(bits, bitorder="little")[: self._vocabulary]
        return torch.from_numpy(masks)

    def _answer(self, answer: _Writing) -> Answer:
        pieces = [self._tokens.decode_bytes([token]) for token in answer.tokens]
        raw = answer.raw
        if self._contract.style is not None:
            kept = _values(b"".join(pieces), [len(piece) for piece in pieces])
            raw = [value for value, keep in zip(raw, [*kept, *[True] * (len(raw) - len(kept))], strict=True) if keep]
        text = b"".join(pieces).decode("utf-8", "replace")
        return Answer(text=text, ended=answer.ended, raw=tuple(raw), constrained=answer.constrained)


def _values(answer: bytes, lengths: Sequence[int]) -> list[bool]:
    """For each token of an answer in JSON, by its bytes, whether any of it is more than a key."""
    fixed = np.zeros(len(answer), dtype=np.bool_)
    for key in _KEY.finditer(answer):
        fixed[key.start() : key.end()] = True
    ends = np.cumsum(lengths, dtype=np.int64).tolist()
    return [not fixed[end - length : end].all() for end, length in zip(ends, lengths, strict=True)]

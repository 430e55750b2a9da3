"""How fast the recipe `lora` learns: tokens a second, utilisation, and 10,000 examples of 512 tokens projected.

On an accelerator a model of 7.6 billion random weights in the shape of Qwen2.5-7B is tuned for a minute; what is
learned does not matter, the arithmetic is that of a real run: adapters of rank 16 on all linear layers, bfloat16,
activations computed again, 16 rows a step. On a processor a tiny model stands in, and the output says so: its figures
say nothing about a real one. The loop is the recipe's own.

    python benchmarks/lora.py [--rows 160] [--tokens 512] [--micro-tokens 8192]
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import transformers
from transformers import AutoModelForCausalLM, Qwen2Config

from tierwright.training.lm.checkpoints import Checkpoints
from tierwright.training.lm.loop import Judged, Schedule, train
from tierwright.training.lm.model import Device, Language, adapted, find_device
from tierwright.training.lm.rows import IGNORED, Row

if TYPE_CHECKING:
    from tierwright.training.lm.throughput import Speed

#: Tokens of an answer; the others are prompt.
ANSWER = 16
PROJECTED_EXAMPLES = 10_000
LARGE = Qwen2Config(
    vocab_size=152_064,
    hidden_size=3584,
    intermediate_size=18_944,
    num_hidden_layers=28,
    num_attention_heads=28,
    num_key_value_heads=4,
    max_position_embeddings=4096,
)
TINY = Qwen2Config(
    vocab_size=2000,
    hidden_size=256,
    intermediate_size=512,
    num_hidden_layers=4,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=4096,
)


def main() -> None:
    """Prints one JSON document and a line for people."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=0, help="rows to learn; default 320 on an accelerator, 48 else")
    parser.add_argument("--tokens", type=int, default=512)
    parser.add_argument("--micro-tokens", type=int, default=8192)
    parser.add_argument("--threads", type=int, default=1, help="of a processor")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    device = find_device()
    large = device.name is not None
    language = random_language(LARGE if large else TINY, device)
    language = adapted(language, rank=16, alpha=32, dropout=0.0, seed=1)
    learn(language, rows_of(32, asked.tokens, language), asked.micro_tokens)  # kernels are chosen, memory is taken
    speed = learn(language, rows_of(asked.rows or (320 if large else 48), asked.tokens, language), asked.micro_tokens)
    share = speed.utilisation
    figures = {
        "device": device.name or f"processor, {asked.threads} threads ({platform.machine()})",
        "model": "7.6 billion random weights" if large else "a TINY model: says nothing about a real one",
        "parameters": speed.parameters,
        "dtype": str(device.dtype),
        "tokens": speed.tokens,
        "seconds": round(speed.seconds, 2),
        "tokens_per_s": round(speed.tokens_per_s, 1),
        "utilisation": None if share is None else round(share, 4),
        "projected_s": round(PROJECTED_EXAMPLES * asked.tokens / speed.tokens_per_s, 1),
        "peak_memory_gb": round(torch.cuda.max_memory_allocated() / 1e9, 1) if large else None,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }
    print(json.dumps(figures, indent=1))
    projected = f"{PROJECTED_EXAMPLES:,} examples of {asked.tokens} tokens, once"
    print(f"{speed}; {projected}: {figures['projected_s'] / 60:.1f} minutes ({figures['model']})")


def random_language(config: Qwen2Config, device: Device) -> Language:
    """A model of random weights, made where it is used."""
    torch.manual_seed(0)
    with torch.device(device.kind):
        model = AutoModelForCausalLM.from_config(config, dtype=device.dtype, attn_implementation="sdpa")
    return Language(model=model, tokenizer=None, device=device)


def rows_of(count: int, tokens: int, language: Language) -> list[Row]:
    """Rows of random tokens, all of one length: no padding."""
    drawn = np.random.default_rng(0).integers(0, language.model.config.vocab_size, size=(count, tokens))
    labels = np.where(np.arange(tokens) < tokens - ANSWER, IGNORED, drawn)
    return [
        Row(target="", input_ids=tuple(ids), labels=tuple(wanted))
        for ids, wanted in zip(drawn.tolist(), labels.tolist(), strict=True)
    ]


def learn(language: Language, rows: list[Row], micro_tokens: int) -> Speed:
    """One epoch of the recipe's own loop; nothing is evaluated but once at the end, which costs nothing here."""
    schedule = Schedule(learning_rate=1e-4, batch=16, epochs=1, micro_tokens=micro_tokens, min_steps=10**6, seed=1)
    with tempfile.TemporaryDirectory() as folder:
        return train(
            language,
            rows,
            schedule=schedule,
            checkpoints=Checkpoints(directory=Path(folder) / "run"),
            evaluate=lambda: Judged(score=0.0, standard_error=0.0, loss=1.0),
            progress=print,
        )


if __name__ == "__main__":
    main()

"""A dataset as a bundle for another trainer: rows as chats, the trainer's own configuration, and what it was made of.

    train.jsonl, val.jsonl   one chat a line, as OpenAI's fine-tuning has it; TRL's rows as prompt and completion
    ...                      the configuration or script, for one trainer
    MANIFEST.json            dataset, split rule, row counts, SHA-256 of every file, base weights

Owns the bundles; runs no trainer: each wants an environment of its own. Rows have the prompts of the recipe `lora`, so
that adapters of either are served alike. Test examples are never in a bundle: they belong to the experiment.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

from tierwright import __version__
from tierwright.core.contract import ContractKind
from tierwright.core.dataset import Split
from tierwright.core.errors import NotEnoughData
from tierwright.training.lm.prompts import Prompt, instruction_for
from tierwright.training.recipes.lora import LoraSettings, settings_for

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tierwright.core.dataset import Dataset, Example

#: Rows that OpenAI asks for at least.
_FEWEST = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """The weights that a trainer is told to tune."""

    #: As the trainer finds them: a repository or a directory.
    name: str
    #: Commit; empty: whatever the name means there.
    revision: str
    #: Billions of weights; None: not known.
    billions: float | None


def make_bundle(dataset: Dataset, examples: Sequence[Example], *, trainer: str, base: Base) -> dict[str, bytes]:
    """The files of a bundle, by name. Raises NotEnoughData where there are fewer than 10 rows to learn from.

    The validation rows are the calibration split. What is tuned from a bundle has seen neither calibration nor test
    examples in its loss.
    """
    prompt = Prompt(instruction=instruction_for(dataset.contract))
    parts = {
        "train": [example for example in examples if example.split is Split.TRAIN],
        "val": [example for example in examples if example.split is Split.CALIBRATION],
    }
    if dataset.contract.kind is ContractKind.OPEN or len(parts["train"]) < _FEWEST:
        raise NotEnoughData(
            f"{len(parts['train'])} training rows of {dataset.contract.kind.value} answers are nothing to tune a "
            f"language model on; at least {_FEWEST} with a checkable answer are needed"
        )
    row = _pair if trainer == "trl" else _chat
    files = {
        f"{name}.jsonl": "".join(
            json.dumps(row(prompt, example), ensure_ascii=False) + "\n" for example in part
        ).encode("utf-8", "replace")
        for name, part in parts.items()
    }
    settings = settings_for(dataset.contract.kind, int((base.billions or 0) * 1e9))
    files |= {name: text.encode() for name, text in TRAINERS[trainer](settings, base).items()}
    manifest = {
        "made_by": f"tierwright {__version__}",
        "trainer": trainer,
        "dataset": dataset.id,
        "contract": dataset.contract.kind.value,
        "base": {"name": base.name, "revision": base.revision or None},
        "split": "train.jsonl: split train; val.jsonl: split calibration; near-duplicates share a split; no test rows",
        "split_seed": dataset.seed,
        "rows": {f"{name}.jsonl": len(part) for name, part in parts.items()},
        "instruction_sha256": hashlib.sha256(prompt.instruction.encode()).hexdigest(),
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())},
    }
    return {**files, "MANIFEST.json": json.dumps(manifest, indent=1, ensure_ascii=False).encode() + b"\n"}


def _chat(prompt: Prompt, example: Example) -> dict[str, Any]:
    return {"messages": [*_messages(prompt, example), {"role": "assistant", "content": example.output}]}


def _pair(prompt: Prompt, example: Example) -> dict[str, Any]:
    return {
        "prompt": _messages(prompt, example),
        "completion": [{"role": "assistant", "content": example.output}],
    }


def _messages(prompt: Prompt, example: Example) -> list[dict[str, str]]:
    return [{"role": message.role, "content": message.content} for message in prompt.messages(example.input)]


def _axolotl(settings: LoraSettings, base: Base) -> dict[str, str]:
    """For Axolotl 0.19; `axolotl preprocess config.yaml --debug` shows its masks before anything is trained."""
    return {
        "config.yaml": _yaml(
            {
                "base_model": base.name,
                **({"revision_of_model": base.revision} if base.revision else {}),
                "adapter": "lora",
                "lora_r": settings.rank,
                "lora_alpha": settings.alpha,
                "lora_dropout": settings.dropout,
                "lora_target_linear": True,
                "chat_template": "tokenizer_default",
                "datasets": [
                    {
                        "path": "train.jsonl",
                        "type": "chat_template",
                        "roles_to_train": ["assistant"],
                        "train_on_eos": "turn",
                    }
                ],
                "test_datasets": [{"path": "val.jsonl", "type": "chat_template", "split": "train"}],
                "sequence_len": settings.max_prompt_tokens + settings.max_new_tokens,
                "sample_packing": False,
                "eval_sample_packing": False,
                "micro_batch_size": 4,
                "gradient_accumulation_steps": settings.batch // 4,
                "num_epochs": settings.epochs,
                "learning_rate": settings.learning_rate,
                "lr_scheduler": "cosine",
                "warmup_ratio": 0.05,
                "bf16": "auto",
                "gradient_checkpointing": True,
                "eval_steps": 50,
                "save_steps": 50,
                "early_stopping_patience": settings.patience,
                "output_dir": "out",
            }
        )
    }


def _llama_factory(settings: LoraSettings, base: Base) -> dict[str, str]:
    """For LLaMA-Factory 0.9; `template` must be the one the model is served with."""
    tags = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}
    entry = {"formatting": "sharegpt", "columns": {"messages": "messages"}, "tags": {**tags, "system_tag": "system"}}
    described = {
        "tierwright_train": {"file_name": "train.jsonl", **entry},
        "tierwright_val": {"file_name": "val.jsonl", **entry},
    }
    return {
        "dataset_info.json": json.dumps(described, indent=1) + "\n",
        "config.yaml": _yaml(
            {
                "model_name_or_path": base.name,
                **({"model_revision": base.revision} if base.revision else {}),
                "stage": "sft",
                "do_train": True,
                "finetuning_type": "lora",
                "lora_rank": settings.rank,
                "lora_alpha": settings.alpha,
                "lora_dropout": settings.dropout,
                "lora_target": "all",
                "dataset_dir": ".",
                "dataset": "tierwright_train",
                "eval_dataset": "tierwright_val",
                "template": _template(base.name),
                "enable_thinking": False,
                "cutoff_len": settings.max_prompt_tokens + settings.max_new_tokens,
                "packing": False,
                "per_device_train_batch_size": 4,
                "gradient_accumulation_steps": settings.batch // 4,
                "num_train_epochs": settings.epochs,
                "learning_rate": settings.learning_rate,
                "lr_scheduler_type": "cosine",
                "warmup_ratio": 0.05,
                "bf16": True,
                "eval_strategy": "steps",
                "eval_steps": 50,
                "save_steps": 50,
                "load_best_model_at_end": True,
                "early_stopping_steps": settings.patience,
                "output_dir": "out",
            }
        ),
    }


def _script(name: str) -> Callable[[LoraSettings, Base], dict[str, str]]:
    """A bundle with a script of ours that reads its numbers from settings.json."""

    def made(settings: LoraSettings, base: Base) -> dict[str, str]:
        numbers = {
            "base": base.name,
            "revision": base.revision or None,
            "rank": settings.rank,
            "alpha": settings.alpha,
            "dropout": settings.dropout,
            "learning_rate": settings.learning_rate,
            "batch": settings.batch,
            "epochs": settings.epochs,
            "patience": settings.patience,
            "max_length": settings.max_prompt_tokens + settings.max_new_tokens,
        }
        script = resources.files("tierwright.training").joinpath(f"bundle_{name}.py.txt").read_text(encoding="utf-8")
        return {"settings.json": json.dumps(numbers, indent=1) + "\n", "train.py": script}

    return made


def _openai(settings: LoraSettings, base: Base) -> dict[str, str]:
    """The body of POST /v1/fine_tuning/jobs, for OpenAI and servers with its API; ids of uploaded files go in."""
    job = {
        "model": base.name,
        "training_file": "FILE-ID OF train.jsonl",
        "validation_file": "FILE-ID OF val.jsonl",
        "method": {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": settings.epochs}}},
    }
    return {"job.json": json.dumps(job, indent=1) + "\n"}


#: What a bundle can be made for.
TRAINERS: dict[str, Callable[[LoraSettings, Base], dict[str, str]]] = {
    "axolotl": _axolotl,
    "llama-factory": _llama_factory,
    "openai": _openai,
    "trl": _script("trl"),
    "unsloth": _script("unsloth"),
}


def _template(base: str) -> str:
    """LLaMA-Factory's name for a family's chat template; "default" where it is not known."""
    families = {"qwen3": "qwen3_nothink", "qwen2": "qwen", "smollm2": "smollm2", "llama-3": "llama3"}
    return next((name for family, name in families.items() if family in base.casefold()), "default")


def _yaml(settings: dict[str, Any]) -> str:
    """YAML, of which JSON is a part: each value on its key's line."""
    return "".join(f"{name}: {json.dumps(value)}\n" for name, value in settings.items())

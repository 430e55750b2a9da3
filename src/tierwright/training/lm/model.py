"""A causal language model and its tokenizer from a directory, on the device there is, with or without an adapter.

Owns opening them, the tokens of prompts, precision, adapters in PEFT's form, and the loss on the tokens that count.
Refuses to know what is learned (`loop`) and what is answered (`decoding`). Only safetensors are read, and no code that
comes with a model is run.
"""

from __future__ import annotations

import json
import sys
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils.logging import disable_progress_bar

from tierwright.core.errors import ArtifactError
from tierwright.training.lm.prompts import Prompt
from tierwright.training.lm.rows import IGNORED, Coding, micro_batches

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from peft import PeftModel
    from torch import Tensor, nn

    from tierwright.training.lm.rows import Row

#: Characters of an input that can matter for each token that is read: longer ones are not tokenised at all.
_CHARACTERS_PER_TOKEN = 32
#: How often an input is cut shorter until it fits: the tokens of a piece are not quite those of the whole.
_CUTS = 8
#: What transformers, torch and safetensors raise where files are damaged or describe no model they know.
_LOAD_ERRORS = (OSError, ValueError, KeyError, RuntimeError, SafetensorError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """Where and how precisely is computed."""

    #: As torch has it: "cpu", "cuda".
    kind: str
    #: Of the frozen weights and of matrix products; the adapter is kept in float32.
    dtype: torch.dtype
    #: What the hardware calls itself; None: a processor.
    name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """A model that is ready to be tuned or asked."""

    #: Plain, or wrapped by PEFT.
    model: Any
    tokenizer: Any
    device: Device

    @property
    def parameters(self) -> int:
        """Weights of the model, the adapter's included."""
        return sum(weight.numel() for weight in self.model.parameters())


def find_device() -> Device:
    """The accelerator where there is one, else the processor; bfloat16 where it is computed fast, else float32."""
    if torch.cuda.is_available():
        dtype = torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
        return Device(kind="cuda", dtype=dtype, name=torch.cuda.get_device_name())
    # Emulated bfloat16 is several times slower than float32 on a processor without the instructions.
    tiles = torch.cpu.get_capabilities().get("amx_bf16", False)
    return Device(kind="cpu", dtype=torch.bfloat16 if tiles else torch.float32, name=None)


def open_language(directory: Path, device: Device) -> Language:
    """The model in a directory. Raises ArtifactError where its files can't be read or it has no chat template."""
    # The terminal belongs to the caller's own progress.
    disable_progress_bar()  # type: ignore[no-untyped-call]  # transformers has no types for it
    try:
        tokenizer = AutoTokenizer.from_pretrained(directory, local_files_only=True)
        model = AutoModelForCausalLM.from_pretrained(
            directory,
            local_files_only=True,
            use_safetensors=True,
            dtype=device.dtype,
            attn_implementation="sdpa",
        )
    except _LOAD_ERRORS as error:
        raise ArtifactError(
            f"the language model in {directory} can't be opened ({error.__class__.__name__}: {_first_line(error)}); "
            "pull it again with `tierwright model pull`"
        ) from error
    if not tokenizer.chat_template:
        raise ArtifactError(
            f"the tokenizer in {directory} has no chat template: take the instruction-tuned weights, "
            "or put the template's file chat_template.jinja beside them"
        )
    if not tokenizer.is_fast:
        raise ArtifactError(f"{directory} has no tokenizer.json; save the fast tokenizer beside the weights")
    # Rows are measured here, against a limit of our own; the tokenizer's would only be warned about.
    tokenizer.model_max_length = sys.maxsize
    ready: Any = model
    return Language(model=ready.to(device.kind).eval(), tokenizer=tokenizer, device=device)


def fitting_prompt(tokenizer: Any, instruction: str) -> Prompt:
    """The prompt in the form that the chat template takes: some have no place for a system message."""
    prompt = Prompt(instruction=instruction)
    try:
        rendered = _rendered(tokenizer, prompt, "x")
    except Exception:  # noqa: BLE001 - a template raises what its author liked; what counts is that it refused
        rendered = ""
    return prompt if instruction in rendered else Prompt(instruction=instruction, system=False)


def coding_of(tokenizer: Any, prompt: Prompt) -> Coding:
    """How inputs and answers become tokens. Raises ArtifactError where the chat template ends an answer with no token.

    The tokens of a prompt are those of the rendered template with the assistant's turn opened; thinking is switched off
    where a template knows it. Special tokens that an input spells out are taken apart: an input opens no turns.
    """
    end = _end_of_turn(tokenizer, prompt)
    # Also those that no role is named after: ChatML opens turns with one of them.
    special = sorted((token.content for token in tokenizer.added_tokens_decoder.values()), key=len, reverse=True)

    def tokens(given: str) -> list[int]:
        return list(tokenizer.encode(_rendered(tokenizer, prompt, given), add_special_tokens=False))

    def prompted(given: str, limit: int) -> list[int]:
        kept = given[: max(0, limit) * _CHARACTERS_PER_TOKEN].encode("utf-8", "replace").decode()
        for text in special:
            if len(text) > 1:
                kept = kept.replace(text, f"{text[0]} {text[1:]}")
        found = tokens(kept)
        for _ in range(_CUTS):
            if len(found) <= limit or not kept:
                return found
            offsets = tokenizer(kept, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
            stays = len(offsets) - (len(found) - limit)
            kept = kept[: offsets[stays][0]] if stays > 0 else ""
            found = tokens(kept)
        return tokens("")

    def decode(ids: Sequence[int]) -> str:
        return str(tokenizer.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False))

    return Coding(
        prompt=prompted,
        answer=lambda text: list(tokenizer.encode(text.encode("utf-8", "replace").decode(), add_special_tokens=False)),
        decode=decode,
        end=end,
        end_text=decode([end]),
    )


def adapted(language: Language, *, rank: int, alpha: int, dropout: float, seed: int) -> Language:
    """The model with a fresh adapter on all its linear layers, the head's and the embeddings' left alone.

    On an accelerator activations are computed again instead of kept: a fifth slower, and several times the batch fits.
    """
    torch.manual_seed(seed)
    if language.device.kind != "cpu":
        language.model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        language.model.enable_input_require_grads()
    config = LoraConfig(
        r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules="all-linear", bias="none", task_type="CAUSAL_LM"
    )
    return Language(model=_wrapped(language, config), tokenizer=language.tokenizer, device=language.device)


def adapter_files(language: Language, *, base: str) -> dict[str, bytes]:
    """The adapter as the two files that PEFT, vLLM, SGLang and llama.cpp's converter read; `base` names the weights."""
    config = language.model.peft_config["default"].to_dict()
    config |= {"base_model_name_or_path": base, "inference_mode": True, "task_type": "CAUSAL_LM"}
    # By their own names instead of their places, as servers compare them with the modules they can adapt.
    config["target_modules"] = {place.rpartition(".")[2] for place in config["target_modules"]}
    described = {name: sorted(value) if isinstance(value, set) else value for name, value in config.items()}
    return {
        "adapter_config.json": json.dumps(described, indent=1, sort_keys=True, default=str).encode() + b"\n",
        "adapter_model.safetensors": save_tensors(adapter_tensors(language), metadata={"format": "pt"}),
    }


def adapter_tensors(language: Language) -> dict[str, Tensor]:
    """A copy of the adapter's weights on the processor, by the names PEFT saves them under."""
    found = get_peft_model_state_dict(language.model)
    return {name: found[name].detach().to("cpu", torch.float32, copy=True).contiguous() for name in sorted(found)}


def set_adapter(language: Language, tensors: Mapping[str, Tensor]) -> None:
    """Puts an adapter's weights in the place of those there. Raises ArtifactError where they don't fit."""
    wanted = get_peft_model_state_dict(language.model)
    if {name: tuple(found.shape) for name, found in tensors.items()} != {
        name: tuple(found.shape) for name, found in wanted.items()
    }:
        raise ArtifactError("the adapter's weights don't fit the language model: they were trained on another one")
    set_peft_model_state_dict(language.model, dict(tensors))


def with_adapter(language: Language, *, config: bytes, weights: bytes) -> Language:
    """The model with a trained adapter. Raises ArtifactError where it can't be read or does not fit."""
    try:
        described = LoraConfig(**json.loads(config))
        described.base_model_name_or_path = None
        tensors = load_tensors(weights)
        model = _wrapped(language, described)
    except (*_LOAD_ERRORS, TypeError) as error:
        raise ArtifactError(f"the adapter can't be read ({_first_line(error)}); train the model again") from error
    found = Language(model=model, tokenizer=language.tokenizer, device=language.device)
    set_adapter(found, tensors)
    model.eval()
    return found


def completion_loss(language: Language, rows: Sequence[Row]) -> Tensor:
    """The sum of the cross entropies of all tokens in the loss, a scalar in float32; rows are padded at the right.

    Logits are computed for the tokens in the loss only, where the model shows that this is the same: of a prompt of 500
    tokens and a vocabulary of 150,000 the others would be 300 MB a row.
    """
    width = max(len(row.input_ids) for row in rows)
    device = language.device.kind
    ids = torch.zeros((len(rows), width), dtype=torch.long)
    mask = torch.zeros_like(ids)
    labels = torch.full_like(ids, IGNORED)
    for place, row in enumerate(rows):
        length = len(row.input_ids)
        ids[place, :length] = torch.tensor(row.input_ids)
        labels[place, :length] = torch.tensor(row.labels)
        mask[place, :length] = 1
    # What is predicted at a place is the next token.
    wanted = labels[:, 1:].to(device)
    counts = wanted != IGNORED
    with autocast(language.device):
        hidden = _trunk(language.model)(input_ids=ids.to(device), attention_mask=mask.to(device)).last_hidden_state
        logits = language.model.get_output_embeddings()(hidden[:, :-1][counts])
    return torch.nn.functional.cross_entropy(logits.float(), wanted[counts], reduction="sum")


def mean_loss(language: Language, rows: Sequence[Row], max_tokens: int) -> float:
    """The mean cross entropy of the tokens in the loss of some rows; nothing is learned from them."""
    lengths = [len(row.input_ids) for row in rows]
    total = 0.0
    with torch.no_grad():
        for batch in micro_batches(range(len(rows)), lengths, max_tokens=max_tokens):
            total += completion_loss(language, [rows[at] for at in batch]).item()
    return total / max(1, sum(label != IGNORED for row in rows for label in row.labels))


def check_head(language: Language) -> None:
    """Whether the model's logits are its head on its last hidden state; raises ArtifactError where they are not.

    Some models scale or cap their logits; training them without would teach something else.
    """
    ids = torch.arange(1, 9, device=language.device.kind)[None] % int(language.model.config.vocab_size)
    with torch.inference_mode(), autocast(language.device):
        whole = language.model(input_ids=ids).logits.float()
        parts = language.model.get_output_embeddings()(_trunk(language.model)(input_ids=ids).last_hidden_state).float()
    if not torch.allclose(whole, parts, rtol=1e-2, atol=1e-2 * float(whole.abs().max())):
        raise ArtifactError(
            "this model changes its logits after its head, which the recipe lora does not know; take other weights"
        )


def autocast(device: Device) -> torch.autocast:
    """Matrix products in the frozen weights' precision, the adapter's too; off where that is float32."""
    return torch.autocast(device.kind, dtype=torch.bfloat16, enabled=device.dtype is torch.bfloat16)


def _wrapped(language: Language, config: LoraConfig) -> PeftModel:
    with warnings.catch_warnings():
        # PEFT asks transformers by a name that transformers is about to change.
        warnings.simplefilter("ignore", FutureWarning)
        return get_peft_model(language.model, config)


def _trunk(model: Any) -> nn.Module:
    """The layers below the head; with an adapter they are the adapted ones, changed in place."""
    plain = model.get_base_model() if hasattr(model, "get_base_model") else model
    found: nn.Module = plain.get_decoder()
    return found


def _rendered(tokenizer: Any, prompt: Prompt, given: str, answer: str | None = None) -> str:
    messages = [{"role": message.role, "content": message.content} for message in prompt.messages(given)]
    if answer is not None:
        messages.append({"role": "assistant", "content": answer})
    return str(
        tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=answer is None, enable_thinking=False
        )
    )


def _end_of_turn(tokenizer: Any, prompt: Prompt) -> int:
    """The token that the chat template puts after an answer."""
    mark = "answer-7f3a"
    after = _rendered(tokenizer, prompt, "x", mark).rpartition(mark)[2]
    ids = tokenizer.encode(after.lstrip("\n "), add_special_tokens=False)
    ends = {number for number, token in tokenizer.added_tokens_decoder.items() if token.special}
    if ids and ids[0] in ends:
        return int(ids[0])
    if tokenizer.eos_token_id is not None and not after.strip():
        return int(tokenizer.eos_token_id)
    raise ArtifactError(
        "the chat template puts no special token after an answer, so that the model could not learn to stop; "
        "take instruction-tuned weights with their own template"
    )


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__

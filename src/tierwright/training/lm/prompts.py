"""How a request is put to a language model: an instruction made from the contract, then the input.

Owns the words and their order, the same for training, evaluation and whatever server answers later; refuses to know
tokens (`rows`) and weights.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec

from tierwright.core.contract import ContractKind

if TYPE_CHECKING:
    from tierwright.core.contract import FieldSpec, OutputContract

#: Characters up to which the members of a closed set are listed. A tuned model knows them; a list of hundreds would be
#: most of every prompt.
_LISTED_CHARACTERS = 400


class Message(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One message, as OpenAI's API and chat templates have it."""

    role: str
    content: str


class Prompt(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What stands around every input of a specialist; kept in its artifact."""

    instruction: str
    #: Whether the instruction is a system message; False: the model's chat template has none, and it opens the user's.
    system: bool = True

    def messages(self, given: str) -> list[Message]:
        """The messages that ask for the answer to an input."""
        if self.system:
            return [Message(role="system", content=self.instruction), Message(role="user", content=given)]
        return [Message(role="user", content=f"{self.instruction}\n\n{given}")]


def instruction_for(contract: OutputContract) -> str:
    """What a model is told to do, from the answers' form alone: nothing of the task's own prompt is known here."""
    if contract.kind is ContractKind.LABEL:
        return f"Classify the text. Answer with one label and nothing else.{_listed('Labels', contract.labels)}"
    if contract.kind is ContractKind.FIELDS:
        members = "".join(_listed(spec.name, [json.dumps(value) for value in spec.values]) for spec in contract.fields)
        return f"Answer with a JSON object with the keys {_keys(contract.fields)} and nothing else.{members}"
    if contract.kind is ContractKind.SPANS and contract.fields:
        kinds = ", ".join(
            f"{spec.name}: {'a list of strings' if spec.many else 'a string'}" for spec in contract.fields
        )
        return (
            f"Copy from the text, letter by letter, what belongs under each key. Answer with a JSON object with the "
            f"keys {_keys(contract.fields)} and nothing else ({kinds}); a key that nothing belongs under stays empty."
        )
    if contract.kind is ContractKind.SPANS:
        return "Copy the part of the text that is asked for, letter by letter, and answer with nothing else."
    return "Write the text that belongs to the input, and nothing else."


def _keys(fields: tuple[FieldSpec, ...]) -> str:
    return ", ".join(json.dumps(spec.name) for spec in fields)


def _listed(name: str, members: tuple[str, ...] | list[str]) -> str:
    listed = ", ".join(members)
    return f"\n{name}: {listed}" if len(listed) <= _LISTED_CHARACTERS else ""

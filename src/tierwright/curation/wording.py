"""Tells system messages that say what the job is from those that only say how to behave.

Owns a list of the words of behaviour; refuses to know users' messages. A wrong verdict costs little: behind a message
that is taken for generic, frames are looked for in the user messages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

from tierwright.curation.templates import word_count, words

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Words that say how an assistant behaves, not what is done.
_BEHAVIOUR = frozenset(
    """able accurate accurately act agent ai always answer answers anthropic api artificial as ask asked assist
    assistance assistant based be best bot brief careful carefully chat chatbot chatgpt claude clear clearly company
    complete concise concisely conversation correct current cutoff date day detailed don't developed do does engaging
    ensure expert explain factual follow follows following friendly gemini general give given good google gpt guidelines
    harmful harmless help helpful helpfully helps honest honestly if information informative instruction instructions
    intelligence intelligent kind kindly knowledge knowledgeable know language large like lying make mistral model need
    never nice no not offensive ok only openai please polite politely possible precise professional prompt provide
    query question questions reasoning reliable reply request requests respectful respond response responses safe say
    smart speak step sure system task tasks text thorough thoroughly time today tone trained true truthful truthfully
    try unbiased use useful user users very want well word words write year yes
    assistent assistente asistente bist hilfreich hilfreicher hilfreiche ein eine ist sei antworte antworten auf deutsch
    kurz präzise freundlich du sie sind und höflich eres un una útil responde y en español breve amable siempre
    vous êtes tu es utile réponds répondez et de manière concise poli français sei prestativo prestativa você é um uma
    utile rispondi het een behulpzame je bent
    du er et hjælpsom hjelpsom hjälpsam svar svara och og venligt vennlig vänligt på dansk norsk svenska altid alltid är
    ett jesteś pomocnym asystentem odpowiadaj krótko i po polsku jsi užitečný stručně odpovídej sen ve cevap ver
    olet avulias avustaja vastaa lyhyesti ты вы полезный помощник ассистент отвечай отвечайте
    кратко вежливо и на русском أنت مساعد مفيد أجب بإيجاز ودقة دائما باللغة العربية""".split()  # noqa: SIM905 - words on lines of their own are harder to read
)
#: Different words besides them from which a message says what the job is.
_TELLING = 3
#: Words of a message at least; of a shorter one hardly any can be judged.
_MIN_WORDS = 6


def is_specific(literals: Iterable[str]) -> bool:
    """Whether the fixed text of a system message says what the job is."""
    pieces = list(literals)
    told = {word for piece in pieces for word in words(piece) if word not in _BEHAVIOUR and not word.isdigit()}
    return len(told - ENGLISH_STOP_WORDS) >= _TELLING and sum(map(word_count, pieces)) >= _MIN_WORDS

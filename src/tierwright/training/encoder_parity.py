"""Whether the served int8 encoder still means what the float32 one means.

Owns the sentences and the limit. The sentences are short, of several languages and kinds, and were written for this
purpose; they are not used for anything else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from tierwright.core.errors import ArtifactError
from tierwright.specialists.encoder import Parity

if TYPE_CHECKING:
    from tierwright.specialists.encoder import Encoder

#: Least mean cosine of an encoder that is fit to serve. Sound int8 arithmetic gives 0.99 and more on these sentences;
#: saturating arithmetic or a transposed weight falls far below.
MIN_MEAN_COSINE: Final = 0.98

SENTENCES: Final = (
    "My card was charged twice for the same order.",
    "How do I change the address on my account?",
    "the app keeps crashing when i open my cart!!",
    "Please cancel the subscription at the end of this month.",
    "We will not renew unless the discount is applied.",
    "Play something quiet for a rainy afternoon.",
    "What time does the pharmacy close on Sundays?",
    "Either party may terminate this agreement with thirty days' written notice.",
    "The quarterly report shows a loss of 3.2 million euros.",
    "Traceback: connection refused at 10.0.0.7:5432",
    "SELECT name, total FROM orders WHERE paid IS NULL;",
    "You are a disgrace and nobody wants you here.",
    "Thank you so much, that solved it.",
    "ok",
    "???",
    "Order #48213 arrived, but the blue lamp is broken.",
    "Wann wird meine Bestellung geliefert?",
    "Ich möchte mein Geld zurück, die Hose passt nicht.",
    "Où se trouve la gare la plus proche ?",
    "Je n'arrive pas à me connecter à mon compte.",
    "¿Puedo devolver el producto sin la caja?",
    "No he recibido el correo de confirmación.",
    "La fattura di marzo contiene un errore.",
    "Quero cancelar a minha assinatura hoje.",
    "Mijn pakket is nog steeds niet aangekomen.",
    "Gdzie jest moja paczka?",
    "Siparişim neden iptal edildi?",
    "Где мой заказ?",
    "أين طلبي؟",
    "मेरा भुगतान विफल हो गया।",
    "我想取消订单。",
    "パスワードを忘れました。",
)


def measure_parity(reference: Encoder, candidate: Encoder) -> Parity:
    """Cosine between the two encoders' embeddings of each of `SENTENCES`."""
    cosines = np.sum(reference.embed(SENTENCES) * candidate.embed(SENTENCES), axis=1, dtype=np.float64)
    return Parity(mean_cosine=float(cosines.mean()), min_cosine=float(cosines.min()), n=len(SENTENCES))


def check_parity(parity: Parity) -> None:
    """Raises ArtifactError where the mean cosine is below `MIN_MEAN_COSINE`, or is no number."""
    if not parity.mean_cosine >= MIN_MEAN_COSINE:
        raise ArtifactError(
            f"The int8 encoder does not agree with the float32 one: mean cosine {parity.mean_cosine:.4f} over "
            f"{parity.n} sentences, at least {MIN_MEAN_COSINE} is needed. It was not kept. Please report this with "
            "the processor's name and the version of onnxruntime."
        )

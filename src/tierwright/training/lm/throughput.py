"""How fast an accelerator learns, and which share of what it could do that is.

Owns the arithmetic and the table of peaks; refuses to know models. Model FLOP utilisation as in PaLM (Chowdhery et al.
2022, appendix B): 6 floating point operations for each weight and token, over the device's dense bfloat16 peak. LoRA
computes no gradients of frozen weights (about 4 of the 6), and recomputing activations adds 2: neither is counted, so
that figures compare with others'.
"""

from __future__ import annotations

from dataclasses import dataclass

#: Dense bfloat16 operations a second, without sparsity, by what the device calls itself; from the makers' data sheets.
#: Longer names first: "H100 PCIe" is slower than "H100".
_PEAKS = (
    ("H100 PCIe", 756e12),
    ("H100 NVL", 835e12),
    ("H100", 989e12),
    ("H200", 989e12),
    ("B200", 2250e12),
    ("A100", 312e12),
    ("A10G", 70e12),
    ("A10", 125e12),
    ("A40", 150e12),
    ("A30", 165e12),
    ("L40S", 362e12),
    ("L40", 181e12),
    ("L4", 121e12),
    ("RTX 4090", 165e12),
    ("RTX 3090", 71e12),
    ("MI300X", 1307e12),
    ("MI250X", 383e12),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """How fast was learned."""

    #: Tokens read, padding not counted.
    tokens: int
    seconds: float
    #: Weights of the model.
    parameters: int
    #: What the device calls itself; None: a processor.
    device: str | None

    @property
    def tokens_per_s(self) -> float:
        """Tokens a second."""
        return self.tokens / self.seconds if self.seconds > 0 else 0.0

    @property
    def utilisation(self) -> float | None:
        """Share of the device's peak; None: its peak is not known."""
        peak = peak_flops(self.device)
        return None if peak is None else 6 * self.parameters * self.tokens_per_s / peak

    def __str__(self) -> str:
        """For progress, on one line."""
        share = self.utilisation
        known = "utilisation unknown: no peak is known of this device" if share is None else f"{share:.1%} of its peak"
        return f"{self.tokens_per_s:,.0f} tokens/s on {self.device or 'the processor'} ({known})"


def peak_flops(device: str | None) -> float | None:
    """Dense bfloat16 operations a second of a device by its name; None: not known."""
    if device is None:
        return None
    return next((peak for name, peak in _PEAKS if name.casefold() in device.casefold()), None)

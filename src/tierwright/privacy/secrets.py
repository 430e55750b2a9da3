"""Keys, tokens and passwords: by the prefixes their issuers give them, or by the word before them.

Owns the forms; RE2 syntax, for bytes. Sources: the issuers' documentation of their key formats (AWS, GitHub, GitLab,
Google, OpenAI, Anthropic, Slack, Stripe, npm, PyPI, Hugging Face, SendGrid, Twilio), RFC 7519 (JWT), RFC 7468 (PEM).
"""

from __future__ import annotations

from typing import Final

#: Detector name and pattern.
SECRETS: Final[tuple[tuple[str, str], ...]] = (
    ("aws", r"\b(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{16}\b"),
    ("github", r"\b(?:gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{22,255})\b"),
    ("gitlab", r"\bglpat-[A-Za-z0-9_-]{20,}"),
    ("google", r"\bAIza[A-Za-z0-9_-]{35}|\bya29\.[A-Za-z0-9_-]{20,}"),
    ("llm-provider", r"\bsk-(?:proj-|ant-|svcacct-|or-)?[A-Za-z0-9_-]{20,}"),
    ("slack", r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}"),
    ("stripe", r"\b[srp]k_(?:live|test)_[A-Za-z0-9]{16,}"),
    ("npm", r"\bnpm_[A-Za-z0-9]{36}\b"),
    ("pypi", r"\bpypi-[A-Za-z0-9_-]{50,}"),
    ("hugging-face", r"\bhf_[A-Za-z0-9]{30,}\b"),
    ("sendgrid", r"\bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),
    ("twilio", r"\b(?:AC|SK)[0-9a-f]{32}\b"),
    ("jwt", r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"),
    ("pem", r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----"),
    ("url-password", r"\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@]{1,64}:[^\s/@]{1,128}@"),
    (
        "assignment",
        r"(?i)\b(?:password|passwd|pwd|passcode|secret|api[_-]?key|access[_-]?token|auth[_-]?token)\b[\"']?\s?(?:[:=]|is)\s?[\"']?[^\s\"',;]{6,}",
    ),
    ("bearer", r"(?i)\bbearer\s+[A-Za-z0-9._~+/-]{16,}"),
)

"""Keys, tokens and passwords: by the prefixes their issuers give them, or by the word before them.

Owns the forms; RE2 syntax, for bytes. Sources: the issuers' documentation of their key formats (AWS, GitHub, GitLab,
Google, OpenAI, Anthropic, Slack, Stripe, npm, PyPI, Hugging Face, SendGrid, Twilio and the others named below),
RFC 7519 (JWT), RFC 7468 (PEM).
"""

from __future__ import annotations

from typing import Final

#: Detector name and pattern.
SECRETS: Final[tuple[tuple[str, str], ...]] = (
    ("aws", r"\b(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{16}\b"),
    ("github", r"\b(?:gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{22,255})\b"),
    ("gitlab", r"\bglpat-[A-Za-z0-9_-]{20,}"),
    ("google", r"\bAIza[A-Za-z0-9_-]{35}|\bya29\.[A-Za-z0-9_-]{20,}|\bGOCSPX-[A-Za-z0-9_-]{20,}"),
    ("azure", r"\b(?:AccountKey|SharedAccessKey)=[A-Za-z0-9+/]{40,}={0,2}"),
    ("alibaba", r"\bLTAI[A-Za-z0-9]{12,24}\b"),
    ("digitalocean", r"\bdo[opr]_v1_[0-9a-f]{64}\b"),
    ("llm-provider", r"\bsk-(?:proj-|ant-|svcacct-|or-)?[A-Za-z0-9_-]{20,}"),
    ("model-host", r"\b(?:gsk_|xai-|pplx-|r8_|fw_|csk-|nvapi-)[A-Za-z0-9_-]{24,}"),
    ("slack", r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}|(?:https://)?hooks\.slack\.com/services/[A-Za-z0-9/]{20,}"),
    ("discord", r"(?:https://)?discord(?:app)?\.com/api/webhooks/[0-9]{15,20}/[A-Za-z0-9_-]{40,}"),
    ("telegram", r"\b[0-9]{8,10}:AA[A-Za-z0-9_-]{32,33}"),
    ("stripe", r"\b[srp]k_(?:live|test)_[A-Za-z0-9]{16,}"),
    ("square", r"\bsq0[a-z]{3}-[A-Za-z0-9_-]{20,}"),
    ("shopify", r"\bshp(?:at|ca|pa|ss)_[0-9A-Fa-f]{32}"),
    ("rubygems", r"\brubygems_[0-9a-f]{48}"),
    ("docker", r"\bdckr_[a-z]{3}_[A-Za-z0-9_-]{20,}"),
    ("npm", r"\bnpm_[A-Za-z0-9]{36}\b"),
    ("pypi", r"\bpypi-[A-Za-z0-9_-]{50,}"),
    ("hugging-face", r"\bhf_[A-Za-z0-9]{30,}\b"),
    ("sendgrid", r"\bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),
    ("mailgun", r"\bkey-[0-9a-f]{32}\b"),
    ("mailchimp", r"\b[0-9a-f]{32}-us[0-9]{1,2}\b"),
    ("databricks", r"\bdapi[0-9a-f]{32}"),
    ("hashicorp", r"\bhv[sbr]\.[A-Za-z0-9_-]{24,}|\b[A-Za-z0-9]{10,}\.atlasv1\.[A-Za-z0-9_-]{40,}"),
    ("atlassian", r"\bATATT3[A-Za-z0-9_=-]{50,}"),
    # Linear, Notion, Postman, Grafana, New Relic, Sentry, Doppler, PlanetScale, Supabase, Figma.
    (
        "tools",
        r"\b(?:lin_api_|ntn_|PMAK-|gl(?:sa|c)_|NRAK-|sntry[su]_|dp\.(?:pt|st|ct)\.|pscale_[a-z]{2,5}_|sbp_|figd_)[A-Za-z0-9_-]{24,}",
    ),
    ("age", r"\bAGE-SECRET-KEY-1[A-Z0-9]{40,}"),
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

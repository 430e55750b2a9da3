"""Microsoft Presidio as a detector: whatever its analyzer recognises, under our names of types.

Owns the table of types and the start of the analyzer without a connection to anywhere: neither a language model nor a
list of domains is fetched. Runs in the plug-in's process, and is the only module that imports `presidio_analyzer`.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from tierwright.privacy.plugins.finder import Span

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Presidio's types by ours. Any other, as those of recognisers that somebody added, is `OTHER`.
TYPES: Final[Mapping[str, str]] = {
    presidio: ours
    for ours, names in {
        "name": "PERSON TITLE",
        "address": "LOCATION STREET_ADDRESS ZIP_CODE GPE FACILITY",
        "date": "DATE_TIME DATE",
        "age": "AGE",
        "organisation": "ORGANIZATION ORG",
        "group": "NRP",
        "email": "EMAIL_ADDRESS",
        "phone": "PHONE_NUMBER",
        "card": "CREDIT_CARD",
        "iban": "IBAN_CODE",
        "account": "US_BANK_NUMBER CRYPTO",
        "us_ssn": "US_SSN",
        "ip": "IP_ADDRESS",
        "device": "MAC_ADDRESS",
        "url": "URL DOMAIN_NAME",
        "health_id": "MEDICAL_LICENSE UK_NHS AU_MEDICARE US_MBI US_NPI",
        "national_id": """US_ITIN US_PASSPORT US_DRIVER_LICENSE UK_NINO ES_NIF ES_NIE IT_FISCAL_CODE IT_DRIVER_LICENSE
            IT_VAT_CODE IT_PASSPORT IT_IDENTITY_CARD PL_PESEL SG_NRIC_FIN SG_UEN AU_ABN AU_ACN AU_TFN IN_PAN IN_AADHAAR
            IN_VEHICLE_REGISTRATION IN_VOTER IN_PASSPORT FI_PERSONAL_IDENTITY_CODE KR_RRN TH_TNIN""",
    }.items()
    for presidio in names.split()
}
OTHER: Final = "other"
#: What Presidio does not take for a name, a place or a time with less, as it is shipped.
_THRESHOLD = 0.4


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the settings say."""

    #: A spaCy model that is installed, or its folder.
    model: str
    language: str = "en"
    #: Score from which a finding counts, in [0, 1].
    threshold: float = _THRESHOLD


class PresidioFinder:
    """Asks an analyzer."""

    def __init__(self, analyzer: Any, options: Options, release: str) -> None:
        self._analyzer = analyzer
        self._options = options
        self.types = (*dict.fromkeys(TYPES.values()), OTHER)
        self.version = release

    def find(self, texts: Sequence[str]) -> list[list[Span]]:
        """As `Finder.find`."""
        return [
            [
                Span(TYPES.get(one.entity_type, OTHER), one.start, one.end)
                for one in self._analyzer.analyze(
                    text=text, language=self._options.language, score_threshold=self._options.threshold
                )
                if one.start < one.end
            ]
            for text in texts
        ]


def load(options: Mapping[str, object]) -> PresidioFinder:
    """The analyzer with a spaCy model.

    Raises ImportError where Presidio is not installed, ValueError where the model is not: it would be fetched.
    """
    given = msgspec.convert(options, Options)
    import spacy.util  # noqa: PLC0415 - an extra
    import tldextract  # noqa: PLC0415 - comes with Presidio
    from presidio_analyzer import AnalyzerEngine  # noqa: PLC0415 - an extra
    from presidio_analyzer.nlp_engine import NlpEngineProvider  # noqa: PLC0415 - as above

    if not (spacy.util.is_package(given.model) or Path(given.model).is_dir()):
        raise ValueError(f"the spaCy model {given.model!r} is not installed, and nothing is fetched from here")
    # With no addresses the list of domains is the one in the package.
    tldextract.tldextract.TLD_EXTRACTOR = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)
    engine = NlpEngineProvider(
        nlp_configuration={
            "nlp_engine_name": "spacy",
            "models": [{"lang_code": given.language, "model_name": given.model}],
        }
    ).create_engine()
    analyzer = AnalyzerEngine(nlp_engine=engine, supported_languages=[given.language])
    return PresidioFinder(analyzer, given, f"{version('presidio-analyzer')}+{Path(given.model).name}")

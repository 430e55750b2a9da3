"""Words that say what the number beside them is, in many languages.

Owns the lists and the look around a place; refuses to know what numbers look like.
"""

# ruff: noqa: RUF001 - words of other languages are written in letters that look like Latin ones

from __future__ import annotations

import re
from bisect import bisect_left
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from unicodedata import normalize

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: Characters before and after a number that are looked at; before one that only a label right there tells.
_BEFORE, _AFTER, _CLOSE = 48, 24, 20


class Topic(StrEnum):
    """What a label speaks of."""

    CARD = "card"
    PHONE = "phone"
    #: Bank accounts, and whatever else an account is kept under.
    ACCOUNT = "account"
    #: Numbers that a state gives to a person: identity, tax, social insurance, passport, licence.
    PERSON = "person"
    #: Numbers of patients, charts, prescriptions and health insurance.
    HEALTH = "health"
    #: Numbers of somebody's contract, case or membership.
    FILE = "file"
    #: Passwords, keys and codes.
    SECRET = "secret"  # noqa: S105 - the name of a topic


#: Languages in order: English, German, French, Spanish, Italian, Portuguese, Dutch, Polish, then others.
_WORDS: Final[dict[Topic, str]] = {
    Topic.CARD: """credit card|debit card|card number|card no|card|visa|mastercard|amex|american express|cvv|maestro
        |kreditkarte|kartennummer|karte|carte bancaire|numéro de carte|carte|tarjeta|carta di credito|carta
        |cartão|creditcard|kaart|karta|karty|kreditkort|kort|luottokortti|карта|карты|kredi kartı|卡号
        |信用卡|カード|카드|بطاقة
        |girocard|bankkarte|carte de crédit|carte bleue|tarjeta de débito|betaalpas|karta płatnicza|kartą
        |kreditkortsnummer|银行卡|借记卡|クレジット|카드번호""",
    Topic.PHONE: """phone|telephone|tel|mobile|cell|call|fax|sms|text me|whatsapp|reach me|dial|ring|contact number
        |contact|telefon|telefonnummer|handy|mobil|rufnummer|anrufen|ruf|téléphone|tél|portable|appelez
        |teléfono|móvil|celular|llame|llamar|telefono|cellulare|chiamare|telefone|telemóvel|ligue|telefoon
        |mobiel|bellen|komórka|zadzwoń|telefonu|puhelin|puhelinnumero|телефон|тел|电话|手机|電話|전화|هاتف|جوال
        |手机号|联系电话|携帯|携帯番号|連絡先|موبايل|رقم الهاتف|komórkowy|numer kontaktowy|mobilnummer|mobiltelefon
        |gsm|cep telefonu
        |мобильный|휴대폰|전화번호""",
    Topic.ACCOUNT: """account|acct|routing|aba|sort code|iban|bic|swift|bank|konto|kontonummer|bankverbindung|compte
        |rib
        |cuenta|conto|conta|agência|rekening|rekeningnummer|konta|bankkonto|tili|tilinumero|счет|счёт|hesap|账号|账户
        |口座|계좌|حساب
        |bankrekening|rachunek|rachunku|compte bancaire|cuenta bancaria|conto corrente|conta bancária|银行账户
        |口座番号|계좌번호
        |رقم الحساب|banka hesabı|счета""",
    Topic.PERSON: """ssn|ss#|ss #|ss no|social security|social insurance|sin|itin|ein|tin|tax id|tax number|tax file
        |taxpayer|tfn|abn
        |national id|national insurance|nino|identity number|identity card|id number|id no|id card|identification
        |passport|driver's license|driver license|driver's licence|driving licence|driving license|licence number
        |license number|green card|visa number|alien number|voter|utr|steuer-id|steueridentifikationsnummer
        |steuernummer|sozialversicherungsnummer|sozialversicherung|ausweis|ausweisnummer|personalausweis|reisepass
        |reisepassnummer|passnummer|führerschein|idnr|ahv|svnr|sécurité sociale|nir|numéro fiscal|carte d'identité
        |passeport|permis de conduire|registre national|dni|nie|nif|cif|seguridad social|documento|pasaporte|cedula
        |cédula|curp|rfc|rut|run|cuit|cuil|nit|codice fiscale|partita iva|carta d'identità|passaporto|patente
        |cpf|cnpj|contribuinte|cartão de cidadão|passaporte|rg|bsn|burgerservicenummer|sofinummer|paspoort
        |rijbewijs|rijksregister|pesel|nip|dowód|paszport|prawo jazdy|personnummer|fødselsnummer|fodselsnummer
        |cpr|henkilötunnus|hetu|kennitala|isikukood|asmens kodas|personas kods|rodné číslo|rodne cislo|oib|egn
        |егн|cnp|emso|emšo|jmbg|személyi|adóazonosító|amka|αμκα|αφμ|afm|tc kimlik|kimlik|pps|ppsn|aadhaar|aadhar|pan
        |nric|fin|nik|ktp|npwp|инн|снилс|паспорт|рнокпп|身份证|身分證|身分証|护照|マイナンバー|個人番号|旅券
        |주민등록번호|주민번호
        |주민|여권|teudat|תעודת זהות|דרכון|الرقم القومي|هوية|جواز
        |segurança social|identificação fiscal|número de contribuinte|paszportu|dowodu|identyfikacji podatkowej|regon
        |rijksregisternummer|numéro national|sécu|numero fiscale|vergi|vergi no|pasaport|personbeteckning|纳税人
        |纳税人识别号
        |税号|社保号|社会保障|驾驶证|納税者番号|運転免許証|免許証|الضريبي|الرقم الضريبي|جواز السفر|الهوية
        |رخصة القيادة|운전면허|паспорта
        |удостоверение""",
    Topic.HEALTH: """mrn|medical record|med rec|patient|chart|npi|dea|mbi|medicare|medicaid|health plan
        |health insurance|nhs
        |beneficiary|prescription|rx|patientennummer|krankenversicherung|versichertennummer|krankenkasse
        |dossier médical
        |carte vitale|mutuelle|historia clínica|paciente|tarjeta sanitaria|tessera sanitaria|paziente|prontuário
        |cartão sus|patiënt|patiëntnummer|zorgverzekering|pacjent|pacjenta|пациент|полис|病历号|患者|환자
        |krankenversichertennummer|krankenversicherungsnummer|kvnr|patientenakte|dossier patient|numéro patient
        |seguro médico|tarjeta de salud|cartella clinica|fascicolo sanitario|codice paziente|utente|número de utente
        |cartão de saúde|plano de saúde|patiëntendossier|zorgpas|karta zdrowia|kartoteka|numer ubezpieczenia|医保
        |医保卡
        |病案号|就诊卡|患者番号|保険証|診察券|カルテ|المريض|مريض|الملف الطبي|ملف طبي|التأمين الصحي|진료|환자번호
        |медкарта|hasta no
        |patientnummer|journalnummer""",
    Topic.FILE: """policy|member|membership|claim|case|customer|client|subscriber|insured|employee|staff|student|docket
        |versicherungsnummer|police|policennummer|mitgliedsnummer|mitglied|kundennummer|aktenzeichen|vertragsnummer
        |vorgangsnummer|personalnummer|police d'assurance|dossier|adhérent|numéro client|sinistre|póliza|expediente
        |socio|cliente|siniestro|polizza|pratica|tessera|apólice|processo|polis|polisnummer|dossiernummer|klantnummer
        |polisa|polisy|sprawa|klienta
        |contract no|contract number|vertrag|contrat|numéro de dossier|contrato|número de póliza|contratto
        |numero cliente|codice cliente|número da apólice|contractnummer|umowa|umowy|numer sprawy|保单|保单号|客户号
        |客户编号|会员号
        |会员卡|案件号|合同号|工号|証券番号|契約番号|会員番号|顧客番号|お客様番号|社員番号|보험증권|고객번호
        |회원번호|البوليصة|بوليصة|العميل|رقم العميل|عضوية
        |رقم العقد|договор|номер клиента|müşteri no|poliçe|kundnummer|försäkringsnummer""",
    Topic.SECRET: """password|passwd|passcode|pwd|pin|secret|api key|api_key|apikey|token|passwort|kennwort
        |mot de passe
        |contraseña|clave|senha|wachtwoord|hasło|пароль|密码|パスワード|비밀번호""",
}


#: What may be glued to a label.
_GLUED: Final = ("nummer", "number", "num", "nr", "no", "er", "e", "n", "s", "#", "")


_LATIN = re.compile(r"[a-z\u00c0-\u04ff']")
_MARK = re.compile("[\u0300-\u036f]")


def _table() -> dict[str, frozenset[Topic]]:
    table: dict[str, set[Topic]] = {}
    for topic, words in _WORDS.items():
        for word in words.split("|"):
            label = " ".join(word.split())
            # Many leave the accents out.
            for written in {label, _MARK.sub("", normalize("NFD", label))} if _LATIN.match(label) else {label}:
                table.setdefault(normalize("NFC", written), set()).add(topic)
    return {word: frozenset(topics) for word, topics in table.items()}


_TOPICS: Final = _table()
_NONE: Final[frozenset[Topic]] = frozenset()
_SURROGATE = re.compile("[\ud800-\udfff]")
#: What ends a sentence or an item: a label before it speaks of something else.
_BREAK = re.compile(r"[!?;]\s|\.\s+(?=[A-Z\u00c0-\u00dd])|\n\s*\n")


class Labels:
    """Where the labels of a text are; they are looked for once, with the first question."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._places: list[tuple[int, int, frozenset[Topic]]] | None = None
        self._starts: list[int] = []

    def near(self, start: int, end: int, *, close: bool = False) -> frozenset[Topic]:
        """What the labels speak of that stand shortly before a place, in the same sentence, or right behind it.

        `close`: only of those right before it.
        """
        if self._places is None:
            self._places = list(_labels(self._text))
            self._starts = [place[0] for place in self._places]
        topics = _NONE
        if not self._starts:
            return topics
        first, last = (start - _CLOSE, start) if close else (start - _BEFORE, end + _AFTER)
        for at in range(bisect_left(self._starts, first), bisect_left(self._starts, last)):
            low, high, spoken = self._places[at]
            if (high <= start and _BREAK.search(self._text, high, start) is None) or (
                low >= end and _BREAK.search(self._text, end, low) is None
            ):
                topics |= spoken
        return topics


def _labels(text: str) -> Iterator[tuple[int, int, frozenset[Topic]]]:
    """Begin and end of each label, with what it speaks of."""
    if text.isascii():
        raw = text.lower().encode("ascii")
        for match in _ascii_finder().finditer(raw):
            start, end = match.span()
            if not (raw[start - 1 : start].isalpha() or raw[end : end + 1].isalpha()):
                yield start, end, _topics(raw[start:end].decode("ascii"))
        return
    lowered = text.lower()
    if len(lowered) != len(text):
        lowered = "".join(c if len(c.lower()) != 1 else c.lower() for c in text)
    for match in _finder().finditer(_SURROGATE.sub("\ufffd", lowered)):
        word, start, end = match.group(), match.start(), match.end()
        if _LATIN.match(word) and (lowered[start - 1 : start].isalpha() or lowered[end : end + 1].isalpha()):
            continue
        yield start, end, _topics(word)


@lru_cache(maxsize=4096)
def _topics(word: str) -> frozenset[Topic]:
    found = (_TOPICS.get(word.removesuffix(tail)) for tail in _GLUED if word.endswith(tail))
    return next((topics for topics in found if topics is not None), frozenset())


def _pattern(words: Iterable[str]) -> str:
    import re2  # noqa: PLC0415 - not before the first text that holds a number

    tails = "|".join(re2.escape(tail) for tail in _GLUED if tail)
    return f"(?:{'|'.join(re2.escape(word) for word in sorted(words))})(?:{tails})?"


def _compiled(pattern: str | bytes) -> Any:
    import re2  # noqa: PLC0415 - as above

    options = re2.Options()
    options.longest_match = True
    return re2.compile(pattern, options)


@lru_cache(maxsize=1)
def _finder() -> Any:
    return _compiled(_pattern(_TOPICS))


@lru_cache(maxsize=1)
def _ascii_finder() -> Any:
    """Finds the labels that can be in a text of ASCII characters; three times as fast, since nothing is encoded."""
    return _compiled(_pattern(word for word in _TOPICS if word.isascii()).encode("ascii"))

"""What people call a number, in eleven languages: sentences of which only the label says whose number it is.

Used by `detectors.py`. Every number fails the check digits of what it is called, so that nothing but the label counts.
"""

from __future__ import annotations

from typing import Final

#: By language: label and kind. The kinds: c card, p telephone, a account, i identity or tax, t passport, h health,
#: f policy, customer or case.
LABELS: Final = {
    "English": """
        c:my card number is|p:my phone number is|a:account number|i:social security number|t:passport number
        |h:patient number|f:policy number|f:customer number|i:tax ID|h:medical record number""",
    "German": """
        c:meine Kreditkarte|p:meine Telefonnummer ist|a:Kontonummer|i:Steuer-ID|t:Reisepassnummer
        |h:Patientennummer|f:Versicherungsnummer|f:Kundennummer|i:Sozialversicherungsnummer
        |h:Krankenversichertennummer""",
    "French": """
        c:ma carte bancaire|p:mon numéro de téléphone est le|a:numéro de compte|i:numéro fiscal
        |t:numéro de passeport|h:dossier médical|f:numéro de police|f:numéro de client
        |i:numéro de sécurité sociale|h:numéro de patient""",
    "Spanish": """
        c:mi tarjeta de crédito|p:mi teléfono es el|a:número de cuenta|i:mi DNI es|t:pasaporte
        |h:historia clínica|f:número de póliza|f:número de cliente|i:número de la seguridad social
        |h:número de paciente""",
    "Italian": """
        c:la mia carta di credito|p:il mio numero di telefono è|a:conto corrente|i:codice fiscale|t:passaporto
        |h:cartella clinica|f:numero di polizza|f:codice cliente|i:partita IVA|h:tessera sanitaria""",
    "Portuguese": """
        c:o meu cartão de crédito|p:o meu telemóvel é o|a:número da conta|i:número de contribuinte|t:passaporte
        |h:número do paciente|f:número da apólice|f:número de cliente|i:segurança social|h:número de utente""",
    "Dutch": """
        c:mijn creditcard|p:mijn telefoonnummer is|a:rekeningnummer|i:burgerservicenummer|t:paspoortnummer
        |h:patiëntnummer|f:polisnummer|f:klantnummer|i:BSN|h:zorgverzekering nummer""",
    "Polish": """
        c:numer karty|p:mój numer telefonu to|a:numer konta|i:mój PESEL to|t:numer paszportu|h:numer pacjenta
        |f:numer polisy|f:numer klienta|i:NIP|h:karta zdrowia nr""",
    "Chinese": """
        c:信用卡号|p:我的手机号是|a:银行账号|i:身份证号码|t:护照号|h:病历号|f:保单号|f:客户号|i:纳税人识别号
        |h:医保卡号""",
    "Japanese": """
        c:カード番号は|p:電話番号は|a:口座番号|i:マイナンバー|t:旅券番号|h:患者番号|f:証券番号|f:会員番号
        |i:個人番号|h:保険証番号""",
    "Arabic": """
        c:رقم البطاقة|p:رقم الهاتف|a:رقم الحساب|i:الرقم القومي|t:جواز السفر|h:رقم المريض|f:رقم البوليصة
        |f:رقم العميل|i:الرقم الضريبي|h:الملف الطبي""",
}
#: A number of each kind that no check takes.
NUMBERS: Final = {
    "c": "4929 1234 5678 9012",
    "p": "55501423",
    "a": "20905432",
    "i": "8812345",
    "t": "X1234567",
    "h": "00482913",
    "f": "7730412",
}


def sentences() -> list[tuple[str, str, str]]:
    """(language, sentence, number): each label in its language, before a colon, a blank, and without."""
    found = []
    for language, labels in LABELS.items():
        for entry in labels.split("|"):
            kind, _, label = entry.strip().partition(":")
            found += [(language, f"{label}{between}{NUMBERS[kind]}.", NUMBERS[kind]) for between in (" ", ": ", " - ")]
    return found

"""Which language a text is in, as far as its script and its commonest words tell: good enough to slice by.

Owns the guess; refuses to know what it is used for. Scripts that one language uses alone decide by themselves; for the
Latin and the Cyrillic script the language whose commonest words turn up most does. A text that shows none of them is
"other", and is a slice of its own: a wrong guess would hide in a right slice. No model, no dictionary, no dependency.
"""

# ruff: noqa: RUF001 - words of other languages are written in letters that look like Latin ones

from __future__ import annotations

from collections import Counter

#: What a text is that shows no known language.
OTHER = "other"

#: First and last character of a script, and the language that it stands for; None: several, see the words.
_SCRIPTS: tuple[tuple[str, str, str], ...] = (
    ("\u0370", "\u03ff", "el"),
    ("\u0400", "\u052f", "Cyrillic"),
    ("\u0530", "\u058f", "hy"),
    ("\u0590", "\u05ff", "he"),
    ("\u0600", "\u06ff", "ar"),
    ("\u0750", "\u077f", "ar"),
    ("\u0900", "\u097f", "hi"),
    ("\u0980", "\u09ff", "bn"),
    ("\u0b80", "\u0bff", "ta"),
    ("\u0c00", "\u0c7f", "te"),
    ("\u0e00", "\u0e7f", "th"),
    ("\u10a0", "\u10ff", "ka"),
    ("\u3040", "\u30ff", "ja"),
    ("\u3400", "\u9fff", "zh"),
    ("\uac00", "\ud7af", "ko"),
)
_KANA, _PERSIAN, _URDU = "ja", frozenset("\u067e\u0686\u0698\u06af"), frozenset("\u0679\u0688\u0691\u06d2")
#: Share of the letters from which kana make a text of Chinese characters Japanese.
_KANA_SHARE = 0.1

_WORDS = {
    "en": "the of and to in is that it for on with as are this be was have not you my your at or from by can what how "
    "i we they do will would there their his her me an but if has been were which who when all no so up out about "
    "just",
    "de": "der die das und ist nicht ich in den von zu mit sich des auf für im dem ein eine einen einer als auch es an "
    "werden aus er hat dass sie nach bei um noch wie über so zum war haben nur oder aber vor zur bis mehr durch "
    "kann meine mein wird wir was wenn sind",
    "fr": "le la les de des et est un une du en que qui dans pour pas au sur il elle ne se ce par plus avec je sont "
    "mais nous vous ou cette ses aux son leur être fait mon ma comment avoir été tout c'est j'ai qu'il d'un d'une",
    "es": "el la los las de y que en un una es por con no para su se del al lo como más pero sus le ya este sí porque "
    "esta entre cuando muy sin sobre también me hasta hay donde quien desde todo nos mi yo son está una ese esto",
    "it": "il la di e che in un una è per non con del della le i si da come sono anche dei alla più al ma gli nel lo "
    "se mi ho questo questa mio mia cosa quando dalla delle nella ed ha tutti essere stato",
    "pt": "o a os as de e que em um uma é do da não para com por se no na dos das mais como mas ao foi ele ela seu sua "
    "ou quando muito nos já eu também só pelo pela até isso entre depois sem mesmo aos você meu minha está são",
    "nl": "de het een en van ik te dat die in is niet zijn op aan met als voor had er maar om hem dan zou of wat mijn "
    "men dit zo door over ze zich bij ook tot je mij uit der daar haar naar heb hoe heeft hebben deze want nog "
    "zal kan worden wordt",
    "sv": "och att det i en jag hon som han på den med var sig för så till är men ett om hade de av icke mig du henne "
    "då sin nu har inte hans honom skulle hennes där min vid kunde något från ut när efter upp vi dem vara vad "
    "över än",
    "da": "og i jeg det at en den til er som på de med han af for ikke der var mig sig men et har om vi min havde ham "
    "hun nu over da fra du ud sin dem os op man hans hvor eller hvad skal selv her alle vil blev kunne ind når "
    "være",
    "no": "og i jeg det at en et den til er som på de med han av ikke der så var meg seg men har om vi min mitt ha "
    "hadde hun nå over da ved fra du ut sin dem oss opp man kan hans hvor eller hva skal selv sjøl her alle vil "
    "bli ble",
    "fi": "ja on ei se että en hän oli joka mutta ovat kun niin myös kuin tämä olen sen jos ole ollut mitä minun minä "
    "sinä he me olla voi vain mikä nyt sitä tai ettei",
    "hu": "a az és hogy nem is egy van ez de meg csak ha már el még vagy mint ezt azt volt lesz nagyon én te ő mi "
    "minden kell lehet ki be fel le mert majd itt ott akkor ami aki való által szerint magyar ezek ennek",
    "pl": "i w na z do się nie to że jest o jak po ale co za od przez czy dla tak ma już tylko był jego jej są być go "
    "mnie mi ja ty on tym tego które który może oraz",
    "cs": "a se v na je že to s z do o i ve jsem pro jako by za ale si jeho tak po které který byl jsou jak být ne co "
    "nebo když už má až jen mi od při ze pak",
    "ro": "de și în a la cu nu o un pe că este să din care mai se au ce pentru al fi ale dar prin sunt fost sau când "
    "am lui cum ca dacă după fără toate doar",
    "tr": "ve bir bu da de için ile çok ne o mi ben gibi daha var ama olarak kadar değil olan en sonra ki her şey mı "
    "nasıl benim bana sen biz onu yok diye iyi olduğu ya",
    "vi": "và là của có không được cho một trong người các đã với này để khi những tôi từ cũng như đó ở thì bạn rằng "
    "nhưng đến về ra lại vào nhiều",
    "id": "yang dan di itu dengan untuk tidak ini dari dalam akan pada juga saya ke karena tersebut bisa ada mereka "
    "lebih sudah atau seperti kami kita adalah apa bagaimana anda",
}
_CYRILLIC = {
    "ru": "и в не на я что с он как это по но из у за то все она так его к же вы от бы мы меня был мне ты уже для если "
    "есть или когда они чтобы где очень",
    "uk": "і в не на я що з він як це по але із у за то все вона так його до ви від ми мене був мені ти вже для якщо є "
    "або коли вони щоб де дуже та й",
    "bg": "и в не на да аз че с той как това по но от у за то се тя е го към вие ние ми ти вече ако или когато те къде "
    "много са съм ще",
}

#: Letters that few languages write, with these.
_LETTERS = {
    "ß": ("de",), "ñ": ("es",), "¿": ("es",), "¡": ("es",), "ã": ("pt",), "õ": ("pt",), "ő": ("hu",), "ű": ("hu",),
    "ł": ("pl",), "ą": ("pl",), "ę": ("pl",), "ř": ("cs",), "ě": ("cs",), "ů": ("cs",), "ț": ("ro",), "ș": ("ro",),
    "ă": ("ro",), "ğ": ("tr",), "ı": ("tr",), "ş": ("tr",), "ø": ("da", "no"), "æ": ("da", "no"), "ư": ("vi",),
    "ơ": ("vi",), "đ": ("vi",), "œ": ("fr",), "ê": ("fr", "pt"), "ç": ("fr", "pt", "tr"),
    "і": ("uk",), "ї": ("uk",), "є": ("uk",), "ы": ("ru",), "э": ("ru",),
}  # fmt: skip


def language_of(text: str) -> str:
    """The ISO 639-1 code of a text's language, or "other". Deterministic; looks at the first 4,000 characters."""
    letters = [character for character in text[:4000] if character.isalpha()]
    if not letters:
        return OTHER
    scripts = Counter(_script(character) for character in letters)
    if scripts[_KANA] and scripts[_KANA] >= _KANA_SHARE * (scripts[_KANA] + scripts["zh"]):
        scripts[_KANA] += scripts.pop("zh", 0)
    script, _ = max(scripts.items(), key=lambda found: found[1])
    if script == "ar":
        there = set(letters)
        return "ur" if there & _URDU else "fa" if there & _PERSIAN else "ar"
    if script in {"Latin", "Cyrillic"}:
        return _by_words(text[:4000], _LATIN if script == "Latin" else _SLAVIC)
    return script


def _script(character: str) -> str:
    if character < "\u0370" or "\u1e00" <= character <= "\u1eff":
        return "Latin"
    return next((name for first, last, name in _SCRIPTS if first <= character <= last), OTHER)


def _by_words(text: str, languages: dict[str, frozenset[str]]) -> str:
    """The language whose commonest words, and own letters, turn up most; what several share counts much less."""
    folded = text.casefold()
    holders = [
        [language for language, known in languages.items() if word in known]
        for word in (word.strip(".,;:!?¿¡()[]\"'«»„“”…") for word in folded.split())
    ]
    holders += [[language for language in _LETTERS.get(c, ()) if language in languages] for c in folded]
    points = dict.fromkeys(languages, 0.0)
    for found in holders:
        for language in found:
            points[language] += 1 / len(found) ** 2
    most = max(points.values())
    best = [language for language, found in points.items() if found == most]
    return best[0] if len(best) == 1 else OTHER


_LATIN = {language: frozenset(words.split()) for language, words in _WORDS.items()}
_SLAVIC = {language: frozenset(words.split()) for language, words in _CYRILLIC.items()}

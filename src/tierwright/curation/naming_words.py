"""The words by which tasks are named: verbs of jobs in several languages, and words that name no job.

Owns the lists; refuses to know how a name is made of them (`naming`).
"""

from __future__ import annotations

#: What a word begins with, without accents, and the verb it is a form of. Longer beginnings stand before shorter ones.
BEGINNINGS = {
    beginning: verb
    for verb, beginnings in {
        "classify": "classif klassif clasific categor kategor labell einordn ordne zuordn определ классиф type decid",
        "route": "route routi weiterleit dispatch",
        "triage": "triag",
        "moderate": "moderat moderi moderar",
        "detect": "detect erkenn detekt",
        "grade": "grade gradi graded benot",
        "score": "score scori scored bewert",
        "rate": "rate rates rated rating",
        "verify": "verif pruf",
        "extract": "extract извлек extrah extrai extrae extraer extraire estrai",
        "summarise": "summar резюм zusammenfass fasse resum riassum samenvat",
        "translate": "translat перевед ubersetz tradui traduc tradur vertaal",
        "rewrite": "rewrit rephras paraphras umformul reformul",
        "correct": "proofread korrig corrig",
        "write": "write writes writer schreib redact redig rediger escrib escrev scrivi schrijf verfass",
        "draft": "draft",
        "describe": "describ beschreib decri",
        "generate": "generat generier gener",
        "explain": "explain erklar expliqu explic",
        "compare": "compare compari vergleich",
        "answer": "beantwort repond",
        "plan": "planne",
        "suggest": "suggest recommend empfehl",
    }.items()
    for beginning in beginnings.split()
}
#: Verbs of choosing among given answers.
CHOOSING = frozenset({"classify", "route", "triage", "moderate", "detect", "grade", "score", "rate", "verify"})
#: Words of prompts that name no job.
PROMPT_WORDS = frozenset(
    """answer answers answered assistant best choose copied correct decide decides each else exactly exact explanation
    fit fits follow following form format given help helpful helps incoming input instruction instructions json letter
    line list lists markers matching message messages model name new object one only output outputs person pick print
    provide question read reader reads reply respond response return returned role rule rules say says sends sent single
    spelled string strings task text texts understand use user users using want wants word words written you your
    """.split()  # noqa: SIM905 - ninety quoted words on ninety lines are harder to read
)
#: Function words, and words of prompts that name no job, in languages other than English.
FUNCTION_WORDS = frozenset(
    """aber als antwort antworte auf aus bei bist das dass dein deine dem den der des die dies diese dieser dieses du
    ein eine einem einen einer eines folgende folgenden fur für gib ist jede jeden kann mit nach nachricht nicht nur
    oder ohne sein sind text und unten vom von wenn wird zu zum zur genau einzigen wort assistent
    assistante avec aux ceci cette ces chaque dans des donne donner elle est ete etes êtes etre leur les mais message
    mot par pas pour plus que qui repondre réponds reponse sans ses son sont sur texte tous tout une uniquement vous
    votre suivant suivante
    asistente cada como con cual cuál del desde devuelve donde ella ellos eres esta este esto las los mas más mensaje
    para pero por que responde respuesta segun según sin sobre solo sólo son sus texto una uno unas unos usted
    siguiente palabra
    che con dei del della delle gli il nel non per piu più questo questa sono sulla testo un una rispondi messaggio
    assistente com como da das de dos em esta este isso mais mensagem não nao nas nos ou para pela pelo por responda
    resposta sem seu sua são sao uma voce você
    aan dat deze dit een het hij ik is maar met naar niet of om onder ook van voor waar wat wordt zijn bericht
    antwoord""".split()  # noqa: SIM905 - as above
)

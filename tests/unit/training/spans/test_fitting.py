from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.tiny_bert import write_tiny_encoder
from tests.unit.training.problems import LABELS, label_examples, training_set
from tests.unit.training.spans.contracts import CONTRACT, contracts, examples
from tierwright.core.contract import ContractKind, FieldSpec, JsonStyle, OutputContract
from tierwright.core.dataset import LabelSource, Split
from tierwright.core.errors import ArtifactError, InputError, NotEnoughData, NotLearnable
from tierwright.specialists.encoder import Encoder
from tierwright.specialists.loading import load_specialist
from tierwright.specialists.spans.tagger import SpanTagger
from tierwright.training.recipes.span_tagger import SpanTaggerRecipe
from tierwright.training.spans.chain_fitting import ChainConfig
from tierwright.training.spans.fitting import SpanConfig

if TYPE_CHECKING:
    from pathlib import Path

    from tierwright.training.recipe import FittedSpecialist


def fit(
    rows: list, folder: Path, *, contract: OutputContract = CONTRACT, encoder: Encoder | None = None
) -> FittedSpecialist:
    """A fitted specialist."""
    recipe = SpanTaggerRecipe(encoder=encoder, config=SpanConfig(chain=ChainConfig(iterations=25), final_iterations=8))
    return recipe.fit(training_set(rows, contract), artifacts=folder, seed=0, progress=lambda _: None)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> FittedSpecialist:
    """A specialist of small contracts, trained from scratch."""
    return fit(examples(150), tmp_path_factory.mktemp("artifacts"))


@pytest.fixture(scope="module")
def tagger(fitted: FittedSpecialist) -> SpanTagger:
    """The same, loaded."""
    return SpanTagger.load(fitted.path, encoder=None)


def test_new_contracts_are_answered_to_the_byte(tagger: SpanTagger) -> None:
    """Answers to contracts never seen are mostly the right bytes: empty lists, nulls, order and repeated names too."""
    rows = contracts(60, seed=9)
    answers = tagger.predict([text for text, _ in rows])
    right = [one.output == answer for one, (_, answer) in zip(answers, rows, strict=True)]
    assert sum(right) >= 54
    sure = [one.confidence for one in answers]
    assert sum(sure) / len(sure) > 0.7


def test_what_is_measured(fitted: FittedSpecialist) -> None:
    """Each example is judged by chains that had not seen it; the incumbent of labelled history is never wrong."""
    assert len(fitted.validated) == 150
    assert all(0.0 <= score <= 1.0 for score in fitted.validated.values())
    assert set(fitted.metrics) == {"accuracy", "incumbent_accuracy", "cascade_accuracy", "local_share"}
    assert fitted.metrics["incumbent_accuracy"].value == 1.0
    assert fitted.metrics["accuracy"].value > 0.8
    assert fitted.encoder is None


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.sampled_from(contracts(8, seed=3)) | st.text(alphabet=st.characters(codec=None), max_size=60), max_size=5
    )
)
def test_every_answer_stands_in_the_input(tagger: SpanTagger, parts: list) -> None:
    """Whatever the text, the answer is JSON of the contract's form, and each string is the input's at its offsets."""
    text = "\r\n".join(part if isinstance(part, str) else part[0] for part in parts)
    (prediction,) = tagger.predict([text])
    answer = json.loads(prediction.output)
    assert list(answer) == ["parties", "date"]
    assert 0.0 <= prediction.confidence <= 1.0
    located = tagger.locate(text)
    for strings in located:
        assert all(text[one.start : one.end] == one.text for one in strings)
    assert answer["parties"] == [one.text for one in sorted(located[0], key=lambda one: one.start)]
    assert answer["date"] == (located[1][0].text if located[1] else None)


def test_texts_of_any_size(tagger: SpanTagger) -> None:
    """Nothing, and 100,000 characters, are answered; what stands at the end of a long text is found."""
    text = "Rain fell on the harbour. " * 4000 + "Acme Bank GmbH lends money to Orion Foods Ltd."
    nothing, much = tagger.predict(["", text])
    assert nothing.output == '{"parties":[],"date":null}'
    assert "Acme Bank GmbH" in json.loads(much.output)["parties"]


def test_an_input_unlike_the_training_data_is_doubted(tagger: SpanTagger) -> None:
    """Texts of another world get less confidence than contracts do."""
    strange = [
        "def main(): return os.environ['HOME']",
        "\u0417\u0434\u0440\u0430\u0432\u0441\u0442\u0432\u0443\u0439, \u043c\u0438\u0440",
        "SELECT * FROM t WHERE a < 3",
    ]
    known = [text for text, _ in contracts(30, seed=5)]
    highest = max(one.confidence for one in tagger.predict(strange))
    assert highest < sorted(one.confidence for one in tagger.predict(known))[10]


@pytest.mark.slow
def test_the_same_data_gives_the_same_artifact(fitted: FittedSpecialist, tmp_path: Path) -> None:
    """Training again gives the same id, and the loader of all kinds loads it with the same answers."""
    again = fit(examples(150), tmp_path)
    assert again.id == fitted.id
    texts = [text for text, _ in contracts(10, seed=4)]
    assert load_specialist(again.path, encoder=None).predict(texts) == SpanTagger.load(
        fitted.path, encoder=None
    ).predict(texts)


@pytest.mark.slow
def test_with_an_encoder(tmp_path: Path) -> None:
    """Vectors of tokens are features besides; the artifact says which encoder, and is not loaded with another one."""
    encoder = Encoder.load(write_tiny_encoder(tmp_path / "tiny"))
    trained = fit(examples(60), tmp_path / "artifacts", encoder=encoder)
    assert trained.encoder == encoder.fingerprint
    tagger = SpanTagger.load(trained.path, encoder=encoder)
    assert json.loads(tagger.predict([contracts(1)[0][0]])[0].output)["parties"]
    with pytest.raises(ArtifactError, match="pull the same weights"):
        SpanTagger.load(trained.path, encoder=None)


@pytest.mark.slow
def test_plain_text_answers(tmp_path: Path) -> None:
    """An answer may be one bare string, with a word of its own where there is none."""
    rows = []
    for one in examples(120):
        date = json.loads(one.output)["date"]
        rows.append(replace(one, output=date or "none"))
    trained = fit(rows, tmp_path, contract=OutputContract(kind=ContractKind.SPANS))
    tagger = SpanTagger.load(trained.path, encoder=None)
    first, second = tagger.predict(
        ["File 1.\r\nSigned on 4 May 2001. Rain fell.", "File 2.\r\nRain fell on the harbour."]
    )
    assert (first.output, second.output) == ("4 May 2001", "none")


@pytest.mark.slow
def test_an_incumbent_that_errs(tmp_path: Path) -> None:
    """Judged by people's labels alone, the specialist earns a threshold where the incumbent drops strings."""
    rows = []
    for at, one in enumerate(examples(180)):
        labelled, slip = at % 3 == 0, at % 4 == 0
        said = '{"parties":[],"date":null}' if slip else one.output
        rows.append(
            replace(
                one,
                output=one.output if labelled else said,
                incumbent_output=said,
                source=LabelSource.HUMAN if labelled else LabelSource.INCUMBENT,
                split=Split.CALIBRATION if labelled else Split.TRAIN,
            )
        )
    trained = fit(rows, tmp_path)
    assert set(trained.validated) == {one.id for one in rows if one.source is LabelSource.HUMAN}
    assert trained.metrics["incumbent_accuracy"].value < trained.metrics["cascade_accuracy"].value
    assert trained.threshold is not None


def test_more_text_than_can_be_held(tmp_path: Path) -> None:
    """Of more tokens than the settings allow a sample of the examples is learned from."""
    recipe = SpanTaggerRecipe(encoder=None, config=SpanConfig(chain=ChainConfig(iterations=3), most_tokens=600))
    rows = training_set(examples(100), CONTRACT)
    trained = recipe.fit(rows, artifacts=tmp_path, seed=0, progress=lambda _: None)
    assert 10 < len(trained.validated) < 40


@pytest.mark.slow
def test_list_answers(tmp_path: Path) -> None:
    """An answer may be one list of strings."""
    rows = [replace(one, output=json.dumps(json.loads(one.output)["parties"])) for one in examples(100)]
    trained = fit(rows, tmp_path, contract=OutputContract(kind=ContractKind.SPANS, style=JsonStyle()))
    text = "File 1.\r\nKraft Metals Ltd lends money to Tern Bank Inc.. Rain fell on the harbour."
    (answer,) = SpanTagger.load(trained.path, encoder=None).predict([text])
    assert json.loads(answer.output) == ["Kraft Metals Ltd", "Tern Bank Inc."]


@pytest.mark.slow
def test_strings_that_are_not_in_the_input_are_left_out(tmp_path: Path) -> None:
    """Answers whose strings are reworded are learned from as far as they go, and none at all is said to be too few."""
    rows = examples(60)
    reworded = [replace(one, output='{"parties":["Somebody Else"],"date":null}') for one in rows[:5]]
    assert fit([*reworded, *rows[5:]], tmp_path).size_bytes > 0
    every = [replace(one, output=f'{{"parties":["Nobody {at}"],"date":null}}') for at, one in enumerate(rows)]
    with pytest.raises(NotEnoughData, match="none of the"):
        fit(every, tmp_path)


def test_refusals(tmp_path: Path) -> None:
    """Test examples, other contracts, one answer for all, and nothing to calibrate on are refused by name."""
    rows = examples(40)
    with pytest.raises(InputError, match="test examples"):
        fit([*rows[:-1], replace(rows[-1], split=Split.TEST)], tmp_path)
    with pytest.raises(NotEnoughData, match="learns spans"):
        fit(label_examples(30), tmp_path, contract=LABELS)
    with pytest.raises(NotLearnable, match="one and the same answer"):
        fit([replace(one, output=rows[0].output) for one in rows], tmp_path)
    with pytest.raises(NotEnoughData, match="calibrate"):
        fit([replace(one, split=Split.TRAIN) for one in rows], tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_fields_that_overlap(tmp_path: Path) -> None:
    """Two fields may name the same words: both are found."""
    both = OutputContract(
        kind=ContractKind.SPANS, fields=(FieldSpec(name="signed"), FieldSpec(name="effective")), style=CONTRACT.style
    )
    rows = []
    for one in examples(100):
        date = json.loads(one.output)["date"]
        rows.append(replace(one, output=json.dumps({"signed": date, "effective": date}, separators=(",", ":"))))
    tagger = SpanTagger.load(fit(rows, tmp_path, contract=both).path, encoder=None)
    answer = tagger.predict(["File 1.\r\nSigned on 4 May 2001. Rain fell."])[0].output
    assert answer == '{"signed":"4 May 2001","effective":"4 May 2001"}'

import json
import re
from html import unescape

import pytest

from serving.ui.browse.objective import explained, terms_html
from training.objective import as_data
from training.variants import variants
from zoo.manifest import read_manifest


def plain(html: str) -> str:
    """HTML as text: superscripts after ^, subscripts after _."""
    return unescape(re.sub(r"<[^>]+>", "", html.replace("<sup>", "^").replace("<sub>", "_")))


def formulas(objective) -> list[str]:
    return [plain(one) for one in re.findall(r'class="mz-formula">(.*?)</span>', terms_html(objective))]


def test_mdpo_is_explained_in_two_sentences(make_adapter):
    assert explained([read_manifest(make_adapter())]) == (
        "Title of mdpo trains the model to hold the chosen answer likelier than the rejected one and to keep "
        "the chosen answer at least as likely as the reference has it. The adapter here learned from 200 "
        "pairs of phantom/train, made by random_crop 1, and is measured against the base."
    )


def test_several_adapters_of_a_variant_are_explained_together(make_adapter):
    one = read_manifest(make_adapter("one"))
    data = one.data.model_copy(update={"dataset": "slake", "pairs": 900, "made_by": ["rules 1"]})
    training = one.training.model_copy(update={"reference": "local/sft@" + "b" * 40})
    two = one.model_copy(update={"data": data, "training": training})
    assert explained([one, two]).endswith(
        "The 2 adapters here learned from 200 to 900 pairs of phantom/train and slake/train, made by "
        "random_crop 1 and rules 1, and are measured against local/sft@" + "b" * 40 + " and the base."
    )


def test_an_objective_of_several_terms_is_written_as_their_sum():
    objective = [
        {"term": "Prefer", "preferred": "chosen", "over": "rejected_both", "beta": 0.1, "weight": 1.0},
        {
            "term": "Prefer",
            "preferred": "rejected_both",
            "over": "rejected_image",
            "beta": 0.2,
            "where": "spans",
        },
        {"term": "Anchor", "branch": "chosen", "beta": 0.1, "delta": 0.5},
        {"term": "Imitate", "branch": "question", "weight": 0.5},
        {
            "term": "TokenKL",
            "branch": "chosen",
            "where": "spans",
            "forward": 0.5,
            "reverse": 1.0,
            "weight": 0.01,
        },
    ]
    assert formulas(objective) == [
        "L = − log σ(0.1 [r(y^+, m^+) − r(y^−, m^−)])",
        "− log σ(0.2 [r_S(y^−, m^−) − r_S(y^+, m^−)])",
        "− log σ(0.1 r(y^+, m^+) − 0.5)",
        "− 0.5 · (1/|x|) log π(x | m^+)",
        "+ 0.01 · Σ_t ∈ S(y^+) [0.5 KL(π_ref ‖ π) + KL(π ‖ π_ref)] at m^+",
    ]


def test_weighted_pairs_and_the_models_own_tokens_have_their_formulas():
    objective = [
        {"term": "PreferOverArgmax", "preferred": "chosen", "noised": "rejected_image", "beta": 0.1},
        {"term": "Prefer", "preferred": "chosen", "over": "rejected_response", "beta": 0.1, "weights": "raw"},
        {"term": "Reinforce", "branch": "chosen", "weight": 1.0},
    ]
    assert formulas(objective) == [
        "L = − log σ(0.1 [r(y^+, m^+) − r(z, m^+)]), z_t = argmax π(· | m^−, y^+_<t)",
        "− w log σ(0.1 [r(y^+, m^+) − r(y^−, m^+)])",
        "− (1/|y^+|) Σ_t c_t log π(y^+_t | m^+), c_t the reward of token t",
    ]


@pytest.mark.parametrize("name", variants())
def test_every_variant_of_the_zoo_has_words_and_formulas(name, make_adapter):
    objective = json.loads(json.dumps(as_data(variants()[name].objective)))
    manifest = read_manifest(make_adapter(variant={"name": name, "objective": objective}))
    assert "not known here" not in explained([manifest])
    assert explained([manifest]).count(". ") == 1
    assert len(formulas(objective)) == len(objective) > 0


@pytest.mark.parametrize(
    "term",
    [
        {},
        {"term": "Dream", "branch": "chosen"},
        {"term": "Prefer", "preferred": "chosen", "over": "<b>", "beta": 0.1},
        {"term": "Prefer"},
        {"term": ["Prefer"], "branch": {}},
        {"term": "TokenKL", "branch": "chosen"},
    ],
)
def test_a_term_that_is_not_known_is_shown_as_data_and_has_no_formula(term, make_adapter):
    manifest = read_manifest(make_adapter(variant={"objective": [term]}))
    assert formulas([term]) == []
    assert "<b>" not in terms_html([term])
    assert explained([manifest]).startswith("Title of mdpo trains the model to ")


def test_words_of_a_manifest_cannot_become_markup(make_adapter):
    bad = "<script>alert(1)</script>"
    term = {"term": "Prefer", "preferred": "chosen", "over": "rejected_response", "beta": bad, "weight": bad}
    folder = make_adapter(variant={"title": bad, "objective": [term, {"term": bad, "branch": bad}]})
    html = terms_html([term]) + explained([read_manifest(folder)])
    assert "<script" not in html
    assert html.count("&lt;script&gt;") == 6

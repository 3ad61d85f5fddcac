import re

import pytest

from serving.ui.browse.overview import zoo_html
from tests.serving.ui._shelf import absent, listing, score
from zoo.bases import Base, bases

SERVED = Base(
    repo="medvlm-zoo/phantom",
    revision="a" * 40,
    family="llava",
    license="apache-2.0",
    about="Tiny.",
    name="phantom",
)
OTHER = Base(
    repo="x/llava", revision="e" * 40, family="llava", license="llama2", about="Large.", name="llava"
)


def parts(html: str, kind: str) -> list[str]:
    """The pieces of a page that begin with an element of a class."""
    return [kind + one for one in re.split(rf"<\w+ class=\"{kind}\"", html)[1:]]


def test_bases_are_listed_once_with_the_served_one_marked_and_its_adapters_counted(make_adapter):
    shelf = [listing(make_adapter("one", variant="mdpo")), listing(make_adapter("two", variant="dpo"))]
    served, other = parts(zoo_html(SERVED, [SERVED, OTHER], shelf).partition("mz-leaderboard")[0], "mz-kind")
    assert "served here" in served
    assert "<dt>adapters</dt><dd>2 adapters here</dd>" in served
    assert "<dt>Hub</dt><dd>medvlm-zoo/phantom@aaaaaaaa</dd>" in served
    assert "served here" not in other
    assert "<dt>licence</dt><dd>llama2</dd>" in other


def test_all_bases_but_the_one_that_answers_are_folded_away_and_say_what_is_to_be_done_first():
    known = list(bases().values())
    shown = zoo_html(bases()["phantom"], known, []).partition("mz-leaderboard")[0]
    mine, _, folded = shown.partition('<details class="mz-others">')
    assert [re.search(r"<h3>(\S+) ", one)[1] for one in parts(mine, "mz-kind")] == ["phantom"]
    assert folded.startswith(f"<summary>{len(known) - 1} other bases of the zoo</summary>")
    others = {re.search(r"<h3>(\S+) ", one)[1]: one for one in parts(folded, "mz-kind")}
    assert others.keys() == bases().keys() - {"phantom"}
    assert "<dt>on this machine</dt><dd>to be converted</dd>" in others["llava-med-v1.5"]
    assert "on this machine" not in others["qwen3-vl-4b"]
    unpinned = others["huatuo-vision-7b-qwen2.5vl"]
    assert "<dt>Hub</dt><dd>FreedomIntelligence/HuatuoGPT-Vision-7B-Qwen2.5VL@not pinned</dd>" in unpinned


def test_a_variant_has_all_of_its_adapters_and_one_explanation(make_adapter):
    shelf = [
        listing(make_adapter("one", variant="mdpo"), alias="small"),
        listing(make_adapter("two", variant="sft")),
        listing(make_adapter("three", variant="mdpo", seed=1), alias="large"),
    ]
    mdpo, sft = parts(zoo_html(SERVED, [], shelf), "mz-variant")
    assert 'data-variant="mdpo"' in mdpo
    assert re.findall(r'class="mz-adapter".*?<h4>(\w+) ', mdpo) == ["small", "large"]
    assert mdpo.count("mz-explained") == 1
    assert re.findall(r'class="mz-adapter".*?<h4>(\w+) ', sft) == ["sft"]


def test_adapters_of_one_variant_with_another_objective_are_explained_apart(make_adapter):
    term = {"term": "Imitate", "branch": "chosen", "weight": 1.0}
    shelf = [
        listing(make_adapter("one", variant="mdpo"), alias="one"),
        listing(make_adapter("two", variant={"name": "mdpo", "objective": [term]}), alias="two"),
    ]
    made = parts(zoo_html(SERVED, [], shelf), "mz-variant")
    assert [re.findall(r"<h4>(\w+) ", one) for one in made] in ([["one"], ["two"]], [["two"], ["one"]])


def test_an_adapter_tells_what_made_it(make_adapter):
    html = zoo_html(SERVED, [], [listing(make_adapter())])
    facts = dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", parts(html, "mz-adapter")[0]))
    assert facts == {
        "base": "medvlm-zoo/phantom@aaaaaaaa",
        "data": "phantom/train, 200 pairs, seed 0",
        "pairs made by": "random_crop 1",
        "pairs, sha256": "cccccccc",
        "LoRA": "r 2, alpha 4, dropout 0, on q_proj",
        "starts from": "base",
        "reference": "base",
        "learning rate": "0.0001, cosine, warm-up 0.03",
        "length": "3 epochs, batches of 16, 39 steps",
        "weight decay, gradient norm": "0, at most 1",
        "precision, seed": "float32, 0",
        "cost": "62 s, 1.00 GiB at most, 12345 response tokens",
        "hardware": "CPU, 2 threads",
        "made": "2026-11-22T10:00:00+00:00",
        "weights, sha256": facts["weights, sha256"],
        "licence": "apache-2.0",
    }
    assert "<li>The crop is drawn once a pair.</li>" in html
    assert '<a href="https://arxiv.org/abs/2406.11839" target="_blank"' in html
    assert "higher than the base's" in html.replace("&#x27;", "'")


def test_an_adapter_that_cannot_be_asked_is_shown_with_the_reason(make_adapter):
    shelf = [
        listing(make_adapter(), state="failed", reason="weights <differ>"),
        absent("dpo", "the Hub has not answered yet"),
    ]
    html = zoo_html(SERVED, [], shelf)
    assert "Cannot be asked: weights &lt;differ&gt;" in parts(html, "mz-adapter")[0]
    (missing,) = parts(html, "mz-absent")
    assert "<b>dpo</b> <small>local/dpo@main</small><br>the Hub has not answered yet" in missing
    assert "No adapter that can be asked here has been evaluated." in html


def test_a_server_without_adapters_says_so():
    html = zoo_html(SERVED, [SERVED], [])
    assert "No adapter is served here." in html
    assert "Not to be had now" not in html


def test_the_filter_finds_by_base_variant_data_set_and_name_and_not_by_digits(make_adapter):
    html = zoo_html(SERVED, [], [listing(make_adapter(), alias="Small")])
    (found,) = re.findall(r'class="mz-adapter" data-find="(.*?)"', html)
    assert found == "small mdpo title of mdpo phantom phantom local/phantom-small"


@pytest.mark.parametrize("bad", ['"><script>alert(1)</script>', "</dd></dl><img src=x onerror=alert(1)>"])
def test_words_of_a_manifest_cannot_become_markup(make_adapter, bad):
    folder = make_adapter(
        variant={"name": bad, "title": bad, "paper": bad, "departures": [bad], "settings": {bad: bad}},
        base={"name": bad, "repo": bad, "revision": bad},
        data={"dataset": bad, "split": bad, "pairs": 1, "fingerprint": "c" * 64, "made_by": [bad], "seed": 0},
        license=bad,
        hardware=bad,
        created=bad,
        evaluation=[score(0.7, metric=bad, dataset=bad, split=bad)],
    )
    shelf = [
        listing(folder, alias=bad),
        listing(folder, alias=bad, state="failed", reason=bad),
        absent(bad, bad),
    ]
    html = zoo_html(SERVED, [], shelf)
    assert "<script" not in html
    assert "<img" not in html

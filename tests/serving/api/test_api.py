import sys
from concurrent.futures import CancelledError
from pathlib import Path
from types import SimpleNamespace

import pytest

from serving.api import Zoo
from serving.core.requests import AdapterId
from tests.serving._steps import Steps
from tests.test_documents import blocks
from zoo.bases import get_base
from zoo.errors import BadAdapter, BadInput, NotOnHub, UnknownName, ZooError
from zoo.hub import RepoRef

PHANTOM = get_base("phantom")


@pytest.fixture
def open_zoo(rig, monkeypatch):
    """Call it for a zoo in this process on the fake model and the fake Hub."""
    opened = []
    banked = SimpleNamespace(load_banked=lambda base, **options: rig.model)
    monkeypatch.setitem(sys.modules, "serving.engines.banked", banked)
    monkeypatch.setattr("serving.api.here.ZooHub", lambda *_, **__: rig.hub)
    listed = [(name, RepoRef(f"local/{name}")) for name in ("sft", "text_hallu", "mdpo")]
    monkeypatch.setattr("serving.api.here.list_adapters", lambda *_: listed)

    def make(*words, **options):
        opened.append(Zoo(*words, **options))
        return opened[-1]

    yield make
    rig.model.gate.set()
    for zoo in opened:
        zoo.close()


def test_a_comparison_from_python_has_the_answers_and_the_provenance_of_the_service(open_zoo, png):
    zoo = open_zoo("phantom", ["local/mdpo"])
    done = zoo.compare(png, " What is shown? ", ["base", "mdpo", "local/sft"])
    assert [(one.asked, one.variant, one.text) for one in done.answers] == [
        ("base", "base", "base: What is shown? 64x48"),
        ("mdpo", "mdpo", "mdpo: What is shown? 64x48"),
        ("local/sft", "sft", "sft: What is shown? 64x48"),
    ]
    assert done.question == "What is shown?"
    assert done.answers[0].adapter == AdapterId(PHANTOM.repo, PHANTOM.revision, "")
    assert str(done.answers[1].adapter) == f"local/mdpo@{'2' * 40}"
    assert {one.base for one in done.answers} == {PHANTOM.pinned}
    assert zoo.ask(png, "What is shown?").text == "base: What is shown? 64x48"


def test_the_pieces_of_a_stream_put_together_are_its_answers(open_zoo, image):
    stream = open_zoo("phantom", ["sft"]).stream(image, "Q", ["sft", "base"])
    assert [who.asked for who in stream.answering] == ["sft", "base"]
    texts = ["", ""]
    for piece in stream:
        texts[piece.row] += piece.text
    done = stream.result()
    assert [one.text for one in done.answers] == texts == ["sft: Q 64x48", "base: Q 64x48"]
    assert stream.result() == done


def test_leaving_a_stream_early_frees_its_rows(open_zoo, rig, image):
    zoo, rig.model.gate = open_zoo(), Steps(1)
    stream = zoo.stream(image, " ".join(["word"] * 30), ["base"])
    for piece in stream:
        assert piece.text == "base:"
        break
    with pytest.raises(CancelledError):
        stream.result()
    rig.model.gate.set()
    zoo.close()
    assert len(rig.model.steps) <= 2


def test_a_wish_goes_with_the_question(open_zoo, image):
    zoo = open_zoo("phantom", max_new_tokens=2)
    cut = zoo.ask(image, "What is shown?", seed=5)
    assert (cut.text, cut.finish, cut.tokens, cut.seed) == ("base: What", "length", 2, 5)
    assert zoo.ask(image, "What is shown?", max_tokens=1).text == "base:"
    assert zoo.ask(image, "What is shown?", max_tokens=3, seed=5).text == cut.text
    with pytest.raises(BadInput, match=r"temperature is 2\.5; it is between 0, which is greedy, and 2"):
        zoo.ask(image, "What is shown?", temperature=2.5)
    with pytest.raises(TypeError, match="temprature"):
        zoo.ask(image, "What is shown?", temprature=1)


def test_a_sample_without_a_seed_gets_a_fresh_one_and_a_greedy_answer_none(open_zoo, image):
    zoo = open_zoo()
    drawn = {zoo.ask(image, "Q", temperature=0.7).seed for _ in range(3)}
    assert len(drawn) == 3
    assert zoo.ask(image, "Q", temperature=0.7, seed=4).seed == 4
    assert zoo.ask(image, "Q").seed == 0


def test_one_text_in_place_of_several_is_told_at_once(open_zoo, image):
    zoo = open_zoo()
    with pytest.raises(TypeError, match="adapters is a sequence of names, not one name"):
        zoo.compare(image, "Q", "base")
    with pytest.raises(TypeError, match="stop is a sequence of texts, not one text"):
        zoo.compare(image, "Q", ["base"], stop="\n")


def test_a_folder_that_was_just_trained_is_asked_for_by_its_path(open_zoo, make_adapter, png):
    folder = make_adapter("out", variant="mdpo", seed=5)
    zoo = open_zoo("phantom", [folder, "local/mdpo"])
    done = zoo.compare(png, "Q", [str(folder), "mdpo"])
    mine, published = (one.adapter for one in done.answers)
    assert (mine.repo, mine.sha[:6]) == (str(folder), "local-")
    assert mine.digest != published.digest
    assert {one.alias for one in zoo.adapters()} == {str(folder), "mdpo"}


def test_a_folder_goes_through_the_checks_of_every_adapter(open_zoo, make_adapter):
    base = {"name": "llava", "repo": "x/llava", "revision": "e" * 40}
    with pytest.raises(BadAdapter, match="made for llava"):
        open_zoo("phantom", [make_adapter("out", base=base)])


def test_a_variant_is_named_if_the_hub_has_one_adapter_of_it(open_zoo, image):
    zoo = open_zoo("phantom", ["mdpo", "local/mdpo", "local/sft"])
    assert {one.alias: one.written for one in zoo.adapters()} == {
        "mdpo": "local/mdpo@main",
        "sft": "local/sft@main",
    }
    with pytest.raises(UnknownName, match="no adapter is named 'mpdo'") as refused:
        open_zoo("phantom", ["mpdo"])
    assert refused.value.hint == "did you mean 'mdpo'?"


def test_of_a_server_s_environment_only_what_makes_answers_holds_here(open_zoo, image, monkeypatch):
    monkeypatch.setenv("MEDZOO_PIN", "nobody")
    monkeypatch.setenv("MEDZOO_ALLOW", "nobody/*")
    monkeypatch.setenv("MEDZOO_PORT", "abc")
    monkeypatch.setenv("MEDZOO_MAX_NEW_TOKENS", "2")
    zoo = open_zoo()
    assert zoo.ask(image, "What is shown?", "local/sft").text == "sft: What"


def test_a_setting_that_is_none_here_is_refused_by_name(open_zoo):
    with pytest.raises(UnknownName, match="no setting is named 'slot'") as refused:
        open_zoo("phantom", slot=3)
    assert refused.value.hint == "did you mean 'slots'?"
    with pytest.raises(UnknownName, match="no setting is named 'port'"):
        open_zoo("phantom", port=7000)


def test_a_repo_that_cannot_be_had_and_is_a_folder_here_is_told_so(
    open_zoo, make_adapter, tmp_path, monkeypatch
):
    make_adapter("adapters/mdpo", variant="mdpo", seed=5)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotOnHub) as refused:
        open_zoo("phantom", ["adapters/mdpo"])
    assert refused.value.hint == "write ./adapters/mdpo for the folder of that name"


def test_both_quantisations_at_once_are_refused(open_zoo):
    with pytest.raises(BadInput, match="exclude each other"):
        open_zoo("phantom", load_in_4bit=True, load_in_8bit=True)


def test_only_what_was_named_is_asked_of_the_hub(open_zoo, rig):
    open_zoo("phantom", ["local/sft"])
    assert rig.hub.fetched == [f"local/sft@{'0' * 40}"] * len(rig.hub.fetched)


def test_a_closed_zoo_answers_no_more(open_zoo, image):
    with open_zoo() as zoo:
        assert zoo.ask(image, "Q").text == "base: Q 64x48"
    with pytest.raises(ZooError, match="stop"):
        zoo.ask(image, "Q")


def test_the_example_of_the_readme_runs(open_zoo, rig, make_adapter, png, monkeypatch, tmp_path, capsys):
    (example,) = [block for block in blocks("README.md", "python") if "serving.api" in block]
    monkeypatch.chdir(tmp_path)
    Path("scan.png").write_bytes(png)
    make_adapter("adapters/sft", variant="sft", seed=8)
    rig.hub.add("me/phantom-mdpo", "5" * 40, make_adapter("published", variant="mdpo", seed=9))

    def connect(url):
        rig.model = type(rig.model)()  # the other one is in use
        return open_zoo("phantom", ["mdpo"])

    monkeypatch.setattr(Zoo, "connect", connect)
    exec(example, {})
    said = capsys.readouterr().out.splitlines()
    assert said[1].startswith(f"me/phantom-mdpo@{'5' * 40} ")
    assert said[1].endswith(" mdpo: What is shown? 64x48")
    assert said[2].startswith("./adapters/sft@local-")
    assert {line.split()[0] for line in said[3:]} == {"base", "mdpo"}

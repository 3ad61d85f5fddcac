import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from serving.cli.ask import ask
from zoo.errors import BadImage, BadInput, NoKey
from zoo.notice import NOTICE


@pytest.fixture
def called(rig, image, png, monkeypatch, tmp_path):
    """What `medzoo ask` asks of the zoo; the fake service of `rig` answers."""
    from serving.live import Live
    from serving.service import Asked
    from zoo.asking import question

    seen = {}

    class FakeZoo:
        def __init__(self, base, adapters, **settings):
            seen.update(base=base, adapters=adapters, settings=settings)

        @classmethod
        def connect(cls, url, *, key):
            seen.update(url=url, key=key)
            return cls.__new__(cls)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            seen["closed"] = True

        def stream(self, images, text, adapters, **wishes):
            seen.update(images=images, question=text, asked=adapters, wishes=wishes)
            if error := seen.get("error"):
                raise error
            asked = Asked(images=(image,), turns=question(text), adapters=tuple(adapters))
            return Live(rig.service, asked)

    monkeypatch.chdir(tmp_path)
    for name in ("scan.png", "a.png", "b.png"):
        Path(name).write_bytes(png)
    monkeypatch.setattr("serving.api.Zoo", FakeZoo)
    monkeypatch.delenv("MEDZOO_KEY", raising=False)
    return seen


def run(*words, **more):
    return CliRunner().invoke(ask, words, catch_exceptions=False, **more)


def test_nothing_but_an_image_and_a_question_asks_the_base_alone(called, png):
    done = run("scan.png", "What is shown?")
    assert done.stdout == "base: What is shown? 64x48\n"
    assert done.stderr.endswith(f"{NOTICE}\n")
    assert (called["base"], called["adapters"], called["images"]) == ("phantom", [], (png,))
    assert called["wishes"] == {}
    say = called["settings"].pop("say")
    assert callable(say)
    assert called["settings"] == {
        "hub": None,
        "slots": 1,
        "max_adapters": 1,
        "max_rows": 1,
        "device": "auto",
        "dtype": "auto",
        "load_in_4bit": False,
        "load_in_8bit": False,
    }
    assert called["closed"]


def test_every_option_goes_where_it_belongs(called, png):
    words = "--adapters base,mdpo --adapter sft --image b.png --hub http://h --device cuda:1"
    words += (
        " --dtype bfloat16 --load-in-4bit --max-tokens 200 --temperature 0.5 --top-p 0.9 --seed 7 --stop ."
    )
    done = run("a.png", "Q", *words.split())
    assert [line.split()[0] for line in done.stdout.splitlines()[::3]] == ["base", "mdpo", "sft"]
    assert (called["adapters"], called["images"]) == (["mdpo", "sft"], (png, png))
    assert called["wishes"] == {
        "max_tokens": 200,
        "temperature": 0.5,
        "top_p": 0.9,
        "seed": 7,
        "stop": (".",),
    }
    del called["settings"]["say"]
    assert called["settings"] == {
        "hub": "http://h",
        "slots": 2,
        "max_adapters": 3,
        "max_rows": 3,
        "max_new_tokens": 200,
        "device": "cuda:1",
        "dtype": "bfloat16",
        "load_in_4bit": True,
        "load_in_8bit": False,
    }


def test_an_image_may_come_by_stdin(called, png):
    run("-", "Q", input=png)
    assert called["images"] == (png,)


def test_an_image_that_cannot_be_read_is_told_before_a_base_is_loaded(called):
    with pytest.raises(BadImage, match=r"none\.png: No such file"):
        run("none.png", "Q")
    with pytest.raises(BadImage, match="of no kind known here"):
        run("-", "Q", "--frame", "3", input=b"no image")
    assert called == {}


def test_a_server_is_asked_with_the_key_of_the_environment(called):
    run("a.png", "Q", "--server", "http://there", env={"MEDZOO_KEY": "secret"})
    assert (called["url"], called["key"]) == ("http://there", "secret")


def test_a_server_that_wants_a_key_is_told_with_how_to_give_it(called):
    called["error"] = NoKey("a key is needed", hint="send a header")
    with pytest.raises(NoKey) as refused:
        run("a.png", "Q", "--server", "http://there")
    assert refused.value.hint == "give --key KEY or set MEDZOO_KEY"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--server", "http://there", "--dtype", "float16"], "--dtype is for a base that is loaded here"),
        (["--server", "http://there", "--load-in-4bit"], "--load-in-4bit is for a base that is loaded here"),
        (["--key", "secret"], "--key is for a --server"),
        (["--server", "http://there", "--adapter", "./out/mdpo"], "./out/mdpo is a folder of this machine"),
    ],
)
def test_options_that_make_no_sense_together_are_refused(called, words, reason):
    with pytest.raises(BadInput, match=reason):
        run("a.png", "Q", *words)


def test_json_is_one_object_with_all_that_rest_tells(called, rig):
    from serving.rest.answers import CompareReply

    done = run("a.png", "Q", "--adapters", "base,mdpo", "--json")
    found = json.loads(done.stdout)
    assert set(found) == set(CompareReply.model_fields)
    assert [one["text"] for one in found["answers"]] == ["base: Q 64x48", "mdpo: Q 64x48"]
    assert found["answers"][1]["id"] == f"local/mdpo@{'2' * 40}"
    assert len(found["answers"][1]["digest"]) == 64


@pytest.mark.slow
def test_the_command_asks_the_base_and_a_folder_that_was_just_trained(tune, tmp_path):
    from PIL import Image

    from serving.api import Zoo
    from zoo.phantom.scans import make_scan

    folder, question = str(tune("sft")), "Describe the findings of this scan."
    with Zoo("phantom", [folder]) as zoo:
        scans = (make_scan(seed).pixels for seed in range(200))
        compared = ((scan, zoo.compare(scan, question, ["base", folder])) for scan in scans)
        scan, expected = next(one for one in compared if len({a.text for a in one[1].answers}) == 2)
    picture = tmp_path / "scan.png"
    Image.fromarray(scan).save(picture)
    command = [sys.executable, "-m", "zoo", "ask", str(picture), question]
    environment = os.environ | {"HF_ENDPOINT": "http://127.0.0.1:9"}  # no Hub is needed

    def told(*words):
        return subprocess.run(
            [*command, *words], env=environment, capture_output=True, text=True, timeout=300
        )

    done = told("--adapters", f"base,{folder}", "--json")
    assert done.returncode == 0, done.stderr
    found = [(one["id"], one["digest"], one["text"]) for one in json.loads(done.stdout)["answers"]]
    assert found == [(str(a.adapter), a.adapter.digest, a.text) for a in expected.answers]
    assert "Loading weights" not in done.stderr
    alone = told("--adapter", folder)
    assert alone.stdout == f"{expected.answers[1].text}\n"
    refused = told("--adapter", "./none")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "medzoo: ./none holds no adapter" in refused.stderr

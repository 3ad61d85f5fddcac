import json

import pytest
from click.testing import CliRunner

from serving.check import check_settings
from serving.cli.vllm_args import vllm_args
from serving.engines.vllm.start import names_to_change
from zoo.bases import get_base
from zoo.errors import BadInput
from zoo.model_files import FolderFiles
from zoo.tensor_files import read_tensor_files

VLLM = {"engine": "vllm", "engine_url": "http://127.0.0.1:8000", "dtype": "float32"}


def problems(**flags):
    return check_settings(flags, {}).problems


def test_the_command_line_has_the_limits_of_the_settings(tmp_path):
    folder = tmp_path / "base"
    done = CliRunner().invoke(
        vllm_args,
        ["--slots", "3", "--max-rank", "20", "--cpu", "--folder", str(folder)],
        catch_exceptions=False,
    )
    variables, command = done.stdout.strip().split("\\\n")
    assert variables.split() == [
        "VLLM_ALLOW_RUNTIME_LORA_UPDATING=True",
        "VLLM_NO_USAGE_STATS=1",
        "DO_NOT_TRACK=1",
        "HF_HUB_OFFLINE=1",
        "VLLM_CPU_OMP_THREADS_BIND=nobind",
        "OMP_WAIT_POLICY=PASSIVE",
    ]
    assert command == (
        f"vllm serve {folder} --served-model-name base --host 127.0.0.1 --port 8000 --dtype float32 "
        "--enable-lora --max-loras 4 --max-cpu-loras 4 --max-lora-rank 32 "
        "--lora-target-modules q_proj k_proj v_proj o_proj gate_proj up_proj down_proj --max-num-seqs 16 "
        "--generation-config vllm --block-size 32 --enforce-eager"
    )
    here, then = done.stderr.splitlines()
    assert here == f"the files of {get_base('phantom').pinned}: all here, in {get_base('phantom').folder}"
    assert then == (
        "then: MEDZOO_MAX_RANK=20 medzoo serve --base phantom --engine vllm --engine-url "
        "http://127.0.0.1:8000 --dtype float32 --slots 3"
    )


def test_the_copy_has_every_byte_of_the_base_under_the_names_that_vllm_looks_for(tmp_path):
    source, copy = get_base("phantom").folder, tmp_path / "copy"
    CliRunner().invoke(vllm_args, ["--folder", str(copy)], catch_exceptions=False)
    assert names_to_change(copy) == {}
    changed = names_to_change(source)
    assert changed["vision_tower.post_layernorm.bias"] == "vision_tower.vision_model.post_layernorm.bias"
    before, after = (read_tensor_files(FolderFiles(folder)) for folder in (source, copy))
    after.require_whole()
    for name, place in before.tensors.items():
        there = after.tensors[changed.get(name, name)]
        assert FolderFiles(copy).read(there.file, there.start, there.end - there.start) == FolderFiles(
            source
        ).read(place.file, place.start, place.end - place.start)
    others = [one.name for one in source.iterdir() if one.is_file() and one.suffix != ".safetensors"]
    assert all((copy / name).read_bytes() == (source / name).read_bytes() for name in others)


def test_a_base_whose_names_vllm_does_not_know_is_told_with_what_to_type():
    with pytest.raises(BadInput, match=r"would not find \d+ tensors of phantom") as error:
        vllm_args.main([], standalone_mode=False)
    assert error.value.hint == "medzoo vllm-args --base phantom --folder DIR writes a copy that it reads"


def test_a_folder_that_is_there_is_left_alone(tmp_path):
    with pytest.raises(BadInput, match="is there already"):
        vllm_args.main(["--folder", str(tmp_path)], standalone_mode=False)


def test_a_vllm_that_is_named_well_is_no_problem():
    assert problems(**VLLM) == ()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"engine_url": None}, "engine_url is ''"),
        ({"engine_url": "127.0.0.1:8000"}, "engine_url is '127.0.0.1:8000'"),
        ({"engine_url": "http://me:secret@h:1"}, "engine_url is 'http://***@h:1'"),
        ({"engine_url": "http://[::1"}, "engine_url is 'http://[::1'"),
        ({"engine_url": "http://h:abc"}, "engine_url is 'http://h:abc'"),
        ({"dtype": "auto"}, "dtype is auto"),
        ({"load_in_4bit": True}, "load_in_4bit is set and engine is vllm"),
        ({"compile": True}, "compile is set and engine is vllm"),
        ({"device": "cpu"}, "device is 'cpu' and engine is vllm"),
        ({"engine_folder": "/nowhere/at/all"}, "engine_folder is '/nowhere/at/all'"),
        ({"cluster": "local"}, "cluster is set and engine is vllm"),
        ({"max_rank": 600}, "max_rank is 600, and vLLM takes at most 512"),
        ({"engine": "embedded"}, "engine_url is set and engine is embedded"),
    ],
)
def test_what_contradicts_a_vllm_is_told(flags, said):
    found = [one for one in problems(**VLLM | flags) if said in one]
    assert len(found) == 1


def test_the_key_of_a_vllm_is_never_shown():
    found = check_settings(VLLM | {"engine_key": "geheim"}, {})
    assert found.settings.engine_key.get_secret_value() == "geheim"
    assert "geheim" not in json.dumps([vars(row) for row in found.rows]) + repr(found.settings)

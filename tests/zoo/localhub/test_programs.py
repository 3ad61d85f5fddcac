"""Unmodified programs against the embedded Hub, by HF_ENDPOINT alone."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from huggingface_hub import HfApi
from PIL import Image

from zoo.localhub.server import serving

Run = Callable[..., str]


def test_large_files_go_by_lfs_when_the_server_asks_for_it(run: Run, tmp_path: Path) -> None:
    root = tmp_path / "root"
    with serving(root, lfs=True) as url:
        out = run(
            """
            import os
            from huggingface_hub import CommitOperationAdd, HfApi, lfs
            api = HfApi()
            calls, put = [], lfs._upload_single_part
            lfs._upload_single_part = lambda **more: (calls.append(1), put(**more))[1]
            api.create_repo("local/lfs")
            files = {"w0.dat": os.urandom(999), "w1.bin": os.urandom(1000), "w2.dat": os.urandom(3 << 20)}
            def commit(**more):
                adds = [CommitOperationAdd(path, content) for path, content in files.items()]
                return api.create_commit("local/lfs", adds, commit_message="c", **more).oid
            first = commit()
            assert len(calls) == 2, calls
            assert commit() == first
            api.create_repo("local/again")
            api.create_commit("local/again", [CommitOperationAdd("same.dat", files["w2.dat"])],
                              commit_message="c")
            assert len(calls) == 2, "a file that is there was sent again"
            down = api.snapshot_download("local/lfs")
            for path, content in files.items():
                assert open(f"{down}/{path}", "rb").read() == content, path
            infos = api.get_paths_info("local/lfs", sorted(files))
            print([bool(info.lfs) for info in infos])
            from datasets import Dataset, load_dataset
            Dataset.from_dict({"n": [1, 2, 3]}).push_to_hub("local/rows")
            print(load_dataset("local/rows", split="train")["n"][:])
            """,
            endpoint=url,
            HF_HUB_DISABLE_XET="1",
        )
    assert out.splitlines() == ["[False, True, True]", "[1, 2, 3]"]
    assert len([p for p in (root / "objects").rglob("*") if p.is_file()]) == 3


def test_a_client_with_xet_uploads_and_downloads_untouched(run: Run, url: str) -> None:
    out = run(
        """
        import os
        from huggingface_hub import HfApi
        from huggingface_hub.utils._runtime import is_xet_available
        api, content = HfApi(), os.urandom(4 << 20)
        api.create_repo("local/xet")
        api.upload_file(path_or_fileobj=content, path_in_repo="model.safetensors", repo_id="local/xet")
        assert open(api.hf_hub_download("local/xet", "model.safetensors"), "rb").read() == content
        print(is_xet_available())
        """,
        endpoint=url,
    )
    assert out.strip() == "True"


def test_transformers_loads_by_branch_tag_and_sha(run: Run, url: str, api: HfApi) -> None:
    repo = api.create_repo("programs/tiny").repo_id
    config = json.dumps({"model_type": "bert", "hidden_size": 48, "num_attention_heads": 4})
    api.upload_file(path_or_fileobj=config.encode(), path_in_repo="config.json", repo_id=repo)
    api.create_tag(repo, tag="v1")
    out = run(
        f"""
        from transformers import AutoConfig
        for revision in ("main", "v1", "{api.model_info(repo).sha}"):
            print(AutoConfig.from_pretrained("{repo}", revision=revision).hidden_size)
        try:
            AutoConfig.from_pretrained("programs/absent")
        except OSError as error:
            print("not a valid model identifier" in str(error))
        AutoConfig.from_pretrained("{repo}").push_to_hub("programs/pushed")
        print(AutoConfig.from_pretrained("programs/pushed").hidden_size)
        """,
        endpoint=url,
    )
    assert out.split() == ["48", "48", "48", "True", "48"]


def test_datasets_loads_lines_and_pictures(run: Run, url: str, api: HfApi, tmp_path: Path) -> None:
    lines = api.create_repo("programs/lines", repo_type="dataset").repo_id
    rows = "".join(json.dumps({"question": f"q{n}", "answer": f"a{n}"}) + "\n" for n in range(5))
    api.upload_file(
        path_or_fileobj=rows.encode(), path_in_repo="train.jsonl", repo_id=lines, repo_type="dataset"
    )
    folder = tmp_path / "pictures" / "train"
    folder.mkdir(parents=True)
    metadata = []
    for n in range(3):
        Image.new("L", (16, 16), n * 10).save(folder / f"{n}.png")
        metadata.append(json.dumps({"file_name": f"{n}.png", "finding": f"f{n}"}) + "\n")
    (folder / "metadata.jsonl").write_text("".join(metadata))
    pictures = api.create_repo("programs/pictures", repo_type="dataset").repo_id
    api.upload_folder(folder_path=folder.parent, repo_id=pictures, repo_type="dataset")
    out = run(
        f"""
        from datasets import load_dataset
        print(load_dataset("{lines}", split="train")[4])
        picture = load_dataset("{pictures}", split="train")[2]
        print(picture["finding"], picture["image"].size, picture["image"].getpixel((0, 0)))
        print([row["answer"] for row in load_dataset("{lines}", split="train", streaming=True)])
        """,
        endpoint=url,
    )
    assert out.splitlines() == [
        "{'question': 'q4', 'answer': 'a4'}",
        "f2 (16, 16) 20",
        "['a0', 'a1', 'a2', 'a3', 'a4']",
    ]


def test_lines_of_a_set_stay_apart_from_a_model_of_the_same_name(api: HfApi) -> None:
    api.create_repo("programs/same")
    api.create_repo("programs/same", repo_type="dataset")
    api.upload_file(path_or_fileobj=b"m", path_in_repo="m", repo_id="programs/same")
    api.upload_file(path_or_fileobj=b"d", path_in_repo="d", repo_id="programs/same", repo_type="dataset")
    assert api.list_repo_files("programs/same") == [".gitattributes", "m"]
    assert api.list_repo_files("programs/same", repo_type="dataset") == [".gitattributes", "d"]


@pytest.mark.parametrize("bytes_sent", [b"short", b"x" * 12, b"too long by far"])
def test_bytes_other_than_those_announced_are_never_kept(tmp_path: Path, bytes_sent: bytes) -> None:
    announced = b"y" * 12
    oid, headers = hashlib.sha256(announced).hexdigest(), {"authorization": "Bearer t"}
    with serving(tmp_path / "root") as url:
        HfApi(endpoint=url, token="t").create_repo("local/a")
        batch = httpx.post(
            f"{url}/local/a.git/info/lfs/objects/batch",
            json={"operation": "upload", "objects": [{"oid": oid, "size": 12}]},
            headers=headers,
        ).json()
        actions = batch["objects"][0]["actions"]
        assert httpx.put(actions["upload"]["href"], content=bytes_sent).status_code == 400
        body = {"oid": oid, "size": 12}
        assert httpx.post(actions["verify"]["href"], json=body, headers=headers).status_code == 400
        assert httpx.put(actions["upload"]["href"][:-1] + "x", content=announced).status_code in (400, 401)
        assert httpx.put(actions["upload"]["href"], content=announced).status_code == 200
        assert httpx.post(actions["verify"]["href"], json=body, headers=headers).status_code == 200
    assert not list((tmp_path / "root" / "incoming").iterdir())

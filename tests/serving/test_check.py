import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError

import pytest
from click.testing import CliRunner
from huggingface_hub import constants

from serving import check
from serving.annotations.desk import Desk
from serving.check import Row, check_settings
from serving.cli.keys import keys
from serving.cli.serve import serve
from serving.defence.keys import add_key, find_key, new_key, read_keys
from serving.settings import Settings
from zoo.bases import forget_base, get_base, keep_base
from zoo.errors import BadInput


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch):
    import os

    for name in list(os.environ):
        if name.startswith("MEDZOO_"):
            monkeypatch.delenv(name)


def row(found, name) -> Row:
    (one,) = [row for row in found.rows if row.variable == name]
    return one


def test_nothing_is_wrong_with_the_defaults():
    found = check_settings({})
    assert (found.problems, found.remarks) == ((), ())
    assert [row.variable for row in found.rows] == [
        f"MEDZOO_{name.upper()}" for name in Settings.model_fields
    ]
    assert {row.source for row in found.rows} == {"default"}


def test_each_setting_says_where_it_comes_from(monkeypatch):
    monkeypatch.setenv("MEDZOO_SLOTS", "3")
    monkeypatch.setenv("medzoo_allow", "me/*,you/*")
    monkeypatch.setenv("MEDZOO_HUB", "https://ana:hush@hub.example/x")
    monkeypatch.setenv("MEDZOO_TRACES", "http://ana:hush@collector:4318")
    found = check_settings({"port": 9})
    rows = [row(found, f"MEDZOO_{name}") for name in ("PORT", "SLOTS", "ALLOW", "HUB", "TRACES")]
    said = [(one.value, one.source) for one in rows]
    assert said == [
        ("9", "flag"),
        ("3", "environment"),
        ("me/*, you/*", "environment"),
        ("https://***@hub.example/x", "environment"),
        ("http://***@collector:4318", "environment"),
    ]


@pytest.mark.parametrize(
    "address",
    ["collector:4318", "grpc://c:4317", "http://", "http://c:4318?x=1", "http://c:otlp", "http://[::1"],
)
def test_a_collector_that_cannot_be_one_is_told(address):
    (problem,) = check_settings({"traces": address}).problems
    assert problem == f"traces is {address!r}, which is no address such as http://collector:4318"


def test_a_password_in_an_address_that_is_none_is_not_shown():
    found = check_settings({"hub": "http://ana:hush@[::1"})
    assert row(found, "MEDZOO_HUB").value == "http://***@[::1"
    assert [problem for problem in found.problems if "no Hub's address" in problem]
    assert "hush" not in " ".join(found.problems)


def test_traces_without_their_library_are_told_with_what_to_type(monkeypatch):
    def absent(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(check, "version", absent)
    (problem,) = check_settings({"traces": "http://collector:4318"}).problems
    assert problem == "traces need a library: pip install 'medvlm-zoo[traces]'"


def test_a_cluster_without_ray_or_one_that_lets_everybody_in_is_told(monkeypatch):
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    monkeypatch.setattr("serving.check.answering.find_spec", lambda name: None if name == "ray" else object())
    given = {"cluster": "10.0.0.1:6379", "replicas": 3, "max_replicas": 2}
    assert check_settings(given).problems == (
        "cluster is set and Ray is not installed: pip install 'medvlm-zoo[cluster]'",
        "cluster is '10.0.0.1:6379' and RAY_AUTH_MODE is not 'token': whoever reaches a port of such a "
        "cluster runs programs on it",
        "max_replicas is 2 and replicas 3",
    )
    monkeypatch.setattr("serving.check.answering.find_spec", lambda name: object())
    assert check_settings({"cluster": "local"}).problems == ()


def test_all_that_is_wrong_is_told_at_once(monkeypatch, tmp_path):
    monkeypatch.setenv("MEDZOO_PORT", "70000")
    monkeypatch.setenv("MEDZOO_HOST", "0.0.0.0")
    monkeypatch.setenv("MEDZOO_MAX_ADAPTERS", "20")
    monkeypatch.setenv("MEDZOO_MAX_WAITING_ROWS", "10")
    monkeypatch.setenv("MEDZOO_PIN", ",".join("abcdefghi"))
    found = check_settings(
        {"base": "fantom", "adapters": ("nowhere",), "load_in_4bit": True, "load_in_8bit": True}
    )
    assert found.remarks == ("max_waiting_rows is 10 and max_rows 16: the next batch is never full",)
    assert [problem[:58] for problem in found.problems] == [
        "port is '70000': Input should be less than or equal to 655",
        "host is '0.0.0.0' and there are no keys, so other machines",
        "max_adapters is 20 and max_rows 16: a comparison is made a",
        "max_adapters is 20 and slots 8: a comparison needs a slot ",
        "9 adapters are pinned and slots is 8",
        "load_in_4bit and load_in_8bit exclude each other",
        "'nowhere' names no repo: write it as namespace/name or nam",
        "no base is named 'fantom': did you mean 'phantom'?",
    ]


@pytest.mark.parametrize(
    ("setting", "value", "problem"),
    [
        ("timeout_s", "inf", "timeout_s is 'inf': "),
        ("timeout_s", "nan", "timeout_s is 'nan': "),
        ("drain_s", "1e9", "drain_s is '1e9': "),
        ("batch_window_ms", "nan", "batch_window_ms is 'nan': "),
        ("device", "banana", "device is 'banana'; it is auto"),
        ("device", "cuda:99", "device is 'cuda:99' and "),
        ("hub", "ftp://x", "'ftp://x' is no Hub's address"),
        ("hosts", "https://zoo.example", "hosts has 'https://zoo.example': write a name alone"),
        ("hosts", "*", "hosts has '*': write a name alone"),
        ("allow", "me", "allow has 'me', which no repo fits: write me/* or me/NAME"),
        ("adapters", "a/b,a/b", "the adapter a/b is named twice"),
    ],
)
def test_each_that_cannot_be_meant_is_told_by_its_name(setting, value, problem):
    (found,) = check_settings({setting: value}).problems
    assert found.startswith(problem)


def test_a_host_that_is_none_and_what_lets_in_more_than_is_meant_are_told(tmp_path):
    add_key(tmp_path / "keys", new_key("a", "read")[1])
    found = check_settings({"host": "no such host", "keys_file": tmp_path / "keys", "allow": "*"})
    assert found.problems == ("host is 'no such host', and there is no such address",)
    assert [remark[:44] for remark in found.remarks] == [
        "allow has '*': a request may name any repo o",
        "host is 'no such host': keys and images trav",
    ]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", ""])
def test_another_host_than_this_machine_s_needs_keys(host, tmp_path):
    assert len(check_settings({"host": host}).problems) == 1
    path = tmp_path / "keys"
    add_key(path, new_key("a", "read")[1])
    assert check_settings({"host": host, "keys_file": path}).problems == ()


@pytest.fixture
def where(tmp_path):
    """A database with one rater."""
    desk = Desk(str(tmp_path / "ratings.db"))
    desk.accounts.add("ana", "rater", "four words are easy")
    desk.close()
    return str(tmp_path / "ratings.db")


MAKE = "make one by `medzoo accounts new NAME --role administrator`"


def test_people_who_sign_in_may_ask_from_other_machines_and_in_clear_is_said(where):
    found = check_settings({"host": "0.0.0.0", "annotations": where})
    assert (found.problems, found.remarks) == (
        (),
        (
            "host is '0.0.0.0': passwords and images travel in clear unless a proxy with TLS is in front",
            f"no account is an administrator's, who makes work lists: {MAKE}",
        ),
    )
    desk = Desk(where)
    desk.accounts.add("chief", "administrator", "four words are easy")
    desk.close()
    assert check_settings({"annotations": where}).remarks == ()


def test_a_database_without_accounts_is_told_and_none_is_made_by_looking(tmp_path, where):
    missing = str(tmp_path / "none.db")
    told = f"nobody has an account in {missing}: {MAKE}"
    assert check_settings({"annotations": missing}).problems == (told,)
    assert not (tmp_path / "none.db").exists()
    add_key(tmp_path / "keys", new_key("a", "read")[1])
    found = check_settings({"annotations": missing, "keys_file": tmp_path / "keys"})
    assert (found.problems, found.remarks) == ((), (told,))
    desk = Desk(where)
    desk.accounts.close("ana")
    desk.close()
    assert check_settings({"annotations": where}).problems == (f"nobody has an account in {where}: {MAKE}",)


def test_a_database_that_cannot_be_opened_is_told_without_its_password(tmp_path):
    (tmp_path / "text.db").write_text("no database at all, " * 200)
    for written in (str(tmp_path / "text.db"), "postgresql://ana:hush@127.0.0.1:1/x?password=hush"):
        found = check_settings({"annotations": written})
        (problem,) = found.problems
        assert problem.startswith("the ratings' database ")
        assert " cannot be opened: " in problem
        assert "hush" not in "".join([problem, *found.remarks, row(found, "MEDZOO_ANNOTATIONS").value])


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"proxy_addresses": "nowhere"}, "proxy_addresses has 'nowhere', which is no address"),
        ({"proxy_user_header": "X Y"}, "proxy_user_header is 'X Y', which is no header's name"),
        ({"proxy_addresses": ""}, "proxy_user_header is set and proxy_addresses is not"),
        ({"annotations": ""}, "proxy_user_header is set and there are no accounts"),
    ],
)
def test_a_proxy_that_names_people_has_an_address_a_header_and_accounts(where, changed, problem):
    flags = {"annotations": where, "proxy_addresses": "10.1.0.1", "proxy_user_header": "X-Remote-User"}
    assert check_settings(flags).problems == ()
    left = {name: value for name, value in {**flags, **changed}.items() if value}
    (found,) = check_settings(left).problems
    assert found.startswith(problem)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.0/8", "::1", "0.0.0.0/0"])
def test_a_proxy_on_this_machine_lets_its_programs_be_anybody_and_that_is_said(where, address):
    flags = {"annotations": where, "proxy_user_header": "X-Remote-User", "proxy_addresses": address}
    assert check_settings(flags).remarks[0].startswith("proxy_addresses has this machine: whoever runs a")


def test_a_file_of_keys_that_cannot_be_used_is_told(tmp_path):
    path = tmp_path / "keys"
    (missing,) = check_settings({"keys_file": path}).problems
    assert missing.startswith(f"the file of keys {path} cannot be read")
    path.touch(0o600)
    assert check_settings({"keys_file": path}).problems == (
        f"the file of keys {path} holds none: medzoo keys new NAME",
    )
    path.chmod(0o644)
    assert check_settings({"keys_file": path}).problems == (
        f"the file of keys {path} is open to others: mode 644: chmod 600 {path}",
    )


def test_variables_that_look_like_settings_are_told_and_those_of_others_are_not():
    environment = {"MEDZOO_KEYFILE": "x", "MEDZOO_REQUESTS_PER_MIN": "5", "MEDZOO_ZEBRA": "1", "OTHER": ""}
    found = check_settings({}, {**environment, "MEDZOO_KEY": "mz_x", "MEDZOO_PARENT": "1"})
    assert found.remarks == (
        "MEDZOO_KEYFILE is no setting; did you mean MEDZOO_KEYS_FILE?",
        "MEDZOO_REQUESTS_PER_MIN is no setting; did you mean MEDZOO_REQUESTS_PER_MINUTE?",
        "MEDZOO_ZEBRA is no setting",
    )


def test_the_shell_prints_every_setting_and_all_that_is_wrong_and_starts_nothing(monkeypatch):
    monkeypatch.setenv("MEDZOO_SLOT", "3")
    good = CliRunner().invoke(serve, ["--check", "--allow", "me/*,you/*", "--allow", "x/y", "--compile"])
    assert good.exit_code == 0
    *rows, base, last = good.stdout.splitlines()
    assert (len(rows), last) == (len(Settings.model_fields), "all is well; no keys: this machine alone")
    assert base == f"base phantom: all here, in {get_base('phantom').folder}"
    assert re.search(r"^MEDZOO_ALLOW +me/\*, you/\*, x/y +flag +Patterns of", good.stdout, re.MULTILINE)
    assert re.search(r"^MEDZOO_COMPILE +True +flag ", good.stdout, re.MULTILINE)
    assert re.search(r"^MEDZOO_PROXY_USER_HEADER +default", good.stdout, re.MULTILINE)
    assert re.search(r"^MEDZOO_LOAD_IN_4BIT +False +default ", good.stdout, re.MULTILINE)
    assert good.stderr == "remark: MEDZOO_SLOT is no setting; did you mean MEDZOO_SLOTS?\n"
    bad = CliRunner().invoke(serve, ["--check", "--host", "0.0.0.0", "--base", "x"])
    assert bad.exit_code == 1
    assert bad.stdout.count("\n") == len(Settings.model_fields)
    assert bad.stderr.count("wrong: ") == 2


def test_a_base_that_is_still_to_be_fetched_is_no_fault_and_told_with_its_size(monkeypatch, tmp_path):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    said = CliRunner().invoke(serve, ["--check", "--base", "qwen3-vl-4b"])
    assert said.exit_code == 0
    assert said.stdout.splitlines()[-2] == (
        "base qwen3-vl-4b: not all here: fetched at the start from https://huggingface.co, "
        "about 8.9 GB in 16 bits"
    )


def test_a_base_whose_folder_is_not_whole_is_told_before_anything_is_started(tmp_path):
    (tmp_path / "base").mkdir()
    keep_base("qwen3-vl-4b", revision="a" * 40, folder=tmp_path / "base")
    found = check_settings({"base": "qwen3-vl-4b"})
    assert found.base == ""
    assert found.problems == (
        f"no weights: {tmp_path / 'base'}: it holds neither model.safetensors nor an index",
    )
    forget_base("qwen3-vl-4b")


def test_looking_at_a_base_loads_no_model():
    code = (
        "import sys; from serving.check import check_settings; print(check_settings({}).base); "
        "print(*{'torch', 'transformers'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"all here, in {get_base('phantom').folder}\n\n"


def test_a_server_with_something_wrong_is_not_started_and_says_all_of_it():
    failed = CliRunner().invoke(serve, ["--host", "0.0.0.0", "--base", "x"])
    assert isinstance(failed.exception, BadInput)
    assert "there are no keys" in failed.exception.message
    assert "no base is named 'x'" in failed.exception.message


def test_keys_are_made_listed_and_taken_back_in_the_shell(tmp_path):
    path = tmp_path / "keys"
    run = CliRunner()
    made = run.invoke(keys, ["new", "ana", "--role", "admin", "--file", str(path)])
    token = made.stdout.strip()
    assert find_key(read_keys(path), token).role == "admin"
    assert token not in made.stderr
    assert run.invoke(keys, ["new", "ward"], env={"MEDZOO_KEYS_FILE": str(path)}).exit_code == 0
    listed = run.invoke(keys, ["ls", "--file", str(path)])
    assert listed.stdout == "ana\tadmin\nward\tread\n"
    assert run.invoke(keys, ["rm", "ana", "--file", str(path)]).exit_code == 0
    assert [key.name for key in read_keys(path)] == ["ward"]


def test_without_a_file_a_key_comes_with_the_line_to_store(tmp_path):
    made = CliRunner().invoke(keys, ["new", "ana"])
    path = tmp_path / "keys"
    path.touch(0o600)
    path.write_text(made.stderr.splitlines()[-1])
    assert find_key(read_keys(path), made.stdout.strip()).name == "ana"
    assert isinstance(CliRunner().invoke(keys, ["ls"]).exception, BadInput)


def test_a_public_demo_may_be_reached_from_elsewhere_without_keys():
    found = check_settings({"host": "0.0.0.0", "public_demo": True})
    assert (found.problems, found.remarks) == ((), ())


def test_a_public_demo_of_any_other_base_or_with_anything_beside_is_refused(tmp_path):
    flags = {
        "base": "llava-med-v1.5",
        "keys_file": tmp_path / "keys",
        "annotations": str(tmp_path / "ratings.sqlite"),
        "allow": ("me/*",),
        "remote_images": True,
    }
    found = check_settings({"host": "0.0.0.0", "public_demo": True, **flags})
    said = [problem for problem in found.problems if problem.startswith("public_demo")]
    assert said == [
        "public_demo is for the base phantom, whose scans are drawn, and base is llava-med-v1.5",
        *(
            f"public_demo and {name} exclude each other: MEDZOO_{name.upper()} is set"
            for name in ("keys_file", "annotations", "allow", "remote_images")
        ),
    ]

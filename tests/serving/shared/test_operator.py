"""What an operator types and reads of a shared database."""

import pytest
from click.testing import CliRunner

from serving.check import check_settings
from serving.cli.keys import keys
from zoo.errors import BadInput, UnknownName


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch):
    import os

    for name in list(os.environ):
        if name.startswith("MEDZOO_"):
            monkeypatch.delenv(name)


def run(*words, **environment):
    return CliRunner().invoke(keys, words, env=environment)


def test_keys_are_made_listed_and_taken_back_in_the_database(tmp_path):
    where = str(tmp_path / "shared.db")
    made = run("new", "ward", "--shared", where)
    assert made.exit_code == 0
    assert made.stdout.startswith("mz_")
    assert run("new", "root", "--role", "admin", MEDZOO_SHARED=where).exit_code == 0
    assert run("ls", MEDZOO_SHARED=where).stdout == "root\tadmin\nward\tread\n"
    assert run("rm", "ward", "--shared", where).exit_code == 0
    assert run("ls", "--shared", where).stdout == "root\tadmin\n"
    assert isinstance(run("rm", "ward", "--shared", where).exception, UnknownName)


def test_a_file_and_a_database_at_once_are_refused(tmp_path):
    said = run("ls", "--file", str(tmp_path / "keys"), "--shared", str(tmp_path / "shared.db")).exception
    assert isinstance(said, BadInput)
    assert said.message == "a file of keys and a shared database are both named"
    assert not (tmp_path / "shared.db").exists()


def test_the_check_shows_a_shared_database_without_its_password_and_says_when_it_has_no_key(tmp_path):
    where = tmp_path / "shared.db"
    found = check_settings({"shared": str(where)})
    assert found.problems == (f"there are no keys in {where}: medzoo keys new NAME --shared URL",)
    assert not where.exists()
    run("new", "ward", "--shared", str(where))
    assert check_settings({"shared": str(where), "host": "0.0.0.0"}).problems == ()
    url = "postgresql://ana:hush@127.0.0.1:9/zoo"
    away = check_settings({"shared": url})
    (row,) = [one for one in away.rows if one.variable == "MEDZOO_SHARED"]
    assert row.value == "postgresql://***@127.0.0.1:9/zoo"
    (problem,) = away.problems
    assert problem.startswith("the servers' shared database zoo at 127.0.0.1 cannot be opened: ")
    assert "hush" not in problem


def test_a_folder_of_adapters_that_is_not_there_is_a_problem(tmp_path):
    assert check_settings({"shared_cache": tmp_path}).problems == ()
    missing = tmp_path / "not mounted"
    assert check_settings({"shared_cache": missing}).problems == (
        f"shared_cache is {missing}, which is no folder that can be written here",
    )


def test_a_file_of_keys_beside_a_shared_database_is_a_problem(tmp_path):
    run("new", "ward", "--file", str(tmp_path / "keys"))
    found = check_settings({"shared": str(tmp_path / "shared.db"), "keys_file": tmp_path / "keys"})
    assert found.problems == (
        "shared and keys_file exclude each other, as servers that share have one set of keys",
    )

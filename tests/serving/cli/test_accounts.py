import pty
import re
import sys

import pytest
from click.testing import CliRunner

from serving.annotations.desk import Desk
from serving.cli.accounts import accounts
from zoo.errors import BadInput, NoKey, UnknownName

WORDS = "four words are easy"


@pytest.fixture
def where(tmp_path):
    return str(tmp_path / "ratings.db")


@pytest.fixture
def run(where):
    """Call it with words of `medzoo accounts` and what standard input says."""

    def run(*words, said=""):
        return CliRunner().invoke(accounts, words, input=said, env={"MEDZOO_ANNOTATIONS": where})

    return run


def sign_in(where, name, password):
    desk = Desk(where)
    try:
        return desk.accounts.sign_in(name, password)
    finally:
        desk.close()


def test_accounts_are_made_listed_given_another_password_and_closed_in_the_shell(run, where):
    made = run("new", "ana", "--role", "administrator", said=f"{WORDS}\n")
    assert (made.exit_code, made.stdout, made.stderr) == (0, "", "ana may sign in as administrator\n")
    assert run("new", "ben", said=WORDS).exit_code == 0
    assert sign_in(where, "ana", WORDS)
    assert run("password", "ana", said="other words are easy\r\n").exit_code == 0
    with pytest.raises(NoKey):
        sign_in(where, "ana", WORDS)
    assert sign_in(where, "ana", "other words are easy")
    assert run("close", "ben").exit_code == 0
    with pytest.raises(NoKey):
        sign_in(where, "ben", WORDS)
    listed = run("ls").stdout.splitlines()
    assert listed[0] == "ana\tadministrator\topen"
    assert re.fullmatch(r"ben\trater\tclosed 20.*\+00:00", listed[1])


def test_the_log_says_who_did_what_to_whom(run):
    run("new", "ana", said=WORDS)
    run("password", "ana", said=WORDS + "s")
    run("close", "ana")
    lines = [line.split("\t") for line in run("log").stdout.splitlines()]
    assert [line[1:] for line in lines] == [
        ["command line", "account made", "ana"],
        ["command line", "password changed", "ana"],
        ["command line", "account closed", "ana"],
    ]


def test_what_cannot_be_done_is_told_and_not_written_down(run):
    assert isinstance(run("new", "ana", said="short\n").exception, BadInput)
    assert isinstance(run("new", "ana").exception, BadInput)
    assert isinstance(run("close", "ana").exception, UnknownName)
    assert isinstance(run("password", "ana", said=WORDS).exception, UnknownName)
    assert run("log").stdout == ""
    missing = CliRunner().invoke(accounts, ["ls"])
    assert "it is not said where the accounts are" in missing.exception.message


@pytest.mark.parametrize("words", [("ls",), ("log",), ("close", "ana"), ("password", "ana")])
@pytest.mark.parametrize("form", ["{}", "sqlite:///{}"])
def test_only_a_new_account_makes_a_database(tmp_path, where, words, form):
    named = form.format(where)
    told = CliRunner().invoke(accounts, [*words, "--annotations", named], input=WORDS).exception
    assert (type(told), told.message) == (BadInput, f"no such file: {named}")
    assert "MEDZOO_ANNOTATIONS" in told.hint
    assert list(tmp_path.iterdir()) == []


def test_at_a_terminal_the_password_is_asked_for_twice_and_not_shown(where):
    read = []

    def reading(descriptor):
        import os

        read.append(os.read(descriptor, 1024))
        if b"password" in read[-1] or b"Repeat" in read[-1]:
            os.write(descriptor, f"{WORDS}\n".encode())
        return read[-1]

    status = pty.spawn(
        [sys.executable, "-m", "zoo", "accounts", "new", "ana", "--annotations", where], reading
    )
    said = b"".join(read).decode()
    assert (status, WORDS in said) == (0, False)
    assert "ana may sign in as rater" in said
    assert sign_in(where, "ana", WORDS)

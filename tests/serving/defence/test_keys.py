import os
import threading

import pytest

from serving.defence.keys import KeyFile, add_key, find_key, new_key, read_keys, remove_key
from zoo.errors import BadInput, UnknownName


@pytest.fixture
def path(tmp_path):
    return tmp_path / "keys"


def test_a_key_is_found_by_itself_alone_and_is_in_no_file(path):
    tokens = {}
    for name, role in (("ward-3", "read"), ("ana", "admin")):
        tokens[name], key = new_key(name, role)
        add_key(path, key)
    keys = read_keys(path)
    assert [(key.name, key.role) for key in keys] == [("ward-3", "read"), ("ana", "admin")]
    assert find_key(keys, tokens["ana"]).name == "ana"
    assert find_key(keys, tokens["ward-3"]).name == "ward-3"
    for wrong in ("", "mz_", tokens["ana"][:-1], tokens["ana"] + "x", tokens["ana"].upper(), "ünwritten"):
        assert find_key(keys, wrong) is None
    assert path.stat().st_mode & 0o777 == 0o600
    assert not any(token in path.read_text() for token in tokens.values())
    assert len(tokens["ana"]) == len("mz_") + 43
    assert list(path.parent.iterdir()) == [path]


def test_the_same_key_looks_different_in_two_lines():
    (token, key), (_, other) = new_key("a", "read"), new_key("a", "read")
    assert key.salt != other.salt
    assert token not in str(key)


def test_a_name_is_given_once_and_taken_out_by_itself(path):
    token, key = new_key("a", "read")
    add_key(path, key)
    add_key(path, new_key("b", "annotate")[1])
    with pytest.raises(BadInput, match="there is a key named 'a'"):
        add_key(path, new_key("a", "admin")[1])
    remove_key(path, "a")
    assert [one.name for one in read_keys(path)] == ["b"]
    assert find_key(read_keys(path), token) is None
    with pytest.raises(UnknownName, match="no key is named 'a'"):
        remove_key(path, "a")


@pytest.mark.parametrize("name", ["", "local", "Ana", "a b", "a\nb", "-a", "x" * 41, "jane@ward"])
def test_a_name_that_could_not_stand_in_a_log_is_refused(name):
    with pytest.raises(BadInput, match="a key cannot be named"):
        new_key(name, "read")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o622])
def test_a_file_that_others_may_touch_is_not_read(path, mode):
    add_key(path, new_key("a", "read")[1])
    path.chmod(mode)
    with pytest.raises(BadInput, match=f"mode {mode:o}") as error:
        read_keys(path)
    assert error.value.hint == f"chmod 600 {path}"


@pytest.mark.parametrize(
    "line",
    [
        "a read",
        f"a root {'0' * 32} {'0' * 64}",
        f"a read {'0' * 31} {'0' * 64}",
        f"a read {'0' * 32} {'g' * 64}",
        f"A read {'0' * 32} {'0' * 64}",
        "mz_" + "k" * 43,
    ],
)
def test_a_line_that_is_no_key_is_named_by_its_number_and_never_quoted(path, line):
    add_key(path, new_key("a", "read")[1])
    with path.open("a") as file:
        file.write(f"\n# a remark\n{line}\n")
    with pytest.raises(BadInput, match="line 5 of the file of keys") as error:
        read_keys(path)
    assert line not in str(error.value)


def test_a_file_that_is_not_there_says_how_to_make_one(path):
    with pytest.raises(BadInput, match="No such file") as error:
        read_keys(path)
    assert error.value.hint == f"medzoo keys new NAME --file {path}"


def test_a_key_that_is_taken_out_ends_at_once_and_a_broken_file_lets_nobody_in(path):
    token, key = new_key("a", "read")
    add_key(path, key)
    keys = KeyFile(path)
    assert keys.find(token) == key
    other, second = new_key("b", "read")
    add_key(path, second)
    assert keys.find(other) == second
    remove_key(path, "a")
    assert keys.find(token) is None
    path.chmod(0o644)
    for _ in range(2):
        with pytest.raises(BadInput, match="mode 644"):
            keys.find(other)
    path.chmod(0o600)
    assert keys.find(other) == second
    os.remove(path)
    for _ in range(2):
        with pytest.raises(BadInput, match="No such file"):
            keys.find(other)


def test_keys_that_are_made_and_taken_out_at_once_are_all_told_in_the_file(path):
    for number in range(8):
        add_key(path, new_key(f"old{number}", "read")[1])
    start = threading.Barrier(16)

    def change(number):
        start.wait()
        if number < 8:
            remove_key(path, f"old{number}")
        else:
            add_key(path, new_key(f"new{number}", "read")[1])

    threads = [threading.Thread(target=change, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(key.name for key in read_keys(path)) == sorted(f"new{number}" for number in range(8, 16))

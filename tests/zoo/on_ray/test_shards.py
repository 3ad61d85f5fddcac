"""What a process of a job says and does not say. No cluster: tests/end_to_end/test_ray_jobs.py has one."""

import inspect
import pickle
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest

import zoo.errors
from zoo.errors import BadInput, ClusterFailed, NotInstalled, UnknownName, ZooError
from zoo.on_ray.shards import _interruptible, _Process, workers_of


def reply(make, shard=3, folder=None):
    (given,) = _Process(make, folder or Path.cwd())({"shard": [shard]})["reply"]
    return pickle.loads(given)


def test_a_worker_is_made_once_and_told_numbers():
    made = []
    process = _Process(lambda: made.append(1) or (lambda shard: shard * 2), Path.cwd())
    assert [pickle.loads(process({"shard": [n]})["reply"][0]) for n in (1, 5)] == [2, 10]
    assert made == [1]


def test_an_error_of_the_zoo_crosses_as_what_it_is_with_its_next_command():
    def refuses():
        raise UnknownName("adapter", "mdpp", ["mdpo"])

    told = reply(refuses)
    assert (type(told), str(told)) == (UnknownName, str(UnknownName("adapter", "mdpp", ["mdpo"])))


def test_of_another_error_the_type_alone_is_told_for_its_words_may_be_a_patients():
    def fails():
        raise ValueError("Is there a mass in Mr. Doe's lung?")

    told = reply(fails)
    assert type(told) is ClusterFailed
    assert "ValueError" in told.message
    assert "Doe" not in repr(vars(told)) + str(told)


def test_a_worker_where_the_commands_folder_is_not_says_which_folder(tmp_path):
    told = reply(lambda: None, folder=tmp_path / "elsewhere")
    assert type(told) is BadInput
    assert str(tmp_path / "elsewhere") in told.message


def test_every_error_of_the_zoo_can_be_sent_to_another_process():
    kinds = [
        kind
        for _, kind in inspect.getmembers(zoo.errors, inspect.isclass)
        if issubclass(kind, ZooError) and kind is not UnknownName
    ]
    assert len(kinds) > 20
    for kind in kinds:
        there = pickle.loads(pickle.dumps(kind("what", hint="next")))
        assert (type(there), str(there)) == (kind, "what\n  next: next")


@pytest.mark.parametrize("device", ["cuda:1", "mps"])
def test_a_device_that_all_workers_would_share_is_refused(device):
    with pytest.raises(BadInput, match=f"--device {device}"), workers_of("local", count=2, device=device):
        pass


@pytest.mark.parametrize("lacks", ["ray", "pandas"])
def test_what_a_job_needs_and_is_not_installed_is_told_with_the_extra_that_has_it(lacks, monkeypatch):
    monkeypatch.setattr("zoo.on_ray.environment.find_spec", lambda name: None if name == lacks else object())
    with pytest.raises(NotInstalled) as refused, workers_of("local", count=2, device="cpu"):
        pass
    assert (refused.value.message, refused.value.hint) == ("--ray needs Ray", "pip install 'medvlm-zoo[ray]'")


def test_answers_are_not_kept_on_disk_where_shared_memory_is_small(monkeypatch):
    """As in a container, which has 64 MB of it unless it is told otherwise."""
    monkeypatch.setattr("os.statvfs", lambda _: SimpleNamespace(f_bavail=2**14, f_bsize=2**12))
    monkeypatch.setattr("zoo.on_ray.shards.set_up", lambda *_, **__: None)
    started = []
    monkeypatch.setattr("zoo.on_ray.shards.start", lambda **_: started.append(1))
    with (
        pytest.raises(ClusterFailed, match="/dev/shm has 64 MB free") as refused,
        workers_of("local", count=2, device="cpu"),
    ):
        pass
    assert "--shm-size" in refused.value.hint
    assert started == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_ctrl_c_that_a_destructor_swallows_ends_the_job_before_its_next_shard():
    class Interrupted:
        def __del__(self):
            signal.raise_signal(signal.SIGINT)

    def rows():
        for number in range(3):
            Interrupted()
            yield {"shard": number}

    before, given = signal.getsignal(signal.SIGINT), []
    with pytest.raises(KeyboardInterrupt):
        given.extend(row["shard"] for row in _interruptible(rows()))
    assert given == []
    assert signal.getsignal(signal.SIGINT) is before

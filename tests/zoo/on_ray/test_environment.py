import sys

import pytest

from zoo.errors import BadInput, NotInstalled
from zoo.on_ray import environment
from zoo.on_ray.environment import set_up


@pytest.fixture(autouse=True)
def _ray_is_here(monkeypatch):
    monkeypatch.setattr(environment, "find_spec", lambda _: object())
    monkeypatch.setattr(environment.os, "environ", {})
    monkeypatch.delitem(sys.modules, "ray", raising=False)


def test_a_cluster_of_this_machine_has_a_token_of_its_own_and_listens_here_alone():
    environment.os.environ["RAY_AUTH_MODE"] = "disabled"
    tokens = set()
    for _ in range(2):
        set_up("--cluster", extra="cluster", local=True)
        tokens.add(environment.os.environ["RAY_AUTH_TOKEN"])
    assert len(tokens) == 2
    assert all(len(token) == 32 for token in tokens)
    set_there = environment.os.environ
    assert set_there["RAY_AUTH_MODE"] == "token"
    assert set_there["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] == "0"
    assert set_there["RAY_USAGE_STATS_ENABLED"] == "0"
    assert set_there["RAY_ENABLE_AUTO_CONNECT"] == "0"


@pytest.mark.parametrize("mode", [None, "disabled"])
def test_a_cluster_that_asks_for_no_token_is_not_joined(mode):
    if mode:
        environment.os.environ["RAY_AUTH_MODE"] = mode
    with pytest.raises(BadInput, match="RAY_AUTH_MODE is not 'token'"):
        set_up("--cluster", extra="cluster", local=False)


def test_a_cluster_that_asks_for_one_is_joined_with_it():
    environment.os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN="mine")
    set_up("--cluster", extra="cluster", local=False)
    assert environment.os.environ["RAY_AUTH_TOKEN"] == "mine"


def test_without_ray_it_is_told_what_to_install(monkeypatch):
    monkeypatch.setattr(environment, "find_spec", lambda _: None)
    with pytest.raises(NotInstalled) as error:
        set_up("--cluster", extra="cluster", local=True)
    assert error.value.hint == "pip install 'medvlm-zoo[cluster]'"

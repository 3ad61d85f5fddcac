"""How a cluster of this machine is asked for. With a real one: tests/end_to_end/test_ray_jobs.py."""

import pytest

from zoo.on_ray.clusters import start

ray = pytest.importorskip("ray", reason="Ray is not installed: the extra `ray`")


def test_a_cluster_of_this_machine_is_started_whatever_cluster_ray_address_names(monkeypatch):
    from ray._private.services import canonicalize_bootstrap_address

    joined = []

    def init(address=None, _temp_dir=None, **_):
        joined.append(canonicalize_bootstrap_address(address, _temp_dir))

    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:6399")
    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setattr("zoo.on_ray.clusters.hush", lambda: None)
    start(cpus=2)()
    assert joined == [None]

"""An update of Ray that takes one of these away is seen here, and not by who runs a cluster."""

import inspect
import io
import sys
from pathlib import Path

import pytest

from zoo.on_ray import environment
from zoo.on_ray.private import PAST_THE_STORE, forget_serve, hush_raylets, in_folder

pytest.importorskip("ray", reason="Ray is not installed: the extra `cluster`")


def test_a_cluster_is_told_its_folder_and_the_store_is_passed_by_names_that_ray_has():
    from ray._private import worker
    from ray.serve.handle import DeploymentHandle

    source = inspect.getsource(worker.init)
    assert [name for name in in_folder("/tmp/x") if f'kwargs.pop("{name}"' not in source] == []
    assert set(PAST_THE_STORE) <= set(inspect.signature(DeploymentHandle.options).parameters)


def test_ray_reads_the_setting_that_keeps_questions_from_the_disk():
    from ray._private import services

    (setting,) = in_folder("/tmp/x")["_system_config"]
    assert setting.encode() in Path(services.RAYLET_EXECUTABLE).read_bytes()


def test_serve_forgets_its_client():
    from ray.serve import context

    context._set_global_client("a client")
    forget_serve()
    assert context._global_client is None


def test_what_raylets_say_is_not_printed(monkeypatch):
    from ray._private import worker

    monkeypatch.setattr(worker, "print_to_stdstream", worker.print_to_stdstream)
    said = io.StringIO()
    monkeypatch.setattr(sys, "stderr", said)
    told = {"ip": "", "pid": "raylet", "lines": ["died"], "is_err": True}
    worker.print_to_stdstream(told, ignore_prefix=False)
    before = said.getvalue()
    hush_raylets()
    worker.print_to_stdstream(told, ignore_prefix=False)
    assert "died" in before == said.getvalue()


def test_ray_reads_the_variables_that_are_set_for_it():
    import ray

    where = (
        "_private/ray_constants.py",
        "_private/auto_init_hook.py",
        "_private/worker.py",
        "_common/usage/usage_lib.py",
        "_private/authentication/grpc_authentication_server_interceptor.py",
        "serve/_private/constants.py",
    )
    read = "".join((Path(ray.__file__).parent / name).read_text(encoding="utf-8") for name in where)
    names = {*environment._ALWAYS, "RAY_AUTH_MODE", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"}
    names -= {"RAY_BACKEND_LOG_LEVEL"}  # which is read by what is not Python
    assert sorted(name for name in names if name not in read) == []

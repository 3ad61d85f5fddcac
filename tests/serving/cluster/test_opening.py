"""From settings to an engine over a cluster, which is a fake here."""

from pathlib import Path

import pytest
import yaml

from serving.cluster import opening
from serving.cluster.wire import common
from serving.core.registry import Registry
from serving.core.watch import Watch
from serving.metrics import Metrics
from serving.opening import open_engine
from serving.settings import Settings, read_settings
from tests.serving.cluster._replicas import Scripted, report
from zoo.bases import get_base
from zoo.errors import BadInput

FILE = Path(__file__).parents[3] / "deploy/ray/serve.yaml"


@pytest.fixture
def opened(monkeypatch):
    """Call it with what the replicas report for the engine and the metrics over them."""

    def make(*running):
        replicas.running = list(running)
        metrics, base = Metrics(), get_base("phantom")
        settings = read_settings(cluster="local", replicas=2)
        engine = open_engine(
            base, settings, Registry(slots=8), metrics=metrics, watch=Watch(), say=said.append
        )
        made.append(engine)
        return engine, metrics

    made, said, replicas = [], [], Scripted()
    make.said, make.replicas = said, replicas
    monkeypatch.setattr(opening, "open_cluster", lambda settings, *, name: said.append(name) or replicas)
    yield make
    for engine in made:
        engine.close()


def test_a_cluster_takes_the_place_of_the_engine_and_its_metrics_are_on_the_page(opened):
    base = get_base("phantom").pinned
    engine, metrics = opened(
        report(0, base=base, metrics=b"# TYPE medzoo_x gauge\nmedzoo_x 2.0\n", **common(read_settings()))
    )
    assert engine.alive
    assert opened.said == [f"starting a cluster on this machine: 2 replicas of {base}", "medzoo-phantom"]
    assert b'medzoo_x{replica="0"} 2.0' in metrics.text()


def test_a_cluster_that_cannot_be_used_is_let_go(opened):
    with pytest.raises(BadInput, match="it runs llava@1"):
        opened(report(0, base="llava@1"))
    assert opened.replicas.closed == 1


def test_the_file_for_a_cluster_names_settings_and_the_application_that_is_asked_for():
    (application,) = yaml.safe_load(FILE.read_text())["applications"]
    settings = Settings.model_validate(application["args"])
    assert application["name"] == f"medzoo-{settings.base}"
    assert settings.max_replicas > settings.replicas
    module, _, name = application["import_path"].partition(":")
    source = Path(__file__).parents[3] / f"{module.replace('.', '/')}.py"
    assert f"def {name}(settings: Settings)" in source.read_text()

"""The dashboard, the alerts and what a server exports are about the same metrics."""

import json
import re
from datetime import timedelta
from pathlib import Path

import promql_parser
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from serving.metrics import Metrics
from zoo import errors

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
BOARD = json.loads((DEPLOY / "grafana" / "medzoo.json").read_text(encoding="utf-8"))
PROMETHEUS = yaml.safe_load((DEPLOY / "prometheus.yml").read_text(encoding="utf-8"))
(ALERTS,) = yaml.safe_load((DEPLOY / "alerts.yml").read_text(encoding="utf-8"))["groups"]
DOCS = (ROOT / "docs" / "watching.md").read_text(encoding="utf-8")

PANELS = [panel for panel in BOARD["panels"] if panel["type"] != "row"]
SHOWN = [target["expr"] for panel in PANELS for target in panel["targets"]]
RULES = [rule["expr"] for rule in ALERTS["rules"]]
VALUES = {"$__rate_interval": "1m", "$job": "medzoo", "$instance": "a|b"}


def read(expression, apart="instance"):
    """The parsed expression, as Grafana sends it once its variables are chosen."""
    for name, value in {**VALUES, "$apart": apart}.items():
        expression = expression.replace(name, value)
    assert "$" not in expression
    return promql_parser.parse(expression)


def selectors(expression):
    """Name and matchers of every series that an expression reads."""
    found = []

    def visit(node):
        one = node.vector_selector if isinstance(node, promql_parser.MatrixSelector) else node
        if isinstance(one, promql_parser.VectorSelector):
            found.append((one.name, {matcher.name: matcher.value for matcher in one.matchers.matchers}))
        return True

    promql_parser.walk(read(expression), visit)
    assert found
    return found


@pytest.fixture(scope="module")
def families():
    """Every metric that a server exports, and the names of its series."""
    metrics = Metrics()
    metrics.request("POST", "/v1/compare", 200, 1.0)
    text = metrics.text().decode()
    return {
        family.name: {sample.name for sample in family.samples}
        for family in text_string_to_metric_families(text)
        if not family.name.endswith("_created")
    }


@pytest.mark.parametrize("expression", [*SHOWN, *RULES])
def test_every_series_that_is_asked_for_is_exported(families, expression):
    exported = set().union(*families.values(), {"up"})
    assert {name for name, _ in selectors(expression)} <= exported


def test_every_metric_that_is_exported_is_on_the_dashboard(families):
    shown = {name for expression in SHOWN for name, _ in selectors(expression)}
    assert [family for family, names in families.items() if not names & shown] == []


@pytest.mark.parametrize("expression", SHOWN)
def test_a_panel_is_of_the_servers_that_were_chosen_summed_or_apart(expression):
    for apart in ("job", "instance"):
        read(expression, apart)
    assert all(
        {"job": "medzoo", "instance": "a|b"}.items() <= told.items() for _, told in selectors(expression)
    )
    assert "$apart" in expression or "by (le)" in expression


def test_panels_stand_beside_and_below_one_another():
    taken = set()
    for panel in BOARD["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert max(x for x, _ in cells) < 24
        assert not cells & taken
        taken |= cells
    assert len({panel["id"] for panel in BOARD["panels"]}) == len(BOARD["panels"])
    assert all(panel["description"] and panel["targets"] for panel in PANELS)


@pytest.mark.parametrize(
    "rule", [rule for rule in ALERTS["rules"] if "for" in rule], ids=lambda one: one["alert"]
)
def test_an_alert_that_waits_is_not_raised_by_one_event(rule):
    looks_at = []

    def visit(node):
        if isinstance(node, promql_parser.MatrixSelector):
            looks_at.append(node.range)
        return True

    promql_parser.walk(read(rule["expr"]), visit)
    waits = timedelta(minutes=int(rule["for"].removesuffix("m")))
    assert waits > max(looks_at, default=timedelta())


@pytest.mark.parametrize("rule", RULES)
def test_an_alert_is_of_a_server_and_not_of_each_replica_of_its_cluster(rule):
    assert rule.startswith("up{") or re.search(r"sum by \(job, instance(, le)?\) \(", rule)


def test_every_reason_in_a_rule_is_an_error_of_the_zoo_that_is_counted_from_nought():
    text = Metrics().text().decode()
    told = [matchers["reason"] for rule in RULES for _, matchers in selectors(rule) if "reason" in matchers]
    assert told
    for reason in "|".join(told).split("|"):
        assert issubclass(getattr(errors, reason), errors.ZooError)
        assert f'medzoo_failures_total{{reason="{reason}"}} 0.0' in text


def test_prometheus_reads_what_is_beside_it_under_the_name_that_the_rules_ask_for():
    assert all((DEPLOY / name).is_file() for name in PROMETHEUS["rule_files"])
    (job,) = PROMETHEUS["scrape_configs"]
    asked = {told["job"] for rule in RULES for _, told in selectors(rule) if "job" in told}
    assert asked == {job["job_name"]}


def test_every_alert_has_its_section():
    told = re.findall(r"^### (Medzoo\w+)", DOCS, re.MULTILINE)
    assert told == [rule["alert"] for rule in ALERTS["rules"]]

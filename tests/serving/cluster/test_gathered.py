from prometheus_client.parser import text_string_to_metric_families

from serving.cluster.gathered import Gathered
from serving.metrics import Metrics


def test_one_page_has_every_family_once_and_says_whose_a_sample_is():
    own, first, second = Metrics(), Metrics(), Metrics()
    own.request("GET", "/", 200, 0.1)
    first.step(3, 0.1)
    second.step(4, 0.1)
    second.first_token(0.2)
    own.told = Gathered(own.told, lambda: {0: first.text(), 1: second.text()})
    text = own.text().decode()
    kinds = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(kinds) == len(set(kinds))
    families = {one.name: one for one in text_string_to_metric_families(text)}
    tokens = {one.labels.get("replica"): one.value for one in families["medzoo_tokens"].samples}
    assert tokens == {None: 0.0, "0": 3.0, "1": 4.0}
    firsts = families["medzoo_first_token_seconds"].samples
    counts = {s.labels.get("replica"): s.value for s in firsts if s.name.endswith("_count")}
    assert counts == {None: 0.0, "0": 0.0, "1": 1.0}

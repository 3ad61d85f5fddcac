"""One page of metrics over all replicas: each one's samples, with a label that tells which."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector


class Gathered(Collector):
    """A server's own metrics with those of its replicas."""

    def __init__(self, own: Collector, replicas: Callable[[], Mapping[int, bytes]]) -> None:
        """`replicas` gives the text of each by its number."""
        self._own, self._replicas = own, replicas

    def collect(self) -> Iterator[Metric]:
        """Every family once."""
        families = {one.name: one for one in self._own.collect()}
        for number, text in self._replicas().items():
            for theirs in _families(text):
                family = families.setdefault(
                    theirs.name, Metric(theirs.name, theirs.documentation, theirs.type)
                )
                for sample in theirs.samples:
                    labels = {**sample.labels, "replica": str(number)}
                    family.add_sample(sample.name, labels, sample.value, sample.timestamp)
        yield from families.values()


def _families(text: bytes) -> Iterable[Metric]:
    """All but when each was made, which a reader of this format takes for a family of its own."""
    found = text_string_to_metric_families(text.decode())
    return (one for one in found if not one.name.endswith("_created"))

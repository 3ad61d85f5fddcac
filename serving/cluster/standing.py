"""Which replicas answer, what they have in their slots and what they counted: all are asked now and then."""

import logging
import threading
from collections.abc import Mapping
from typing import Any

from serving.cluster.replicas import Replicas
from serving.cluster.wire import Report
from serving.core.registry import Registry
from serving.core.requests import AdapterId
from serving.core.watch import Watch

log = logging.getLogger(__name__)

LOOK_S = 1.0
"""How often the replicas are asked."""


class Standing:
    """The replicas as they stood at the last look. A thread looks, from `start` until `close`."""

    def __init__(
        self,
        replicas: Replicas,
        registry: Registry,
        *,
        base: str,
        alike: Mapping[str, object],
        watch: Watch,
        answer_s: float,
        look_s: float = LOOK_S,
    ) -> None:
        """One that runs another `base` or has other settings than `alike`, or takes longer than `answer_s`
        to say how it stands, does not count."""
        self._replicas, self._registry, self._watch = replicas, registry, watch
        self._base, self._alike = base, alike
        self._answer_s, self._look_s = answer_s, look_s
        self._lock, self._over = threading.Lock(), threading.Event()
        self._reports: list[Report] = []
        self._resident: set[AdapterId] = set()
        self._said = ""
        self._thread = threading.Thread(target=self._keep_looking, name="replicas", daemon=True)

    @property
    def names(self) -> tuple[str, ...]:
        """Of those that answer."""
        with self._lock:
            return tuple(one.name for one in self._reports)

    @property
    def metrics(self) -> dict[int, bytes]:
        """What each counted, by its number."""
        with self._lock:
            return {one.replica: one.metrics for one in self._reports}

    def start(self) -> None:
        """Go on looking."""
        self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(self._answer_s + self._look_s)

    def loaded(self, adapter: AdapterId) -> None:
        """An adapter is in a slot now."""
        with self._lock:
            self._resident.add(adapter)
        self._registry.set_status(adapter.repo, adapter.sha, "resident")

    def look(self) -> list[str]:
        """Ask them all.

        Returns:
            Each way in which one differs from what it should be.
        """
        reports, unlike, wrong = list[Report](), list[str](), ""
        try:
            told = self._replicas.reports(self._registry.pinned, timeout_s=self._answer_s)
            unlike = sorted({difference for one in told for difference in self._unlike(one)})
            reports = sorted((one for one in told if not self._unlike(one)), key=lambda one: one.replica)
        except Exception as error:  # the edge: a cluster that is away is one without replicas
            wrong = f"the replicas could not be asked: {type(error).__name__}"
        resident = {adapter for one in reports for adapter in one.resident}
        with self._lock:
            gone, self._resident = self._resident - resident, resident
            left = {one.name for one in self._reports} - {one.name for one in reports}
            self._reports = reports
        self._watch.replicas(len(reports), len(left))
        self._say("; ".join(unlike) or wrong)
        for one in gone:
            self._registry.set_status(one.repo, one.sha, "on_disk")
        for one in resident:
            self._registry.set_status(one.repo, one.sha, "resident")
        return unlike

    def _unlike(self, report: Report) -> list[str]:
        if report.base != self._base:
            return [f"it runs {report.base} and not {self._base}"]
        theirs: Mapping[str, Any] = report.settings
        return [
            f"{name} is {theirs.get(name)} there and {value} here"
            for name, value in self._alike.items()
            if theirs.get(name) != value
        ]

    def _say(self, what: str) -> None:
        """Once, while it stays so."""
        if what and what != self._said:
            log.error("of the cluster: %s", what)
        self._said = what

    def _keep_looking(self) -> None:
        while not self._over.wait(self._look_s):
            self.look()

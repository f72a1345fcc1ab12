"""Metrics of all workers, each series with a label `worker`."""

from collections.abc import Iterable, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Metric
from prometheus_client.registry import Collector
from typing_extensions import override


class WorkerMetrics(Collector):
    """The latest metrics of each worker that runs, and those of the supervisor."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(self)
        self.restarts = Counter(
            "runs_mcp_worker_restarts", "Workers started in place of workers that ended.", registry=self.registry
        )
        Gauge("runs_mcp_workers", "Workers that serve.", registry=self.registry).set_function(lambda: len(self._latest))
        self._latest: dict[int, Sequence[Metric]] = {}

    def update(self, worker: int, metrics: Sequence[Metric]) -> None:
        """Replace the metrics of a worker."""
        self._latest[worker] = metrics

    def remove(self, worker: int) -> None:
        """Remove the metrics of a worker that has ended."""
        self._latest.pop(worker, None)

    @override
    def collect(self) -> Iterable[Metric]:
        """Return the metrics: each name once, as the exposition format requires, with the series of all workers."""
        merged: dict[str, Metric] = {}
        for worker, metrics in sorted(self._latest.items()):
            for metric in metrics:
                target = merged.setdefault(metric.name, Metric(metric.name, metric.documentation, metric.type))
                for sample in metric.samples:
                    labels = {**sample.labels, "worker": str(worker)}
                    target.add_sample(sample.name, labels, sample.value)
        return merged.values()

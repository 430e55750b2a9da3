"""Several processes' metrics as one page."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tierwright.gateway.exposition import Ledger, merged


def page(*, requests: int = 0, in_flight: int = 0, seconds: tuple[float, ...] = (), state: int = 0) -> bytes:
    """The page of one process."""
    registry = CollectorRegistry()
    counter = Counter("tierwright_requests", "Requests.", ("client",), registry=registry)
    if requests:
        counter.labels('a "quoted" client').inc(requests)
    Gauge("tierwright_in_flight", "Under way.", registry=registry).set(in_flight)
    Gauge("tierwright_deployment_state", "The circuit.", ("deployment",), registry=registry).labels("d").set(state)
    histogram = Histogram("tierwright_seconds", "How long.", buckets=(1, 5), registry=registry)
    for value in seconds:
        histogram.observe(value)
    return generate_latest(registry)


def read(text: bytes) -> dict[str, float]:
    """Samples by their name, the bucket's bound behind it."""
    return {
        sample.name + sample.labels.get("le", ""): sample.value
        for family in text_string_to_metric_families(text.decode("utf-8"))
        for sample in family.samples
    }


def test_samples_are_added_and_circuits_are_as_bad_as_the_worst() -> None:
    """Counters, gauges and buckets are sums; a circuit's state is no amount."""
    found = read(merged([page(requests=2, in_flight=1, seconds=(0.5, 3), state=2), page(requests=3, in_flight=4)]))
    assert found["tierwright_requests_total"] == 5
    assert found["tierwright_in_flight"] == 5
    assert found["tierwright_deployment_state"] == 2
    assert (found["tierwright_seconds_bucket1.0"], found["tierwright_seconds_bucket5.0"]) == (1, 2)
    assert (found["tierwright_seconds_count"], found["tierwright_seconds_sum"]) == (2, 3.5)


def test_a_merged_page_reads_as_each_of_its_parts_does() -> None:
    """One page merged alone is that page, types, help and labels included, but for the times of creation."""
    one = page(requests=2, in_flight=1, seconds=(0.5, 3), state=1)
    kept = [line for line in one.decode().splitlines() if "_created" not in line]
    assert merged([one]).decode().splitlines() == kept


def test_what_a_process_counted_outlives_it() -> None:
    """The counts of one that has ended stay in the sums, what it had under way does not."""
    ledger = Ledger()
    ledger.ended(page(requests=2, in_flight=3, seconds=(0.5,), state=2))
    ledger.ended(page(requests=1))
    # One that was never asked has no page.
    ledger.ended(b"")
    found = read(ledger.page([page(requests=10, in_flight=1)]))
    assert (found["tierwright_requests_total"], found["tierwright_seconds_count"]) == (13, 1)
    assert (found["tierwright_in_flight"], found["tierwright_deployment_state"]) == (1, 0)
    assert read(ledger.page([]))["tierwright_requests_total"] == 3

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from sitehub.settings import shapes


def fits(shape: Any, text: str) -> bool:
    try:
        TypeAdapter(shape).validate_python(text)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize(
    ("shape", "good", "bad"),
    [
        (
            shapes.Crontab,
            ["0 2 * * *", "*/5 0-6,22 1,15 1-12/2 7", "59 23 31 12 0"],
            [
                "60 * * * *",
                "* * 0 * *",
                "* * * 13 *",
                "5-1 * * * *",
                "*/0 * * * *",
                "@daily",
                "",
                "a * * * *",
                "* * * *",
            ],
        ),
        (
            shapes.HttpBase,
            ["http://a", "https://a.b:8080/c/d", "http://[::1]:1/x", "http://zürich.example", "http://a/b@c"],
            ["a", "ftp://a", "http://", "http:///x", "http://a?b=1", "http://a b"],
        ),
        (
            shapes.HttpBase,
            ["http://a:65535", "http://a:1"],
            ["http://a:65536", "http://a:0", "http://a:x", "http://:1", "http://[::1", "http://ü..b", "http://u:p@a"],
        ),
        (shapes.HttpAddress, ["https://a/b?c=d", "https://a?b=c@d"], ["//a", "", "http://a:70000/b?c", "http://u@a?b"]),
        (
            shapes.HostPort,
            ["kafka:9092", "127.0.0.1:1", "[::1]:9092"],
            ["kafka", "kafka:", ":9092", "a:1,b:2", "http://a:1", "a:b"],
        ),
        (shapes.TopicName, ["customer-sites-events", "a.b_c"], ["", ".", "..", "a b", "a/b", "x" * 151]),
        (shapes.Period, ["30_days", "12_months"], ["days", "0_days", "30 days", "30_moons"]),
        (
            shapes.AlertCondition,
            ["error_rate > 5%", "response_time>=1.5s", "sync_lag < 900 s", "response_time > 5000ms"],
            ["error_rate > 5ms", "sync_lag > 5%", "sync_lag > 5", "lag > 5s", "sync_lag = 5s", "sync_lag > 1.2.3s"],
        ),
        (shapes.Escalation, ["immediate", "after_15_minutes"], ["after_0_minutes", "later", "after_5_hours"]),
        (
            shapes.Instant,
            ["2025-12-31T23:59:59Z", "2025-12-31T23:59:59.5+02:00"],
            ["2025-12-31T23:59:59", "2025-13-01T00:00:00Z", "soon"],
        ),
        (shapes.UrlPath, ["/", "/customers/{{site_id}}?x=1"], ["", "customers", "/a b", "/a#b"]),
        (shapes.HeaderName, ["X-API-Key"], ["", "X Key", "X:Key", "Schlüssel"]),
        (
            shapes.WebOrigin,
            ["*", "https://app.example.com", "http://localhost:3000"],
            ["app.example.com", "https://a/b", "https://*/"],
        ),
    ],
)
def test_a_shape_takes_what_works_and_refuses_what_does_not(shape: Any, good: list[str], bad: list[str]) -> None:
    assert [text for text in good if not fits(shape, text)] == []
    assert [text for text in bad if fits(shape, text)] == []

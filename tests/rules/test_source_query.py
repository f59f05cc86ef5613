"""The queries of batch operations: what the watermark is, and where a question mark means nothing."""

import json
from pathlib import Path

import pytest

from sitehub.rules.source_query import SourceQuery, parse_query

GUIDE = json.loads((Path(__file__).parents[2] / "config" / "billing.json").read_bytes())["batch_sync_config"]


def test_the_guides_queries_are_taken_as_they_are() -> None:
    found = [parse_query(operation["source_query"]) for operation in GUIDE["sync_operations"]]

    assert found == [
        SourceQuery("SELECT * FROM customer_sites WHERE updated_at >= $1", "updated_at"),
        SourceQuery("SELECT * FROM contracts WHERE updated_at >= $1", "updated_at"),
    ]


@pytest.mark.parametrize(
    ("query", "sql", "column"),
    [
        ("select 1 from t where t.Seen > ?;", "select 1 from t where t.Seen > $1", "seen"),
        ('select 1 from t where "Seen At">=?', 'select 1 from t where "Seen At">=$1', "Seen At"),
        ("select '?', '''?' from t where a >= ?", "select '?', '''?' from t where a >= $1", "a"),
        ("select $q$?$q$ from t /* ? */ where a >= ? -- ?\n", "select $q$?$q$ from t /* ? */ where a >= $1 -- ?", "a"),
        ("select 1 from t where a >= ? or (a > ? and b)", "select 1 from t where a >= $1 or (a > $1 and b)", "a"),
    ],
)
def test_only_question_marks_outside_of_texts_and_comments_are_the_watermark(query: str, sql: str, column: str) -> None:
    assert parse_query(query) == SourceQuery(sql, column)


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("SELECT * FROM customer_sites", "no ?"),
        ("SELECT '?' FROM customer_sites -- updated_at >= ?", "no ?"),
        ("SELECT * FROM t WHERE updated_at >= $1", "$1 beside ?"),
        ("SELECT * FROM t WHERE age(?) > now()", "are none"),
        ("SELECT * FROM t WHERE a >= ? AND b >= ?", "are a, b"),
    ],
)
def test_a_query_that_can_be_none_is_told_why(query: str, told: str) -> None:
    found = parse_query(query)

    assert isinstance(found, str)
    assert told in found

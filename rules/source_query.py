"""The query of a batch operation: `?` is the watermark, and the column that it is compared with is what moves it."""

import re
from dataclasses import dataclass

PARTS = re.compile(
    r"""(?P<kept>
            '(?:[^']|'')*' | "(?:[^"]|"")*" | --[^\n]* | /\*.*?\*/ | \$(?P<tag>[A-Za-z_]*)\$.*?\$(?P=tag)\$
        ) | \?""",
    re.DOTALL | re.VERBOSE,
)
"""Texts, names and comments, in which a question mark is none of ours; and question marks."""
PARAMETER = "$1"
COMPARED = re.compile(r'(?:"(?P<quoted>[^"]+)"|(?P<plain>[A-Za-z_][A-Za-z0-9_$]*))\s*>=?\s*\$1(?![0-9])')


@dataclass(frozen=True, slots=True)
class SourceQuery:
    """SQL with the watermark as its first parameter, and the column that holds a row's own time."""

    sql: str
    watermark_column: str


def parse_query(query: str) -> SourceQuery | str:
    """The query, or why it can't be one. The watermark is a parameter, never text."""
    sql = PARTS.sub(lambda found: found["kept"] or PARAMETER, query).strip().rstrip(";").rstrip()
    if PARAMETER in PARTS.sub("", query):
        return "$1 beside ?: only ? stands for the watermark"
    if PARAMETER not in PARTS.sub(lambda found: "" if found["kept"] else PARAMETER, query):
        return "no ? for the watermark"
    columns = {found["quoted"] or found["plain"].lower() for found in COMPARED.finditer(sql)}
    if len(columns) != 1:
        named = ", ".join(sorted(columns)) or "none"
        return f"the columns that ? is compared with are {named}: there must be one, as in updated_at >= ?"
    return SourceQuery(sql, columns.pop())

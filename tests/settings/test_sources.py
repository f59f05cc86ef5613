from pathlib import Path

from sitehub.settings.sources import Sources


def read(*paths: Path) -> Sources:
    sources = Sources()
    sources.read(paths)
    return sources


def test_a_folder_is_read_in_the_order_of_its_names_markdown_too(tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text('{"x": {"of": "b", "b": 1}}')
    (tmp_path / "a.json").write_text('{"x": {"of": "a", "a": 1}}')
    (tmp_path / "c.md").write_text('```json\n{"x": {"of": "c"}}\n```')
    (tmp_path / "README.md").write_text("no block")
    (tmp_path / "notes.txt").write_text("{")

    sources = read(tmp_path)

    assert sources.merged.document == {"x": {"of": "c", "a": 1, "b": 1}}
    assert sources.mistakes == []
    assert sources.merged.file_of(("x", "a")).endswith("a.json")
    assert sources.merged.file_of(("x", "of")).endswith("c.md")


def test_what_can_not_be_read_is_a_mistake_each(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "other.yaml").write_text("a: 1")
    (tmp_path / "prose.md").write_text("no block")
    (tmp_path / "latin.json").write_bytes(b'{"a": "\xe9"}')
    names = ["empty", "other.yaml", "prose.md", "latin.json", "nowhere.json"]

    sources = read(*(tmp_path / name for name in names))

    assert [Path(mistake.file).name for mistake in sources.mistakes] == names
    assert [mistake.found for mistake in sources.mistakes if "latin" not in mistake.file] == [
        "a folder without configuration",
        "a file of another kind",
        "no fenced json block",
        "no such file or folder",
    ]
    assert sources.unread


def test_text_that_is_no_json_is_told_with_its_line_and_column(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{\n  "a": 1,\n  "b" 2\n}')

    (mistake,) = read(tmp_path / "x.json").mistakes

    assert (mistake.path, mistake.found) == ("line 3, column 7", "Expecting ':' delimiter")


def test_in_markdown_line_and_column_are_those_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "x.md").write_text('# Title\n\n1. Setup:\n   ```json\n   {\n     "a" 1\n   }\n   ```\n')

    (mistake,) = read(tmp_path / "x.md").mistakes

    assert mistake.path == "line 6, column 10"


def test_a_block_that_does_not_end_is_told_where_it_begins(tmp_path: Path) -> None:
    (tmp_path / "x.md").write_text('# Title\n\n```json\n{"a": 1}\n')

    assert read(tmp_path / "x.md").mistakes[0].path == "line 3"


def test_a_document_that_is_no_object_is_a_mistake(tmp_path: Path) -> None:
    for name, text in (("a", "[]"), ("b", "null"), ("c", "1"), ("d", '"x"'), ("e", "true")):
        (tmp_path / f"{name}.json").write_text(text)

    found = [mistake.found for mistake in read(tmp_path).mistakes]

    assert found == ["a list", "null", "a number", "a text", "true or false"]


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_bytes(b'\xef\xbb\xbf{"a": 1}')

    assert read(tmp_path / "x.json").mistakes == []

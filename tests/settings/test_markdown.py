from sitehub.settings.markdown import json_blocks


def texts(markdown: str) -> list[str]:
    return [block.text.strip() for block in json_blocks(markdown)]


def test_blocks_are_found_however_they_are_indented_or_fenced() -> None:
    markdown = [
        "```json\n1\n```\n",
        "   ```json\n   2\n   ```\n",
        "\t```JSON\n3\n\t```",
        "~~~json\n4\n~~~",
        "````json title=x\n5\n````",
    ]

    assert texts("\n".join(markdown)) == ["1", "2", "3", "4", "5"]


def test_other_languages_are_not_read() -> None:
    assert texts("```jsonc\n1\n```\n```json5\n2\n```\n```\n3\n```\n```bash\n4\n```\n") == []


def test_a_block_inside_a_block_is_only_shown() -> None:
    assert texts("````markdown\n```json\n1\n```\n````\n```json\n2\n```\n") == ["2"]


def test_a_fence_ends_with_as_many_marks_of_its_own() -> None:
    assert texts("````json\n```\n~~~~\n1\n`````\n") == ["```\n~~~~\n1"]


def test_a_block_knows_its_line_and_whether_it_ends() -> None:
    blocks = list(json_blocks("# T\n```json\n{}\n```\n\n```json\n{"))

    assert [(block.line, block.closed) for block in blocks] == [(3, True), (7, False)]


def test_inline_marks_open_nothing() -> None:
    assert texts("Write ```json``` so.\n```json``` too.\n") == []

"""The prompt file in the guide can be loaded."""

from pathlib import Path

from runs_mcp.server.prompts.prompt_file import load
from tests.docs.documents import Block, blocks, each


@each(blocks("markdown"))
def test_a_prompt_file_can_be_loaded_and_filled_in(block: Block, tmp_path: Path) -> None:
    (tmp_path / "own.md").write_text(block.text, encoding="utf-8")
    [prompt] = load(tmp_path)
    filled_in = prompt.render({argument.name: "<given>" for argument in prompt.arguments})
    assert "<given>" in filled_in
    assert "$" not in filled_in

"""Every configuration in the guides works, and every other structured block can be parsed."""

from pathlib import Path

import pytest
from mcp_types import jsonrpc_message_adapter, server_notification_adapter

from runs_mcp.config.load import load
from tests.docs.documents import Block, blocks, each, is_a_clients, is_ours, read
from tests.docs.machine import Machine, servers

STRUCTURED = list(blocks("json", "toml", "yaml"))


@each(one for one in STRUCTURED if is_ours(one))
def test_a_configuration_can_be_loaded(block: Block, tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text(block.text, encoding="utf-8")
    load(file)


@pytest.mark.anyio
@each(one for one in STRUCTURED if is_a_clients(one))
@pytest.mark.slow
async def test_the_servers_in_configurations_of_clients_start_and_answer(block: Block, machine: Machine) -> None:
    for words in servers(read(block)):
        await machine.answers(words)


@each(one for one in STRUCTURED if not is_ours(one) and not is_a_clients(one))
def test_other_configurations_parse(block: Block) -> None:
    said = read(block)
    if "jsonrpc" in said:
        jsonrpc_message_adapter.validate_python(said)
        server_notification_adapter.validate_python(said)

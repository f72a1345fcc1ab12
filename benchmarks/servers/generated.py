"""Server that FastMCP generates from an OpenAPI document, over stdio or over HTTP at a port."""

import json
import os
import sys
from pathlib import Path

import httpx2
from fastmcp import FastMCP

document = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
headers = {"Authorization": os.environ["API_AUTHORIZATION"]} if "API_AUTHORIZATION" in os.environ else {}
client = httpx2.AsyncClient(base_url=os.environ["API_URL"], headers=headers)
server = FastMCP.from_openapi(openapi_spec=document, client=client)
if len(sys.argv) > 2:  # noqa: PLR2004 - the port is the second argument
    server.run("http", port=int(sys.argv[2]), show_banner=False, log_level="error")
else:
    server.run(show_banner=False)

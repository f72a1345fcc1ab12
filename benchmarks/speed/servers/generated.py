"""FastMCP's server, generated from an OpenAPI document."""

import json
import os
import sys
from pathlib import Path

import httpx2
from fastmcp import FastMCP

document = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
client = httpx2.AsyncClient(base_url=os.environ["API_URL"])
FastMCP.from_openapi(openapi_spec=document, client=client).run(show_banner=False)

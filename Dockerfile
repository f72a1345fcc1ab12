FROM python:3.13-slim-bookworm AS build
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE config.example.json ./
COPY prompts prompts
COPY runs_mcp runs_mcp
RUN python -m venv /opt/runs-mcp \
 && /opt/runs-mcp/bin/pip install --no-cache-dir -c constraints.txt '.[otel,redis]' \
 && /opt/runs-mcp/bin/pip uninstall --yes pip

FROM python:3.13-slim-bookworm
COPY --from=build /opt/runs-mcp /opt/runs-mcp
# `runs-mcp keys` stores the hashes of callers' keys here; a new volume inherits owner and mode.
RUN install --directory --owner=65532 --group=65532 --mode=0700 /var/lib/runs-mcp
ENV PATH=/opt/runs-mcp/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1
USER 65532:65532
WORKDIR /var/lib/runs-mcp
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
ENTRYPOINT ["runs-mcp"]
CMD ["serve", "--http", "--host", "0.0.0.0", "--port", "8000"]

# The gateway alone: PostgreSQL, Valkey and the model are services of their own (docker-compose.yml).
FROM python:3.11.14-slim-bookworm AS build
WORKDIR /opt/tallylight
RUN python -m venv .venv
COPY requirements/serve.lock requirements/serve.lock
RUN .venv/bin/pip install --no-cache-dir --require-hashes -r requirements/serve.lock
COPY pyproject.toml README.md LICENSE ./
COPY client client
COPY server server
COPY static static
COPY templates templates
RUN .venv/bin/pip install --no-cache-dir --no-deps --no-build-isolation -e .

FROM python:3.11.14-slim-bookworm
RUN useradd --system --uid 10001 --no-create-home tallylight
COPY --from=build /opt/tallylight /opt/tallylight
WORKDIR /opt/tallylight
ENV PATH=/opt/tallylight/.venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001
EXPOSE 8420
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8420/readyz', timeout=4)"]
STOPSIGNAL SIGTERM
CMD ["tallylight", "serve", "--host", "0.0.0.0", "--port", "8420"]

# How to run it: docs/operations.md. State lies in /var/lib/relay, configuration in /etc/relay; everything else may be
# read-only.

FROM python:3.11-slim-bookworm AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/relay
WORKDIR /src

# Libraries first: they change less often than our own code. Only what the lock names, byte for byte.
COPY requirements/runtime.lock requirements/
RUN /opt/relay/bin/pip install --no-deps --require-hashes -r requirements/runtime.lock

COPY pyproject.toml README.md LICENSE ./
COPY relay/ relay/
RUN /opt/relay/bin/pip install --no-deps .
RUN /opt/relay/bin/pip uninstall --yes pip setuptools


FROM python:3.11-slim-bookworm

# The numbers are fixed, so that a volume belongs to the same user in every version of the image.
RUN groupadd --system --gid 825 relay \
    && useradd --system --uid 825 --gid relay --home-dir /var/lib/relay --shell /usr/sbin/nologin relay \
    && install --directory --owner=relay --group=relay --mode=0750 /var/lib/relay \
    && install --directory --owner=root --group=relay --mode=0750 /etc/relay

COPY --from=build /opt/relay /opt/relay

ENV PATH=/opt/relay/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONSAFEPATH=1 \
    PYTHONUNBUFFERED=1 \
    RELAY_CONFIG=/etc/relay/relay.yaml \
    RELAY_WEB=127.0.0.1:8025

# By number, so that it can be seen from outside that this is not root.
USER 825:825
WORKDIR /var/lib/relay
VOLUME /var/lib/relay

# mx, submission, submissions, web: as in the shipped configuration. Publish them as 25, 587 and 465.
EXPOSE 2525 2587 2465 8025

# Where `listeners.web` is not on this address, set RELAY_WEB.
HEALTHCHECK --interval=30s --timeout=10s --start-period=5m --retries=3 \
    CMD ["python", "-c", "import http.client, os, sys; web = http.client.HTTPConnection(os.environ['RELAY_WEB'], timeout=8); web.request('GET', '/readyz'); sys.exit(web.getresponse().status != 200)"]

ENTRYPOINT ["relay"]
CMD ["serve"]

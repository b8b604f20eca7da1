# The front end, and the sender of webhooks: no torch. Built from the project's folder.
#
# The base by its tag; `--build-arg PYTHON=python@sha256:...` pins its very bytes.
ARG PYTHON=python:3.11-slim-bookworm

# Only what is to be installed: a line changed elsewhere in pyproject.toml installs nothing again.
FROM ${PYTHON} AS wanted
WORKDIR /wanted
COPY pyproject.toml docker/wanted.py ./
RUN python wanted.py tracing > packages.txt

FROM ${PYTHON} AS packages
WORKDIR /build
RUN python -m venv --without-pip /opt/venv
COPY requirements.lock .
COPY --from=wanted /wanted/packages.txt .
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /opt/venv/bin/python install --constraint requirements.lock --requirement packages.txt
RUN printf '#!/bin/sh\nexec python -m app.cli "$@"\n' > /opt/venv/bin/darkroom \
 && chmod 755 /opt/venv/bin/darkroom

FROM ${PYTHON} AS code
COPY app /opt/darkroom/app
COPY --from=wanted /wanted/darkroom.dist-info /opt/darkroom/darkroom.dist-info
RUN python -m compileall -q /opt/darkroom

FROM ${PYTHON}
# Named volumes that are mounted here for the first time inherit the owner.
RUN groupadd --gid 10001 darkroom \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp darkroom \
 && install -d -o 10001 -g 10001 /var/lib/darkroom /var/lib/darkroom/images /run/secrets
ENV PATH=/opt/venv/bin:$PATH PYTHONPATH=/opt/darkroom PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    DARKROOM_DATA_DIR=/var/lib/darkroom
WORKDIR /var/lib/darkroom
COPY --from=packages /opt/venv /opt/venv
COPY --from=code /opt/darkroom /opt/darkroom
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --start-interval=1s --retries=3 \
    CMD ["python", "-m", "app.healthcheck", "api"]
STOPSIGNAL SIGTERM
CMD ["darkroom", "api", "--host", "0.0.0.0", "--port", "8000"]

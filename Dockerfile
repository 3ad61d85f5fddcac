# MedVLM Zoo as an image. Research software, not a medical device: never for diagnosis or treatment.
#   docker build -t medvlm-zoo .                          # for CPUs
#   docker build -t medvlm-zoo:cuda --build-arg TARGET=cuda .
#   docker run --rm -p 127.0.0.1:7860:7860 medvlm-zoo     # the demo, at http://127.0.0.1:7860
#   docker run --rm medvlm-zoo serve --help               # every other verb of `medzoo`
# docs/container.md tells of GPUs, keys, TLS, a read-only root and machines without a network.

FROM python:3.11-slim AS build
# cpu or cuda; PyPI's torch is the one for CUDA, whose libraries come with it. Indexes are build arguments: none
# stays in the image.
ARG TARGET=cpu
ARG TORCH_INDEX_URL=https://download.pytorch.org/whl/cpu
ARG PIP_INDEX_URL
ENV PATH=/zoo/bin:$PATH
WORKDIR /app
COPY constraints.txt ./
RUN python -m venv /zoo && case "$TARGET" in \
    cpu) pip install --no-cache-dir --no-deps --index-url "$TORCH_INDEX_URL" "$(grep '^torch==' constraints.txt)" ;; \
    cuda) pip install --no-cache-dir --constraint constraints.txt torch bitsandbytes ;; \
    *) echo "TARGET is $TARGET; it is cpu or cuda" >&2; exit 1 ;; \
    esac
COPY pyproject.toml README.md LICENSE ./
COPY zoo zoo
COPY model_cards model_cards
COPY training training
COPY serving serving
RUN pip install --no-cache-dir --constraint constraints.txt '.[serve,hub,postgres,traces,cluster]'

# The demo's three adapters are trained here, once, so that a container starts with them.
FROM build AS demo
ARG PIP_INDEX_URL
RUN pip install --no-cache-dir --constraint constraints.txt '.[evaluate]' \
    && medzoo demo --once --port 0 --dir /demo \
    && rm -rf /demo/*/cache

FROM python:3.11-slim
RUN useradd --uid 1000 --home-dir /cache --create-home zoo
COPY --from=build /zoo /zoo
COPY --from=demo --chown=1000:1000 /demo /demo
# All that is written lies under /cache, so the rest may be read-only. Pictures are never written.
ENV PATH=/zoo/bin:$PATH \
    HOME=/cache \
    HF_HOME=/cache/huggingface \
    XDG_CACHE_HOME=/cache/xdg \
    XDG_CONFIG_HOME=/cache/config \
    MPLCONFIGDIR=/cache/matplotlib \
    TORCHINDUCTOR_CACHE_DIR=/cache/inductor \
    TRITON_CACHE_DIR=/cache/triton \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
ARG REVISION=unknown
LABEL org.opencontainers.image.title="MedVLM Zoo" \
      org.opencontainers.image.description="Compare and serve preference-tuned medical vision-language models. Research software, not a medical device." \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.licenses="Apache-2.0"
WORKDIR /cache
VOLUME /cache
USER 1000:1000
EXPOSE 7860
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=180s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.build_opener(u.ProxyHandler({})).open('http://127.0.0.1:' + os.environ.get('MEDZOO_PORT', '7860') + '/readyz', timeout=4)"]
ENTRYPOINT ["medzoo"]
CMD ["demo", "--public", "--from", "/demo", "--dir", "/cache/demo"]

# Two images from one file: `api` carries no torch, `worker` does.
#   docker build --target api -t rmatch-api .
#   docker build --target worker -t rmatch-worker .
FROM python:3.11-slim AS base
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /app
RUN useradd --create-home --uid 10001 rmatch && install -d -o rmatch -g rmatch /data /models
ENV RMATCH_DATA_DIR=/data RMATCH_MODELS_DIR=/models
COPY requirements-api.lock .
RUN pip install -r requirements-api.lock

FROM base AS api
COPY . .
RUN pip install --no-deps .
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
CMD ["rmatch", "api", "--host", "0.0.0.0", "--port", "8000"]

FROM base AS worker
# The default index gives torch with CUDA; `--build-arg TORCH_INDEX_URL=...` may name one with the smaller CPU build.
ARG TORCH_INDEX_URL=""
COPY pyproject.toml README.md requirements.lock ./
RUN pip install ${TORCH_INDEX_URL:+--index-url "$TORCH_INDEX_URL"} "$(grep '^torch==' requirements.lock)"
RUN grep -E '^(safetensors|scipy|spglib|moyopy|matplotlib|rdkit|posebusters|chgnet|Cython|nvidia-ml-py3)==' requirements.lock > requirements-engine.lock \
 && pip install -r requirements-engine.lock
# The engine's kernel is compiled on the machine that runs it, for its processor.
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
COPY . .
RUN pip install --no-deps .
USER 10001
CMD ["rmatch", "worker"]

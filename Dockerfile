# The page. PyPI's own PyTorch brings CUDA along, several gigabytes of it; without a GPU build with
#   docker build --build-arg EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu -t latent-space-explorer .
FROM python:3.11-slim

ARG EXTRA_INDEX_URL=""
WORKDIR /app
COPY requirements.txt .
RUN pip install --no-cache-dir ${EXTRA_INDEX_URL:+--extra-index-url "$EXTRA_INDEX_URL"} -r requirements.txt

COPY . .
RUN useradd --uid 10001 --no-create-home --home-dir /tmp explorer \
    && install --directory --owner explorer /cache
USER 10001

# The page writes to the cache and to /tmp and nowhere else, so that all the rest may be read-only.
ENV LATENT_CACHE=/cache \
    HOME=/tmp \
    OMP_NUM_THREADS=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
VOLUME /cache
EXPOSE 8501

HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8501/_stcore/health', timeout=4)"]

CMD ["streamlit", "run", "streamlit_app.py", "--server.address=0.0.0.0", "--server.port=8501", "--server.headless=true"]

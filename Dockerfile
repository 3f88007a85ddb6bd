# syntax=docker/dockerfile:1
# MODELS=models brings torch, SAM and CLIP; MODELS= (empty) keeps the classical space only and a small image.
FROM python:3.12-slim-bookworm AS base
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /app
ARG MODELS=models
COPY pyproject.toml constraints.txt README.md LICENSE ./
RUN mkdir geolocator photos search \
    && pip install -c constraints.txt ".${MODELS:+[${MODELS}]}" \
    && pip uninstall -y geolocator
COPY manage.py ./
COPY geolocator geolocator
COPY photos photos
COPY search search
COPY templates templates
COPY static static
RUN useradd --system --uid 10001 --home-dir /data geolocator \
    && install -d -o geolocator /data \
    && DATA_DIR=/tmp/build SECRET_KEY=build DATABASE_URL=postgres://build REDIS_URL=redis://build \
       STATIC_ROOT=/app/staticfiles python manage.py collectstatic --noinput \
    && rm -rf /tmp/build
ENV DATA_DIR=/data STATIC_ROOT=/app/staticfiles
USER geolocator
VOLUME /data

# Bulk extraction without a database: docker build --target extract
FROM base AS extract
ENTRYPOINT ["python", "-m", "photos.vision"]
CMD ["--help"]

FROM base AS app
EXPOSE 8000
CMD ["gunicorn", "geolocator.wsgi", "--bind", "0.0.0.0:8000", "--worker-class", "gthread", "--workers", "2", "--threads", "8", "--access-logfile", "-", "--max-requests", "5000", "--max-requests-jitter", "500"]

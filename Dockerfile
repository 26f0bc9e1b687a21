# One image for all programs: escrow serve, escrow work, escrow migrate, escrow-gateway.
# Build it from the root of the repository: docker build --tag escrow .

# `make image` names it by digest, so that what was checked is what is built on.
ARG PYTHON_IMAGE=python:3.13-slim

FROM ${PYTHON_IMAGE} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /app
RUN python -m venv /opt/escrow
ENV PATH=/opt/escrow/bin:$PATH

# The locked packages first: this layer changes with the lock only.
COPY requirements.lock requirements-dev.lock ./
RUN pip install --require-hashes --only-binary :all: --requirement requirements.lock
# What builds our own two packages, with the hashes of the development lock.
RUN sed -n '/^setuptools==/,/[^\\]$/p' requirements-dev.lock > setuptools.lock \
    && pip install --require-hashes --only-binary :all: --requirement setuptools.lock

# In place, because the programs read migrations/ beside their code. Compiled now, because the file
# system is read-only later. What only builds does not stay: neither setuptools nor pip.
COPY pyproject.toml README.md LICENSE ./
COPY proto proto
COPY migrations migrations
# Without service/local (.dockerignore): what only one machine needs, make run and the like.
COPY service service
COPY webhook_gateway webhook_gateway
RUN pip install --no-deps --no-build-isolation --editable . --editable proto \
    && pip check \
    && python -m compileall -q service webhook_gateway proto \
    && rm -rf /opt/escrow/bin/stripe-sandbox ./*.lock ./*.egg-info proto/*.egg-info \
    && pip uninstall --yes setuptools pip


FROM ${PYTHON_IMAGE}
ARG PYTHON_IMAGE
LABEL org.opencontainers.image.base.name=${PYTHON_IMAGE}
ENV PATH=/opt/escrow/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# The number that helm/escrow/values.yaml names; numeric, so that Kubernetes can see it is not root.
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin escrow
COPY --from=build /opt/escrow /opt/escrow
COPY --from=build /app /app
WORKDIR /app
USER 10001:10001
EXPOSE 50051 8080 9464
CMD ["escrow", "serve"]

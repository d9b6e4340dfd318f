# One image for every service. SERVICE says which one a container runs:
#   docker build -t batuta .
#   docker run -e SERVICE=gateway batuta
ARG NODE_IMAGE=node:24-bookworm-slim

# Only the manifests, so that a change of the source does not install all packages again.
FROM ${NODE_IMAGE} AS manifests
WORKDIR /app
COPY . .
RUN find libs services -type f ! -name package.json -delete \
    && find libs services -type d -empty -delete

FROM ${NODE_IMAGE} AS build
WORKDIR /app
COPY --from=manifests /app/package.json /app/package-lock.json /app/.npmrc ./
COPY --from=manifests /app/libs libs
COPY --from=manifests /app/services services
# Scripts of packages do not run. The compilers and everything that the services import work without them.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY . .
RUN ./node_modules/.bin/tsc -b \
      services/gateway/tsconfig.build.json \
      services/config/tsconfig.build.json \
      services/execution/tsconfig.build.json \
      services/step-runner/tsconfig.build.json \
      services/notifications/tsconfig.build.json \
    && node tools/bundle/main.mjs \
    && rm -rf libs/*/node_modules services/*/node_modules libs/*/src services/*/src \
    && find libs services -type f ! -name '*.js' ! -name '*.js.map' ! -name package.json \
      ! -name '*.bundle.cjs' ! -name '*.bundle.cjs.code' ! -name '*.bundle.cjs.lines' -delete

FROM ${NODE_IMAGE} AS dependencies
WORKDIR /app
COPY --from=manifests /app/package.json /app/package-lock.json /app/.npmrc ./
COPY --from=manifests /app/libs libs
COPY --from=manifests /app/services services
RUN npm ci --ignore-scripts --no-audit --no-fund --omit=dev --include-workspace-root=false \
      --workspace services/gateway \
      --workspace services/config \
      --workspace services/execution \
      --workspace services/step-runner \
      --workspace services/notifications

FROM ${NODE_IMAGE}
LABEL org.opencontainers.image.title="Batuta" \
      org.opencontainers.image.licenses="Apache-2.0"
WORKDIR /app
COPY --from=dependencies /app ./
COPY --from=build /app/libs libs
COPY --from=build /app/services services
COPY deploy/docker/health.mjs ./
# Owned by the user that runs the service, so that a new volume mounted here belongs to it too. The first admin key is written there.
RUN mkdir /var/lib/batuta && chown 1000:1000 /var/lib/batuta
# Without this setting glibc keeps freed blocks of a mebibyte in pieces that fit no later allocation.
ENV NODE_ENV=production \
    MALLOC_ARENA_MAX=2 \
    MALLOC_MMAP_THRESHOLD_=131072 \
    MALLOC_TRIM_THRESHOLD_=131072 \
    SERVICE=gateway \
    BATUTA_GATEWAY_HTTP_HOST=0.0.0.0 \
    BATUTA_GATEWAY_HTTP_PORT=3000 \
    BATUTA_CONFIG_HTTP_HOST=0.0.0.0 \
    BATUTA_CONFIG_HTTP_PORT=8080 \
    BATUTA_EXECUTION_HTTP_HOST=0.0.0.0 \
    BATUTA_EXECUTION_HTTP_PORT=8080 \
    BATUTA_STEP_RUNNER_HTTP_HOST=0.0.0.0 \
    BATUTA_STEP_RUNNER_HTTP_PORT=8080 \
    BATUTA_NOTIFICATIONS_HTTP_HOST=0.0.0.0 \
    BATUTA_NOTIFICATIONS_HTTP_PORT=8080
# The user "node" of the official image, as a number, so that Kubernetes can see that it is not root.
USER 1000:1000
EXPOSE 3000 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 CMD ["node", "/app/health.mjs"]
# exec makes the service process 1, so it receives SIGTERM and can hand over its work.
ENTRYPOINT ["/bin/sh", "-c", "exec node --enable-source-maps \"services/${SERVICE}/dist/main.js\""]

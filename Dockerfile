# One image for every service; SERVICE says which one a container runs:
#   docker build -t batuta .
#   docker run -e SERVICE=gateway batuta
ARG NODE_IMAGE=node:24-bookworm-slim

# The manifests alone, so that a change of source does not install everything again.
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
# No script of a package runs: the compilers and everything that the services import work without.
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
# Owned by the user that runs, so that a volume mounted here begins as that user's: the first admin key is written to it.
RUN mkdir /var/lib/batuta && chown 1000:1000 /var/lib/batuta
# glibc keeps freed blocks of a mebibyte for itself, in pieces that fit nothing later, unless it is told to give them back.
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
# The official image's user "node", as a number: Kubernetes can then see that it is not root.
USER 1000:1000
EXPOSE 3000 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 CMD ["node", "/app/health.mjs"]
# exec, so that the service is process 1 and gets the SIGTERM that lets it hand over.
ENTRYPOINT ["/bin/sh", "-c", "exec node --enable-source-maps \"services/${SERVICE}/dist/main.js\""]

# The image holds the server and the libraries that it needs, nothing else of ours: no
# compiler, no shell script, no curl. It runs as a user without a name, on a read-only
# root file system, without any capability: see deploy/compose.yaml.

FROM debian:bookworm-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends \
        gcc libc6-dev make pkg-config \
        libmicrohttpd-dev libcjson-dev libpng-dev libjpeg62-turbo-dev libwebp-dev \
        libisal-dev libzip-dev libcairo2-dev libfreetype-dev fonts-dejavu-core libgif-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY Makefile ./
COPY engine engine
COPY api api
COPY server server
ARG COMMIT=unknown
RUN make -j"$(nproc)" COMMIT="$COMMIT" && strip build/release/convscope

FROM debian:bookworm-slim
LABEL org.opencontainers.image.title="convscope" \
      org.opencontainers.image.description="Shows what a convolutional network sees" \
      org.opencontainers.image.licenses="MIT"
RUN apt-get update && apt-get install -y --no-install-recommends \
        libmicrohttpd12 libcjson1 libpng16-16 libjpeg62-turbo libwebp7 libwebpdemux2 \
        libisal2 libzip4 libcairo2 libfreetype6 libgif7 \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /src/build/release/convscope /usr/local/bin/convscope
USER 10001:10001
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 \
    CMD ["convscope", "health"]
ENTRYPOINT ["convscope"]

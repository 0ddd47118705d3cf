# An image with nothing in it but the program, the certificates of public authorities,
# and a user without rights. Build it with:
#
#     docker build -t groupsyncd .
#
# docs/install-container.md says how to run it, and how to build the same image twice.

# The tag says which Go builds it, and a tag can be moved: where that matters, give the digest
# that you have checked, --build-arg GO_IMAGE=docker.io/library/golang@sha256:...
ARG GO_IMAGE=docker.io/library/golang:1.26.8-bookworm

# The builder is of the builder's own platform: Go compiles for the others from there.
FROM --platform=$BUILDPLATFORM ${GO_IMAGE} AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# Set by docker buildx; the values of SOURCE_DATE_EPOCH and VERSION are the builder's choice.
ARG TARGETOS TARGETARCH
ARG SOURCE_DATE_EPOCH=0
ARG VERSION
RUN packaging/container/rootfs.sh /out

FROM scratch
ARG VERSION REVISION
LABEL org.opencontainers.image.title="groupsyncd" \
      org.opencontainers.image.description="Makes the groups of Open WebUI follow LDAP, Keycloak, Entra, Okta and other directories" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /out/root/ /
COPY --from=build --chown=65532:65532 /out/state/ /var/lib/
# A number, because Kubernetes cannot tell of a name that it is not root.
USER 65532:65532
WORKDIR /var/lib/groupsyncd
# The state must be on a local disk: network file systems are refused.
VOLUME /var/lib/groupsyncd
# The first signal finishes the call under way; give it a minute: docker stop -t 75.
STOPSIGNAL SIGTERM
# Nothing else is in the image that could ask. It depends on the daemon alone: a directory that
# is down makes no container unhealthy.
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s --retries=3 CMD ["/usr/bin/groupsyncd", "healthcheck"]
ENTRYPOINT ["/usr/bin/groupsyncd"]
CMD ["serve"]

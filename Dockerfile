# An image with nothing in it but the program, the certificates of public authorities,
# and a user without rights. Build it with:  docker build -t groupsyncd .
#
# Run it with the configuration and the secrets mounted read-only, the secrets readable
# by user 65532 and not by everybody:
#
#     docker run --read-only --cap-drop=ALL \
#       -v /etc/groupsyncd:/etc/groupsyncd:ro -v groupsyncd-state:/var/lib/groupsyncd groupsyncd

FROM golang:1.26.8-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# The tag puts the time zones into the binary, because the image has none.
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false -tags timetzdata -ldflags="-s -w" -o /out/root/usr/bin/groupsyncd ./cmd/groupsyncd
RUN mkdir -p /out/root/etc/ssl/certs /out/root/etc/groupsyncd \
 && cp /etc/ssl/certs/ca-certificates.crt /out/root/etc/ssl/certs/ \
 && echo 'groupsyncd:x:65532:65532::/var/lib/groupsyncd:/sbin/nologin' > /out/root/etc/passwd \
 && echo 'groupsyncd:x:65532:' > /out/root/etc/group \
 && mkdir -p -m 0700 /out/state/groupsyncd

FROM scratch
COPY --from=build /out/root/ /
# A fresh volume takes owner and mode of this folder over.
COPY --from=build --chown=65532:65532 /out/state/ /var/lib/
USER 65532:65532
WORKDIR /var/lib/groupsyncd
# The state must be on a local disk: network file systems are refused.
VOLUME /var/lib/groupsyncd
# The first signal finishes the call under way; give it a minute: docker stop -t 75.
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/bin/groupsyncd"]
CMD ["serve"]

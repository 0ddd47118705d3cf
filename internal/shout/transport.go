package shout

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"groupsyncd/internal/httpx"
)

const (
	// requestTime bounds one request with its answer.
	requestTime = 20 * time.Second
	// maxAnswer bounds what is read of an answer: services say little.
	maxAnswer = 256 << 10
)

// Transport gives what requests of services go through: it honours the proxy variables,
// has TLS 1.2 or later, bounds each request in time and its answer in size, never asks
// the addresses by which clouds describe their machines to themselves, and follows
// nobody elsewhere.
//
// Most services of the library use the default transport of the process, and take no
// context. A program puts this one into its place, before it starts anything.
func Transport() http.RoundTripper {
	inner := httpx.Reach{Base: &url.URL{Scheme: "https", Host: "service.invalid"}, Private: true}.Transport()
	inner.MaxIdleConns, inner.MaxIdleConnsPerHost, inner.IdleConnTimeout = 4, 1, 10*time.Second
	return &guarded{inner}
}

type guarded struct{ inner *http.Transport }

// RoundTrip makes one request.
func (g *guarded) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(req.Context(), requestTime)
	res, err := g.inner.RoundTrip(req.WithContext(ctx))
	if err != nil {
		cancel()
		return nil, err
	}
	res.Body = &bounded{io.LimitReader(res.Body, maxAnswer), res.Body, cancel}
	switch res.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return nil, errors.Join(fmt.Errorf("it answers %d and sends us elsewhere: write the address that it leads to", res.StatusCode), res.Body.Close())
	}
	return res, nil
}

// CloseIdleConnections lets clients close what they no longer need.
func (g *guarded) CloseIdleConnections() { g.inner.CloseIdleConnections() }

type bounded struct {
	io.Reader
	body   io.Closer
	cancel context.CancelFunc
}

func (b *bounded) Close() error {
	defer b.cancel()
	return b.body.Close()
}

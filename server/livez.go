package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// maxHealth bounds the answer that is read.
const maxHealth = 4 << 10

// AskLivez asks the admin listener of this machine at a configured address for a sign of
// life, and says where it asked. Whoever else listens there may answer with a page of their
// own, so the answer must be ours.
func AskLivez(ctx context.Context, host, port string) (asked string, err error) {
	hosts := NearHosts(host)
	asked = "http://" + net.JoinHostPort(hosts[0], port) + "/livez"
	client := &http.Client{
		Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dialNear(ctx, network, hosts, port)
		}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, asked, http.NoBody)
	if err != nil {
		return asked, err
	}
	resp, err := client.Do(req)
	if ctx.Err() != nil {
		return asked, errors.New("it does not answer in time")
	}
	if err != nil {
		if e, ok := errors.AsType[*net.OpError](err); ok {
			err = e.Err
		}
		return asked, err
	}
	defer resp.Body.Close() //nolint:errcheck // nothing is left to do with it
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxHealth))
	text := strings.TrimSpace(string(body))
	switch {
	case err != nil:
		return asked, err
	case resp.StatusCode == http.StatusOK && text == "ok":
		return asked, nil
	case resp.StatusCode == http.StatusServiceUnavailable && text != "":
		line, _, _ := strings.Cut(text, "\n")
		return asked, errors.New(line)
	}
	return asked, fmt.Errorf("%s, and not as groupsyncd answers: somebody else listens there", resp.Status)
}

// DialListener connects to a listener of this machine at a configured address.
func DialListener(ctx context.Context, listen string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return nil, err
	}
	return dialNear(ctx, "tcp", NearHosts(host), port)
}

func dialNear(ctx context.Context, network string, hosts []string, port string) (net.Conn, error) {
	var d net.Dialer
	var conn net.Conn
	var err error
	for _, h := range hosts {
		if conn, err = d.DialContext(ctx, network, net.JoinHostPort(h, port)); err == nil {
			break
		}
	}
	return conn, err
}

// NearHosts gives the addresses of this machine at which a listener is found: one on every
// address is asked on loopback.
func NearHosts(host string) []string {
	addr, err := netip.ParseAddr(host)
	switch {
	case host == "", err == nil && addr.IsUnspecified() && addr.Is4():
		return []string{"127.0.0.1", "::1"}
	case err == nil && addr.IsUnspecified():
		return []string{"::1", "127.0.0.1"}
	}
	return []string{host}
}

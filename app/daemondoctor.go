package app

import (
	"context"
	"crypto/tls"
	"net"
	"net/url"
	"time"

	"groupsyncd/config"
	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
	"groupsyncd/providers"
	"groupsyncd/server"
)

// DaemonFindings says what doctor finds about the daemon of a configuration: whether it is
// there and alive, how it is reached, and how systemd runs it.
func DaemonFindings(ctx context.Context, cfg *config.Config) Checked {
	ctx, stop := context.WithTimeout(ctx, upstreamBound)
	defer stop()
	c := Checked{Kind: "daemon", Name: "groupsyncd"}
	runs := c.socket(ctx, cfg)
	c.adminListener(ctx, cfg, runs)
	c.publicListener(ctx, cfg, runs)
	c.unit(ctx, systemd{dir: "/run/systemd/system", run: command}, runs)
	return c
}

// socket looks for the daemon that holds the state.
func (c *Checked) socket(ctx context.Context, cfg *config.Config) (runs bool) {
	const check = "control_socket"
	daemon, err := server.Dial(ctx, string(cfg.State))
	if err != nil {
		c.add(providers.Failed, check, fault.HintOf(err), "%s", err.Error())
		return false
	}
	if daemon == nil {
		c.add(providers.OK, check, "", "no daemon is running with this state")
		return false
	}
	if err := daemon.Alive(ctx); err != nil {
		c.add(providers.Failed, check, "see its log; restart it if it stays so", "the daemon is not alive: %s", err.Error())
		return true
	}
	c.add(providers.OK, check, "", "the daemon answers")
	return true
}

func (c *Checked) adminListener(ctx context.Context, cfg *config.Config, runs bool) {
	const check = "admin_listener"
	listen := string(cfg.Server.Admin.Listen)
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		c.add(providers.OK, check, "", "there is none, as configured")
		return
	}
	if !httpx.Loopback(host) {
		c.add(providers.Warning, check, "listen on 127.0.0.1, or let a firewall or network policy keep others out",
			"%s is open to other machines: whoever reaches it may read /metrics and the health", listen)
	}
	if !runs || port == "0" {
		return
	}
	asked, err := server.AskLivez(ctx, host, port)
	switch {
	case err == nil:
		c.add(providers.OK, check, "", "%s says ok", asked)
	case !cfg.AdminChosen():
		c.add(providers.Warning, check, `name another address with server.admin.listen, or "" for none`, "%s: %s; the daemon goes on without one when somebody else has the default address", asked, err.Error())
	default:
		c.add(providers.Failed, check, "see the daemon's log; a changed address counts after groupsyncd reload", "%s: %s", asked, err.Error())
	}
}

func (c *Checked) publicListener(ctx context.Context, cfg *config.Config, runs bool) {
	p := &cfg.Server.Public
	if p.Listen == "" {
		return
	}
	if _, port, err := net.SplitHostPort(string(p.Listen)); err == nil && runs && port != "0" {
		conn, err := server.DialListener(ctx, string(p.Listen))
		if err != nil {
			c.add(providers.Failed, "public_listener", "see the daemon's log; a changed address counts after groupsyncd reload", "nobody listens at %s: %s", p.Listen, err.Error())
		} else {
			_ = conn.Close() // It was only asked whether somebody listens.
			c.add(providers.OK, "public_listener", "", "the daemon listens at %s", p.Listen)
		}
	}
	if p.TLS != nil {
		// A pair that does not fit is said where the configuration is checked.
		if pair, err := tls.LoadX509KeyPair(string(p.TLS.Cert), string(p.TLS.Key)); err == nil && pair.Leaf != nil {
			c.ends("public_certificate", "the certificate of server.public.tls", "renew it; the new one is used at the next connection", pair.Leaf.NotAfter, time.Now())
		}
	}
	c.publicURL(ctx, p, runs)
}

// publicURL asks our own address as senders see it. That it cannot be reached from here
// proves nothing about others, so it is no failure.
func (c *Checked) publicURL(ctx context.Context, p *config.Public, runs bool) {
	const check = "public_url"
	u, err := url.Parse(p.URL)
	if p.URL == "" || err != nil || !runs {
		return
	}
	look := Checked{}
	look.upstream(ctx, providers.Upstream{URL: p.URL}, time.Now())
	answered := false
	for _, f := range look.Findings {
		answered = answered || f.Check == "clock" || f.Check == "certificate" && f.Level != providers.Failed
		if f.Level != providers.OK && f.Check != "clock" {
			f.Level, f.Check = providers.Warning, check
			c.Findings = append(c.Findings, f)
		}
	}
	if answered {
		c.add(providers.OK, check, "", "%s answers", u.Redacted())
	} else if !c.has(check) {
		c.add(providers.Warning, check, "see that the proxy in front of it leads to "+string(p.Listen)+", and that senders can reach it", "%s does not answer from here", u.Redacted())
	}
}

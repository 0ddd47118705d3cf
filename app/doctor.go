package app

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"groupsyncd/config"
	"groupsyncd/providers"
)

// Checked is what doctor found about one part.
type Checked struct {
	Kind     string              `json:"kind"`
	Name     string              `json:"name"`
	Findings []providers.Finding `json:"findings"`
}

func (c *Checked) add(level providers.Level, check, remedy, format string, args ...any) {
	c.Findings = append(c.Findings, providers.Finding{Level: level, Check: check, Message: fmt.Sprintf(format, args...), Remedy: remedy})
}

// has reports whether something was said about a check already.
func (c *Checked) has(check string) bool {
	for i := range c.Findings {
		if c.Findings[i].Check == check {
			return true
		}
	}
	return false
}

// checkBound is how long doctor looks at the servers, all at the same time.
const checkBound = 30 * time.Second

// Check asks every source and target what is wrong with it, and looks at how each is
// reached: names, proxies, certificates and clocks. It writes nothing.
func Check(ctx context.Context, cfg *config.Config, log *slog.Logger) ([]Checked, error) {
	return checkWithin(ctx, cfg, log, checkBound)
}

func checkWithin(ctx context.Context, cfg *config.Config, log *slog.Logger, bound time.Duration) ([]Checked, error) {
	p, err := build(cfg, nil, log, time.Now, Network{}, nil)
	if err != nil {
		return nil, err
	}
	look, stop := context.WithTimeout(ctx, bound)
	defer stop()
	out := make([]Checked, len(p.setup.Sources)+len(cfg.Targets))
	var work sync.WaitGroup
	for i := range p.setup.Sources {
		src := &p.setup.Sources[i]
		work.Go(func() {
			c := &out[i]
			c.Kind, c.Name = "source", src.Name
			if able, ok := src.Provider.(providers.Checker); ok {
				c.Findings = able.Check(look)
			}
			if able, ok := cfg.Source(src.Name).Config.(providers.Upstreamer); ok {
				for _, u := range able.Upstreams() {
					c.upstream(look, u, time.Now())
				}
			}
			c.late(ctx, look, bound)
		})
	}
	for i, t := range cfg.Targets {
		work.Go(func() {
			c := &out[len(p.setup.Sources)+i]
			c.Kind, c.Name, c.Findings = "target", t.Name, p.clients[t.Name].Check(look, expect(cfg, t))
			c.upstream(look, providers.Upstream{URL: t.URL, CAFile: string(t.CAFile)}, time.Now())
			c.late(ctx, look, bound)
		})
	}
	work.Wait()
	return append(out, CheckNotices(cfg)...), p.close()
}

// late says that the time was up: what failed then may only be slow. What no server and
// no library explains has at least a place to look at.
func (c *Checked) late(ctx, look context.Context, bound time.Duration) {
	if look.Err() != nil && ctx.Err() == nil {
		c.add(providers.Warning, "time", "it is slow, or does not answer: try again, and see its own log", "not everything could be looked at within %s", bound)
	}
	for i := range c.Findings {
		if f := &c.Findings[i]; f.Level != providers.OK && f.Remedy == "" {
			f.Remedy = "see its own log, and docs/doctor.md"
		}
	}
}

package app

import (
	"log/slog"
	"slices"
	"time"

	"groupsyncd/config"
	"groupsyncd/internal/logging"
	"groupsyncd/providers"
	"groupsyncd/target/openwebui"
)

// connect makes the client of each target. Sources come after them, because some read
// what a target keeps.
func (p *parts) connect(log *slog.Logger, now func() time.Time, network Network) error {
	for _, t := range p.cfg.Targets {
		client, err := openwebui.New(openwebui.Options{Name: t.Name, URL: t.URL, APIKey: t.APIKey.Read, CAFile: string(t.CAFile),
			NeedSubjects: slices.Contains(t.Match, "sign_in") && signIn(p.cfg), Logger: log.With(slog.String(logging.KeyTarget, t.Name)), Now: now,
			Timeout: network.Timeout, Retry: network.Retry, Meter: network.Meters.For(targetMeter(t.Name))})
		if err != nil {
			return err
		}
		p.clients[t.Name] = client
	}
	return nil
}

// sessions gives a source the sign-in sessions of the target that it reads; nil when it
// reads none.
func (p *parts) sessions(src *config.Source) providers.Sessions {
	reader, ok := src.Config.(providers.TargetReader)
	if !ok {
		return nil
	}
	client := p.clients[reader.ReadsTarget()]
	if client == nil {
		return nil
	}
	return client.Sessions()
}

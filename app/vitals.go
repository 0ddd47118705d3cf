package app

import (
	"sync"
	"time"

	"groupsyncd/config"
	"groupsyncd/providers"
	"groupsyncd/server"
)

// sourceMeter and targetMeter name the meter of a source and that of a target.
func sourceMeter(name string) string { return "source " + name }
func targetMeter(name string) string { return "target " + name }

// Vitals gives figures about the daemon itself. It asks no server, and waits for nobody.
func (a *App) Vitals() (server.Vitals, error) {
	a.mu.Lock()
	d, p := a.daemon, a.parts
	v := server.Vitals{ConfigHash: p.cfg.Sum(), BackupEvery: p.cfg.Backup.Every.Std()}
	if d != nil {
		v.Loaded, v.LoadFailed = d.loaded, d.refused
	}
	a.mu.Unlock()
	v.Peers = a.peers(d, p.cfg)
	v.Expiries = a.expiries.of(p, d, v.Peers, a.now())
	s, err := a.db.Stats()
	if err != nil {
		return v, err
	}
	v.StateSize, v.StateMaxSize, v.OldestReader = s.Size, s.MaxSize, s.OldestReader
	if v.Audit, err = a.db.Head(); err != nil {
		return v, err
	}
	if to := p.cfg.Audit.Forward; to != "" {
		last, err := a.db.Forwarded(to)
		if err != nil {
			return v, err
		}
		v.Forward = &server.Forward{Failing: a.audit.trouble.Load(), Waiting: v.Audit.Seq - min(last, v.Audit.Seq)}
	}
	return v, nil
}

// peers gives what was counted of the configured sources and targets.
func (a *App) peers(d *daemon, cfg *config.Config) []server.Peer {
	var out []server.Peer
	for _, src := range cfg.Sources {
		p := server.Peer{Kind: server.PeerSource, Name: src.Name, Counts: a.network.Meters.For(sourceMeter(src.Name)).Counts()}
		if d != nil {
			p.Skipped = d.schedule.Skipped(src.Name)
		}
		out = append(out, p)
	}
	for _, t := range cfg.Targets {
		out = append(out, server.Peer{Kind: server.PeerTarget, Name: t.Name, Counts: a.network.Meters.For(targetMeter(t.Name)).Counts()})
	}
	return out
}

// expiriesFor is how long what was read of the ends of credentials counts: files need not be
// read again for each scrape.
const expiriesFor = time.Minute

// expiries are when credentials end, as far as files say it.
type expiries struct {
	mu sync.Mutex
	at time.Time
	// of whom, and what was read.
	parts *parts
	list  []server.Expiry
}

// of gives the ends of all credentials that are known.
func (x *expiries) of(p *parts, d *daemon, peers []server.Peer, now time.Time) []server.Expiry {
	x.mu.Lock()
	if x.parts != p || now.Sub(x.at).Abs() >= expiriesFor {
		x.parts, x.at, x.list = p, now, p.expiries()
	}
	out := append([]server.Expiry(nil), x.list...)
	x.mu.Unlock()
	add := func(kind, name string, at time.Time) {
		if !at.IsZero() {
			out = append(out, server.Expiry{Kind: kind, Name: name, Credential: providers.ServerCertificate, At: at})
		}
	}
	for i := range peers {
		add(peers[i].Kind, peers[i].Name, peers[i].Counts.Certificate)
	}
	if d != nil && d.public != nil {
		add(server.PeerListener, "public", d.public.public.CertificateEnds())
	}
	return out
}

// expiries reads when our own credentials end.
func (p *parts) expiries() []server.Expiry {
	var out []server.Expiry
	for i := range p.setup.Sources {
		src := &p.setup.Sources[i]
		able, ok := src.Provider.(providers.Expiring)
		if !ok {
			continue
		}
		for _, e := range able.Expiries() {
			out = append(out, server.Expiry{Kind: server.PeerSource, Name: src.Name, Credential: e.Credential, At: e.At})
		}
	}
	for _, t := range p.cfg.Targets {
		for _, e := range providers.Ends(providers.Token, p.clients[t.Name].KeyEnds()) {
			out = append(out, server.Expiry{Kind: server.PeerTarget, Name: t.Name, Credential: e.Credential, At: e.At})
		}
	}
	return out
}

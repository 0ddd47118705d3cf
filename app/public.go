package app

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"

	"groupsyncd/config"
	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/providers"
	"groupsyncd/server"
	"groupsyncd/server/hooks"
	"groupsyncd/sync/engine"
	"groupsyncd/sync/run"
)

// verifiers are the types of sources that verify what their provider signed.
func verifiers() []string { return []string{"oidc"} }

// hookKinds says what each kind of webhook needs, for the checks of a configuration.
func hookKinds() []config.HookKind {
	var out []config.HookKind
	for _, name := range hooks.Kinds() {
		k, _ := hooks.Find(name)
		out = append(out, config.HookKind{Type: k.Name, Secret: config.Need(k.Secret), Source: config.Need(k.Source), Target: config.Need(k.Target),
			Tokens: k.Tokens, Verifiers: verifiers()})
	}
	return out
}

// publicFront is the public side of a daemon and the door that leads to it at present.
type publicFront struct {
	public *server.Public
	door   *door // nil while none is open
}

// publicMove is a change of the public listener that has not happened yet.
type publicMove struct {
	addr, url string
	hooks     []server.Hook
	provided  []server.Provision
	cert      *server.Certificate
	// stay keeps the door that is open; else the listener is the next, or none.
	stay     bool
	listener net.Listener
}

// bindPublic makes the public side of a daemon and binds the address that the configuration
// names. Nobody is let in before carryOutPublic.
func (a *App) bindPublic(ctx context.Context, d *daemon) (*publicMove, error) {
	public, err := server.NewPublic(ctx, server.PublicOptions{Ask: a.askFor, Memory: a.db, Logger: a.log, Now: a.now, Counted: d.front.admin.Hooked,
		Provisioned: d.front.admin.Provisioned})
	if err != nil {
		return nil, err
	}
	d.public = &publicFront{public: public}
	return a.preparePublic(ctx, d, a.parts)
}

// preparePublic does what can fail: secrets and certificate are read, and a new address
// is bound before the old one is left.
func (a *App) preparePublic(ctx context.Context, d *daemon, p *parts) (*publicMove, error) {
	cfg := p.cfg
	m := &publicMove{addr: string(cfg.Server.Public.Listen), url: cfg.Server.Public.URL}
	if m.addr != "" {
		if problems := cfg.CheckPublic(); len(problems) > 0 {
			return nil, problems
		}
	}
	var err error
	if m.hooks, err = p.hooks(); err != nil {
		return nil, err
	}
	m.provided = p.provisions()
	if files := cfg.Server.Public.TLS; files != nil && m.addr != "" {
		if m.cert, err = server.NewCertificate(*files, a.log, a.now); err != nil {
			return nil, err
		}
	}
	if open := d.public.door; m.addr == "" || open != nil && open.addr == m.addr {
		m.stay = m.addr != ""
		return m, nil
	}
	if m.listener, err = bindTo(ctx, m.addr); err != nil {
		return nil, fault.New(fault.Invalid, "open the public listener", m.addr, err, "name another address with server.public.listen")
	}
	return m, nil
}

// hooks makes the webhooks of a configuration, each with the dialect of its sender.
func (p *parts) hooks() ([]server.Hook, error) {
	var out []server.Hook
	for _, w := range p.cfg.Webhooks {
		kind, ok := hooks.Find(w.Type)
		if !ok {
			return nil, fault.Errorf(fault.Invalid, "make the webhook", w.Name, "there is no type %s", w.Type)
		}
		o := hooks.Options{Tolerance: w.Tolerance.Std()}
		if src := p.cfg.Source(w.Source); src != nil {
			o.Source = src.Type
			o.Tokens, _ = p.source(p.ids[src.Name]).Provider.(providers.Tokens)
			reader, _ := src.Config.(providers.TargetReader)
			o.TokensOnly = o.Tokens != nil && (reader == nil || reader.ReadsTarget() == "")
		}
		dialect, err := hooks.New(w.Type, o)
		if err != nil {
			return nil, fault.New(fault.Invalid, "make the webhook", w.Name, err, "")
		}
		out = append(out, server.Hook{Config: w, Kind: kind, Dialect: dialect})
	}
	return out, nil
}

// provisions gives the sources of a configuration that their providers fill.
func (p *parts) provisions() []server.Provision {
	var out []server.Provision
	for i := range p.setup.Sources {
		if src, ok := p.setup.Sources[i].Provider.(providers.Provisioned); ok {
			out = append(out, server.Provision{Name: p.setup.Sources[i].Name, Tokens: src.Tokens(), Handler: src.Handler(), Missed: src.Missed})
		}
	}
	return out
}

// cancel takes a move back; one that was carried out stays.
func (m *publicMove) cancel() error {
	if m.listener == nil {
		return nil
	}
	if err := m.listener.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// carryOutPublic puts the webhooks of the new configuration in force, and the new address
// in the place of the old.
func (a *App) carryOutPublic(ctx context.Context, d *daemon, m *publicMove) {
	f := d.public
	f.public.Use(m.hooks, m.provided, m.url)
	f.public.UseCertificate(m.cert)
	if m.stay {
		return
	}
	old := f.door
	a.mu.Lock()
	f.door = nil
	if m.listener != nil {
		f.door = openDoor(m.addr, f.public.Server(), f.public.Encrypt(m.listener))
	}
	a.mu.Unlock()
	if m.listener != nil {
		a.log.LogAttrs(ctx, slog.LevelInfo, "public listener open", slog.String("address", m.listener.Addr().String()),
			slog.Int("webhooks", len(m.hooks)), slog.Bool("tls", m.cert != nil))
	}
	a.retire(ctx, d, old, "public listener")
}

// stop closes the door and waits for what was begun behind it.
func (f *publicFront) stop(ctx context.Context) error { return f.door.leave(ctx, f.public.Wait) }

// checkPublic says whether webhooks can be reached; false where there is no listener.
func (a *App) checkPublic(d *daemon) (server.Check, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if d.public.door == nil {
		return server.Check{}, false
	}
	c := server.Check{Name: "public listener", Note: "bound to " + d.public.door.bound}
	if d.public.door.down.Load() {
		c.Err, c.Note = errors.New("it has ended"), ""
	}
	return c, true
}

// maxHints is how many people one request may name; one that names more has the source
// read instead.
const maxHints = 100

// askFor has what a webhook told of looked at soon.
func (a *App) askFor(w *config.Webhook, list []hooks.Hint) ([]server.Asked, error) {
	d := a.serving()
	if d == nil {
		return nil, stopping()
	}
	if len(list) > maxHints || slices.ContainsFunc(list, func(h hooks.Hint) bool { return h.All }) {
		list = []hooks.Hint{{All: true}} // It sees to everybody whom the others name.
	}
	var out []server.Asked
	for i := range list {
		one, err := a.askOne(d, w, &list[i])
		if err != nil {
			return nil, err
		}
		out = append(out, server.Asked{Run: one.Run, Wait: one.Wait})
	}
	return out, nil
}

func (a *App) askOne(d *daemon, w *config.Webhook, h *hooks.Hint) (asked, error) {
	req := run.Request{Trigger: run.Webhook, Mode: run.Apply, Source: w.Source, Target: w.Target}
	switch {
	case h.All:
		return d.people.askAll(req)
	case h.Account != "":
		req.Account = h.Account
	case h.Token.Reveal() != "":
		tokens := a.tokensOf(w.Source)
		if tokens == nil {
			return asked{}, fault.Errorf(fault.Invalid, "take a token", "webhook "+w.Name, "its source takes none")
		}
		return d.people.askToken(req, tokens, h.Token)
	case h.Who != "":
		req.User = h.Who
	case h.Person.Account != "":
		req.Account = h.Person.Account
	case h.Person != directory.Person{}:
		req.User = nameOf(h.Person)
	}
	return d.people.ask(req)
}

// tokensOf gives what verifies the tokens of a source; nil where nothing does.
func (a *App) tokensOf(name string) providers.Tokens {
	a.mu.Lock()
	defer a.mu.Unlock()
	i := slices.IndexFunc(a.parts.setup.Sources, func(s engine.Source) bool { return s.Name == name })
	if i < 0 {
		return nil
	}
	tokens, _ := a.parts.setup.Sources[i].Provider.(providers.Tokens)
	return tokens
}

// queueStatus says how many people wait for a run.
func (p *people) queueStatus() *engine.QueueStatus {
	l := p.load()
	s := &engine.QueueStatus{Waiting: l.Waiting, AtWork: l.AtWork}
	if !l.Oldest.IsZero() {
		s.Oldest = l.Oldest.UTC()
	}
	return s
}

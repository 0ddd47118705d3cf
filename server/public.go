package server

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"groupsyncd/config"
	"groupsyncd/internal/secret"
	"groupsyncd/server/hooks"
	"groupsyncd/sync/run"
)

// PublicOptions are what the public listener needs.
type PublicOptions struct {
	// Ask has what a webhook told of looked at soon. It gives a run for each hint; those
	// that are the same have the same id.
	Ask    func(w *config.Webhook, hints []hooks.Hint) ([]Asked, error)
	Memory Deliveries
	Logger *slog.Logger
	Now    func() time.Time
	// Counted is told of every request: which webhook, empty for none of ours, and what
	// became of it. May be nil.
	Counted func(webhook string, result Result)
	// Provisioned is told of every request of a provider, in the same way by its source. May
	// be nil.
	Provisioned func(source string, result Result)
}

// Asked is a run that will begin soon.
type Asked struct {
	Run string
	// Wait waits for its end and gives its report.
	Wait func(context.Context) (*run.Report, error)
}

// Hook is a webhook with the dialect that its sender speaks.
type Hook struct {
	Config  *config.Webhook
	Kind    hooks.Kind
	Dialect hooks.Dialect
}

// Public answers on the public listener: webhooks, and providers that fill a source. Whoever reaches it
// may send what they like, so everything is bounded: time, size, how much at a time and
// how often; nothing is read before its sender is proved, and refusals tell next to nothing.
type Public struct {
	PublicOptions
	ctx    context.Context
	table  atomic.Pointer[hookTable]
	tls    atomic.Pointer[tls.Config]
	cert   atomic.Pointer[Certificate]
	limits *limits
	replay *replays
	told   *told
	// nobody stands for every name that is not known, with a secret that nobody knows.
	nobody *hook
	work   sync.WaitGroup
}

// hookTable are the webhooks of one configuration.
type hookTable struct {
	hooks map[string]*hook
	order []*hook
	// provisions are the sources that their providers fill.
	provisions map[string]*provision
	// like is one with a secret in its address, or any: what a name that nobody has is
	// compared with.
	like *hook
}

// hook is a webhook in force.
type hook struct {
	Hook
	// url is its address as its sender knows it, empty where it is not configured.
	url string
	// secrets gives those in force.
	secrets func() ([]secret.Value, error)
	seen    *seen
}

// NewPublic makes the public side of a daemon, without webhooks; ctx ends what waits for
// runs.
func NewPublic(ctx context.Context, o PublicOptions) (*Public, error) {
	p := &Public{PublicOptions: o, ctx: ctx, limits: newLimits(o.Now), told: &told{log: o.Logger, now: o.Now}}
	p.replay = &replays{memory: o.Memory, now: o.Now, work: &p.work, under: map[string]chan struct{}{}}
	kind, _ := hooks.Find("openwebui")
	dialect, err := hooks.New(kind.Name, hooks.Options{})
	if err != nil {
		return nil, err
	}
	unknown := []secret.Value{secret.New(rand.Text())}
	p.nobody = &hook{Hook: Hook{Config: &config.Webhook{}, Kind: kind, Dialect: dialect}, seen: &seen{}, secrets: func() ([]secret.Value, error) {
		// Reading what is not used takes the time that it takes elsewhere.
		if like := p.table.Load().like; like != nil {
			_, _ = like.secrets()
		}
		return unknown, nil
	}}
	p.table.Store(&hookTable{})
	return p, nil
}

// Use puts other webhooks and sources in force, from the next request on. url is our address as
// others see it. What is known of a webhook stays with its name.
func (p *Public) Use(list []Hook, sources []Provision, url string) {
	before, t := p.table.Load(), &hookTable{hooks: map[string]*hook{}, provisions: map[string]*provision{}}
	for _, s := range sources {
		one := &provision{Provision: s, rate: rate.NewLimiter(provideRate, provideBurst)}
		if old := before.provisions[s.Name]; old != nil {
			one.rate = old.rate
		}
		t.provisions[s.Name] = one
	}
	for _, h := range list {
		one := &hook{Hook: h, seen: &seen{}, secrets: func() ([]secret.Value, error) { return readSecrets(h.Config.Secret) }}
		if url != "" {
			one.url = strings.TrimRight(url, "/") + "/hooks/" + h.Config.Name
		}
		if old := before.hooks[h.Config.Name]; old != nil {
			one.seen = old.seen
		}
		t.hooks[h.Config.Name] = one
		t.order = append(t.order, one)
		if t.like == nil || h.Kind.Tail && !t.like.Kind.Tail {
			t.like = one
		}
	}
	p.table.Store(t)
}

// Wait waits for everything that was begun for somebody.
func (p *Public) Wait() { p.work.Wait() }

const (
	// publicRead and publicWrite bound how long one request and its answer may take.
	publicRead  = 10 * time.Second
	publicWrite = 20 * time.Second
)

// Server makes an HTTP server of the public listener.
func (p *Public) Server() *http.Server {
	one := new(http.Protocols)
	one.SetHTTP1(true) // Many requests within one connection would pass its limits.
	return &http.Server{
		Handler: http.HandlerFunc(p.serve),
		// It tells of whoever knocks with a wrong handshake, as often as they like.
		ErrorLog:          slog.NewLogLogger(p.Logger.Handler(), slog.LevelDebug),
		Protocols:         one,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       publicRead,
		WriteTimeout:      publicWrite,
		IdleTimeout:       30 * time.Second,
		MaxHeaderBytes:    16 << 10,
		BaseContext:       func(net.Listener) context.Context { return p.ctx },
		ConnState:         p.limits.connection(),
	}
}

// find gives the webhook of a path, and what stands behind its name.
func (p *Public) find(path string) (h *hook, tail string, ok bool) {
	rest, ok := strings.CutPrefix(path, "/hooks/")
	if !ok {
		return nil, "", false
	}
	name, tail, _ := strings.Cut(rest, "/")
	if h := p.table.Load().hooks[name]; h != nil {
		return h, tail, true
	}
	return p.nobody, tail, true
}

package server

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"groupsyncd/config"
	"groupsyncd/sync/run"
)

// AdminOptions are what the admin listener needs.
type AdminOptions struct {
	Backend Backend
	Daemon  Daemon
	Logger  *slog.Logger
	Now     func() time.Time
	// Config is the configuration in force; Use replaces it.
	Config *config.Config
	// Version and Revision are those of the program.
	Version, Revision string
	// NewID makes ids of runs.
	NewID func() string
}

// Admin answers on the admin listener: health, metrics and the API. It decides who may
// ask; what is asked is carried out by a Backend.
type Admin struct {
	AdminOptions
	ctx     context.Context
	access  atomic.Pointer[access]
	metrics *metrics
	handler http.Handler
	look    look
	page    *page
	// local is the time zone of the configuration.
	local atomic.Pointer[time.Location]

	// reads and writes bound what goes on at a time, each for itself, so that readers
	// keep nobody from deciding.
	reads, writes chan struct{}
	work          sync.WaitGroup
	// refusedAt is when a wrong token was last logged, in nanoseconds.
	refusedAt atomic.Int64
}

const (
	// maxAtOnce is how many calls of a kind may go on at a time.
	maxAtOnce = 16
	// readBound is how long an answer may take that only reads.
	readBound = 20 * time.Second
	// adminBody bounds the body of a request.
	adminBody = 64 << 10
)

// NewAdmin makes the admin side of a daemon; ctx ends what is asked for through it.
func NewAdmin(ctx context.Context, o AdminOptions) (*Admin, error) {
	a := &Admin{AdminOptions: o, ctx: ctx, reads: make(chan struct{}, maxAtOnce), writes: make(chan struct{}, maxAtOnce)}
	a.metrics = newMetrics(a)
	var err error
	if a.page, err = newPage(a); err != nil {
		return nil, err
	}
	a.Use(o.Config)
	a.handler = a.routes()
	return a, nil
}

// Use puts another configuration in force, from the next request on.
func (a *Admin) Use(cfg *config.Config) {
	a.access.Store(newAccess(&cfg.Server.Admin, a.Logger))
	var n names
	for _, src := range cfg.Sources {
		n.sources = append(n.sources, src.Name)
	}
	if loc, err := time.LoadLocation(cfg.TimeZone); err == nil { // Else nothing of it would be in force.
		a.local.Store(loc)
	}
	for _, t := range cfg.Targets {
		n.targets = append(n.targets, t.Name)
	}
	for _, w := range cfg.Webhooks {
		n.webhooks = append(n.webhooks, w.Name)
	}
	n.notices = map[string][]string{}
	for _, service := range cfg.Notify {
		n.services = append(n.services, service.Name)
		n.notices[service.Name] = service.On
	}
	a.metrics.use(n)
}

// Remember has metrics take in the runs of an earlier process, newest first.
func (a *Admin) Remember(past []run.Report) { a.metrics.remember(past) }

// zone is where clocks on pages stand.
func (a *Admin) zone() *time.Location {
	if loc := a.local.Load(); loc != nil {
		return loc
	}
	return time.UTC
}

// Hooked counts a request to a webhook.
func (a *Admin) Hooked(webhook string, r Result) {
	a.metrics.count(a.metrics.hooks, &a.metrics.webhooks, webhook, string(r))
}

// Provisioned counts a request of a provider to a source.
func (a *Admin) Provisioned(source string, r Result) {
	a.metrics.count(a.metrics.provisions, &a.metrics.sources, source, string(r))
}

// Saw counts a run that an event led to, and how long ago that was.
func (a *Admin) Saw(req run.Request, took time.Duration, err error) { a.metrics.saw(&req, took, err) }

// Ended counts a run that has ended.
func (a *Admin) Ended(r *run.Report) { a.metrics.ended(r) }

// Noticed counts what became of a notice to a service outside.
func (a *Admin) Noticed(service, kind, result string) {
	a.metrics.count(a.metrics.notices, &a.metrics.services, service, kind, result)
}

// Wait waits for everything that was begun for somebody; it ends soon after the
// context of NewAdmin.
func (a *Admin) Wait() { a.work.Wait() }

// maxConnections is how many connections may be open; more are closed at once.
const maxConnections = 256

// Server makes an HTTP server of the admin listener. All times are bounded, so that
// whoever is slow holds nothing up.
func (a *Admin) Server() *http.Server {
	var open atomic.Int32
	leaving := make(chan struct{})
	s := &http.Server{
		Handler:           a.handler,
		ErrorLog:          slog.NewLogLogger(a.Logger.Handler(), slog.LevelError),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      readBound + 10*time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		BaseContext:       func(net.Listener) context.Context { return context.WithValue(a.ctx, leavingKey{}, leaving) },
		ConnState: func(c net.Conn, s http.ConnState) {
			switch s {
			case http.StateNew:
				if open.Add(1) > maxConnections {
					_ = c.Close() // Whoever opened it is told by that.
				}
			case http.StateClosed, http.StateHijacked:
				open.Add(-1)
			}
		},
	}
	// Whoever follows a run would keep the door from closing.
	s.RegisterOnShutdown(sync.OnceFunc(func() { close(leaving) }))
	return s
}

// routes lists every path. A path that is known answers other methods with 405.
func (a *Admin) routes() http.Handler {
	mux := http.NewServeMux()
	add := func(method, path string, need right, h func(http.ResponseWriter, *http.Request, visitor)) {
		mux.HandleFunc(method+" "+path, a.guarded(need, h))
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Allow", method)
			a.refuse(w, http.StatusMethodNotAllowed, "this path takes "+method+" alone", "")
		})
	}
	add(http.MethodGet, "/livez", anybody, a.livez)
	add(http.MethodGet, "/readyz", anybody, a.readyz)
	add(http.MethodGet, "/metrics", anybody, a.metrics.serve())
	a.front(mux)
	add(http.MethodGet, "/api/v1/status", reader, a.status)
	add(http.MethodGet, "/api/v1/runs", reader, a.runs)
	add(http.MethodGet, "/api/v1/runs/{id}", reader, a.report)
	add(http.MethodGet, "/api/v1/holds", reader, a.holds)
	add(http.MethodGet, "/api/v1/users/{name}", reader, a.user)
	add(http.MethodGet, "/api/v1/groups/{name}", reader, a.group)
	add(http.MethodPost, "/api/v1/sync", approver, a.sync)
	add(http.MethodPost, "/api/v1/holds/{hash}/approve", approver, a.approve)
	a.page.routes(mux)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if wantsPage(r) {
			a.page.nowhere(w, r)
			return
		}
		a.refuse(w, http.StatusNotFound, "there is nothing at this path", "the paths are listed at /")
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Referrer-Policy", "no-referrer")
		mux.ServeHTTP(w, r)
	})
}

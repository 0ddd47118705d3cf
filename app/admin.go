package app

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"groupsyncd/config"
	"groupsyncd/internal/fault"
	"groupsyncd/internal/logging"
	"groupsyncd/server"
	"groupsyncd/sync/run"
)

var _ server.Daemon = (*App)(nil)

// front is the admin side of a daemon and the door that leads to it at present.
type front struct {
	admin *server.Admin
	door  *door // nil while none is open
	// at is where the door is, for whoever does not open and close it.
	at atomic.Value
}

// door is one open listener.
type door struct {
	// addr is as configured, bound as it is.
	addr, bound string
	web         *http.Server
	served      chan error
	// down says that nobody is let in any more.
	down atomic.Bool
}

// openDoor lets people in through a listener.
func openDoor(addr string, web *http.Server, l net.Listener) *door {
	d := &door{addr: addr, bound: l.Addr().String(), web: web, served: make(chan error, 1)}
	go func() {
		err := web.Serve(l)
		d.down.Store(true)
		d.served <- err
	}()
	return d
}

// bindTo binds an address. The error leaves out the address, which its reader says.
func bindTo(ctx context.Context, addr string) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if e, ok := errors.AsType[*net.OpError](err); ok {
		err = e.Err
	}
	return l, err
}

// remembered is how many runs metrics look back at, so that a restart forgets no success.
const remembered = 50

// openFront checks the tokens and opens the admin listener that the configuration names.
func (a *App) openFront(ctx context.Context, d *daemon) error {
	cfg := a.parts.cfg
	past, err := a.engine.History(remembered)
	if err != nil {
		return err
	}
	listener, err := a.listen(ctx, cfg)
	if err != nil {
		return err
	}
	admin, err := server.NewAdmin(ctx, server.AdminOptions{Backend: a, Daemon: a, Logger: a.log, Now: a.now, Config: cfg,
		Version: a.version, Revision: a.revision, NewID: newID})
	if err != nil {
		return errors.Join(err, (&move{listener: listener}).cancel())
	}
	d.front = &front{admin: admin}
	d.front.admin.Remember(past)
	a.open(ctx, d.front, cfg, listener)
	return nil
}

// listen binds the address of the admin listener; nil where there is none. The default
// address may belong to somebody else, a second daemon for one, which is no reason not to
// keep groups right.
func (a *App) listen(ctx context.Context, cfg *config.Config) (net.Listener, error) {
	addr := string(cfg.Server.Admin.Listen)
	if addr == "" {
		return nil, nil // None is wanted.
	}
	if problems := cfg.CheckTokens(); len(problems) > 0 {
		return nil, problems
	}
	const hint = `name another address with server.admin.listen, or "" for none`
	l, err := bindTo(ctx, addr)
	if err == nil {
		return l, nil
	}
	if cfg.AdminChosen() {
		return nil, fault.New(fault.Invalid, "open the admin listener", addr, err, hint)
	}
	a.log.LogAttrs(ctx, slog.LevelWarn, "no admin listener: its default address cannot be used", slog.String("address", addr),
		slog.String(logging.KeyErr, err.Error()), slog.String(logging.KeyHint, hint))
	return nil, nil
}

// open lets people in through a listener.
func (a *App) open(ctx context.Context, f *front, cfg *config.Config, l net.Listener) {
	f.door = nil
	f.at.Store("")
	if l == nil {
		return
	}
	f.at.Store(l.Addr().String())
	f.door = openDoor(string(cfg.Server.Admin.Listen), f.admin.Server(), l)
	a.log.LogAttrs(ctx, slog.LevelInfo, "admin listener open", slog.String("address", l.Addr().String()))
}

// close lets those finish who are inside, and cuts off who takes too long.
func (d *door) close(ctx context.Context) error {
	err := d.web.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, d.web.Close())
	}
	if e := <-d.served; !errors.Is(e, http.ErrServerClosed) {
		err = errors.Join(err, e)
	}
	return err
}

// leave closes the door, where there is one, and waits for what was begun behind it.
func (d *door) leave(ctx context.Context, wait func()) error {
	var err error
	if d != nil {
		err = d.close(ctx)
	}
	return errors.Join(err, within(ctx, "requests are still going on", wait))
}

// retire closes a door, where there is one, behind those who are inside. what names its
// listener.
func (a *App) retire(ctx context.Context, d *daemon, old *door, what string) {
	if old == nil {
		return
	}
	d.closing.Go(func() {
		bounded, stop := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer stop()
		if err := old.close(bounded); err != nil {
			a.log.LogAttrs(ctx, slog.LevelWarn, "old listener not closed", slog.String(logging.KeyName, what), slog.String(logging.KeyErr, err.Error()))
		}
	})
}

// stop closes the door and waits for what was begun behind it.
func (f *front) stop(ctx context.Context) error { return f.door.leave(ctx, f.admin.Wait) }

// move is a change of the admin listener that has not happened yet.
type move struct {
	cfg *config.Config
	// stay keeps the door that is open; else the listener is the next, or none.
	stay     bool
	listener net.Listener
}

// prepareMove does what can fail: the new address is bound before the old one is left.
func (a *App) prepareMove(ctx context.Context, d *daemon, cfg *config.Config) (*move, error) {
	m := &move{cfg: cfg}
	if open := d.front.door; open != nil && open.addr == string(cfg.Server.Admin.Listen) {
		m.stay = true
		if problems := cfg.CheckTokens(); len(problems) > 0 {
			return nil, problems
		}
		return m, nil
	}
	var err error
	m.listener, err = a.listen(ctx, cfg)
	return m, err
}

// cancel takes a move back.
func (m *move) cancel() error {
	if m.listener == nil {
		return nil
	}
	return m.listener.Close()
}

// carryOut puts the tokens of the new configuration in force, and the new address in
// the place of the old.
func (a *App) carryOut(ctx context.Context, d *daemon, m *move) {
	d.front.admin.Use(m.cfg)
	if m.stay {
		return
	}
	old := d.front.door
	a.open(ctx, d.front, m.cfg, m.listener)
	a.retire(ctx, d, old, "admin listener")
}

// ended counts a run of a daemon.
func (a *App) ended(r *run.Report) {
	if d := a.serving(); d != nil {
		d.front.admin.Ended(r)
	}
	a.desk.Poke()
}

func (a *App) serving() *daemon {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.daemon
}

// Alive asks the loops of the daemon and its state for a sign of life, for livez and for the
// watchdog of systemd. It waits for nobody else: a run may take hours, and a directory or an
// Open WebUI that hangs must not restart us. Nor must a state that answers with an error,
// which Ready tells. A daemon that is starting or stopping is alive.
func (a *App) Alive(ctx context.Context) error {
	d := a.serving()
	if d == nil {
		return nil
	}
	return d.alive(ctx, func() { a.db.Answer() })
}

// alive asks the loops and then the state; who stops while being asked is alive.
func (d *daemon) alive(ctx context.Context, state func()) error {
	err := d.answer(ctx)
	if d.ctx.Err() != nil {
		return nil
	}
	if err == nil {
		err = within(ctx, "the state does not answer", state)
	}
	return err
}

// answer asks the loops.
func (d *daemon) answer(ctx context.Context) error {
	select {
	case d.ping <- struct{}{}:
	case <-d.ctx.Done():
		return nil
	case <-ctx.Done():
		return errors.New("the main loop does not answer")
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		select {
		case <-d.ran:
			stop()
		case <-ctx.Done():
		}
	}()
	err := d.schedule.Answer(ctx)
	select {
	case <-d.ran:
		return errors.New("the schedules have ended")
	default:
	}
	if err != nil {
		return errors.New("the schedules do not answer")
	}
	return nil
}

// Ready checks what must be there before anything can be asked of the daemon.
func (a *App) Ready(ctx context.Context) []server.Check {
	d := a.serving()
	if d == nil || d.ctx.Err() != nil {
		return []server.Check{{Name: "daemon", Err: errors.New("it is starting or stopping")}}
	}
	a.mu.Lock()
	note, dir := "loaded "+a.now().Sub(d.loaded).Round(time.Second).String()+" ago", string(a.parts.cfg.State)
	if d.refused {
		note += "; a newer file was refused"
	}
	a.mu.Unlock()
	checks := []server.Check{
		{Name: "configuration", Note: note},
		{Name: "state", Err: a.db.Err()},
		{Name: "control socket", Err: answers(ctx, dir)},
	}
	if c, there := a.checkPublic(d); there {
		checks = append(checks, c)
	}
	return checks
}

// answers reports why nobody would reach the control socket.
func answers(ctx context.Context, dir string) error {
	client, err := server.Dial(ctx, dir)
	if err == nil && client == nil {
		err = errors.New("nobody answers there")
	}
	return err
}

package app

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"groupsyncd/config"
	"groupsyncd/internal/fault"
	"groupsyncd/internal/logging"
	"groupsyncd/internal/secret"
	"groupsyncd/internal/shout"
	"groupsyncd/providers"
	"groupsyncd/sync/notice"
	"groupsyncd/sync/run"
)

// onceTime bounds how long a command that is no daemon delivers notices at its end.
const onceTime = 20 * time.Second

// newDesk makes the desk that tells people in services outside.
func (a *App) newDesk() *notice.Desk {
	host, err := os.Hostname()
	if err != nil {
		host = "this machine"
	}
	return notice.New(notice.Options{Store: a.db, Logger: a.log, Now: a.now, Conditions: a.conditions, Named: a.engine.Named,
		Protected: a.protected, Page: a.pageAddress, Host: host, Count: a.countNotice})
}

// services makes the services of a configuration.
func services(cfg *config.Config) ([]notice.Service, error) {
	var out []notice.Service
	for _, n := range cfg.Notify {
		t, err := notice.Parse(n.Template.Title, n.Template.Body)
		if err != nil {
			return nil, fault.New(fault.Invalid, "notify", n.Name, err, "")
		}
		s := notice.Service{Name: n.Name, Targets: n.Targets, Remind: n.Remind.Std(), Template: t, Open: func() (notice.Sender, error) { return openSender(n.URL) }}
		for _, kind := range n.On {
			s.On = append(s.On, run.NoticeKind(kind))
		}
		out = append(out, s)
	}
	return out, nil
}

// sender is a service as a desk uses it.
type sender struct{ *shout.Service }

func openSender(ref secret.Ref) (notice.Sender, error) {
	address, err := ref.Read()
	if err != nil {
		return nil, err
	}
	s, err := shout.Parse(address)
	if err != nil {
		return nil, err
	}
	return sender{s}, nil
}

// Send delivers one message.
func (s sender) Send(ctx context.Context, title, body string) error {
	return s.Service.Send(ctx, shout.Message{Title: title, Body: body})
}

// conditions gives what is wrong now: what the engine knows, and how the state fares.
func (a *App) conditions() []run.Condition {
	list := a.engine.Conditions()
	s := a.stateStatus()
	if s.Problem != "" {
		list = append(list, run.Condition{Kind: run.NoticeQuarantined, Key: "failed/state", Since: a.now(),
			Message: "the state is not written any more, and nothing is changed: " + s.Problem, Hint: s.Hint})
	}
	switch {
	case s.Backup.Problem != "":
		list = append(list, run.Condition{Kind: run.NoticeQuarantined, Key: "failed/backup", Since: a.now(), Message: "the state is not backed up: " + s.Backup.Problem, Hint: s.Backup.Hint})
	case s.Backup.Overdue:
		list = append(list, run.Condition{Kind: run.NoticeQuarantined, Key: "failed/backup", Since: s.Backup.Last,
			Message: "the newest backup of the state is of " + s.Backup.Last.UTC().Format(time.RFC3339), Hint: "make one, and see what fails, with: groupsyncd state backup"})
	}
	return list
}

// protected says that an account is on the protect list of a target.
func (a *App) protected(target, mail string) bool {
	t := a.settings().Target(target)
	return t != nil && slices.ContainsFunc(t.Protect, func(p string) bool { return strings.EqualFold(p, mail) })
}

// pageAddress gives the address of the status page, as far as it is known here.
func (a *App) pageAddress() string {
	d := a.serving()
	if d == nil || d.front == nil {
		return ""
	}
	at, _ := d.front.at.Load().(string)
	host, port, err := net.SplitHostPort(at)
	if err != nil {
		return "" // None is open.
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		if host, err = os.Hostname(); err != nil {
			return ""
		}
	}
	return "http://" + net.JoinHostPort(host, port) + "/"
}

func (a *App) countNotice(service string, kind run.NoticeKind, result string) {
	if d := a.serving(); d != nil && d.front != nil {
		d.front.admin.Noticed(service, string(kind), result)
	}
}

// startNotices tells people while the daemon runs.
func (a *App) startNotices(life *Lifecycle) error {
	if err := a.desk.Begin(); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); a.desk.Run(ctx) }()
	life.Add("notices", func(ctx context.Context) error {
		stop()
		select {
		case <-done:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("a notice is still being sent: %w", ctx.Err())
		}
	})
	return nil
}

// tellOnce tells people at the end of a run without a daemon.
func (a *App) tellOnce(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, onceTime)
	defer cancel()
	if err := a.desk.Deliver(ctx); err != nil {
		a.log.LogAttrs(ctx, slog.LevelError, "notices not kept", slog.String(logging.KeyErr, err.Error()), slog.String(logging.KeyHint, fault.HintOf(err)))
	}
}

// TestNotices sends a test message to the service of that name, or to all.
func (a *App) TestNotices(ctx context.Context, name string) ([]run.NotifyTest, error) {
	return a.desk.Test(ctx, name)
}

// CheckNotices says of each service for notices whether its address can be read and
// understood. It sends nothing.
func CheckNotices(cfg *config.Config) []Checked {
	var out []Checked
	for _, n := range cfg.Notify {
		c := Checked{Kind: "notify", Name: n.Name}
		s, err := openSender(n.URL)
		if err != nil {
			c.Findings = append(c.Findings, providers.Finding{Level: providers.Failed, Check: "address", Message: err.Error(), Remedy: fault.HintOf(err)})
		} else {
			c.Findings = append(c.Findings, providers.Finding{Level: providers.OK, Check: "address",
				Message: "a service of the kind " + s.Kind() + "; send a message with: groupsyncd notify test " + n.Name})
		}
		out = append(out, c)
	}
	return out
}

// checkNotice says what is wrong with templates.
func checkNotice(title, body string) error {
	_, err := notice.Parse(title, body)
	return err
}

// beginNotices notes from where on people are told what happens, before a run of a command
// that is no daemon.
func (a *App) beginNotices(req run.Request) error {
	if req.Mode != run.Apply || a.serving() != nil {
		return nil
	}
	return a.desk.Begin()
}

// NoticeTransport gives what requests of services for notices go through, which a program
// has to make the default transport of its process.
func NoticeTransport() http.RoundTripper { return shout.Transport() }

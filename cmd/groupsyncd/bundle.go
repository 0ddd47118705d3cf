package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"go.yaml.in/yaml/v4"

	"groupsyncd/app"
	"groupsyncd/config"
	"groupsyncd/internal/pseudonym"
	"groupsyncd/server"
	"groupsyncd/sync/run"
)

// gathering collects what goes into a support bundle. What fails is noted and leaves the
// rest as it is: a bundle is made when something is wrong.
type gathering struct {
	c     *command
	names *pseudonym.Names
	files []bundled
	notes []string
}

const (
	// bundledRuns is how many runs are in a bundle.
	bundledRuns = 50
	// bundledBytes bounds what is taken from the daemon's listener.
	bundledBytes = 8 << 20
)

func (c *command) gather() []bundled {
	silent := *c
	silent.quiet = true // Where there is no state yet, that is said inside.
	c = &silent
	g := &gathering{c: c}
	_, cfg, loadErr := c.load()
	words, names := vocabulary(), []string{}
	if cfg != nil {
		names = append(names, namesIn(cfg, words)...)
		names = append(names, c.knownNames()...)
	}
	var err error
	if g.names, err = pseudonym.New(words, names); err != nil {
		return nil // There is no chance left in this machine; nothing can be given away then.
	}
	g.plain("version.json", "version and build", version())
	g.plain("machine.json", "system and limits", limits())
	if loadErr != nil {
		g.text("configuration.txt", "why the configuration is not valid", loadErr.Error())
	} else {
		g.loaded(cfg)
	}
	readme := "A support bundle of groupsyncd. Words that are not the program's own are replaced by marks\n" +
		"such as ~3f2a91bc07: equal names have equal marks in here, and nobody has the key.\n" +
		"No log is in it: groupsyncd writes its log to standard error and keeps none.\n"
	if len(g.notes) > 0 {
		readme += strings.Join(g.notes, "\n") + "\n"
	}
	return append([]bundled{{"README.txt", "what this is, and what could not be gathered", []byte(readme)}}, g.files...)
}

// loaded gathers what needs a configuration.
func (g *gathering) loaded(cfg *config.Config) {
	c := g.c
	if b, err := config.Show(cfg); g.good("the configuration", err) {
		var tree any
		if g.good("the configuration", yaml.Unmarshal(b, &tree)) {
			if out, err := yaml.Dump(g.names.Tree(tree)); g.good("the configuration", err) {
				g.add("config.yaml", "the configuration in force, names replaced", out)
			}
		}
	}
	checked, err := c.examine(cfg)
	if g.good("the findings of doctor", err) {
		g.json("doctor.json", "what doctor finds", map[string]any{"checks": checked})
	}
	if s, err := c.checkState(cfg); g.good("the check of the state", err) {
		g.json("state.json", "the check of the state", s)
	}
	err = c.look(func(b server.Backend, _ *config.Config) error {
		s, err := b.Status(c.ctx)
		if g.good("the status", err) {
			for i := range s.Holds {
				s.Holds[i].Changes = nil // Whom they are about is nobody's business here.
			}
			g.json("status.json", "what status says", s)
		}
		runs, err := b.History(c.ctx, bundledRuns)
		if g.good("the history", err) {
			g.json("runs.json", "the last runs, without changes", summaries(runs))
		}
		return nil
	})
	g.good("the status and the history", err)
	for _, page := range []struct{ path, name, what string }{{"/metrics", "metrics.txt", "metrics of the daemon"}, {"/readyz?verbose", "health.txt", "health of the daemon"}} {
		if text, err := askDaemon(c.ctx, string(cfg.Server.Admin.Listen), page.path); g.good(page.what, err) {
			g.add(page.name, page.what, []byte(g.scrub(page.name, text)))
		}
	}
}

func (g *gathering) scrub(name, text string) string {
	if name == "metrics.txt" {
		return g.names.Metrics(text)
	}
	return g.names.Text(text)
}

// good notes what could not be gathered.
func (g *gathering) good(what string, err error) bool {
	if err != nil {
		g.notes = append(g.notes, what+" could not be gathered: "+g.names.Text(err.Error()))
	}
	return err == nil
}

func (g *gathering) add(name, what string, data []byte) {
	g.files = append(g.files, bundled{name, what, data})
}

// plain adds what has no names in it.
func (g *gathering) plain(name, what string, v any) {
	var b bytes.Buffer
	if g.good(what, server.WriteJSON(&b, v)) {
		g.add(name, what, b.Bytes())
	}
}

func (g *gathering) json(name, what string, v any) {
	if b, err := g.names.JSON(v); g.good(what, err) {
		g.add(name, what, b)
	}
}

func (g *gathering) text(name, what, text string) {
	g.add(name, what, []byte(g.names.Text(text)+"\n"))
}

// summaries leaves out of runs what they did to whom.
func summaries(runs []run.Report) []run.Report {
	for i := range runs {
		for j := range runs[i].Targets {
			runs[i].Targets[j].Changes = nil
		}
	}
	return runs
}

// vocabulary gives the words of the configuration's own language.
func vocabulary() (words []string) {
	b, err := app.Schema()
	if err != nil {
		return nil
	}
	var tree any
	if json.Unmarshal(b, &tree) != nil {
		return nil
	}
	var walk func(any)
	walk = func(v any) {
		switch x := v.(type) {
		case map[string]any:
			for key, value := range x {
				if props, ok := value.(map[string]any); ok && key == "properties" {
					for name := range props {
						words = append(words, name)
					}
				}
				if list, ok := value.([]any); ok && key == "enum" {
					for _, word := range list {
						if text, ok := word.(string); ok && text != "" {
							words = append(words, text)
						}
					}
				}
				walk(value)
			}
		case []any:
			for _, value := range x {
				walk(value)
			}
		}
	}
	walk(tree)
	return words
}

// namesIn gives every text of a configuration that is no word of its language: names of
// sources, of hosts, DNs, realms, groups, folders.
func namesIn(cfg *config.Config, words []string) []string {
	b, err := config.Show(cfg)
	var tree any
	if err != nil || yaml.Unmarshal(b, &tree) != nil {
		return nil
	}
	var names []string
	amount := regexp.MustCompile(`^[\d.]+[a-z%]*$`) // No name, and needed to understand anything.
	var walk func(any)
	walk = func(v any) {
		switch x := v.(type) {
		case string:
			if !slices.Contains(words, x) && !amount.MatchString(x) {
				names = append(names, x)
			}
		case []any:
			for _, value := range x {
				walk(value)
			}
		case map[string]any:
			for key, value := range x {
				walk(key)
				walk(value)
			}
		}
	}
	walk(tree)
	return names
}

// knownNames gives the names of people and groups that the state has.
func (c *command) knownNames() []string {
	var names []string
	if host, err := os.Hostname(); err == nil {
		names = append(names, host)
	}
	names = append(names, whoami())
	_ = c.look(func(b server.Backend, _ *config.Config) error { // Without a state there are none.
		users, err := b.ListUsers(c.ctx, "", false)
		if err != nil {
			return err
		}
		for i := range users {
			names = append(names, users[i].ID, users[i].Username, users[i].Email, users[i].Name, users[i].DN)
		}
		groups, err := b.ListGroups(c.ctx, "", false)
		for i := range groups {
			names = append(names, groups[i].ID, groups[i].Name, groups[i].DN, groups[i].Path, groups[i].Description)
			for _, taker := range groups[i].Rules {
				names = append(names, fmt.Sprint(taker))
			}
		}
		return err
	})
	return names
}

// limits gives what this machine allows us.
func limits() map[string]any {
	out := map[string]any{"os": runtime.GOOS, "arch": runtime.GOARCH, "cpus": runtime.NumCPU(), "uid": os.Getuid()}
	var files syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files) == nil {
		out["files"] = files.Cur
	}
	for name, file := range map[string]string{"memory": "/sys/fs/cgroup/memory.max", "cpu": "/sys/fs/cgroup/cpu.max", "kernel": "/proc/sys/kernel/osrelease"} {
		if b, err := os.ReadFile(file); err == nil {
			out[name] = strings.TrimSpace(string(b))
		}
	}
	_, err := os.Stat("/run/systemd/system")
	out["systemd"] = err == nil
	return out
}

// askDaemon reads a page that the admin listener shows to everybody.
func askDaemon(ctx context.Context, listen, path string) (string, error) {
	if _, port, err := net.SplitHostPort(listen); err != nil || port == "0" {
		return "", errors.New("there is no admin listener with a known address")
	}
	ctx, stop := context.WithTimeout(ctx, 2*healthBound)
	defer stop()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return server.DialListener(ctx, listen)
	}}, Timeout: 10 * time.Second}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://groupsyncd"+path, http.NoBody)
	if err != nil {
		return "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close() //nolint:errcheck // nothing is left to do with it
	var text bytes.Buffer
	_, err = io.Copy(&text, io.LimitReader(resp.Body, bundledBytes))
	return text.String(), err
}

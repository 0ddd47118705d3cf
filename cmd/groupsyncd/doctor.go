package main

import (
	"errors"
	"slices"
	"strings"
	"sync"

	"groupsyncd/app"
	"groupsyncd/config"
	"groupsyncd/providers"
	"groupsyncd/server"
	"groupsyncd/sync/engine"
	"groupsyncd/sync/run"

	"github.com/spf13/cobra"
)

// asProblems finds the list of problems in an error of a configuration.
func asProblems(err error) (config.Problems, bool) { return errors.AsType[config.Problems](err) }

func (c *command) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Check everything from here to the directories and to Open WebUI; writes nothing",
		Long: `Check everything from here to the directories and to Open WebUI: the configuration and
its secrets, and who may write them; whether each server can be reached and lets us in, its
certificate and clock, and what else each kind of source can say; whether Open WebUI's own
group sync is on and would work against us, and the shortest API_KEYS_ALLOWED_ENDPOINTS;
whether the state is whole, has room, and has a backup; whether the daemon is alive and how
systemd runs it; whether notices can be sent. Each finding comes with its remedy; docs/doctor.md lists them all. Takes
half a minute at most. Writes nothing.

Exit codes: 0 no failure, 1 the daemon or a notify address fails, 2 configuration, 5 a source fails, 6 a target
fails, 7 the state.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, cfg, err := c.load()
			if err != nil {
				return err
			}
			checked, err := c.examine(cfg)
			if err != nil {
				return err
			}
			c.code = doctorCode(checked)
			return c.print(map[string]any{"checks": checked}, func() { c.doctorTable(checked) })
		},
	}
}

// examine looks at everything, the servers, the state and the daemon at the same time.
func (c *command) examine(cfg *config.Config) ([]app.Checked, error) {
	own := app.Checked{Kind: "configuration", Name: cfg.File(), Findings: append(configFindings(cfg), app.FileFindings(cfg)...)}
	var kept, daemon app.Checked
	var others sync.WaitGroup
	others.Go(func() {
		kept = c.stateFindings(cfg)
		kept.Findings = append(kept.Findings, app.StateFolderFindings(cfg)...)
	})
	others.Go(func() { daemon = app.DaemonFindings(c.ctx, cfg) })
	servers, err := app.Check(c.ctx, cfg, c.logger(cfg, false))
	if err == nil {
		err = c.provisionFindings(cfg, servers)
	}
	others.Wait()
	return append(append([]app.Checked{own}, servers...), kept, daemon), err
}

// provisionFindings adds how those sources stand that their providers fill, which only the
// daemon knows that listens for them.
func (c *command) provisionFindings(cfg *config.Config, checked []app.Checked) error {
	if !slices.ContainsFunc(cfg.Sources, func(s *config.Source) bool { return s.Push }) {
		return nil
	}
	daemon, err := server.Dial(c.ctx, string(cfg.State))
	if err != nil {
		return err
	}
	status := &engine.Status{}
	if daemon != nil {
		if status, err = daemon.Status(c.ctx); err != nil {
			return err
		}
	}
	for i := range checked {
		src := cfg.Source(checked[i].Name)
		if checked[i].Kind != "source" || src == nil || !src.Push {
			continue
		}
		add := []providers.Finding{{Level: providers.Warning, Check: "listener", Message: "no daemon runs, so that the provider reaches nobody", Remedy: "run groupsyncd serve"}}
		for _, s := range status.Sources {
			if s.Name == src.Name && s.Provisioned != nil {
				add = append([]providers.Finding{{Level: providers.OK, Check: "listener", Message: "the daemon listens on " + string(cfg.Server.Public.Listen)}}, s.Provisioned.Findings()...)
			}
		}
		checked[i].Findings = append(checked[i].Findings, add...)
	}
	return nil
}

func configFindings(cfg *config.Config) []providers.Finding {
	out := []providers.Finding{{Level: providers.OK, Check: "load", Message: "the file is valid"}}
	for _, p := range cfg.CheckSecrets() {
		out = append(out, providers.Finding{Level: providers.Failed, Check: "secrets", Message: p.Error(), Remedy: p.Hint})
	}
	for _, p := range cfg.Warnings() {
		out = append(out, providers.Finding{Level: providers.Warning, Check: "load", Message: p.Error(), Remedy: p.Hint})
	}
	return out
}

func doctorCode(checked []app.Checked) int {
	codes := map[string]int{"configuration": run.ExitUsage, "source": run.ExitSource, "target": run.ExitTarget, "state": run.ExitState, "daemon": run.ExitFailure, "notify": run.ExitFailure}
	var found []int
	for _, c := range checked {
		for _, f := range c.Findings {
			if f.Level == providers.Failed {
				found = append(found, codes[c.Kind])
			}
		}
	}
	return run.First(found...)
}

func (c *command) doctorTable(checked []app.Checked) {
	failed, warned := 0, 0
	for _, k := range checked {
		c.line("%s %s", k.Kind, k.Name)
		for _, f := range k.Findings {
			c.line("  %-7s  %s: %s", strings.ToUpper(string(f.Level)), f.Check, f.Message)
			if f.Remedy != "" {
				c.line("           remedy: %s", f.Remedy)
			}
			switch f.Level {
			case providers.Failed:
				failed++
			case providers.Warning:
				warned++
			}
		}
	}
	c.line("%s, %s", plural(failed, "failure"), plural(warned, "warning"))
}

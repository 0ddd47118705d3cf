package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/user"
	"slices"
	"strings"
	"sync"
	"time"

	"groupsyncd/app"
	"groupsyncd/config"
	"groupsyncd/internal/fault"
	"groupsyncd/internal/logging"
	"groupsyncd/server"
	"groupsyncd/sync/run"

	"github.com/spf13/cobra"
)

// world is what the demonstration and tests have in place of the real one.
type world struct {
	now func() time.Time
	// lockTimeout is how long to wait for another process that holds the state; zero
	// is the default of app.
	lockTimeout time.Duration
}

// command is what every command shares: the global flags and the streams.
type command struct {
	ctx context.Context
	hup <-chan struct{}
	world
	Streams

	config  string
	output  string
	quiet   bool
	verbose bool
	// unkept says that the report is not in the history: a plan with another file.
	unkept bool
	// planning says that the configuration says mode: plan, for a target at least.
	planning bool
	// code is how a command that printed its result ends.
	code int
}

// Main runs one command line and gives its exit code.
func Main(ctx context.Context, hup <-chan struct{}, args []string, streams Streams) int {
	return mainAt(ctx, hup, args, streams, world{now: time.Now})
}

// mainAt is Main in another world.
func mainAt(ctx context.Context, hup <-chan struct{}, args []string, streams Streams, w world) int {
	out := &watched{Writer: streams.Out}
	streams.Out = out
	c := &command{ctx: ctx, hup: hup, Streams: streams, world: w}
	root := c.root()
	root.SetArgs(args)
	root.SetOut(streams.Out)
	root.SetErr(streams.Err)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil && (out.err == nil || c.code != run.ExitOK) {
		return c.code
	}
	if err == nil {
		err = written(out.err)
	}
	err = misused(cmd, err)
	c.complain(err)
	return exitCode(ctx, err)
}

func (c *command) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "groupsyncd",
		Short: "Keeps the groups of Open WebUI equal to what your directory says",
		Long: `groupsyncd keeps the groups of Open WebUI equal to what your directory says.

See it work, with nothing installed:   groupsyncd demo
Write a first configuration:           groupsyncd config init > groupsyncd.yaml
See what a run would do:               groupsyncd plan
Do it once, or keep doing it:          groupsyncd sync, groupsyncd serve

Exit codes: 0 in sync, 1 failure, 2 wrong usage or configuration, 3 some calls failed,
4 something is held by the guard, 5 a source was not read completely, 6 the target
could not be reached or refused us, 7 the state is locked or damaged, 8 changes are
pending (plan --check), 9 the world changed since the plan (apply), 130 interrupted.`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	f := root.PersistentFlags()
	f.StringVar(&c.config, "config", "", "configuration file (default: $GROUPSYNCD_CONFIG, ./groupsyncd.yaml, /etc/groupsyncd/groupsyncd.yaml)")
	f.StringVarP(&c.output, "output", "o", "table", "how data is printed: table, json or yaml")
	f.BoolVarP(&c.quiet, "quiet", "q", false, "log errors only")
	f.BoolVarP(&c.verbose, "verbose", "v", false, "log details")
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		csv := cmd.Annotations[takesCSV] != ""
		switch {
		case slices.Contains([]string{"table", "json", "yaml"}, c.output) || csv && c.output == "csv":
			return nil
		case csv:
			return usage("-o takes table, json, yaml or csv, not %q", c.output)
		}
		return usage("-o takes table, json or yaml, not %q", c.output)
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		if text, _, long := strings.Cut(err.Error(), ": strconv."); long {
			err = errors.New(text) // Which function could not read it helps nobody.
		}
		return fault.New(fault.Invalid, "", "", err, "see: "+cmd.CommandPath()+" --help")
	})
	root.AddCommand(c.serveCommand(), c.syncCommand(), c.planCommand(), c.explainCommand(), c.accessCommand(), c.teamsCommand(), c.statusCommand(), c.historyCommand(),
		c.holdsCommand(), c.approveCommand(), c.releaseCommand(),
		c.linkCommand(), c.takeoverCommand(), c.listCommand(), c.sourceCommand(), c.targetCommand(), c.configCommand(), c.webhookCommand(), c.doctorCommand(), c.demoCommand(),
		c.reloadCommand(), c.healthcheckCommand(), c.stateCommand(), c.auditCommand(), c.versionCommand(), c.applyCommand(), c.revertCommand(), c.exportCommand(), c.importCommand())
	root.AddCommand(c.manCommand(), c.metricsCommand(), c.notifyCommand(), c.supportBundleCommand())
	root.CompletionOptions.HiddenDefaultCmd = false
	root.InitDefaultCompletionCmd()
	c.help(root)
	c.branches(root)
	c.completions(root)
	return root
}

// usage is a mistake in the command line.
func usage(format string, args ...any) error {
	return fault.New(fault.Invalid, "", "", fmt.Errorf(format, args...), "")
}

// exitCode maps a failure that left no report to its code.
func exitCode(ctx context.Context, err error) int {
	if ctx.Err() != nil {
		return run.ExitInterrupted
	}
	switch fault.KindOf(err) {
	case fault.Invalid:
		return run.ExitUsage
	case fault.Damaged:
		return run.ExitState
	case fault.Canceled:
		return run.ExitInterrupted
	}
	return run.ExitFailure
}

// complain writes an error for people: the message, then what to do about it. Problems
// of a configuration bring their hints along, and begin with their places.
func (c *command) complain(err error) {
	if problems, all := asProblems(err); all {
		fmt.Fprintln(c.Err, harmless(problems.Error()))
		return
	}
	fmt.Fprintf(c.Err, "groupsyncd: %s\n", harmless(err.Error()))
	if hint := fault.HintOf(err); hint != "" {
		fmt.Fprintf(c.Err, "hint: %s\n", harmless(hint))
	}
}

// load reads the configuration that the flags and the environment name.
func (c *command) load() (string, *config.Config, error) {
	file, err := config.Find(c.config, os.Getenv)
	if err != nil {
		return "", nil, err
	}
	cfg, err := app.Load(file)
	return file, cfg, err
}

// logger makes the logger that the configuration and the flags ask for. Commands log
// warnings only, unless asked for more.
func (c *command) logger(cfg *config.Config, daemon bool) *slog.Logger {
	level := slog.LevelWarn
	if daemon {
		level = slog.LevelInfo
		if l, err := logging.ParseLevel(cfg.Log.Level); err == nil {
			level = l
		}
	}
	switch {
	case c.quiet:
		level = slog.LevelError
	case c.verbose:
		level = slog.LevelDebug
	}
	format := logging.Auto
	if cfg != nil {
		format = logging.Format(cfg.Log.Format)
	}
	return logging.New(logging.Options{Writer: c.Err, Level: level, Format: format, Terminal: terminal(c.Err), NoColor: noColor()})
}

// with gives a command the running daemon, or, when none holds the state, the program
// itself for as long as the command lasts.
func (c *command) with(work func(server.Backend, *config.Config) error) error {
	return c.withState(work, func(*config.Config) bool { return false })
}

// look is with for commands that only look: where there is no state yet they work on an
// empty one and make none. While the file has mistakes they ask the daemon that goes on with
// the one before: what it does is never as interesting as then.
func (c *command) look(work func(server.Backend, *config.Config) error) error {
	file, cfg, err := c.load()
	if err == nil {
		return c.loaded(file, cfg, work, c.nothingYet)
	}
	if daemon := c.despite(file, err); daemon != nil {
		return work(daemon, &config.Config{})
	}
	return err
}

func (c *command) withState(work func(server.Backend, *config.Config) error, empty func(*config.Config) bool) error {
	file, cfg, err := c.load()
	if err != nil {
		return err
	}
	return c.loaded(file, cfg, work, empty)
}

func (c *command) loaded(file string, cfg *config.Config, work func(server.Backend, *config.Config) error, empty func(*config.Config) bool) error {
	live, plain := c.progress(), c.Streams
	c.Streams = Streams{Out: live.over(plain.Out), Err: live.over(plain.Err)}
	defer func() { live.clear(); c.Streams = plain }()
	daemon, a, err := c.open(cfg, app.Options{File: file, Config: cfg, Logger: c.logger(cfg, false), LockTimeout: c.lockTimeout,
		Progress: live.progress(), Now: c.now}, empty)
	switch {
	case err != nil:
		return err
	case daemon != nil:
		return work(daemon, cfg)
	}
	return errors.Join(work(a, cfg), a.Close())
}

// nothingYet reports, and says, that there is no state yet.
func (c *command) nothingYet(cfg *config.Config) bool {
	missing := app.NothingYet(cfg)
	if missing && !c.quiet {
		fmt.Fprintf(c.Err, "nothing has run yet: there is no state in %s\n", cfg.State)
	}
	return missing
}

// despite finds the daemon that goes on although its file has mistakes now, and tells of them.
func (c *command) despite(file string, mistakes error) *server.Client {
	if file == "" {
		return nil
	}
	daemon, err := server.Dial(c.ctx, config.StateFolder(file))
	if daemon == nil || err != nil {
		return nil
	}
	if !c.quiet {
		c.complain(mistakes)
		fmt.Fprintln(c.Err, "the daemon goes on with the configuration that it loaded before; it says:")
	}
	return daemon
}

// redial is how often a daemon is looked for while another process holds the state.
const redial = 200 * time.Millisecond

// open finds the daemon, or opens the state. Whoever holds the state may be a daemon
// that is just starting, so one is looked for again while we wait.
func (c *command) open(cfg *config.Config, o app.Options, empty func(*config.Config) bool) (*server.Client, *app.App, error) {
	daemon, err := server.Dial(c.ctx, string(cfg.State))
	if daemon != nil || err != nil {
		return daemon, nil, err
	}
	if o.Empty = empty(cfg); o.Empty {
		a, err := app.New(c.ctx, o)
		return nil, a, err
	}
	ctx, opened := context.WithCancel(c.ctx)
	var look sync.WaitGroup
	look.Go(func() {
		tick := time.NewTicker(redial)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if found, err := server.Dial(ctx, string(cfg.State)); found != nil && err == nil {
				daemon = found
				opened()
				return
			}
		}
	})
	a, err := app.New(ctx, o)
	opened()
	look.Wait()
	if err == nil {
		return nil, a, nil // The lock is ours, so what was found has gone.
	}
	if daemon != nil && fault.KindOf(err) == fault.Canceled {
		return daemon, nil, nil
	}
	return nil, nil, err
}

// whoami names the user at the keyboard.
func whoami() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return server.UserName(uint32(os.Getuid()))
}

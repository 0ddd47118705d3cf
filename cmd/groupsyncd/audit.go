package main

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"groupsyncd/config"
	"groupsyncd/internal/fault"
	"groupsyncd/internal/scalar"
	"groupsyncd/server"
	"groupsyncd/sync/run"

	"github.com/spf13/cobra"
)

func (c *command) auditCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "The record of what was done, held and decided",
		Long: `The audit has a record of every call that was announced, every change that was made or
failed, every hold that began or ended, and every decision, by whom and why. Each
record carries the hash of the one before, so that none can be changed or taken out
unseen. After every run the log has a line "audit head" with the number, hash and
signature of the last record: keep it elsewhere, and "audit verify --head" shows later
that nothing before it was cut or made anew.`,
	}
	cmd.AddCommand(c.auditVerifyCommand(), c.auditExportCommand())
	return cmd
}

func (c *command) auditVerifyCommand() *cobra.Command {
	var text string
	cmd := &cobra.Command{
		Use:   `verify [--head "SEQ HASH SIGNATURE"]`,
		Short: "Prove that no record was changed, taken out or put in",
		Long: `Read the whole audit and check every record against its hash and the record before. With
--head, prove too that the record of a head that was kept elsewhere is there, and that
this state signed that head.

Exit codes: 0 unbroken; 7 broken, and the message names the first bad record; 1 when the
record of the head was dropped by its age.`,
		Example: "  groupsyncd audit verify\n  groupsyncd audit verify --head '1042 9f86d081… 3q2+7w…'",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var head *run.AuditHead
			if cmd.Flags().Changed("head") {
				h, err := parseHead(text)
				if err != nil {
					return err
				}
				head = h
			}
			return c.with(func(b server.Backend, _ *config.Config) error {
				s, err := b.AuditVerify(c.ctx, head)
				if err != nil {
					return err
				}
				return c.print(s, func() { c.auditTable(s) })
			})
		},
	}
	cmd.Flags().StringVar(&text, "head", "", "a head from the log: its number, hash and signature")
	return cmd
}

func (c *command) auditTable(s *run.AuditSummary) {
	if s.Last == 0 {
		c.line("the audit has no records yet")
	} else {
		c.line("unbroken: records %d to %d", s.First, s.Last)
	}
	if s.Pruned > 0 {
		c.line("dropped by their age: records up to %d", s.Pruned)
	}
	if s.Proved != nil {
		c.line("proved: record %d is there, and the head was signed by this state", s.Proved.Seq)
	}
	c.line("head: %d %s %s", s.Head.Seq, s.Head.Hash, s.Head.Signature)
	c.line("public key: %s", s.PublicKey)
}

// parseHead reads a head as the log and this command write it.
func parseHead(text string) (*run.AuditHead, error) {
	parts := strings.Fields(text)
	if len(parts) != 3 {
		return nil, usage(`--head takes three words in quotes: "SEQ HASH SIGNATURE"`)
	}
	seq, err := strconv.ParseUint(parts[0], 10, 64)
	if err != nil {
		return nil, usage("--head begins with the number of a record, not %q", parts[0])
	}
	return &run.AuditHead{Seq: seq, Hash: parts[1], Signature: parts[2]}, nil
}

func (c *command) auditExportCommand() *cobra.Command {
	var since string
	var q server.AuditQuery
	cmd := &cobra.Command{
		Use:   "export [--since TIME|DURATION] [--run ID]",
		Short: "Write the records as lines of JSON, oldest first",
		Long: `Write the records as lines of JSON, oldest first, whatever -o says. The hash at the end of
a line is SHA-256 over the line without it: cut ,"hash":"…" out to check one.`,
		Example: "  groupsyncd audit export --since 7d\n  groupsyncd audit export --run 01KAG7 | jq .event",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			var err error
			if q.Since, err = c.parseSince(since); err != nil {
				return err
			}
			return c.with(func(b server.Backend, _ *config.Config) error {
				return b.AuditExport(c.ctx, q, func(line []byte) error {
					_, err := c.Out.Write(append(line, '\n'))
					return written(err)
				})
			})
		},
	}
	cmd.Flags().StringVar(&since, "since", "", "only records from then on: 2026-03-01, 2026-03-01T12:00:00Z, or how long ago, such as 24h or 7d")
	cmd.Flags().StringVar(&q.Run, "run", "", "only records of this run, by its id or the beginning of it")
	return cmd
}

// parseSince reads a time, a day, or how long ago; empty is the beginning.
func (c *command) parseSince(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return t, nil
		}
	}
	var ago scalar.Duration
	if err := ago.UnmarshalText([]byte(text)); err != nil {
		return time.Time{}, fault.New(fault.Invalid, "", "", errors.New("--since takes a time or how long ago, not "+strconv.Quote(text)),
			"write 2026-03-01, 2026-03-01T12:00:00Z, 24h or 7d")
	}
	return c.now().Add(-ago.Std()), nil
}

package main

import (
	"strings"

	"groupsyncd/app"
	"groupsyncd/internal/fault"
	"groupsyncd/sync/run"

	"github.com/spf13/cobra"
)

func (c *command) webhookCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "webhook",
		Short: "What calls us when something changes",
	}
	cmd.AddCommand(c.webhookSetupCommand())
	return cmd
}

func (c *command) webhookSetupCommand() *cobra.Command {
	remove := false
	cmd := &cobra.Command{
		Use:   "setup TARGET",
		Short: "Register our event webhook in an Open WebUI",
		Long: `Register our event webhook in an Open WebUI, so that it calls us at each sign-in. The
configuration has the webhook, of the type openwebui, and our address as server.public.url.
What is there already and right is left as it is, what is not is put right; webhooks of others
are not touched. Once the secret or the address has changed, run it again.

Open WebUI has event webhooks from 0.10.0 on, and calls private addresses only when it was
started with ENABLE_RAG_LOCAL_WEB_FETCH=true, which also lets people attach internal web pages
in chats. Without webhooks, sign-ins are noticed by the key watch of the target.

Exit codes: 0 it is as it should be, 2 wrong usage or configuration, or an Open WebUI that
cannot do it, 6 the target could not be reached or refused us.`,
		Example: "  groupsyncd webhook setup chat\n  groupsyncd webhook setup chat --remove",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			_, cfg, err := c.load()
			if err != nil {
				return err
			}
			done, err := app.SetUpWebhook(c.ctx, cfg, c.logger(cfg, false), args[0], remove)
			if kind := fault.KindOf(err); err != nil && kind != fault.Invalid && kind != fault.Canceled {
				c.complain(err)
				c.code = run.ExitTarget
				return nil
			}
			if err != nil {
				return err
			}
			return c.print(map[string]any{"webhook": done}, func() { c.webhookWords(done) })
		},
	}
	cmd.Flags().BoolVar(&remove, "remove", false, "take it away instead")
	return cmd
}

func (c *command) webhookWords(done *app.WebhookSetup) {
	switch done.State {
	case "created":
		c.line("created: %s calls %s at each sign-in", done.Target, done.Address)
	case "updated":
		c.line("updated: %s calls %s at each sign-in; not as it should be was: %s", done.Target, done.Address, strings.Join(done.Changed, ", "))
	case "removed":
		c.line("removed: %s does not call webhook %s any more", done.Target, done.Webhook)
	case "absent":
		c.line("nothing to do: %s does not call webhook %s", done.Target, done.Webhook)
	default:
		c.line("nothing to do: %s calls %s at each sign-in", done.Target, done.Address)
	}
}

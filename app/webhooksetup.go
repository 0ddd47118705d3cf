package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"groupsyncd/config"
	"groupsyncd/internal/fault"
	"groupsyncd/internal/secret"
	"groupsyncd/target/openwebui"
)

// openwebuiHook is the type of the webhooks that an Open WebUI sends.
const openwebuiHook = "openwebui"

// WebhookSetup is what became of our event webhook at a target.
type WebhookSetup struct {
	Target string `json:"target"`
	// Webhook is its name in the configuration.
	Webhook string `json:"webhook"`
	openwebui.EventsDone
}

// SetUpWebhook makes a target call the webhook that the configuration has for it, or no
// longer. It needs no state and no daemon. What is wrong with the configuration, and what
// the target cannot do, is fault.Invalid.
func SetUpWebhook(ctx context.Context, cfg *config.Config, log *slog.Logger, target string, remove bool) (*WebhookSetup, error) {
	w, err := webhookOf(cfg, target)
	if err != nil {
		return nil, err
	}
	h := eventHook(cfg, w)
	if !remove {
		if err := reachable(cfg, w); err != nil {
			return nil, err
		}
		if h.Secrets, err = secretsOf(w); err != nil {
			return nil, err
		}
	}
	p := &parts{cfg: cfg, clients: map[string]*openwebui.Client{}}
	if err := p.connect(log, time.Now, Network{}); err != nil {
		return nil, errors.Join(err, p.close())
	}
	act := p.clients[target].SetUpEvents
	if remove {
		act = p.clients[target].RemoveEvents
	}
	done, err := act(ctx, h)
	if err != nil {
		return nil, errors.Join(err, p.close())
	}
	return &WebhookSetup{Target: target, Webhook: w.Name, EventsDone: *done}, p.close()
}

// webhookOf gives the one webhook that a target sends.
func webhookOf(cfg *config.Config, target string) (*config.Webhook, error) {
	where := "target " + target
	if cfg.Target(target) == nil {
		names := make([]string, 0, len(cfg.Targets))
		for _, t := range cfg.Targets {
			names = append(names, t.Name)
		}
		return nil, fault.New(fault.Invalid, "set up the event webhook", cfg.File(), fmt.Errorf("there is no target %q", target), "there are: "+strings.Join(names, ", "))
	}
	var of []*config.Webhook
	for _, w := range cfg.Webhooks {
		if w.Type == openwebuiHook && w.Target == target {
			of = append(of, w)
		}
	}
	switch len(of) {
	case 0:
		return nil, fault.New(fault.Invalid, "set up the event webhook", where, errors.New("no webhook of the type openwebui has it as its target"),
			"add one, such as: webhooks: {"+target+"-events: {type: openwebui, secret: file:secrets/"+target+"-hook, target: "+target+"}}")
	case 1:
		return of[0], nil
	}
	return nil, fault.New(fault.Invalid, "set up the event webhook", where,
		fmt.Errorf("the webhooks %s and %s both have it as their target", of[0].Name, of[1].Name), "leave one of them, each sign-in needs to be told once")
}

// eventHook gives a webhook as Open WebUI should call it, its secrets left out.
func eventHook(cfg *config.Config, w *config.Webhook) *openwebui.EventHook {
	h := &openwebui.EventHook{Name: w.Name}
	if cfg.Server.Public.URL != "" {
		h.Address = strings.TrimRight(cfg.Server.Public.URL, "/") + "/hooks/" + url.PathEscape(w.Name)
	}
	return h
}

// secretsOf reads the secrets that open a webhook.
func secretsOf(w *config.Webhook) ([]secret.Value, error) {
	var out []secret.Value
	for _, ref := range w.Secret {
		v, err := ref.Read()
		if err != nil {
			return nil, fault.New(fault.Invalid, "read the secret", "webhook "+w.Name, err, fault.HintOf(err))
		}
		if len(v.Reveal()) < config.MinToken {
			return nil, fault.New(fault.Invalid, "read the secret", "webhook "+w.Name,
				fmt.Errorf("it is shorter than %d characters, and would not open", config.MinToken), "make one with: openssl rand -hex 32")
		}
		out = append(out, v)
	}
	return out, nil
}

// reachable refuses an address that nobody can call, or that would take the secret over a
// network in the clear.
func reachable(cfg *config.Config, w *config.Webhook) error {
	const key = "server.public.url"
	text := cfg.Server.Public.URL
	if text == "" {
		return fault.New(fault.Invalid, "set up the event webhook", "webhook "+w.Name, errors.New(key+" is missing"),
			"write our address as Open WebUI reaches it, such as https://groups.example.org")
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "http" && !near(u.Hostname()) {
		return fault.New(fault.Invalid, "set up the event webhook", "webhook "+w.Name,
			errors.New(key+" begins with http:// and is not a private address, so the secret could be read on its way"), "put a proxy with a certificate before it, or set server.public.tls, and write https://")
	}
	return nil
}

// near reports whether a name leads to this machine or a private network, as far as it
// shows: names without a dot are those of container networks.
func near(host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.IsLoopback() || ip.IsPrivate() || ip.IsLinkLocalUnicast()
	}
	return !strings.Contains(host, ".") || slices.ContainsFunc([]string{".internal", ".local", ".lan", ".svc", ".localhost"}, func(end string) bool { return strings.HasSuffix(host, end) })
}

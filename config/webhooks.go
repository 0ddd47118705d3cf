package config

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/scalar"
	"groupsyncd/internal/secret"
)

// Public is the listener for webhooks, which may face a network.
type Public struct {
	Listen Listen `yaml:"listen" doc:"Address and port. Omitted: there is no such listener."`
	URL    string `yaml:"url" doc:"Our address as others see it, such as https://groups.example.org. Some senders sign it."`
	TLS    *TLS   `yaml:"tls" doc:"Our own certificate, where no proxy before us has one."`
}

// TLS is the certificate of a listener. Its files are read again when they change.
type TLS struct {
	Cert scalar.Path `yaml:"cert" doc:"Our certificate with those that lead to its authority, as PEM."`
	Key  scalar.Path `yaml:"key" doc:"Its private key, which nobody else may read."`
}

// Webhook is one sender that may tell us whom to look at.
type Webhook struct {
	Name string `yaml:"-"`

	Type      string          `yaml:"type" words:"standard openwebui keycloak okta authentik graph google logout" doc:"How the sender speaks."`
	Secret    []secret.Ref    `yaml:"secret" doc:"Where its secret is kept: 16 characters or more. A list while one takes the place of another: each of them opens."`
	Source    string          `yaml:"source" doc:"The source that the people it tells of are in. Omitted: any."`
	Target    string          `yaml:"target" doc:"The target that the accounts it tells of are in."`
	Tolerance scalar.Duration `yaml:"tolerance" doc:"How far the time of a signed request may be from ours."`
}

// HookKind is what a kind of webhook needs.
type HookKind struct {
	Type string
	// Secret, Source and Target say what it must, may or must not name. One that may have a
	// secret and has none must name a source of Verifiers.
	Secret, Source, Target Need
	// Tokens says that it must name a source of Verifiers in any case.
	Tokens bool
	// Verifiers are the types of sources that verify what their provider signed.
	Verifiers []string
}

// Need says whether something must, may or must not be there.
type Need string

// The needs.
const (
	Required Need = "required"
	Optional Need = "optional"
	Unwanted Need = "none"
)

// Webhook gives the webhook of that name, or nil.
func (c *Config) Webhook(name string) *Webhook {
	if i := slices.IndexFunc(c.Webhooks, func(w *Webhook) bool { return w.Name == name }); i >= 0 {
		return c.Webhooks[i]
	}
	return nil
}

func (d *decoder) checkPublic(c *Config) {
	p, at := &c.Server.Public, path{"server", "public"}
	d.checkListen(string(p.Listen), at.child("listen"))
	if p.Listen != "" && p.Listen == c.Server.Admin.Listen && !strings.HasSuffix(string(p.Listen), ":0") {
		d.reportAt(at.child("listen"), "is the address of server.admin", "give each a port of its own; the other one is not for networks")
	}
	d.checkPublicURL(p.URL, at.child("url"))
	if p.TLS != nil {
		for key, file := range map[string]scalar.Path{"cert": p.TLS.Cert, "key": p.TLS.Key} {
			if file == "" {
				d.reportAt(at.child("tls").child(key), "is missing", "name both files, cert and key, or leave tls out where a proxy before us encrypts")
			}
		}
	}
	if p.Listen == "" && len(c.Webhooks) > 0 {
		d.reportAt(path{"webhooks"}, "there is no listener for them", `name one, such as: server: {public: {listen: "localhost:8422"}}`)
	}
	for _, s := range c.Sources {
		if s.Push && p.Listen == "" {
			d.reportAt(path{"sources", s.Name, "type"}, "there is no listener for its provider", `name one, such as: server: {public: {listen: "localhost:8422"}}`)
		}
	}
	if !local(string(p.Listen)) && p.TLS == nil && !strings.HasPrefix(p.URL, "https://") {
		pos := at.child("listen")
		d.add(&d.warnings, d.at.find(pos), pos, "can be reached from other machines without encryption",
			"give it a certificate with tls, or write in url the https address of the proxy before it")
	}
}

// local reports whether an address is reached from this machine alone; none at all is.
func local(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	if err != nil || host == "localhost" {
		return true // What is wrong with it was reported.
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

func (d *decoder) checkPublicURL(text string, p path) {
	if text == "" {
		return
	}
	const example = "write our address as senders see it, such as https://groups.example.org"
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https":
		d.reportAt(p, "must be an address that begins with http:// or https://", example)
	case u.Hostname() == "":
		d.reportAt(p, "names no server", example)
	case u.User != nil:
		d.reportAt(p, "must not contain a user or password", example)
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		d.reportAt(p, "must end before ? and #", example)
	case strings.HasSuffix(strings.TrimSuffix(u.Path, "/"), "/hooks"):
		d.reportAt(p, "must be the address without /hooks", example)
	}
}

func (d *decoder) checkWebhooks(c *Config) {
	for _, w := range c.Webhooks {
		at := path{"webhooks", w.Name}
		if w.Type == "" {
			d.reportAt(at, "type is missing", "say how the sender speaks: standard, openwebui, keycloak, okta, authentik, graph, google or logout")
			continue
		}
		if w.Tolerance <= 0 {
			d.reportAt(at.child("tolerance"), "must be longer than nothing", "5m is usual")
		}
		i := slices.IndexFunc(d.opts.Hooks, func(k HookKind) bool { return k.Type == w.Type })
		if i < 0 {
			continue // The word was refused, or nobody knows it here.
		}
		d.checkSecretOf(w, &d.opts.Hooks[i], c.Server.Public.URL, at)
		d.checkSubject(c, w, &d.opts.Hooks[i], at)
	}
}

func (d *decoder) checkSecretOf(w *Webhook, k *HookKind, own string, at path) {
	p, name := at.child("secret"), "NAME"
	if harmless(w.Name) {
		name = w.Name
	}
	hint := "make one, such as with: openssl rand -hex 32, keep it in a file, and write secret: file:secrets/" + name
	switch {
	case k.Secret == Required && len(w.Secret) == 0:
		d.reportAt(p, "is missing", hint)
	case k.Secret == Optional && len(w.Secret) == 0 && w.Source == "":
		d.reportAt(p, "is missing", hint+"; or name a source of the type "+commaOr(k.Verifiers)+", which verifies what its provider signs")
	case k.Secret == Optional && len(w.Secret) == 0 && own == "":
		d.reportAt(path{"server", "public", "url"}, "is missing", "what comes to the webhook "+name+" is signed for its address: write it as the sender knows it, such as https://groups.example.org")
	case k.Secret == Unwanted && len(w.Secret) > 0:
		d.reportAt(p, "means nothing here: what a sender of this type sends is signed by its provider", "take it out")
	}
	seen := map[string]bool{}
	for i, ref := range w.Secret {
		switch {
		case ref.IsZero():
			continue // It was reported where it stands.
		case seen[ref.String()]:
			d.reportAt(p.index(i), "is named twice", "take one of the two out")
		}
		seen[ref.String()] = true
	}
}

// checkSubject checks whom a webhook may be about.
func (d *decoder) checkSubject(c *Config, w *Webhook, k *HookKind, at path) {
	var targets, sources []string
	for _, t := range c.Targets {
		targets = append(targets, t.Name)
	}
	for _, s := range c.Sources {
		sources = append(sources, s.Name)
	}
	switch {
	case k.Target == Required && w.Target == "":
		d.reportAt(at.child("target"), "is missing", "name the target that sends it")
	case k.Target == Unwanted && w.Target != "":
		d.reportAt(at.child("target"), "means nothing here: a webhook of this type tells of people of a source", "take it out; every target is brought up to date")
	case w.Target != "" && c.Target(w.Target) == nil:
		d.undefined(at.child("target"), "target", w.Target, targets)
	}
	source, verifies := c.Source(w.Source), k.Tokens || k.Secret == Optional && len(w.Secret) == 0
	switch {
	case k.Source == Required && w.Source == "":
		hint := "name the source that it tells of"
		if k.Tokens {
			hint = "name a source of the type " + commaOr(k.Verifiers)
		}
		d.reportAt(at.child("source"), "is missing", hint)
	case k.Source == Unwanted && w.Source != "":
		d.reportAt(at.child("source"), "means nothing here: a webhook of this type tells of accounts of a target", "take it out; every source is looked at")
	case w.Source != "" && source == nil:
		d.undefined(at.child("source"), "source", w.Source, sources)
	case source != nil && source.Config != nil && verifies && !slices.Contains(k.Verifiers, source.Type):
		d.reportAt(at.child("source"), "must be a source of the type "+commaOr(k.Verifiers)+", which verifies what its provider signs", "")
	}
}

// webhooks reads the webhooks in the order of the file.
func (d *decoder) readWebhooks(pairs []pair, out *[]*Webhook, p path) {
	for _, pair := range pairs {
		d.checkName(pair, p.child(pair.key))
		w := defaultWebhook(pair.key)
		d.value(pair.value, reflect.ValueOf(w).Elem(), p.child(pair.key), nil)
		*out = append(*out, w)
	}
}

// CheckPublic reads the secrets of the webhooks and the certificate of the public
// listener, and reports those that cannot be read or are easily guessed.
func (c *Config) CheckPublic() Problems {
	var problems Problems
	report := func(p path, message, hint string) {
		at := c.at.find(p)
		problems = append(problems, Problem{File: c.file, Line: at.line, Column: at.column, Message: p.String() + ": " + message, Hint: hint})
	}
	for _, w := range c.Webhooks {
		p := path{"webhooks", w.Name, "secret"}
		for i, ref := range w.Secret {
			at := p
			if c.at.has(p.index(i)) {
				at = p.index(i)
			}
			v, err := ref.Read()
			switch {
			case err != nil:
				report(at, err.Error(), fault.HintOf(err))
			case len(v.Reveal()) < MinToken:
				report(at, fmt.Sprintf("the secret is shorter than %d characters", MinToken), "make one with: openssl rand -hex 32")
			}
		}
	}
	if t := c.Server.Public.TLS; t != nil {
		if _, err := t.Load(); err != nil {
			report(path{"server", "public", "tls"}, err.Error(), cmp.Or(fault.HintOf(err), "name the files of a certificate and of its key, as PEM"))
		}
	}
	return problems.sorted()
}

// Load reads the certificate as it is now. The error holds nothing of the key.
func (t *TLS) Load() (*tls.Certificate, error) {
	key, err := secret.File(string(t.Key))
	if err != nil {
		return nil, err
	}
	cert, err := readFile(string(t.Cert))
	if err != nil {
		return nil, fault.New(fault.Invalid, "read certificate", string(t.Cert), reason(err), "the user that runs groupsyncd must be able to read it")
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fault.New(fault.Invalid, "read certificate", string(t.Cert), err, "")
	}
	return &pair, nil
}

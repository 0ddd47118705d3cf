package config

import (
	"maps"
	"net"
	"slices"
	"strconv"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/secret"
)

// Server says where the daemon listens.
type Server struct {
	Public Public `yaml:"public" doc:"Webhooks, for senders on other machines: /hooks/NAME and nothing else."`
	Admin  Admin  `yaml:"admin" doc:"Health, metrics and API, for people and programs that run this daemon."`
}

// Admin is the admin listener and who may use it.
type Admin struct {
	Listen    Listen                `yaml:"listen" doc:"Address and port. \"\" switches it off."`
	Readers   map[string]secret.Ref `yaml:"readers" doc:"Who may read, by a name of your choice, and where their token is kept: 16 characters or more."`
	Approvers map[string]secret.Ref `yaml:"approvers" doc:"Who may also start runs and approve holds. The name is kept with what they decide."`
}

// Listen is an address to listen at; empty is none at all.
type Listen string

// MinToken is the shortest token in bytes that opens anything.
const MinToken = 16

// Token is one name that may use the admin listener.
type Token struct {
	Name     string
	Approver bool
	Ref      secret.Ref
}

// Tokens lists the approvers and then the readers, by name.
func (a *Admin) Tokens() []Token {
	var out []Token
	for _, name := range slices.Sorted(maps.Keys(a.Approvers)) {
		out = append(out, Token{Name: name, Approver: true, Ref: a.Approvers[name]})
	}
	for _, name := range slices.Sorted(maps.Keys(a.Readers)) {
		out = append(out, Token{Name: name, Ref: a.Readers[name]})
	}
	return out
}

// AdminChosen reports whether the file says where the admin listener is; else its
// address is the default.
func (c *Config) AdminChosen() bool { return c.at.has(path{"server", "admin", "listen"}) }

func (t *Token) path() path {
	if t.Approver {
		return path{"server", "admin", "approvers", t.Name}
	}
	return path{"server", "admin", "readers", t.Name}
}

func (d *decoder) checkAdmin(a *Admin, p path) {
	d.checkListen(string(a.Listen), p.child("listen"))
	seen := map[string]string{}
	for _, t := range a.Tokens() {
		at := t.path()
		switch other, twice := seen[t.Ref.String()]; {
		case !properName(t.Name):
			d.reportAt(at, "a name is made of letters, digits, - _ and .", "choose a short name; it is kept with what its owner decides")
		case t.Ref.IsZero():
			d.reportAt(at, "is missing", "make a token, such as with: openssl rand -hex 32, keep it in a file, and write "+t.shownName()+": file:secrets/"+t.shownName())
		case twice && other == t.Name:
			d.reportAt(at, "is an approver with the same token already", "approvers may read as well: leave it out here")
		case twice:
			d.reportAt(at, "has the same secret as another name", "give everybody a token of their own, so that it is known who decided")
		default:
			seen[t.Ref.String()] = t.Name
		}
	}
}

func (t *Token) shownName() string {
	if harmless(t.Name) {
		return t.Name
	}
	return "NAME"
}

func (d *decoder) checkListen(text string, p path) {
	if text == "" {
		return
	}
	const example = `write an address and a port, such as localhost:8421, or "" for none`
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		d.reportAt(p, "must be an address and a port", example)
		return
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || strconv.FormatUint(n, 10) != port {
		d.reportAt(p, "must end with a port from 0 to 65535", example)
		return
	}
	if net.ParseIP(host) == nil && host != "" && !properName(host) {
		d.reportAt(p, "must begin with an address or a name of this machine", example)
	}
}

// CheckTokens reads the tokens of the admin listener and reports those that cannot be
// read, are easily guessed, or cannot be told apart.
func (c *Config) CheckTokens() Problems {
	var problems Problems
	seen := map[string]bool{}
	for _, t := range c.Server.Admin.Tokens() {
		v, err := t.Ref.Read()
		text := v.Reveal()
		message, hint := "", ""
		switch {
		case err != nil:
			message, hint = err.Error(), fault.HintOf(err)
		case len(text) < MinToken:
			message, hint = "the token is shorter than 16 characters", "make one with: openssl rand -hex 32"
		case seen[text]:
			message, hint = "the token is that of another name", "give everybody a token of their own, so that it is known who decided"
		default:
			seen[text] = true
			continue
		}
		at := c.at.find(t.path())
		problems = append(problems, Problem{File: c.file, Line: at.line, Column: at.column, Message: t.path().String() + ": " + message, Hint: hint})
	}
	return problems.sorted()
}

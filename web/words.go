package web

import (
	"cmp"
	"fmt"
	"html/template"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"groupsyncd/sync/engine"
	"groupsyncd/sync/run"
)

// words are the functions of the templates.
func words() template.FuncMap {
	return template.FuncMap{
		"name": func(s string) string { return Plain(s, 120) }, "text": func(s string) string { return Plain(s, 1500) },
		"brief":  func(s string) string { return Plain(s, 400) },
		"number": number, "plural": plural, "join": strings.Join, "took": took,
		"userPath": UserPath, "groupPath": GroupPath, "runPath": RunPath, "holdPath": HoldPath,
		"op": opWords, "sign": sign, "outcomeLevel": outcomeLevel, "exit": exitWords, "exitLevel": exitLevel, "summary": summary, "check": CheckWords,
		"trigger": triggerWords, "stands": stands, "standsLevel": standsLevel, "role": roleWords, "from": fromWords, "under": func(s string) string { return strings.ReplaceAll(s, "_", " ") },
		"pair": func(p *Page, v any) pair { return pair{p, v} }, "short": short, "change": func(c run.Change) *run.Change { return &c },
		"navigation": navigation, "sentence": Sentence, "source": func(s engine.SourceStatus) Step {
			level, text := SourceState(&s)
			return Step{Level: level, Text: text}
		},
		"percent": func(done, total int) int { return 100 * done / max(total, 1) },
	}
}

// Plain makes a text harmless to read: what reorders, hides or controls text becomes visible,
// and what is too long is cut.
func Plain(s string, longest int) string {
	var b strings.Builder
	n := 0
	for _, r := range s {
		if n++; n > longest {
			b.WriteRune('…')
			break
		}
		switch {
		case r == '\n' || r == '\t':
			r = ' '
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r), r == '\u2028', r == '\u2029', r == '\ufeff', r == '\u200b':
			r = unicode.ReplacementChar
		}
		b.WriteRune(r)
	}
	return b.String()
}

func number(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// plural counts a noun.
func plural(n int, noun string) string {
	switch {
	case n == 1:
		return "1 " + noun
	case strings.HasSuffix(noun, "person"):
		return number(n) + " " + strings.TrimSuffix(noun, "person") + "people"
	case strings.HasSuffix(noun, "s"):
		return number(n) + " " + noun + "es"
	}
	return number(n) + " " + noun + "s"
}

func took(ms int64) string {
	d := time.Duration(ms) * time.Millisecond
	switch {
	case d < time.Second:
		return strconv.FormatInt(ms, 10) + " ms"
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return span(d)
}

// longestName is the longest name that an address can have: servers bound the head of a request.
const longestName = 2000

// place gives the address of somebody or something by name; empty where no address can hold it.
func place(under, name string) string {
	at := url.PathEscape(name)
	if name == "" || name == "." || name == ".." || len(at) > longestName || !utf8.ValidString(name) {
		return ""
	}
	return under + at
}

// UserPath is where a person has a page, by the first of their names that an address can hold.
func UserPath(names ...string) string { return first("/users/", names) }

// GroupPath is where a group has a page.
func GroupPath(names ...string) string { return first("/groups/", names) }

func first(under string, names []string) string {
	for _, n := range names {
		if at := place(under, n); at != "" {
			return at
		}
	}
	return ""
}

// RunPath is where a run has a page.
func RunPath(id string) string { return place("/runs/", id) }

// HoldPath is where a hold has a page.
func HoldPath(hash string) string { return place("/holds/", hash) }

// short is the end of an id of a run, which tells it from its neighbours.
func short(id string) string {
	if len(id) > 10 && utf8.ValidString(id) {
		return id[len(id)-6:]
	}
	return Plain(id, 20)
}

func opWords(op run.Op) string { return strings.ReplaceAll(string(op), "_", " ") }

// sign says at a glance whether something is given, taken or altered.
func sign(op run.Op) string {
	switch op {
	case run.AddMember, run.CreateGroup, run.CreateAccount, run.AdoptMember:
		return "+"
	case run.RemoveMember, run.DeleteGroup, run.ReleaseMember:
		return "−"
	}
	return "~"
}

func outcomeLevel(o run.Outcome) string {
	return map[run.Outcome]string{run.Applied: "ok", run.Held: "warn", run.Failed: "bad"}[o]
}

// exitWords says in words how a run ended.
func exitWords(code int) string {
	switch code {
	case run.ExitOK:
		return "in sync"
	case run.ExitPartly:
		return "some calls failed"
	case run.ExitHeld:
		return "something is held"
	case run.ExitSource:
		return "a source was not read whole"
	case run.ExitTarget:
		return "Open WebUI failed"
	case run.ExitStale:
		return "the world had changed"
	case run.ExitInterrupted:
		return "interrupted"
	}
	return "ended with " + strconv.Itoa(code)
}

func exitLevel(code int) string {
	switch code {
	case run.ExitOK:
		return "ok"
	case run.ExitHeld, run.ExitInterrupted, run.ExitStale:
		return "warn"
	}
	return "bad"
}

func triggerWords(t run.Trigger) string {
	return map[run.Trigger]string{run.Manual: "by hand", run.Schedule: "schedule", run.Webhook: "webhook", run.Watch: "watch", run.Reload: "reload",
		run.Confirm: "confirming read", run.Push: "push"}[t]
}

// summary says in one line what a run did, leaving out what it did not.
func summary(r run.Report) string {
	s := r.Total()
	var parts []string
	for _, p := range []struct {
		n          int
		noun, text string
	}{{s.GroupsCreated, "group", "created"}, {s.GroupsUpdated, "group", "changed"}, {s.GroupsDeleted, "group", "deleted"}, {s.MembersAdded, "member", "added"},
		{s.MembersRemoved, "member", "removed"}, {s.MembersAdopted, "member", "adopted"}, {s.MembersReleased, "membership", "released"}, {s.RolesChanged, "role", "changed"},
		{s.AccountsCreated, "account", "created"}, {s.GrantsChanged, "grant", "changed"}, {s.DefaultsChanged, "default permission", "changed"},
		{s.Held, "change", "held"}, {s.Failed, "change", "failed"}} {
		if p.n > 0 {
			parts = append(parts, plural(p.n, p.noun)+" "+p.text)
		}
	}
	if len(parts) == 0 && slices.ContainsFunc(r.Targets, func(t run.TargetReport) bool { return t.Error != "" }) {
		return "nothing was done"
	}
	if len(parts) == 0 {
		return "nothing to do"
	}
	return strings.Join(parts, ", ")
}

// stands says in words how a person stands in a group.
func stands(state string) string {
	return cmp.Or(map[string]string{"member": "member, through groupsyncd", "manual": "member, put there by hand", "wanted": "will be added by the next run",
		"held": "held by the guard", "unknown": "stays: not proved to have ended", "leaving": "will be taken out by the next run", "pending": "waits for an account"}[state], "not a member")
}

func standsLevel(state string) string {
	return map[string]string{"member": "ok", "wanted": "wait", "pending": "wait", "held": "warn", "unknown": "warn", "leaving": "warn"}[state]
}

// roleWords says in words why an account has its role.
func roleWords(state, next string) string {
	if state == "changing" {
		return "the next run makes it " + next
	}
	return map[string]string{"ours": "through groupsyncd", "manual": "not through groupsyncd", "suspended": "suspended because of the directory",
		"by_hand": "suspended by somebody in Open WebUI, and left so", "held": "held by the guard", "unknown": "stays: not proved to have ended"}[state]
}

// fromWords says who gives a right.
func fromWords(list []string) string {
	var out []string
	for _, f := range list {
		f = strings.ReplaceAll(f, "group:", "group ")
		if f == "default" {
			f = "the default permissions"
		}
		out = append(out, Plain(f, 120))
	}
	return strings.Join(out, ", ")
}

// Place is one place in the navigation.
type Place struct{ Path, Text string }

func navigation() []Place {
	return []Place{{"/", "Status"}, {"/runs", "Runs"}, {"/holds", "Holds"}, {"/users", "People"}, {"/groups", "Groups"}}
}

// Sentence begins and ends a text as a sentence does. A command at the end keeps its own.
func Sentence(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 {
		return s
	}
	if !strings.HasSuffix(s, ".") && !strings.HasSuffix(s, "?") && !strings.HasSuffix(s, "…") && !strings.Contains(s, "groupsyncd ") {
		s += "."
	}
	return string(unicode.ToUpper(r)) + s[n:]
}

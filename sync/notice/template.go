package notice

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"text/template"
	"time"
	"unicode"

	"groupsyncd/sync/run"
)

// The templates that are used where none is configured.
const (
	DefaultTitle = `groupsyncd on {{ .Host }}: {{ .Headline }}`
	DefaultBody  = `{{ .Message }}
{{- range .Lines }}
- {{ . }}
{{- end }}
{{- if .More }}
- and {{ .More }} more
{{- end }}
{{- if .Hint }}
{{ .Hint }}
{{- end }}
{{- if .Page }}
status page: {{ .Page }}
{{- end }}
`
)

// maxText bounds what a template may write: one that never ends is a mistake.
const maxText = 64 << 10

// View is what templates see of a notice.
type View struct {
	// Kind is held, failed, stale, recovered, privileged, applied, or test; Event is new,
	// changed, reminder or over.
	Kind, Event string
	// Headline says it in a few words, Message in a sentence, Hint what to do about it.
	Headline, Message, Hint string
	// Since is when it began, At when this notice was written.
	Since, At time.Time
	Target    string
	Run       string
	// Lines are the first of what it lists, More is how many there are beside them.
	Lines []string
	More  int
	// Page is the address of the status page, or empty; Host names the machine.
	Page, Host string
}

// Template writes the title and the text of a notice.
type Template struct{ title, body *template.Template }

// Parse reads templates, and tries them on a notice of each kind. An empty one is the
// default.
func Parse(title, body string) (*Template, error) {
	t := &Template{}
	for _, part := range []struct {
		name, text, otherwise string
		into                  **template.Template
	}{{"title", title, DefaultTitle, &t.title}, {"body", body, DefaultBody, &t.body}} {
		parsed, err := template.New(part.name).Option("missingkey=error").Parse(or(part.text, part.otherwise))
		if err != nil {
			return nil, err
		}
		*part.into = parsed
	}
	for _, v := range samples() {
		if _, _, err := t.write(&v); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func samples() []View {
	at := time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC)
	var out []View
	for _, kind := range []run.NoticeKind{run.NoticeHeld, run.NoticeQuarantined, run.NoticeStale, run.NoticeRecovered, run.NoticePrivileged, run.NoticeApplied} {
		for _, event := range []run.LetterEvent{run.LetterNew, run.LetterChanged, run.LetterReminder, run.LetterOver} {
			v := View{Kind: string(kind), Event: string(event), Headline: "headline", Message: "message", Hint: "hint", Since: at, At: at, Target: "chat",
				Run: "01K", Lines: []string{"one", "two"}, More: 3, Page: "http://127.0.0.1:8421/", Host: "host"}
			out = append(out, v)
			v.Lines, v.More, v.Hint, v.Page, v.Target, v.Run, v.Since = nil, 0, "", "", "", "", time.Time{}
			out = append(out, v)
		}
	}
	return out
}

func (t *Template) write(v *View) (title, body string, err error) {
	for _, part := range []struct {
		t    *template.Template
		into *string
	}{{t.title, &title}, {t.body, &body}} {
		var b bytes.Buffer
		if err := part.t.Execute(&limited{&b, maxText}, v); err != nil {
			return "", "", err
		}
		*part.into = strings.TrimSpace(b.String())
	}
	return strings.Join(strings.Fields(title), " "), body, nil
}

type limited struct {
	w    io.Writer
	left int
}

func (l *limited) Write(b []byte) (int, error) {
	if l.left -= len(b); l.left < 0 {
		return 0, errors.New("it writes too much")
	}
	return l.w.Write(b)
}

// view makes what templates see of a letter.
func (d *Desk) view(l *run.Letter) View {
	v := View{Kind: string(l.Kind), Event: string(l.Event), Message: tame(l.Message), Since: l.Since.UTC(), At: l.At.UTC(),
		Target: l.Target, Run: l.Run, More: l.More, Page: d.o.Page(), Host: d.o.Host}
	var hints []string
	for h := range strings.SplitSeq(l.Hint, "\n") {
		hints = append(hints, tame(h))
	}
	v.Hint = strings.Join(hints, "\n")
	for _, line := range l.Lines {
		v.Lines = append(v.Lines, tame(line))
	}
	v.Headline = headline(l)
	since := ""
	if !l.Since.IsZero() {
		since = " since " + l.Since.UTC().Format("2006-01-02 15:04 UTC")
	}
	switch l.Event {
	case run.LetterChanged:
		v.Message = "for another reason than before: " + v.Message
	case run.LetterReminder:
		v.Message = "still" + since + ": " + v.Message
	case run.LetterOver:
		v.Message = "it is over, and was so" + since + ": " + v.Message
	}
	return v
}

// headline says a letter in a few words.
func headline(l *run.Letter) string {
	in := ""
	if l.Target != "" {
		in = " in " + l.Target
	}
	text := map[run.NoticeKind]string{
		run.NoticeHeld: "changes are held" + in, run.NoticeQuarantined: "something keeps failing", run.NoticeStale: "a source is stale",
		run.NoticeRecovered: "it is over" + in, run.NoticePrivileged: "more power" + in, run.NoticeApplied: "changes made" + in,
	}[l.Kind]
	parts := strings.Split(l.Key, "/")
	switch {
	case (l.Kind == run.NoticeQuarantined || l.Kind == run.NoticeRecovered) && len(parts) == 3 && parts[0] == "quarantine":
		text = parts[1] + " " + parts[2] + " keeps failing"
		if l.Kind == run.NoticeRecovered {
			text = parts[1] + " " + parts[2] + " works again"
		}
	case parts[0] == "stale" && len(parts) == 2:
		text = "source " + parts[1] + " is stale"
		if l.Kind == run.NoticeRecovered {
			text = "source " + parts[1] + " is read again"
		}
	case l.Kind == run.NoticeRecovered && parts[0] == "held":
		text = "nothing of it is held any more" + in
	}
	switch l.Event {
	case run.LetterChanged:
		text += ", for another reason"
	case run.LetterReminder:
		text = "still: " + text
	}
	return tame(text)
}

// calls are what chat services take for a call of many people.
var calls = regexp.MustCompile(`(?i)(^|[^\pL\pN_.+-])@(everyone|here|channel|all|room|group)\b|<([!@#])`)

// tame makes a text that may come from a directory fit for a chat: one line, nothing that
// moves what stands beside it, and no call of a whole channel.
func tame(text string) string {
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
	text = strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Cf, r) { // Such as those that turn the direction of writing.
			return -1
		}
		return r
	}, text)
	return calls.ReplaceAllStringFunc(text, func(s string) string {
		i := strings.LastIndexAny(s, "@<!#")
		if strings.HasPrefix(s, "<") {
			i = 0
		}
		return s[:i+1] + "\u200b" + s[i+1:]
	})
}

// compose puts letters together into one message of at most so many bytes: whole ones as
// long as they fit, then a line for each, then how many there are.
func (d *Desk) compose(t *Template, letters []run.Letter, limit int) (title, body string) {
	const reserve = 60 // for the last line
	var b strings.Builder
	short := false
	for i := range letters {
		v := d.view(&letters[i])
		if i < len(letters)-1 {
			v.Page = ""
		}
		head, text, err := t.write(&v)
		if err != nil { // It worked on the samples; the notice is more than its form.
			head, text = v.Headline, v.Message
		}
		if len(letters) == 1 {
			return cut(head, 200), cut(text, limit)
		}
		whole, line := head+"\n"+text+"\n\n", "- "+v.Headline+"\n"
		switch {
		case !short && b.Len()+len(whole)+reserve <= limit:
			b.WriteString(whole)
		case b.Len()+len(line)+reserve <= limit:
			b.WriteString(line)
			short = true
		default:
			fmt.Fprintf(&b, "… and %d more; see: groupsyncd status", len(letters)-i)
			return d.together(letters), b.String()
		}
	}
	return d.together(letters), strings.TrimSpace(b.String())
}

// together is the title of several letters.
func (d *Desk) together(letters []run.Letter) string {
	var kinds []run.NoticeKind
	count := map[run.NoticeKind]int{}
	for i := range letters {
		if count[letters[i].Kind]++; count[letters[i].Kind] == 1 {
			kinds = append(kinds, letters[i].Kind)
		}
	}
	var parts []string
	for _, k := range kinds {
		parts = append(parts, fmt.Sprintf("%d %s", count[k], k))
	}
	return fmt.Sprintf("groupsyncd on %s: %d notices: %s", d.o.Host, len(letters), strings.Join(parts, ", "))
}

// cut shortens a text to so many bytes.
func cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:max(limit-3, 0)], "") + "…"
}

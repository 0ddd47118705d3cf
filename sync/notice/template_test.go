package notice

import (
	"strings"
	"testing"
	"time"

	"groupsyncd/sync/run"
)

func TestNamesFromADirectoryCallNobodyAndHideNothing(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"group <!channel> and @everyone": "group <\u200b!channel> and @\u200beveryone",
		"@Here now":                      "@\u200bHere now",
		"<@U123>":                        "<\u200b@U123>",
		"ada@here.org":                   "ada@here.org",
		"a\r\nb\x1b[31mc\x00":            "a b [31mc",
		"abc\u202edcba":                  "abcdcba",
	} {
		if got := tame(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

func TestTemplatesAreTriedWhenTheyAreRead(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		"{{ .Mesage }}":        "Mesage",
		"{{ .Message":          "unclosed action",
		"{{ index .Lines 0 }}": "index out of range", // Not every notice has lines.
		"{{ range .Lines }}":   "unexpected EOF",
		"{{ nope }}":           `"nope" not defined`,
		"{{ define \"x\" }}{{ template \"x\" }}{{ end }}{{ template \"x\" }}": "exceeded maximum template depth",
	} {
		if _, err := Parse("", body); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", body, err)
		}
	}
	own, err := Parse("[{{ .Kind }}/{{ .Event }}] {{ .Headline }}", "{{ .Message }}{{ with .Target }} in {{ . }}{{ end }}")
	if err != nil {
		t.Fatal(err)
	}
	d := New(Options{Page: func() string { return "" }, Now: time.Now})
	title, body := d.compose(own, []run.Letter{{Kind: run.NoticeHeld, Event: run.LetterNew, Key: "held/chat/x/", Message: "text", Target: "chat"}}, 100)
	if title != "[held/new] changes are held in chat" || body != "text in chat" {
		t.Errorf("%q, %q", title, body)
	}
}

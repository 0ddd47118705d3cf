package shout

import (
	"bufio"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"net"
	"net/mail"
	"strings"
	"testing"
	"time"

	"groupsyncd/internal/fault"
)

// post is a mail server that takes mails, and says what it is told to say instead.
type post struct {
	addr  string
	mails chan string
	// says has an answer for the beginning of a command.
	says map[string]string
	// able are the extensions that it names.
	able []string
}

func newPost(t *testing.T, says map[string]string, able ...string) *post {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &post{addr: l.Addr().String(), mails: make(chan string, 4), says: says, able: able}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.serve(c)
		}
	}()
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		<-done
	})
	return p
}

func (p *post) serve(c net.Conn) {
	defer func() { _ = c.Close() }() // The other side may have closed it.
	if p.says["connect"] == "silence" {
		_, _ = io.Copy(io.Discard, c) // Until the other side has had enough.
		return
	}
	fmt.Fprint(c, "220 post\r\n")
	in := bufio.NewScanner(c)
	text, data := "", false
	for in.Scan() {
		line := in.Text()
		answer := "250 fine"
		switch {
		case data && line != ".":
			text += line + "\n"
			continue
		case data:
			data = false
			p.mails <- text
		case strings.HasPrefix(line, "EHLO"):
			answer = ""
			for _, a := range append([]string{"post"}, p.able...) {
				answer += "250-" + a + "\r\n"
			}
			answer += "250 HELP"
		case line == "DATA":
			data, answer = true, "354 go on"
		case strings.HasPrefix(line, "AUTH"):
			answer = "235 welcome"
			text += line + "\n"
		case line == "QUIT":
			answer = "221 bye"
		default:
			text += line + "\n"
		}
		for command, other := range p.says {
			if strings.HasPrefix(line, command) {
				answer = strings.ReplaceAll(other, "LINE", line)
				data = data && command != "DATA"
			}
		}
		fmt.Fprint(c, answer+"\r\n")
	}
}

func TestMailArrivesWhole(t *testing.T) {
	t.Parallel()
	p := newPost(t, nil, "AUTH PLAIN")
	s := service(t, "smtp://user:"+canary+"@"+p.addr+"/?from=sync@example.org&fromname=Gruppen+Bote&to=ada@example.org,bo+it@example.org")
	long := strings.Repeat("long ", 400)
	if err := s.Send(t.Context(), Message{"Überfällig\r\nBcc: eve@example.org", "first\n.\n" + long}); err != nil {
		t.Fatal(err)
	}
	text := <-p.mails
	envelope, rest, _ := strings.Cut(text, "From: ")
	for _, want := range []string{"AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00user\x00"+canary)), "MAIL FROM:<sync@example.org>", "RCPT TO:<ada@example.org>", "RCPT TO:<bo+it@example.org>"} {
		if !strings.Contains(envelope, want) {
			t.Errorf("the envelope lacks %q:\n%s", want, envelope)
		}
	}
	m, err := mail.ReadMessage(strings.NewReader("From: " + rest))
	if err != nil {
		t.Fatal(err, text)
	}
	subject, err := (&mime.WordDecoder{}).DecodeHeader(m.Header.Get("Subject"))
	if err != nil || subject != "Überfällig Bcc: eve@example.org" || m.Header.Get("Bcc") != "" || m.Header.Get("Auto-Submitted") != "auto-generated" || m.Header.Get("Message-Id") == "" {
		t.Errorf("%q, %v, %v", subject, err, m.Header)
	}
	body, err := io.ReadAll(base64.NewDecoder(base64.StdEncoding, m.Body))
	if err != nil || string(body) != "first\r\n.\r\n"+long {
		t.Errorf("%q, %v", body, err)
	}
}

func TestMailThatIsRefusedSaysWhy(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		says map[string]string
		able []string
		add  string
		kind fault.Kind
		want string
	}{
		"password":    {map[string]string{"AUTH": "535 no LINE"}, []string{"AUTH PLAIN"}, "", fault.Auth, "535"},
		"sender":      {map[string]string{"MAIL": "550 LINE"}, []string{"AUTH PLAIN"}, "", fault.Invalid, "550"},
		"recipient":   {map[string]string{"RCPT": "450 LINE"}, []string{"AUTH PLAIN"}, "", fault.Unavailable, "450"},
		"text":        {map[string]string{"DATA": "554 LINE"}, []string{"AUTH PLAIN"}, "", fault.Invalid, "554"},
		"no STARTTLS": {nil, []string{"AUTH PLAIN"}, "&requirestarttls=yes", fault.Invalid, "STARTTLS"},
		"login":       {map[string]string{"AUTH": "502 LINE"}, nil, "", fault.Invalid, "502"},
	} {
		p := newPost(t, c.says, c.able...)
		err := service(t, "smtp://user:"+canary+"@"+p.addr+"/?from=sync@example.org&to=ada@example.org"+c.add).Send(t.Context(), Message{"t", "b"})
		if fault.KindOf(err) != c.kind || !strings.Contains(fmt.Sprint(err), c.want) || fault.HintOf(err) == "" {
			t.Errorf("%s: %v, kind %v, hint %q", name, err, fault.KindOf(err), fault.HintOf(err))
		}
		text := fmt.Sprint(err, fault.HintOf(err))
		for _, leak := range []string{canary, base64.StdEncoding.EncodeToString([]byte("\x00user\x00" + canary))} {
			if strings.Contains(text, leak) {
				t.Errorf("%s: the error holds the secret: %s", name, text)
			}
		}
	}
}

func TestAMailServerThatSaysNothingEnds(t *testing.T) {
	t.Parallel()
	p := newPost(t, map[string]string{"connect": "silence"})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := service(t, "smtp://"+p.addr+"/?from=sync@example.org&to=ada@example.org").Send(ctx, Message{"t", "b"})
	if fault.KindOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "no answer in time") {
		t.Errorf("%v", err)
	}
}

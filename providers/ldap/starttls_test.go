package ldap

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	ldap "github.com/go-ldap/ldap/v3"

	"groupsyncd/internal/fault"
)

// answerTo makes an extended response.
func answerTo(id int64, code int64, why string) []byte {
	response := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldap.ApplicationExtendedResponse, nil, "")
	response.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, code, ""))
	response.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, "", ""))
	response.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, why, ""))
	message := ber.NewSequence("")
	message.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, id, ""))
	message.AppendChild(response)
	return message.Bytes()
}

// inTheMiddle accepts one connection, answers its first request with those bytes, goes
// on with TLS unless config is nil, and notes what else came in clear.
func inTheMiddle(t *testing.T, answer []byte, config *tls.Config) (url string, inClear <-chan []byte) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	rest := make(chan []byte, 1)
	go func() {
		defer close(rest)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer func() { _ = c.Close() }()
		if _, err := readMessage(c); err != nil {
			return
		}
		if _, err := c.Write(answer); err != nil {
			return
		}
		if config != nil {
			_ = tls.Server(c, config).Handshake()
			return
		}
		all, _ := io.ReadAll(c)
		rest <- all
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-rest // the end of the server
	})
	return "ldap://" + l.Addr().String(), rest
}

// TestStartTLSTakesNothingFromBeforeTheHandshake is about whoever sits on the line: an
// answer slipped in behind the response must not be read as if it came through TLS, and
// nothing but a proper success leads to a handshake.
func TestStartTLSTakesNothingFromBeforeTheHandshake(t *testing.T) {
	t.Parallel()
	good, ca := certificate(t, time.Now().AddDate(1, 0, 0), "x", net.IPv4(127, 0, 0, 1))
	slipped := append(answerTo(1, 0, ""), answerTo(1, 0, "")...)
	large := append([]byte{0x30, 0x84, 0x7f, 0xff, 0xff, 0xff}, answerTo(1, 0, "")...)
	for _, c := range []struct {
		name   string
		answer []byte
		why    string
	}{
		{"more behind the response", slipped, "StartTLS"},
		{"refused", answerTo(1, ldap.LDAPResultUnavailable, "no certificate"), "no certificate"},
		{"another request's", answerTo(2, 0, ""), errNoAnswer.Error()},
		{"notice of disconnection", answerTo(0, ldap.LDAPResultUnavailable, "going down"), "going down"},
		{"too large", large, errNoAnswer.Error()},
		{"length of length", []byte{0x30, 0x85, 0, 0, 0, 0, 1}, errNoAnswer.Error()},
		{"no LDAP", []byte("HTTP/1.1 400 Bad Request\r\n\r\n"), errNoAnswer.Error()},
		{"nothing inside", []byte{0x30, 0}, errNoAnswer.Error()},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			url, inClear := inTheMiddle(t, c.answer, nil)
			config := configure(t, RFC2307bis, url)
			config.StartTLS, config.CAFile = true, ca
			_, err := open(t, config).Pull(t.Context(), nil)
			if fault.KindOf(err) != fault.Unavailable || !strings.Contains(err.Error(), c.why) || !strings.Contains(fault.HintOf(err), "StartTLS") {
				t.Errorf("error %v, hint %q", err, fault.HintOf(err))
			}
			for sent := range inClear {
				if len(sent) > 0 && sent[0] != 0x16 && sent[0] != 0x15 { // a TLS handshake or alert
					t.Errorf("went on in clear with % x", sent[:min(len(sent), 16)])
				}
			}
		})
	}
	// The same server without the trick is let in as far as the handshake.
	url, _ := inTheMiddle(t, answerTo(1, 0, ""), good)
	to, err := parseServer(url)
	if err != nil {
		t.Fatal(err)
	}
	config := configure(t, RFC2307bis, url)
	config.StartTLS, config.CAFile = true, ca
	c, err := open(t, config).dialServer(t.Context(), to)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

func TestStartTLSEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ours, theirs := net.Pipe()
	defer func() { _, _ = ours.Close(), theirs.Close() }()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, _ = readMessage(theirs)
		cancel() // and no answer
	}()
	_, err := startTLS(ctx, ours, &tls.Config{ServerName: "x"})
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("error %v", err)
	}
}

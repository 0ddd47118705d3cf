package shout

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/mail"
	netsmtp "net/smtp"
	"net/textproto"
	"strconv"
	"strings"
	"time"

	"groupsyncd/internal/fault"

	"github.com/nicholas-fedor/shoutrrr/pkg/services/email/smtp"
)

// mailTime bounds one mail, from the connection to the last word of the server.
const mailTime = 30 * time.Second

// smtps is the port on which encryption begins at once.
const smtps = 465

// checkMail finds what would fail at every mail.
func checkMail(c *smtp.Config) error {
	bad := func(why, h string) error { return fault.New(fault.Invalid, "", "", errors.New(why), h) }
	if c.SkipTLSVerify {
		return bad("skiptlsverify is not supported: certificates are always looked at", "add the authority's certificate to those of the system, or name its file in SSL_CERT_FILE")
	}
	c.FixEmailTags()
	for _, a := range append([]string{c.FromAddress}, c.ToAddresses...) {
		if _, err := mail.ParseAddress(a); err != nil || strings.ContainsAny(a, "\r\n<>") {
			return bad("the address of the service smtp has a from or to that is no mail address", hint)
		}
	}
	return nil
}

// sendMail delivers a message by SMTP. The library reads the address; its own conversation
// with the server is not used, because nothing bounds it in time, and because it writes
// subjects as they are, which are cut or refused unless they are ASCII.
func sendMail(ctx context.Context, c *smtp.Config, m Message) error {
	ctx, cancel := context.WithTimeout(ctx, mailTime)
	defer cancel()
	address := net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port)))
	secure := &tls.Config{ServerName: c.Host, MinVersion: tls.VersionTLS12}
	conn, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // Whoever waits for the server wakes up.
	defer stop()
	defer func() { _ = conn.Close() }() // After Quit there is nothing left to lose.
	if implicit(c) {
		conn = tls.Client(conn, secure)
	}
	err = converse(conn, c, secure, m)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// implicit says that encryption begins at once.
func implicit(c *smtp.Config) bool {
	return c.Encryption == smtp.EncMethods.ImplicitTLS || c.Encryption == smtp.EncMethods.Auto && c.Port == smtps
}

func converse(conn net.Conn, c *smtp.Config, secure *tls.Config, m Message) error {
	client, err := netsmtp.NewClient(conn, c.Host)
	if err != nil {
		return said(err)
	}
	if err := client.Hello(host(c)); err != nil {
		return said(err)
	}
	if c.UseStartTLS && !implicit(c) {
		if able, _ := client.Extension("STARTTLS"); able {
			if err := client.StartTLS(secure); err != nil {
				return err
			}
		} else if c.RequireStartTLS || c.Encryption == smtp.EncMethods.ExplicitTLS {
			return fault.New(fault.Invalid, "", "", errors.New("the server has no STARTTLS"), "use its port with encryption, such as 465")
		}
	}
	if err := login(client, c); err != nil {
		return err
	}
	if err := client.Mail(c.FromAddress); err != nil {
		return said(err)
	}
	for _, to := range c.ToAddresses {
		if err := client.Rcpt(to); err != nil {
			return said(err)
		}
	}
	w, err := client.Data()
	if err != nil {
		return said(err)
	}
	if err := write(w, c, m); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return said(err)
	}
	_ = client.Quit() // The mail is accepted; how the server says goodbye changes nothing.
	return nil
}

func host(c *smtp.Config) string {
	if c.ClientHost == "auto" || c.ClientHost == "" {
		return "localhost"
	}
	return c.ClientHost
}

// login proves who we are. PlainAuth itself refuses to show a password to a server
// without encryption.
func login(client *netsmtp.Client, c *smtp.Config) error {
	var auth netsmtp.Auth
	switch c.Auth {
	case smtp.AuthTypes.None:
		return nil
	case smtp.AuthTypes.CRAMMD5:
		auth = netsmtp.CRAMMD5Auth(c.Username, c.Password)
	case smtp.AuthTypes.OAuth2:
		auth = smtp.OAuth2Auth(c.Username, c.Password)
	default:
		auth = netsmtp.PlainAuth("", c.Username, c.Password, c.Host)
	}
	if err := client.Auth(auth); err != nil {
		if _, ok := errors.AsType[*textproto.Error](err); ok {
			return said(err)
		}
		return fault.New(fault.Auth, "", "", err, "a password is only sent over an encrypted connection: use port 465, or a server with STARTTLS")
	}
	return nil
}

// said gives the answer of a server the kind that its number means.
func said(err error) error {
	e, ok := errors.AsType[*textproto.Error](err)
	switch {
	case !ok:
		return err
	case e.Code == 530 || e.Code == 534 || e.Code == 535:
		return fault.New(fault.Auth, "", "", err, "the mail server refuses the user or password in the address, or wants one")
	case e.Code >= 500:
		return fault.New(fault.Invalid, "", "", err, "the mail server refuses the mail for good: may this sender write to these people there?")
	}
	return fault.New(fault.Unavailable, "", "", err, "the mail server asks to try again later, which is done")
}

// write writes the headers and the text, as base64 so that every character and line
// length passes.
func write(w io.Writer, c *smtp.Config, m Message) error {
	id := make([]byte, 12)
	if _, err := rand.Read(id); err != nil {
		return fmt.Errorf("make the id of a mail: %w", err)
	}
	from := (&mail.Address{Name: oneLine(c.FromName), Address: c.FromAddress}).String()
	_, domain, _ := strings.Cut(c.FromAddress, "@")
	var b strings.Builder
	for _, header := range [][2]string{
		{"From", from}, {"To", strings.Join(c.ToAddresses, ", ")}, {"Subject", mime.QEncoding.Encode("utf-8", oneLine(m.Title))},
		{"Date", time.Now().Format(time.RFC1123Z)}, {"Message-ID", fmt.Sprintf("<%x@%s>", id, domain)},
		{"Auto-Submitted", "auto-generated"}, {"MIME-Version", "1.0"}, {"Content-Type", `text/plain; charset="utf-8"`}, {"Content-Transfer-Encoding", "base64"},
	} {
		b.WriteString(header[0] + ": " + header[1] + "\r\n")
	}
	b.WriteString("\r\n")
	text := base64.StdEncoding.EncodeToString([]byte(strings.ReplaceAll(m.Body, "\n", "\r\n")))
	for len(text) > 76 {
		b.WriteString(text[:76] + "\r\n")
		text = text[76:]
	}
	b.WriteString(text + "\r\n")
	_, err := io.WriteString(w, b.String())
	return err
}

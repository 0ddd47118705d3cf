package ldap

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	ldap "github.com/go-ldap/ldap/v3"
)

const (
	startTLSName = "1.3.6.1.4.1.1466.20037"
	// maxStartTLSAnswer bounds the one message that a server sends us in clear: a code
	// and a text.
	maxStartTLSAnswer = 16 << 10
)

// startTLS makes a connection secure or fails; nothing goes on in clear. The exchange
// is our own, so that whatever speaks LDAP is handed a connection that has TLS inside.
//
// The answer is read to its last byte and no further. What somebody slips in behind it
// meets the handshake, which fails on it; it can never pass for a message that came
// through TLS.
func startTLS(ctx context.Context, raw net.Conn, config *tls.Config) (*tls.Conn, error) {
	if deadline, ok := ctx.Deadline(); ok {
		if err := raw.SetDeadline(deadline); err != nil {
			return nil, err
		}
	}
	// Ending ctx ends a read or write under way.
	stop := context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := askStartTLS(raw); err != nil {
		return nil, fmt.Errorf("StartTLS: %w", err)
	}
	c := tls.Client(raw, config)
	if err := c.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("StartTLS: %w", err)
	}
	if !stop() {
		return nil, ctx.Err()
	}
	return c, raw.SetDeadline(time.Time{})
}

// askStartTLS sends the extended request (RFC 4511, 4.14) and reads its answer.
func askStartTLS(raw io.ReadWriter) error {
	const id = 1
	request := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldap.ApplicationExtendedRequest, nil, "")
	request.AppendChild(ber.NewString(ber.ClassContext, ber.TypePrimitive, 0, startTLSName, ""))
	message := ber.NewSequence("")
	message.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, id, ""))
	message.AppendChild(request)
	if _, err := raw.Write(message.Bytes()); err != nil {
		return err
	}
	text, err := readMessage(raw)
	if err != nil {
		return err
	}
	answer, err := ber.DecodePacketErr(text)
	if err != nil {
		return err
	}
	if len(answer.Children) < 2 || answer.Children[1].ClassType != ber.ClassApplication || answer.Children[1].Tag != ldap.ApplicationExtendedResponse {
		return errNoAnswer
	}
	if err := ldap.GetLDAPError(answer); err != nil {
		return err
	}
	if got, ok := answer.Children[0].Value.(int64); !ok || got != id {
		return errNoAnswer
	}
	return nil
}

var errNoAnswer = errors.New("what the server sent is no answer to the request")

// readMessage reads one BER message byte for byte to its end.
func readMessage(r io.Reader) ([]byte, error) {
	head := make([]byte, 2, 6)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	size := int(head[1])
	if size >= 0x80 {
		more := size - 0x80
		if more < 1 || more > 4 {
			return nil, errNoAnswer
		}
		head = head[:2+more]
		if _, err := io.ReadFull(r, head[2:]); err != nil {
			return nil, err
		}
		size = 0
		for _, b := range head[2:] {
			size = size<<8 | int(b)
		}
	}
	if head[0] != 0x30 || size > maxStartTLSAnswer {
		return nil, errNoAnswer
	}
	text := make([]byte, len(head)+size)
	_, err := io.ReadFull(r, text[copy(text, head):])
	return text, err
}

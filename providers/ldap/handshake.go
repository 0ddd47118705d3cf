package ldap

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/jcmturner/gokrb5/v8/client"
	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/gssapi"
	"github.com/jcmturner/gokrb5/v8/iana/chksumtype"
	"github.com/jcmturner/gokrb5/v8/iana/flags"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/spnego"
	"github.com/jcmturner/gokrb5/v8/types"
)

// handshake is our side of SASL GSSAPI with Kerberos (RFC 4752). go-ldap has one too,
// which binds to no channel, which Active Directory and Samba may demand, and which
// reads only tokens that are rotated as theirs are, not those of MIT's library.
type handshake struct {
	client  *client.Client
	ticket  messages.Ticket
	key     types.EncryptionKey
	binding [16]byte

	sent types.Authenticator
	// subkey is what the server chose for what follows, empty when it chose none.
	subkey types.EncryptionKey
}

// InitSecContext gives the next token of ours.
func (h *handshake) InitSecContext(target string, token []byte) ([]byte, bool, error) {
	return h.InitSecContextWithOptions(target, token, nil)
}

// InitSecContextWithOptions first gives our ticket, and then reads the server's answer.
func (h *handshake) InitSecContextWithOptions(_ string, token []byte, _ []int) ([]byte, bool, error) {
	if token == nil {
		out, err := h.request()
		return out, true, err
	}
	return []byte{}, false, h.accept(token)
}

// request makes the AP-REQ, whose checksum holds the channel binding and says that the
// server has to prove itself too (RFC 4121, 4.1.1).
func (h *handshake) request() ([]byte, error) {
	var err error
	if h.sent, err = types.NewAuthenticator(h.client.Credentials.Domain(), h.client.Credentials.CName()); err != nil {
		return nil, err
	}
	sum := binary.LittleEndian.AppendUint32(nil, uint32(len(h.binding)))
	sum = append(sum, h.binding[:]...)
	sum = binary.LittleEndian.AppendUint32(sum, gssapi.ContextFlagMutual|gssapi.ContextFlagInteg|gssapi.ContextFlagConf)
	h.sent.Cksum = types.Checksum{CksumType: chksumtype.GSSAPI, Checksum: sum}
	token, err := spnego.NewKRB5TokenAPREQ(h.client, h.ticket, h.key, nil, nil)
	if err != nil {
		return nil, err
	}
	if token.APReq, err = messages.NewAPReq(h.ticket, h.key, h.sent); err != nil {
		return nil, err
	}
	types.SetFlag(&token.APReq.APOptions, flags.APOptionMutualRequired)
	return token.Marshal()
}

// accept reads the AP-REP. Only who has the key of the service can repeat the time that
// we sent.
func (h *handshake) accept(token []byte) error {
	var t spnego.KRB5Token
	if err := t.Unmarshal(token); err != nil {
		return err
	}
	switch {
	case t.IsKRBError():
		return t.KRBError
	case !t.IsAPRep():
		return errors.New("the server's answer to our ticket is none")
	}
	raw, err := crypto.DecryptEncPart(t.APRep.EncPart, h.key, keyusage.AP_REP_ENCPART)
	if err != nil {
		return err
	}
	var part messages.EncAPRepPart
	if err := part.Unmarshal(raw); err != nil {
		return err
	}
	if part.CTime.Unix() != h.sent.CTime.Unix() || part.Cusec != h.sent.Cusec {
		return errors.New("the server does not prove that it has the key of the service")
	}
	h.subkey = part.Subkey
	return nil
}

var errLayer = errors.New("the server demands that Kerberos signs or seals what follows, which is not supported: TLS does that here")

// The flags of a wrap token, and the security layers of RFC 4752, 3.3.
const (
	fromAcceptor   = 1
	sealed         = 2
	acceptorSubkey = 4
	noLayer        = 1
)

// NegotiateSaslAuth reads which layers the server offers and takes none: TLS is below.
func (h *handshake) NegotiateSaslAuth(input []byte, authzid string) ([]byte, error) {
	token, err := unwrap(input)
	if err != nil {
		return nil, err
	}
	key := h.key
	if token.Flags&acceptorSubkey != 0 {
		key = h.subkey
	}
	if ok, err := token.Verify(key, keyusage.GSSAPI_ACCEPTOR_SEAL); !ok {
		return nil, fmt.Errorf("the server's last token is forged or damaged: %w", err)
	}
	if len(token.Payload) != 4 {
		return nil, errors.New("the server's last token says no layers")
	}
	if token.Payload[0]&noLayer == 0 {
		return nil, errLayer
	}
	kind, err := crypto.GetEtype(key.KeyType)
	if err != nil {
		return nil, err
	}
	reply := gssapi.WrapToken{Flags: token.Flags & acceptorSubkey, EC: uint16(kind.GetHMACBitLength() / 8), SndSeqNum: uint64(h.sent.SeqNumber),
		Payload: append([]byte{noLayer, 0, 0, 0}, authzid...)}
	if err := reply.SetCheckSum(key, keyusage.GSSAPI_INITIATOR_SEAL); err != nil {
		return nil, err
	}
	return reply.Marshal()
}

// unwrap takes a wrap token apart (RFC 4121, 4.2.6.2). Its body may be rotated to the
// right, by any number.
func unwrap(b []byte) (*gssapi.WrapToken, error) {
	if len(b) < gssapi.HdrLen || b[0] != 5 || b[1] != 4 || b[3] != gssapi.FillerByte {
		return nil, errors.New("the server's last token is none")
	}
	t := &gssapi.WrapToken{Flags: b[2], EC: binary.BigEndian.Uint16(b[4:]), RRC: binary.BigEndian.Uint16(b[6:]), SndSeqNum: binary.BigEndian.Uint64(b[8:])}
	body := b[gssapi.HdrLen:]
	switch {
	case t.Flags&fromAcceptor == 0:
		return nil, errors.New("the last token is not from the server")
	case t.Flags&sealed != 0:
		return nil, errLayer
	case int(t.EC) > len(body):
		return nil, errors.New("the server's last token is cut off")
	}
	if len(body) > 0 {
		by := int(t.RRC) % len(body)
		body = bytes.Join([][]byte{body[by:], body[:by]}, nil)
	}
	t.Payload, t.CheckSum = body[:len(body)-int(t.EC)], body[len(body)-int(t.EC):]
	return t, nil
}

// DeleteSecContext forgets the keys.
func (h *handshake) DeleteSecContext() error {
	h.key, h.subkey = types.EncryptionKey{}, types.EncryptionKey{}
	return nil
}

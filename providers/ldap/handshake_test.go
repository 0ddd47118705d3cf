package ldap

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/jcmturner/gofork/encoding/asn1"
	"github.com/jcmturner/gokrb5/v8/asn1tools"
	"github.com/jcmturner/gokrb5/v8/client"
	krbconfig "github.com/jcmturner/gokrb5/v8/config"
	krbcrypto "github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/gssapi"
	"github.com/jcmturner/gokrb5/v8/iana/etypeID"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/iana/nametype"
	"github.com/jcmturner/gokrb5/v8/keytab"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/spnego"
	"github.com/jcmturner/gokrb5/v8/types"
)

// acceptor is the server's side of the handshake.
type acceptor struct {
	key     types.EncryptionKey // of the session
	subkey  types.EncryptionKey
	binding [16]byte
	skew    time.Duration
}

// pair makes both sides with a ticket between them.
func pair(t *testing.T) (*handshake, *acceptor) {
	t.Helper()
	service := types.NewPrincipalName(nametype.KRB_NT_SRV_INST, "ldap/dc1.example.org")
	keys := keytab.New()
	now := time.Now()
	if err := keys.AddEntry("ldap/dc1.example.org", "EXAMPLE.ORG", "service-key", now, 1, etypeID.AES256_CTS_HMAC_SHA1_96); err != nil {
		t.Fatal(err)
	}
	name := types.NewPrincipalName(nametype.KRB_NT_PRINCIPAL, "sync")
	ticket, key, err := messages.NewTicket(name, "EXAMPLE.ORG", service, "EXAMPLE.ORG", types.NewKrbFlags(), keys, etypeID.AES256_CTS_HMAC_SHA1_96, 1, now, now, now.Add(time.Hour), now)
	if err != nil {
		t.Fatal(err)
	}
	subkey := types.EncryptionKey{KeyType: etypeID.AES256_CTS_HMAC_SHA1_96, KeyValue: bytes.Repeat([]byte{7}, 32)}
	binding := [16]byte{1, 2, 3}
	made := client.NewWithKeytab("sync", "EXAMPLE.ORG", keytab.New(), krbconfig.New())
	return &handshake{client: made, ticket: ticket, key: key, binding: binding}, &acceptor{key: key, subkey: subkey, binding: binding}
}

// answer checks our first token and gives the AP-REP.
func (a *acceptor) answer(t *testing.T, token []byte) []byte {
	t.Helper()
	var got spnego.KRB5Token
	if err := got.Unmarshal(token); err != nil || !got.IsAPReq() {
		t.Fatalf("no AP-REQ: %v", err)
	}
	if err := got.APReq.DecryptAuthenticator(a.key); err != nil {
		t.Fatal(err)
	}
	sent := got.APReq.Authenticator
	if sum := sent.Cksum.Checksum; len(sum) != 24 || !bytes.Equal(sum[4:20], a.binding[:]) || sum[20]&gssapi.ContextFlagMutual == 0 {
		t.Errorf("checksum % x", sum)
	}
	part, err := asn1.Marshal(messages.EncAPRepPart{CTime: sent.CTime.Add(a.skew), Cusec: sent.Cusec, Subkey: a.subkey, SequenceNumber: 5})
	if err != nil {
		t.Fatal(err)
	}
	sealedPart, err := krbcrypto.GetEncryptedData(asn1tools.AddASNAppTag(part, 27), a.key, keyusage.AP_REP_ENCPART, 0)
	if err != nil {
		t.Fatal(err)
	}
	rep, err := asn1.Marshal(messages.APRep{PVNO: 5, MsgType: 15, EncPart: sealedPart})
	if err != nil {
		t.Fatal(err)
	}
	oid, err := asn1.Marshal(gssapi.OIDKRB5.OID())
	if err != nil {
		t.Fatal(err)
	}
	return asn1tools.AddASNAppTag(append(append(oid, 2, 0), asn1tools.AddASNAppTag(rep, 15)...), 0)
}

// offer gives the token that says which layers there are, its body rotated.
func (a *acceptor) offer(t *testing.T, layers byte, rotate int) []byte {
	t.Helper()
	w := gssapi.WrapToken{Flags: fromAcceptor | acceptorSubkey, EC: 12, SndSeqNum: 5, Payload: []byte{layers, 0, 0xff, 0xff}}
	if err := w.SetCheckSum(a.subkey, keyusage.GSSAPI_ACCEPTOR_SEAL); err != nil {
		t.Fatal(err)
	}
	raw, err := w.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	body := raw[gssapi.HdrLen:]
	at := len(body) - rotate%len(body)
	rotated := append(bytes.Clone(body[at:]), body[:at]...)
	raw[6], raw[7] = byte(rotate>>8), byte(rotate)
	return append(raw[:gssapi.HdrLen:gssapi.HdrLen], rotated...)
}

func TestTheKerberosHandshakeEndsWithoutALayer(t *testing.T) {
	t.Parallel()
	// MIT rotates nothing, Heimdal and Windows by the length of the checksum.
	for _, rotate := range []int{0, 1, 12, 15, 16, 17, 28, 400} {
		h, a := pair(t)
		first, more, err := h.InitSecContext("", nil)
		if err != nil || !more {
			t.Fatal(more, err)
		}
		empty, more, err := h.InitSecContext("", a.answer(t, first))
		if err != nil || more || len(empty) != 0 {
			t.Fatal(more, err)
		}
		last, err := h.NegotiateSaslAuth(a.offer(t, 7, rotate), "")
		if err != nil {
			t.Errorf("rotated by %d: %v", rotate, err)
			continue
		}
		var w gssapi.WrapToken
		if err := w.Unmarshal(last, false); err != nil {
			t.Fatal(err)
		}
		if ok, err := w.Verify(a.subkey, keyusage.GSSAPI_INITIATOR_SEAL); !ok || !bytes.Equal(w.Payload, []byte{1, 0, 0, 0}) || w.SndSeqNum != uint64(h.sent.SeqNumber) {
			t.Errorf("last token %+v, %v", w, err)
		}
		if err := h.DeleteSecContext(); err != nil || len(h.key.KeyValue)+len(h.subkey.KeyValue) != 0 {
			t.Errorf("keys are left: %v", err)
		}
	}
}

func TestAKerberosServerThatProvesNothingIsRefused(t *testing.T) {
	t.Parallel()
	h, a := pair(t)
	first, _, err := h.InitSecContext("", nil)
	if err != nil {
		t.Fatal(err)
	}
	other := *a
	other.skew = time.Second
	if _, _, err := h.InitSecContext("", other.answer(t, first)); err == nil || !strings.Contains(err.Error(), "does not prove") {
		t.Errorf("another time: %v", err)
	}
	if _, _, err := h.InitSecContext("", first); err == nil {
		t.Error("our own token is no answer")
	}
	for _, token := range [][]byte{{}, {0x60}, []byte("nonsense"), bytes.Repeat([]byte{0x60, 0x80}, 40)} {
		if _, _, err := h.InitSecContext("", token); err == nil {
			t.Errorf("% x is no answer", token)
		}
	}
	if _, _, err := h.InitSecContext("", a.answer(t, first)); err != nil {
		t.Fatal(err)
	}
	good := a.offer(t, 7, 12)
	for name, edit := range map[string]func([]byte) []byte{
		"forged":        func(b []byte) []byte { b[len(b)-1] ^= 1; return b },
		"sealed":        func(b []byte) []byte { b[2] |= sealed; return b },
		"ours":          func(b []byte) []byte { b[2] &^= fromAcceptor; return b },
		"no subkey":     func(b []byte) []byte { b[2] &^= acceptorSubkey; return b },
		"long checksum": func(b []byte) []byte { b[4] = 0xff; return b },
		"no checksum":   func(b []byte) []byte { b[4], b[5] = 0, 0; return b },
		"header only":   func(b []byte) []byte { return b[:16] },
		"half a header": func(b []byte) []byte { return b[:9] },
		"another kind":  func(b []byte) []byte { b[1] = 5; return b },
	} {
		if _, err := h.NegotiateSaslAuth(edit(bytes.Clone(good)), ""); err == nil {
			t.Errorf("a token that is %s is taken", name)
		}
	}
	if _, err := h.NegotiateSaslAuth(a.offer(t, 6, 0), ""); !errors.Is(err, errLayer) {
		t.Errorf("a server that demands a layer: %v", err)
	}
	if _, err := h.NegotiateSaslAuth(good, ""); err != nil {
		t.Errorf("the right token: %v", err)
	}
}

func TestChannelBindingIsByTheServersCertificate(t *testing.T) {
	t.Parallel()
	if got := channelBinding(nil); got != [16]byte{} {
		t.Errorf("without TLS: % x", got)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	made := map[string]bool{}
	for _, algorithm := range []x509.SignatureAlgorithm{x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512} {
		template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), SignatureAlgorithm: algorithm}
		der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		got := channelBinding(&tls.ConnectionState{PeerCertificates: []*x509.Certificate{cert}})
		made[hex.EncodeToString(got[:])] = true
	}
	if len(made) != 3 || made[strings.Repeat("00", 16)] {
		t.Errorf("bindings %v", made)
	}
	// Computed by hand for a certificate of the bytes "x" and SHA-256.
	got := channelBinding(&tls.ConnectionState{PeerCertificates: []*x509.Certificate{{Raw: []byte("x"), SignatureAlgorithm: x509.SHA256WithRSA}}})
	if want := "db12a160332aa0fe8ed7f50952fd9e88"; hex.EncodeToString(got[:]) != want {
		t.Errorf("binding %x, want %s", got, want)
	}
}

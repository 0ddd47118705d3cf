package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"groupsyncd/config"
	"groupsyncd/internal/scalar"
)

// certify writes a certificate of that number, and gives what trusts it.
func (p *porch) certify(number int64) *x509.CertPool {
	p.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		p.Fatal(err)
	}
	about := &x509.Certificate{SerialNumber: big.NewInt(number), Subject: pkix.Name{CommonName: "localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, about, about, &key.PublicKey, key)
	if err != nil {
		p.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		p.Fatal(err)
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	p.keep("cert.pem", string(cert))
	p.keep("key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})))
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(cert)
	return pool
}

// encrypt has the listener speak TLS from now on.
func (p *porch) encrypt() {
	p.Helper()
	files := config.TLS{Cert: scalar.Path(filepath.Join(p.dir, "cert.pem")), Key: scalar.Path(filepath.Join(p.dir, "key.pem"))}
	c, err := NewCertificate(files, p.Logger, p.now)
	if err != nil {
		p.Fatal(err)
	}
	p.UseCertificate(c)
}

// later moves the clock.
func (p *porch) later(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.offset += d
}

// serial gives the number of the certificate that a new connection meets.
func (p *porch) serial(trust *x509.CertPool) int64 {
	p.Helper()
	d := &tls.Dialer{Config: &tls.Config{RootCAs: trust, MinVersion: tls.VersionTLS12}}
	c, err := d.DialContext(p.Context(), "tcp", p.at)
	if err != nil {
		p.Logf("dial: %v", err)
		return 0
	}
	defer func() { _ = c.Close() }()
	return c.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

func TestTheListenerSpeaksTLSAndTakesItsNewCertificate(t *testing.T) {
	t.Parallel()
	p := newPorch(t, &notebook{})
	first := p.certify(1)
	p.encrypt()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: first, MinVersion: tls.VersionTLS12}}}
	if r := p.through(client, "https", p.login("a")); r.status != 202 {
		t.Errorf("%d %s", r.status, r.body)
	}
	if r := p.post(p.login("b")); r.status == 202 {
		t.Error("without TLS somebody got in")
	}
	second := p.certify(2)
	if got := p.serial(first); got != 1 {
		t.Errorf("within a second the certificate is %d", got)
	}
	p.later(certEvery)
	if got := p.serial(second); got != 2 {
		t.Errorf("after the files were replaced the certificate is %d", got)
	}
	// A broken one leaves the old in force, and is not tried in vain once it is whole.
	p.keep("cert.pem", "half of a certificate")
	p.later(certEvery)
	if got := p.serial(second); got != 2 || strings.Count(p.out.String(), "new certificate cannot be used") != 1 {
		t.Errorf("with a broken file the certificate is %d, log:\n%s", got, p.out.String())
	}
	p.later(certEvery)
	p.serial(second)
	if n := strings.Count(p.out.String(), "new certificate cannot be used"); n != 1 {
		t.Errorf("said %d times", n)
	}
	third := p.certify(3)
	p.later(certEvery)
	if got := p.serial(third); got != 3 {
		t.Errorf("after it was mended the certificate is %d", got)
	}
	if err := os.Remove(filepath.Join(p.dir, "key.pem")); err != nil {
		t.Fatal(err)
	}
	p.later(certEvery)
	if got := p.serial(third); got != 3 {
		t.Errorf("without its key the certificate is %d", got)
	}
	if left := time.Until(p.CertificateEnds()); left < 23*time.Hour || left > 24*time.Hour {
		t.Errorf("it is said to end in %s", left)
	}
	p.UseCertificate(nil)
	if got := p.CertificateEnds(); !got.IsZero() {
		t.Errorf("without TLS the certificate ends %s", got)
	}
	if r := p.post(p.login("c")); r.status != 202 {
		t.Errorf("after TLS was switched off: %d %s", r.status, r.body)
	}
}

func TestWhoeverNeverEndsTheHandshakeIsCutOff(t *testing.T) {
	t.Parallel()
	p := newPorch(t, &notebook{}, hurry(50*time.Millisecond))
	p.certify(1)
	p.encrypt()
	c := p.dial("")
	if err := c.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); err == nil || strings.Contains(err.Error(), "timeout") {
		t.Errorf("the connection was not ended: %v", err)
	}
}

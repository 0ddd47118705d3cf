package providers

import "time"

// Expiring is the ability to say until when what a source shows to its server is good.
type Expiring interface {
	// Expiries may read small files; it asks no server. What cannot be read is left out:
	// reads of the source fail on it and say so.
	Expiries() []Expiry
}

// Credential is a kind of what a source or target shows to its server, or is shown.
type Credential string

// The kinds of credential that may end.
const (
	ServerCertificate Credential = "server_certificate"
	ClientCertificate Credential = "client_certificate"
	Token             Credential = "token"
)

// Credentials lists the kinds.
func Credentials() []Credential {
	return []Credential{ServerCertificate, ClientCertificate, Token}
}

// Expiry is until when a credential is good.
type Expiry struct {
	Credential Credential
	At         time.Time
}

// Ends makes the list of an Expiring that has one credential; one that never ends, whose
// time is zero, is left out.
func Ends(c Credential, at time.Time) []Expiry {
	if at.IsZero() {
		return nil
	}
	return []Expiry{{c, at}}
}

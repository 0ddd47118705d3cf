package ldap

import (
	"time"

	"groupsyncd/providers"
)

// Expiries gives until when our certificate is good, where we have one.
func (s *source) Expiries() []providers.Expiry {
	return providers.Ends(providers.ClientCertificate, s.certificateEnd())
}

func (s *source) certificateEnd() time.Time {
	if s.config.CertFile == "" {
		return time.Time{}
	}
	ours, err := s.certificate()
	if err != nil {
		return time.Time{} // The next connect says why.
	}
	return ours.Leaf.NotAfter
}

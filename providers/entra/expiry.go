package entra

import "groupsyncd/providers"

// Expiries gives until when our certificate is good, where we have one. When a client secret
// ends, only Entra ID knows: doctor asks.
func (s *source) Expiries() []providers.Expiry {
	if s.config.Certificate == "" {
		return nil
	}
	ends, err := certificateEnd(string(s.config.Certificate))
	if err != nil {
		return nil // The next token says why.
	}
	return providers.Ends(providers.ClientCertificate, ends)
}

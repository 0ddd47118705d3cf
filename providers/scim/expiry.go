package scim

import (
	"groupsyncd/internal/oauth"
	"groupsyncd/providers"
)

// Expiries gives until when our token is good, where it says so itself.
func (s *source) Expiries() []providers.Expiry {
	if s.config.Token.IsZero() {
		return nil
	}
	token, err := s.config.Token.Read()
	if err != nil {
		return nil // The next read says why.
	}
	return providers.Ends(providers.Token, oauth.Expiry(token))
}

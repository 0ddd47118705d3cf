package hooks_test

import (
	"context"
	"errors"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/providers"
)

// tokens is a source that knows tokens by heart.
type tokens struct {
	known map[string]*providers.Verified
	use   providers.TokenUse
	down  bool
}

func (s *tokens) Verify(_ context.Context, use providers.TokenUse, raw string) (*providers.Verified, error) {
	v := s.known[raw]
	switch {
	case s.down:
		return nil, fault.New(fault.Unavailable, "read keys", "", errors.New("no answer"), "")
	case v == nil || use != s.use:
		return nil, fault.New(fault.Auth, "verify token", "", errors.New("it is not right"), "")
	}
	return v, nil
}

func (*tokens) TakeToken(context.Context, string) (directory.Person, error) {
	return directory.Person{}, errors.New("a dialect takes no token")
}

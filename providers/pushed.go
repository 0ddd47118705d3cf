package providers

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"groupsyncd/internal/secret"
)

// ErrWaiting says that nothing is wrong with a source, and that what it has is not all yet:
// its provider is still to bring the rest. It is no failure of the source.
var ErrWaiting = errors.New("waiting for the provider")

// Pushed keeps what a provider has put into a source, durably. Several sources may use
// one store one after the other, as when a configuration is loaded again: each sees by
// the revision that another one has written.
type Pushed interface {
	// Revision changes with every Save, and stays the same else, for as long as the
	// program runs.
	Revision() uint64
	// Load calls each for every record in the order of the keys; the value lives for
	// the call. It gives the revision that they belong to.
	Load(each func(key string, value []byte) error) (revision uint64, err error)
	// Get gives one record, nil when there is none.
	Get(key string) ([]byte, error)
	// Save writes in one transaction, which is on the disk when it returns. When the
	// revision is not that given, nothing is written and the error wraps ErrMoved.
	Save(revision uint64, records []PushedRecord) (next uint64, err error)
}

// PushedRecord is one record to be written; a nil value removes it.
type PushedRecord struct {
	Key   string
	Value []byte
}

// ErrMoved says that somebody else has written meanwhile.
var ErrMoved = errors.New("it was written meanwhile")

// RestoredKey is the key of a record that stands in a store that was restored from a backup:
// what it holds may be long over. Whoever opens the store draws the conclusion and removes
// it. No other record has this key.
const RestoredKey = "!restored"

// Provisioned is a source that its provider fills by requests to us.
type Provisioned interface {
	// Tokens says where the bearer tokens are kept that let the provider in.
	Tokens() []secret.Ref
	// Handler answers the provider's requests, whose path begins with /scim/NAME/v2. Who
	// asks has been proved.
	Handler() http.Handler
	// Missed says that a request of the provider was turned away before it came to the handler:
	// it is not quiet, whatever was written.
	Missed()
	// Doubt says that what the source holds may be long over: it covers nothing until the
	// provider has brought everything again. It reports false where it holds nothing that is
	// older than this process.
	Doubt(why string) (bool, error)
	// Accept says that what the source holds is complete.
	Accept() error
	// Restart is a Doubt that a person wants, whatever the source holds.
	Restart() error
	// Standing says how the source stands.
	Standing() (*Standing, error)
}

// Standing is how a provisioned source stands.
type Standing struct {
	// Generation counts how often everything was asked for anew, Since when last, Why for
	// what reason.
	Generation int       `json:"generation"`
	Since      time.Time `json:"since"`
	Why        string    `json:"why,omitempty"`
	// Complete says that what is held counts as everything, By what: quiet or accepted.
	Complete bool   `json:"complete"`
	By       string `json:"by,omitempty"`
	// What is held of this generation, and what the one before held.
	Users         int `json:"users"`
	Groups        int `json:"groups"`
	Members       int `json:"members"`
	FormerUsers   int `json:"former_users,omitempty"`
	FormerGroups  int `json:"former_groups,omitempty"`
	FormerMembers int `json:"former_members,omitempty"`
	// Unresolved counts members who were never brought themselves.
	Unresolved int `json:"unresolved,omitempty"`
	// QuietSince is since when nothing was written, as far as somebody listened; Settles is
	// when that is long enough.
	QuietSince time.Time `json:"quiet_since,omitzero"`
	Settles    time.Time `json:"settles,omitzero"`
	// LastRequest is when the provider last asked for anything, Product what it calls itself.
	LastRequest time.Time `json:"last_request,omitzero"`
	Product     string    `json:"product,omitempty"`
	// Waiting says in a sentence what it waits for, Hint what to do; empty when complete.
	Waiting string `json:"waiting,omitempty"`
	Hint    string `json:"hint,omitempty"`
}

// Findings says for doctor how a source stands.
func (s *Standing) Findings() []Finding {
	f := Finding{Level: OK, Check: "provisioned", Message: fmt.Sprintf("%d users, %d groups, %d memberships in generation %d, complete (%s)",
		s.Users, s.Groups, s.Members, s.Generation, s.By)}
	if !s.Complete {
		f.Level, f.Message, f.Remedy = Warning, s.Waiting, s.Hint
	}
	out := []Finding{f}
	last := Finding{Level: Warning, Check: "requests", Message: "the provider has not asked for anything yet", Remedy: "start provisioning at the provider, and test its connection there"}
	if !s.LastRequest.IsZero() {
		last = Finding{Level: OK, Check: "requests", Message: "the last one came at " + s.LastRequest.UTC().Format(time.RFC3339) + " from " + s.Product}
	}
	out = append(out, last)
	if s.Unresolved > 0 {
		out = append(out, Finding{Level: Warning, Check: "members", Message: fmt.Sprintf("%d members of groups were never brought as users or groups", s.Unresolved),
			Remedy: "assign them to the application at the provider, or leave them: they count as soon as they come"})
	}
	return out
}

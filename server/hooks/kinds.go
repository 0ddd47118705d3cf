package hooks

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Need says whether a webhook of a kind must, may or must not have something.
type Need string

// The needs.
const (
	Required Need = "required"
	Optional Need = "optional"
	None     Need = "none"
)

// Kind is what is known of a dialect before anything is sent.
type Kind struct {
	// Name is its type in the configuration.
	Name string
	// Secret says whether it has one. Where it is optional, a webhook without one needs a
	// source that verifies tokens.
	Secret Need
	// Source and Target say what it may name.
	Source, Target Need
	// Tail says that the secret stands in the address, behind the name of the webhook.
	Tail bool
	// Tokens says that it works only with a source that verifies tokens.
	Tokens bool
	// Methods are all that the dialect uses, POST first.
	Methods []string
	// Statuses are its answers.
	Statuses Statuses
	// own are the types of sources whose ids are those that the sender uses.
	own []string
	new func(Options) Dialect
}

// Statuses are the HTTP statuses that a dialect answers with, by what its sender expects.
type Statuses struct {
	// Accepted is for what was taken, whomever it is about.
	Accepted int
	// Repeated is for what was taken before: senders that try again must come to an end.
	Repeated int
	// Refused is for what Verify refuses.
	Refused int
	// Unreadable is for what Read cannot read.
	Unreadable int
}

// table gives every kind, in the order of the documentation.
func table() []Kind {
	post := []string{http.MethodPost}
	usual := Statuses{Accepted: http.StatusAccepted, Repeated: http.StatusOK, Refused: http.StatusUnauthorized, Unreadable: http.StatusBadRequest}
	// Where the secret is in the address, a wrong one looks like a name that nobody has.
	hidden := usual
	hidden.Refused = http.StatusNotFound
	// Okta's documents promise success for 200 and 204 only.
	okayed := usual
	okayed.Accepted = http.StatusOK
	// OpenID Connect Back-Channel Logout 1.0, 2.8.
	logouts := Statuses{Accepted: http.StatusOK, Repeated: http.StatusBadRequest, Refused: http.StatusBadRequest, Unreadable: http.StatusBadRequest}
	return []Kind{
		{Name: "standard", Secret: Required, Source: Optional, Target: None, Methods: post, Statuses: usual,
			new: func(o Options) Dialect { return &standard{o} }},
		{Name: "openwebui", Secret: Required, Source: None, Target: Required, Tail: true, Methods: post, Statuses: hidden,
			new: func(Options) Dialect { return openwebui{} }},
		{Name: "keycloak", Secret: Optional, Source: Optional, Target: None, Methods: post, Statuses: usual, own: []string{"keycloak", "oidc"},
			new: func(o Options) Dialect { return &keycloak{o} }},
		{Name: "okta", Secret: Required, Source: Optional, Target: None, Methods: []string{http.MethodPost, http.MethodGet}, Statuses: okayed,
			own: []string{"okta", "oidc"}, new: func(o Options) Dialect { return &okta{o} }},
		{Name: "authentik", Secret: Required, Source: Optional, Target: None, Methods: post, Statuses: usual,
			new: func(o Options) Dialect { return &authentik{o} }},
		{Name: "graph", Secret: Required, Source: Optional, Target: None, Methods: post, Statuses: usual, own: []string{"entra"},
			new: func(o Options) Dialect { return &graph{o} }},
		{Name: "google", Secret: Required, Source: Optional, Target: None, Methods: post, Statuses: usual, own: []string{"google", "oidc"},
			new: func(o Options) Dialect { return &google{o} }},
		{Name: "logout", Secret: None, Source: Required, Target: None, Tokens: true, Methods: post, Statuses: logouts, own: []string{"oidc"},
			new: func(o Options) Dialect { return &logout{o} }},
	}
}

// Kinds names every kind.
func Kinds() []string {
	var names []string
	for _, k := range table() {
		names = append(names, k.Name)
	}
	return names
}

// Find gives the kind of that name.
func Find(name string) (Kind, bool) {
	all := table()
	i := slices.IndexFunc(all, func(k Kind) bool { return k.Name == name })
	if i < 0 {
		return Kind{}, false
	}
	return all[i], true
}

// New gives a dialect. The error is about the configuration of the webhook.
func New(kind string, o Options) (Dialect, error) {
	k, ok := Find(kind)
	if !ok {
		return nil, fmt.Errorf("there is no webhook of type %q; there are: %s", kind, strings.Join(Kinds(), " "))
	}
	if k.Tokens && o.Tokens == nil {
		return nil, fmt.Errorf("a webhook of type %s needs a source that verifies tokens, one of type oidc", kind)
	}
	if o.Tolerance <= 0 {
		o.Tolerance = tolerance
	}
	o.ids = slices.Contains(k.own, o.Source)
	return &gate{kind: k, dialect: k.new(o)}, nil
}

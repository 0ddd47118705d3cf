// Package providers is the contract between the engine and every identity source,
// and the registry through which configuration finds the sources by their type.
//
// A source reads and never decides. Whatever it could not prove it leaves out of
// the coverage of its snapshot: an error, an empty answer, a partial answer and a
// complete answer are four different things here, and only the last can lead to
// somebody losing access.
package providers

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
	"groupsyncd/internal/secret"
)

// Source reads one directory. It is safe for use by several goroutines.
type Source interface {
	// Pull reads everything that the configuration selects.
	//
	// The snapshot is never nil and its coverage claims only what was proved. The
	// error says why something is missing: with a nil error the coverage is full.
	// Errors carry a fault.Kind and never a secret. The call ends soon after ctx
	// does, with coverage of what was proved before.
	Pull(ctx context.Context, progress Progress) (*directory.Snapshot, error)

	// Close releases connections. Calls under way end with an error.
	Close() error
}

// LookUp is the ability to read one person: who they are, whether they are
// enabled, and every group they are in, nested ones included.
type LookUp interface {
	// LookUp reads one person with the same base and filters as Pull.
	//
	// Found: the snapshot holds that user with StatusKnown and GroupsKnown set, and
	// the groups with this user as a member; MembersKnown stays unset. Nobody, or
	// more than one: a snapshot that covers nothing, with a Reason and a nil error.
	LookUp(ctx context.Context, who directory.Person) (*directory.Snapshot, error)
}

// Changes is the ability to read only what changed since an earlier read.
type Changes interface {
	// PullChanges gives the picture that base shows with everything applied that changed
	// since base.Cursor: a snapshot with Delta and a Cursor of its own, of full coverage.
	//
	// base is what the replica of that cursor holds; it is not changed and may be shared
	// in part. Whatever leaves a doubt (a cursor that the server does not know, another
	// server, a change that cannot be placed) gives an error that wraps ErrFullRead, and
	// the caller reads everything. Any other error is a failure as one of Pull.
	PullChanges(ctx context.Context, base *directory.Snapshot, progress Progress) (*directory.Snapshot, error)
}

// ErrFullRead says that changes cannot be told and a full read is needed. It is no
// failure of the source.
var ErrFullRead = errors.New("a full read is needed")

// Watcher is the ability to notice at once that something changed.
type Watcher interface {
	// Watch calls changed soon after something changed that a Pull would show, and may
	// call it for nothing. It proves nothing: the caller reads. It ends with ctx, or
	// with an error when the watch was lost; the caller begins another after a while.
	// An error that wraps ErrNoWatch says that this server cannot be watched.
	Watch(ctx context.Context, changed Changed) error
}

// Changed takes in that something changed: for the people who are named only, so that a
// look-up of each is enough, or somewhere.
type Changed func(people ...directory.Person)

// ErrNoWatch says that a server offers no way to notice changes.
var ErrNoWatch = errors.New("the server cannot be watched")

// Tokens is the ability of a source to verify what its OpenID provider signed.
type Tokens interface {
	// Verify checks a JWT that somebody else handed in: its signature by the provider's
	// keys, issuer, audience and times, by the rules of its use. It keeps nothing. The
	// error is fault.Auth for a token that is not right, fault.Unavailable when that could
	// not be found out; neither holds any part of the token.
	Verify(ctx context.Context, use TokenUse, raw string) (*Verified, error)
	// TakeToken verifies an ID token and keeps it until LookUp of its subject takes it,
	// or for some minutes. It gives the person to look up.
	TakeToken(ctx context.Context, raw string) (directory.Person, error)
}

// TokenUse is what a token was issued for; each has rules of its own.
type TokenUse string

// The uses of tokens.
const (
	// IDToken says who signed in (OpenID Connect Core 1.0, section 2).
	IDToken TokenUse = "id_token"
	// LogoutToken says whose session ended (OpenID Connect Back-Channel Logout 1.0, 2.4).
	LogoutToken TokenUse = "logout_token"
	// RequestToken vouches for one request: its claim request_body_sha256 is the SHA-256
	// of the body in hex, and its audience the address that was called (p2-inc
	// keycloak-events, authType bearer).
	RequestToken TokenUse = "request_token"
)

// Verified is a token whose signature and times are right.
type Verified struct {
	Subject string
	// ID is the jti, empty where there is none; a token with one counts once.
	ID       string
	IssuedAt time.Time
	Expires  time.Time
	// Claims are all claims, as encoding/json decodes them.
	Claims map[string]any
}

// Sessions are the sign-in sessions that a target keeps of the people who signed in
// there through an OpenID provider. A source may read them, never use what could end
// one: refresh tokens are not among them.
type Sessions interface {
	// Providers names the OAuth providers that the target offers for sign-in, sorted.
	Providers(ctx context.Context) ([]string, error)
	// SignedIn calls each for every account that has a subject at the provider, in any
	// order, until it gives an error. It ends with an error unless every account was seen.
	SignedIn(ctx context.Context, provider string, each func(SignedIn) error) error
	// Find gives the account with that id; else the one with that subject or that mail
	// address at the provider. fault.NotFound when there is none.
	Find(ctx context.Context, provider string, who directory.Person) (SignedIn, error)
	// Of gives the stored sessions of an account at a provider, the newest first; none
	// is no error.
	Of(ctx context.Context, provider, account string) ([]SignInSession, error)
}

// SignedIn is an account of a target that signs in through a provider.
type SignedIn struct {
	Account, Subject, Email, Name string
}

// SignInSession is one stored session. Tokens are as the provider issued them, nothing
// is verified.
type SignInSession struct {
	ID      string
	IDToken secret.Value
	// AccessToken is empty once it has expired.
	AccessToken secret.Value
	CreatedAt   time.Time
	// Expires is when the access token does.
	Expires time.Time
}

// OwnerShower is a configuration of a source that can show who owns a group.
type OwnerShower interface {
	// ShowsOwners reports whether it does, as it is configured.
	ShowsOwners() bool
}

// TargetReader is a configuration of a source that reads what a target keeps; Options
// then carry its Sessions.
type TargetReader interface {
	// ReadsTarget names the target, empty for none.
	ReadsTarget() string
	// SignsIn gives what the key sign_in is where it is left out: the OAuth provider's name
	// inside the target, empty where that is found out by asking it, and the attribute
	// that is the subject there.
	SignsIn() (provider, subject string)
}

// Checker is the ability to say what is wrong with a source, for doctor.
type Checker interface {
	// Check reads a little of everything and writes nothing.
	Check(ctx context.Context) []Finding
}

// Level grades a finding.
type Level string

// The grades of a finding.
const (
	OK      Level = "ok"
	Warning Level = "warning"
	Failed  Level = "failed"
)

// Finding is one line of doctor: what was checked, how it went, and the remedy.
type Finding struct {
	Level   Level  `json:"level"`
	Check   string `json:"check"`
	Message string `json:"message"`
	Remedy  string `json:"remedy,omitempty"`
}

// Progress is told how far a pull is; it may be nil. what is a plural noun
// ("users", "groups"), done a count so far.
type Progress func(what string, done int)

// Report calls p unless it is nil.
func (p Progress) Report(what string, done int) {
	if p != nil {
		p(what, done)
	}
}

// Options are what every source gets beside its own configuration.
type Options struct {
	// Name is the key of the source in the configuration file.
	Name string
	// Logger names the source in each record already.
	Logger *slog.Logger
	// Now is the clock of AsOf times; nil: the real one.
	Now func() time.Time
	// Timeout bounds one request over a network; zero: what suits the kind of source.
	Timeout time.Duration
	// Sessions are those of the target that the source reads; nil where it reads none.
	Sessions Sessions
	// Pushed keeps what the provider puts into the source; nil where nothing is kept.
	Pushed Pushed
	// PublicURL is our address as others see it, where the configuration says so.
	PublicURL string
	// Limiters are shared by all sources, so that two with the same credential do not ask
	// twice as much; nil: each has its own.
	Limiters *httpx.Limiters
	// Meter counts what goes on with the server; nil: nobody does.
	Meter *httpx.Meter
	// Dial makes connections over HTTP in place of the network's own; nil: the network.
	Dial httpx.Dial
}

// Clock gives the clock to use.
func (o Options) Clock() func() time.Time {
	if o.Now == nil {
		return time.Now
	}
	return o.Now
}

// Log gives the logger to use.
func (o Options) Log() *slog.Logger {
	if o.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return o.Logger
}

// Sound gives the first thing that is wrong with a configuration, as an error for whoever
// opens it without having asked.
func (o Options) Sound(c Config) error {
	if found := c.Check(); len(found) > 0 {
		return fault.New(fault.Invalid, "open source", o.Name, errors.New(found[0].Message), found[0].Hint)
	}
	return nil
}

// Config is the configuration of one source: a pointer to a struct with yaml tags,
// which config fills, and which then opens the source.
type Config interface {
	// Check finds what the types of the fields cannot: missing and contradicting
	// values. It reads no file and opens no connection.
	Check() []Problem
	// Scope gives a canonical text of everything that decides which entries the
	// source shows and under which ids: bases, filters, id attributes. A change of
	// it makes earlier absences worthless.
	Scope() string
	// Place gives a canonical text of which directory this is: type and address.
	// A source whose key in the file changes is known again by Place and Scope.
	Place() string
	// Replicated says that answers may come from replicas that lag behind each
	// other, so that a membership seen a moment ago may be missing from the next.
	Replicated() bool
	// Open makes the source. It opens no connection.
	Open(Options) (Source, error)
}

// Problem is a mistake in a configuration.
type Problem struct {
	// Path leads to the value, from the source's own block: "users", "base".
	Path    []string
	Message string
	Hint    string
}

// Problems collects what Check finds.
type Problems []Problem

// Add notes one; path leads to the value.
func (p *Problems) Add(message, hint string, path ...string) {
	*p = append(*p, Problem{Path: path, Message: message, Hint: hint})
}

// Type is one kind of source.
type Type struct {
	// Name is the word behind `type:`.
	Name string
	// New gives an empty configuration with its defaults.
	New func() Config
	// Changes says that sources of this kind may be able to read changes alone or to notice
	// them, so that the keys changes and full_every mean something.
	Changes bool
	// Single says that sources of this kind know single people only: they have no lists,
	// so that nothing follows from whom they do not show.
	Single bool
	// Push says that sources of this kind are told by their provider: they are read as soon
	// as they say that something changed, whatever the configuration says of changes.
	Push bool
	// Walks says that sources of this kind read one group after the other for a while, so that
	// somebody who moves meanwhile may be in none of the lists: those who left are looked up.
	Walks bool
	// Schedule is the default of the key schedule; empty: that of most sources.
	Schedule string
}

// Registry is the list of the kinds of sources that a binary knows.
type Registry []Type

// Find gives the type of that name.
func (r Registry) Find(name string) (Type, bool) {
	i := slices.IndexFunc(r, func(t Type) bool { return t.Name == name })
	if i < 0 {
		return Type{}, false
	}
	return r[i], true
}

// Names lists the types, sorted.
func (r Registry) Names() []string {
	names := make([]string, 0, len(r))
	for _, t := range r {
		names = append(names, t.Name)
	}
	slices.Sort(names)
	return names
}

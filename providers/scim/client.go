package scim

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"sync"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
	"groupsyncd/providers"
)

// source reads one server.
type source struct {
	config Config
	name   string
	logger *slog.Logger
	now    func() time.Time
	base   *url.URL
	client *httpx.Client

	email          mail
	username       path
	full           *path
	attributes     map[string]path
	describeAgain  time.Duration
	scanEvery      time.Duration
	confirmAtMost  int
	scanGroupsMost int

	mu sync.Mutex
	// known is what the server was seen to do, last what it showed at the last read.
	known known
	last  *memory
	// filters says of each filter that was tried whether it was seen to work.
	filters map[string]bool
	// scanned is when a look-up walked the list of users, and scanCost what that took.
	scanned  time.Time
	scanCost int
	etags    etags
}

var (
	_ providers.Source  = (*source)(nil)
	_ providers.LookUp  = (*source)(nil)
	_ providers.Checker = (*source)(nil)
)

// known is what was learnt about a server; it is copied out and in under the lock.
type known struct {
	description description
	described   time.Time
	users       pager
	groups      pager
	// way is where members were seen; empty: not yet.
	way way
	// noSingle says that the server gives no single users or groups, noExclude that it cannot
	// leave members out.
	noSingle, noExclude bool
	// userGroups says that users show all groups that they are in, those above included.
	userGroups bool
}

func newSource(c Config, o providers.Options) (*source, error) {
	s := &source{config: c, name: o.Name, logger: o.Log(), now: o.Clock(), attributes: map[string]path{}, describeAgain: time.Hour,
		scanEvery: time.Minute, confirmAtMost: 50, scanGroupsMost: 200}
	var errs []error
	parse := func(text string) path {
		p, err := parsePath(text)
		errs = append(errs, err)
		return p
	}
	s.email = mail{choice: c.Users.Email}
	switch c.Users.Email {
	case Auto, Primary, Work, First:
	default:
		s.email.path = parse(c.Users.Email)
	}
	s.username = parse(c.Users.Username)
	if c.Users.Name != "" {
		p := parse(c.Users.Name)
		s.full = &p
	}
	for name, text := range c.Users.Attributes {
		s.attributes[name] = parse(text)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fault.New(fault.Invalid, "open source", o.Name, err, "")
	}
	return s, nil
}

// learn changes what is known.
func (s *source) learn(change func(*known)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.known)
}

func (s *source) knows() known {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.known
}

// Close ends calls under way.
func (s *source) Close() error {
	s.client.Close()
	return nil
}

func (s *source) where() string { return "source " + s.name }

// reader is one read: a pull, a look-up or a check.
type reader struct {
	*source
	session *httpx.Session
}

func (s *source) reader() *reader { return &reader{source: s, session: s.client.Session()} }

// get reads one address below the base. Parts of the path are written so that an id with odd
// characters stays one part.
func (r *reader) get(ctx context.Context, op, endpoint, id string, query url.Values, header http.Header, into any) (*httpx.Answer, error) {
	q, err := r.request(op, endpoint, id, query)
	if err != nil {
		return nil, err
	}
	maps.Copy(q.Header, header)
	q.Into = into
	a, err := r.session.Do(ctx, q)
	return a, explain(err)
}

func (r *reader) request(op, endpoint, id string, query url.Values) (httpx.Request, error) {
	address, shown := r.base.String()+endpoint, endpoint
	if id != "" {
		if id == "." || id == ".." {
			return httpx.Request{}, fault.New(fault.NotFound, op, r.where(), errors.New("no address can name the id "+id), "")
		}
		address += "/" + url.PathEscape(id)
		shown += "/ID"
	}
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	header := http.Header{"Accept": {"application/scim+json, application/json"}}
	return httpx.Request{Method: http.MethodGet, Path: shown, URL: address, Op: op, Header: header, Repeat: true}, nil
}

// explain adds what to do about an error.
func explain(err error) error {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.Hint != "" {
		return err
	}
	var status *httpx.StatusError
	_, noJSON := errors.AsType[*httpx.NotJSONError](err)
	errors.As(err, &status)
	switch {
	case f.Kind == fault.Auth:
		f.Hint = "is the token the one of this server, still valid, and allowed to read users and groups?"
	case status != nil && status.Status == http.StatusNotFound || noJSON:
		f.Hint = "is the url the one before /Users, such as https://scim.example.org/v2?"
	case status != nil && status.Code == "tooMany":
		f.Hint = "the server refuses to list so many; lower page_size"
	}
	return err
}

// refused reports whether a server does not want a request as it was, rather than not now.
func refused(err error) bool {
	e, ok := errors.AsType[*httpx.StatusError](err)
	return ok && (e.Status == http.StatusBadRequest || e.Status == http.StatusUnprocessableEntity || e.Status == http.StatusNotImplemented ||
		e.Status == http.StatusMethodNotAllowed || e.Status == http.StatusRequestURITooLong)
}

// code gives the scimType of an error.
func code(err error) string {
	if e, ok := errors.AsType[*httpx.StatusError](err); ok {
		return e.Code
	}
	return ""
}

// status gives the status of an error, or zero.
func status(err error) int {
	if e, ok := errors.AsType[*httpx.StatusError](err); ok {
		return e.Status
	}
	return 0
}

// missing reports whether the server itself says that something is not there.
func missing(err error) bool { return fault.KindOf(err) == fault.NotFound }

// failed gives an error of a read a kind, a place and an operation where it has none.
func (w walk) failed(err error) error {
	if fault.KindOf(err) != 0 {
		return err
	}
	return fault.New(fault.Incomplete, w.op, w.where(), err, "")
}

package google

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
	"groupsyncd/providers"
)

// checkTime bounds all looks of doctor at one source.
const checkTime = time.Minute

// findings gathers what doctor says.
type findings struct{ providers.Findings }

// Err leaves out what Google writes behind the first line.
func (f *findings) Err(check string, err error) { f.Fail(check, fault.HintOf(err), "%s", first(err)) }

// Check makes each kind of request that a read or a look-up makes, once.
func (s *source) Check(ctx context.Context) []providers.Finding {
	f := &findings{}
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	if !s.checkAccount(f) {
		return f.List
	}
	session := s.client.Session()
	people := s.checkUsers(ctx, session, f)
	if people == nil {
		return f.List
	}
	s.checkDeleted(ctx, session, f)
	s.checkGroups(ctx, session, f)
	if len(people) > 0 {
		s.checkLookUp(ctx, session, f, &people[0])
	}
	return f.List
}

// checkAccount says as whom we ask: the names under which the consoles of Google know us.
func (s *source) checkAccount(f *findings) bool {
	text, err := s.config.Credentials.Read()
	if err != nil {
		f.Err("credentials", fault.New(fault.KindOf(err), "read credentials", s.config.Credentials.String(), cause(err), fault.HintOf(err)))
		return false
	}
	var account struct {
		Type  string `json:"type"`
		Email string `json:"client_email"`
		ID    string `json:"client_id"`
	}
	const remedy = "take the JSON that Google Cloud console > IAM & Admin > Service accounts > Keys > Add key gives"
	if json.Unmarshal([]byte(text.Reveal()), &account) != nil || account.Type != "service_account" {
		hint := remedy
		if account.Type == "external_account" {
			hint = "workload identity federation is not supported: " + remedy
		}
		f.Err("credentials", fault.New(fault.Invalid, "read credentials", s.config.Credentials.String(), errors.New("they are not those of a service account"), hint))
		return false
	}
	as := "in its own name, with its own administrator role"
	if s.config.Subject != "" {
		as = "in the name of " + s.config.Subject + ", by domain-wide delegation"
	}
	f.OK("credentials", "%s (client id %s) asks %s", account.Email, account.ID, as)
	return true
}

// one reads the first page of a list, with a few rows.
func (s *source) one(ctx context.Context, session *httpx.Session, l listing) (*page, error) {
	l.query.Set("maxResults", "5")
	var p page
	if err := s.get(ctx, session, l.op, l.path, l.query, &p); err != nil {
		return nil, err
	}
	if p.Kind != l.kind {
		return nil, s.odd(l.op, "the answer is no %s", l.kind)
	}
	return &p, nil
}

// checkUsers reads some people; nil when it failed.
func (s *source) checkUsers(ctx context.Context, session *httpx.Session, f *findings) []user {
	p, err := s.one(ctx, session, s.users(false))
	if err != nil {
		f.Err("users", err)
		return nil
	}
	if len(p.Users) == 0 {
		f.Warn("users", "check customer and domain", "the list of people can be read, and is empty")
		return []user{}
	}
	u := &p.Users[0]
	f.OK("users", "people of the customer %s can be read", u.CustomerID)
	if u.Suspended == nil {
		f.Warn("status", "give the role the privilege Users > Read for the whole organisation", "whether %s is suspended is not shown: nobody of whom that is so counts as disabled", u.PrimaryEmail)
	}
	for name, field := range s.fields {
		if field.schema != "" && len(u.CustomSchemas) == 0 {
			f.Warn("attributes", "check the name of the schema below Directory > Users > More options > Manage custom attributes", "%s has no custom attribute of %s, for %s", u.PrimaryEmail, field.schema, name)
		}
	}
	return p.Users
}

func (s *source) checkDeleted(ctx context.Context, session *httpx.Session, f *findings) {
	if _, err := s.one(ctx, session, s.users(true)); err != nil {
		f.Warn("deleted people", fault.HintOf(err), "they cannot be read, so that who was deleted counts as gone only after safety.absence: %s", first(err))
		return
	}
	f.OK("deleted people", "those of the last 20 days can be read")
}

func (s *source) checkGroups(ctx context.Context, session *httpx.Session, f *findings) {
	p, err := s.one(ctx, session, s.groups())
	if err != nil {
		f.Err("groups", err)
		return
	}
	if len(p.Groups) == 0 {
		f.Warn("groups", "check customer, domain and groups", "the list of groups can be read, and is empty")
		return
	}
	f.OK("groups", "groups can be read, such as %s", p.Groups[0].Email)
	if s.config.Groups != "" {
		f.OK("groups", "the query %s is Google's search, which may be up to 36 hours behind", s.config.Groups)
	}
	if _, err := s.one(ctx, session, s.members(p.Groups[0].ID)); err != nil {
		f.Err("members", err)
		return
	}
	f.OK("members", "members of groups can be read")
}

// checkLookUp asks for the groups of a person, as at a sign-in.
func (s *source) checkLookUp(ctx context.Context, session *httpx.Session, f *findings, u *user) {
	var again user
	q := url.Values{}
	q.Set("fields", "kind,"+s.shown(q))
	if err := s.get(ctx, session, "look up user", "/users/"+u.ID, q, &again); err != nil {
		f.Err("look-up", err)
		return
	}
	p, err := s.one(ctx, session, s.groupsWith(u.ID))
	if err != nil {
		f.Err("look-up", err)
		return
	}
	var names []string
	for i := range p.Groups {
		names = append(names, p.Groups[i].Email)
	}
	f.OK("look-up", "one person and their groups can be looked up (%s: %s)", u.PrimaryEmail, strings.Join(append(names, "…"), ", "))
}

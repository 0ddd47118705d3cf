package google

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
)

// LookUp reads one person and climbs from group to group.
func (s *source) LookUp(ctx context.Context, who directory.Person) (*directory.Snapshot, error) {
	asOf := s.now()
	session := s.client.Session()
	found, err := s.lookUp(ctx, session, asOf, who)
	if err != nil {
		found = failed(asOf, err)
	}
	found.Requests, _ = session.Spent()
	return found, err
}

func (s *source) lookUp(ctx context.Context, session *httpx.Session, asOf time.Time, who directory.Person) (*directory.Snapshot, error) {
	switch {
	case ctx.Err() != nil:
		return nil, s.ended(ctx)
	case s.closed.Load():
		return nil, fault.New(fault.Canceled, "look up user", "source "+s.name, httpx.ErrClosed, "")
	}
	u, reason, err := s.find(ctx, session, who)
	if err != nil || u == nil {
		return &directory.Snapshot{AsOf: asOf, Reason: reason}, err
	}
	person, err := s.person(u)
	if err != nil {
		return nil, s.odd("look up user", "%w", err)
	}
	v, err := s.survey(ctx, session)
	if err != nil {
		return nil, err
	}
	c := &climb{source: s, session: session, view: v}
	c.result.Snapshot.AsOf, c.result.Snapshot.Scope = asOf, "customer "+u.CustomerID
	if err := c.all(ctx, u); err != nil {
		return nil, err
	}
	c.result.Snapshot.Reason = "one person was looked up"
	switch {
	case len(v.unread) > 0:
		c.result.Snapshot.Reason += fmt.Sprintf(", and %d groups could not be read, in which everybody may be", len(v.unread))
	case c.doubt != "":
		c.result.Snapshot.Reason += ", and the group " + c.doubt + " does not say any more whether they are in it"
	default:
		person.GroupsKnown = true
	}
	c.result.User(person)
	return c.result.Close(s.config.Nested), nil
}

// find gives who is meant, or why it is nobody.
//
// Google finds people by their other addresses too, which others may have had before; only the
// primary address stands for somebody. What Google does not know, and what belongs to other
// customers, it refuses; before that counts for nobody, a list shows that we may ask at all.
func (s *source) find(ctx context.Context, session *httpx.Session, who directory.Person) (*user, string, error) {
	key := who.ID
	if key == "" {
		key = who.Email
	}
	if key == "" {
		key = who.Username
	}
	if !sound(key) || who.ID == "" && !isMail(key) {
		return nil, "the look-up names nobody whom Google could know", nil
	}
	q := url.Values{}
	q.Set("fields", "kind,"+s.shown(q))
	var u user
	err := s.get(ctx, session, "look up user", "/users/"+key, q, &u)
	if refused(err) {
		one := s.users(false)
		one.query.Set("maxResults", "1")
		var p page
		if err := s.get(ctx, session, "look up user", one.path, one.query, &p); err != nil {
			return nil, "", err
		}
		if p.Kind != one.kind {
			return nil, "", s.odd("look up user", "the answer is no %s", one.kind)
		}
		return nil, "nobody of this customer matches the look-up", nil
	}
	if err != nil {
		return nil, "", err
	}
	if u.Kind != "admin#directory#user" {
		return nil, "", s.odd("look up user", "the answer is no person")
	}
	switch {
	case who.ID != "" && u.ID != who.ID:
		return nil, "the id in the look-up is the address of somebody", nil
	case who.ID == "" && directory.FoldEmail(u.PrimaryEmail) != directory.FoldEmail(key):
		return nil, "the address in the look-up is not the primary one of the person who has it", nil
	case s.config.Domain != "" && !s.inDomain(u.PrimaryEmail):
		return nil, "the person is not in the domain that is read", nil
	case s.config.Customer != myCustomer && u.CustomerID != s.config.Customer:
		return nil, "the person belongs to another customer", nil
	}
	return &u, "", nil
}

// inDomain reports whether an address is in the domain that is read.
func (s *source) inDomain(mail string) bool {
	return strings.EqualFold(mail[strings.LastIndexByte(mail, '@')+1:], s.config.Domain)
}

// readGroup reads one group; nil where it is not one of ours.
func (s *source) readGroup(ctx context.Context, session *httpx.Session, id string) (*group, error) {
	var g group
	err := s.get(ctx, session, "read group", "/groups/"+id, url.Values{"fields": {"kind," + groupFields}}, &g)
	switch {
	case refused(err):
		return nil, nil //nolint:nilnil // there is no such group among ours, and nothing went wrong
	case err != nil:
		return nil, err
	case g.Kind != "admin#directory#group" || g.ID != id:
		return nil, s.odd("read group", "the answer is not that group")
	}
	return &g, nil
}

// has asks whether a group names another among its members.
func (s *source) has(ctx context.Context, session *httpx.Session, id, child string) (bool, error) {
	var m struct {
		Kind string `json:"kind"`
		ID   string `json:"id"`
	}
	err := s.get(ctx, session, "read member", "/groups/"+id+"/members/"+child, url.Values{"fields": {"kind,id"}}, &m)
	switch status, _ := said(err); {
	case status == http.StatusNotFound && fault.KindOf(err) == fault.NotFound:
		return false, nil
	case err != nil:
		return false, err
	case m.Kind != "admin#directory#member" || m.ID != child:
		return false, s.odd("read member", "the answer is not that member")
	}
	return true, nil
}

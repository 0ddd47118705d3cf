package google

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
)

// user is a person as the API shows them.
type user struct {
	Kind         string `json:"kind"`
	ID           string `json:"id"`
	PrimaryEmail string `json:"primaryEmail"`
	CustomerID   string `json:"customerId"`
	Name         struct {
		Full string `json:"fullName"`
	} `json:"name"`
	// Suspended and Archived people cannot sign in. Where neither is told, the status is unknown.
	Suspended     *bool                        `json:"suspended"`
	Archived      *bool                        `json:"archived"`
	OrgUnitPath   string                       `json:"orgUnitPath"`
	Organizations []map[string]values          `json:"organizations"`
	CustomSchemas map[string]map[string]values `json:"customSchemas"`
}

// group is a group as the API shows it.
type group struct {
	Kind        string `json:"kind"`
	ID          string `json:"id"`
	Email       string `json:"email"`
	Name        string `json:"name"`
	Description string `json:"description"`
}

// member is a member of a group. A CUSTOMER has no address; its id is that of the customer.
type member struct {
	ID    string `json:"id"`
	Email string `json:"email"`
	Type  string `json:"type"`
	Role  string `json:"role"`
}

// The types and the role of members that mean something to us.
const (
	typeUser     = "USER"
	typeGroup    = "GROUP"
	typeCustomer = "CUSTOMER"
	roleOwner    = "OWNER"
)

// page is one of any list. The API leaves an empty list out, so that only kind tells an empty
// page from a body that is none at all.
type page struct {
	Kind    string   `json:"kind"`
	Next    string   `json:"nextPageToken"`
	Users   []user   `json:"users"`
	Groups  []group  `json:"groups"`
	Members []member `json:"members"`
}

// listing is a list to walk through.
type listing struct {
	op, kind, path string
	query          url.Values
}

// walk reads a list to its end, and says how many pages it had.
func (s *source) walk(ctx context.Context, session *httpx.Session, l listing, each func(*page) error) (pages int, err error) {
	var w httpx.Walk
	for {
		var p page
		if err := s.get(ctx, session, l.op, l.path, l.query, &p); err != nil {
			return pages, err
		}
		pages++
		if p.Kind != l.kind {
			return pages, s.odd(l.op, "the answer is no %s", l.kind)
		}
		if err := each(&p); err != nil {
			return pages, s.odd(l.op, "%w", err)
		}
		if p.Next == "" {
			return pages, nil
		}
		if err := w.Next(p.Next); err != nil {
			return pages, s.odd(l.op, "%w", err)
		}
		l.query.Set("pageToken", p.Next)
	}
}

// odd makes the error of an answer that cannot be right.
func (s *source) odd(op, format string, args ...any) error {
	return fault.Errorf(fault.Incomplete, op, "source "+s.name, format, args...)
}

// within adds which customer or domain is asked about.
func (s *source) within(q url.Values) url.Values {
	if s.config.Domain != "" {
		q.Set("domain", s.config.Domain)
	} else {
		q.Set("customer", s.config.Customer)
	}
	return q
}

// users is the list of all people, or of the deleted ones.
func (s *source) users(deleted bool) listing {
	q := s.within(url.Values{"maxResults": {strconv.Itoa(max(1, s.config.PageSize*5/2))}, "orderBy": {"email"}})
	if deleted {
		q.Set("showDeleted", "true")
		q.Set("fields", "kind,nextPageToken,users/id")
		return listing{"read deleted users", "admin#directory#users", "/users", q}
	}
	q.Set("fields", "kind,nextPageToken,users("+s.shown(q)+")")
	return listing{"read users", "admin#directory#users", "/users", q}
}

// shown gives which fields of a person are read, and asks for the schemas that they are in.
// What is not needed is not asked for: telephone numbers are nobody's business here.
func (s *source) shown(q url.Values) string {
	fields := []string{"archived", "customerId", "id", "name/fullName", "primaryEmail", "suspended"}
	var schemas []string
	for _, f := range s.fields {
		switch {
		case f.organization != "":
			fields = append(fields, "organizations")
		case f.schema != "":
			fields = append(fields, "customSchemas")
			schemas = append(schemas, f.schema)
		default:
			fields = append(fields, "orgUnitPath")
		}
	}
	if len(schemas) > 0 {
		slices.Sort(schemas)
		q.Set("projection", "custom")
		q.Set("customFieldMask", strings.Join(slices.Compact(schemas), ","))
	}
	slices.Sort(fields)
	return strings.Join(slices.Compact(fields), ",")
}

const groupFields = "description,email,id,name"

// groups is the list of the groups that are selected.
func (s *source) groups() listing {
	q := s.within(url.Values{"maxResults": {strconv.Itoa(s.config.PageSize)}, "orderBy": {"email"}, "fields": {"kind,nextPageToken,groups(" + groupFields + ")"}})
	if s.config.Groups != "" {
		q.Set("query", s.config.Groups)
		q.Del("orderBy") // The search has an order of its own.
	}
	return listing{"read groups", "admin#directory#groups", "/groups", q}
}

// groupsWith is the list of the groups that name somebody, or a group by its address, among
// their direct members. Groups of other customers are in it too.
func (s *source) groupsWith(key string) listing {
	return listing{"read the groups of a person", "admin#directory#groups", "/groups",
		url.Values{"userKey": {key}, "maxResults": {strconv.Itoa(s.config.PageSize)}, "fields": {"kind,nextPageToken,groups(" + groupFields + ")"}}}
}

// members is the list of what a group names.
func (s *source) members(id string) listing {
	return listing{"read members", "admin#directory#members", "/groups/" + id + "/members",
		url.Values{"maxResults": {strconv.Itoa(s.config.PageSize)}, "includeDerivedMembership": {"false"}, "fields": {"kind,nextPageToken,members(email,id,role,type)"}}}
}

// person makes a user of the directory. People sign in to Google with their primary address.
func (s *source) person(u *user) (directory.User, error) {
	if !sound(u.ID) || u.PrimaryEmail == "" {
		return directory.User{}, fmt.Errorf("a person has the id %q and the address %q", u.ID, u.PrimaryEmail)
	}
	p := directory.User{ID: u.ID, Email: u.PrimaryEmail, Username: u.PrimaryEmail, Name: u.Name.Full,
		StatusKnown: u.Suspended != nil, Disabled: isTrue(u.Suspended) || isTrue(u.Archived)}
	for name, f := range s.fields {
		if list := f.values(u); len(list) > 0 {
			if p.Attributes == nil {
				p.Attributes = map[string][]string{}
			}
			p.Attributes[name] = list
		}
	}
	return p, nil
}

// shownAs makes a group of the directory. The address is its path: the one name of a group
// that nobody else can take.
func (g *group) shownAs() directory.Group {
	return directory.Group{ID: g.ID, Name: g.Name, Path: g.Email, Description: g.Description}
}

func isTrue(b *bool) bool { return b != nil && *b }

// sound reports whether a text may be a part of a path.
func sound(key string) bool {
	return key != "" && len(key) < 400 && !strings.HasPrefix(key, ".") && !strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r == '/' || r == '\\' || r == '%' || r == 0x7f })
}

func isMail(text string) bool {
	name, domain, ok := strings.Cut(text, "@")
	return ok && name != "" && domain != "" && sound(text)
}

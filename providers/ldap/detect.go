package ldap

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	ldap "github.com/go-ldap/ldap/v3"

	"groupsyncd/internal/fault"
)

// detectedFor is how long a schema that was read counts without being read again, as
// long as the server says it is the same one.
const detectedFor = time.Hour

// detection is the layout that one server's root entry and schema gave.
type detection struct {
	identity string
	until    time.Time
	layout   *layout
}

// layoutOf gives the layout for a session. One that is configured costs nothing. Auto
// costs one request, and a second one now and then; it never looks at an entry, so that
// a change of data cannot change what the data means.
func (s *source) layoutOf(ctx context.Context, made *session) (*layout, error) {
	if s.config.Layout != Auto {
		l := s.config.resolve()
		return &l, nil
	}
	root, err := made.root(ctx)
	if err != nil {
		return nil, err
	}
	made.contexts = root.GetEqualFoldAttributeValues("namingContexts")
	identity, now := identityOf(root), s.now()
	s.mu.Lock()
	known := s.detected[made.server.text]
	s.mu.Unlock()
	if known != nil && known.identity == identity && now.Before(known.until) {
		return known.layout, nil
	}
	l, err := s.detect(ctx, made, root)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.detected[made.server.text] = &detection{identity: identity, until: now.Add(detectedFor), layout: l}
	s.mu.Unlock()
	if known == nil || known.layout.scope() != l.scope() {
		s.logger.Info("layout detected", "server", made.server.text, "layout", l.name,
			"users", l.users.Filter, "groups", l.groups.Filter, "id", l.users.ID, "members", l.membersText())
	}
	return l, nil
}

// rootAttributes are what tells servers apart (RFC 4512, 5.1).
func rootAttributes() []string {
	return []string{"objectClass", "vendorName", "vendorVersion", "subschemaSubentry", "namingContexts", "supportedCapabilities", "supportedControl",
		"supportedExtension", "supportedSASLMechanisms", "defaultNamingContext", "dsServiceName", "currentTime", "isGlobalCatalogReady"}
}

// root reads the entry that describes the server.
func (s *session) root(ctx context.Context) (*ldap.Entry, error) {
	const op = "read root entry"
	root, err := s.entry(ctx, "", "(objectClass=*)", rootAttributes())
	if err != nil {
		return nil, searchError(ctx, s.server, op, "users", "", err)
	}
	if root == nil {
		return nil, fault.New(fault.Invalid, op, s.server.text, errors.New("the server does not describe itself, so that its layout cannot be told"), layoutHint)
	}
	return root, nil
}

const layoutHint = "write layout: rfc2307bis, rfc2307, ad or freeipa, whichever fits"

// identityOf is what stays the same as long as the server is the same.
func identityOf(root *ldap.Entry) string {
	var parts []string
	for _, name := range []string{"vendorName", "vendorVersion", "subschemaSubentry", "namingContexts", "supportedCapabilities", "dsServiceName"} {
		values := slices.Clone(root.GetEqualFoldAttributeValues(name))
		slices.Sort(values)
		parts = append(parts, name+"="+strings.Join(values, " "))
	}
	return strings.Join(parts, "\n")
}

// detect chooses the presets for a server. What the file says comes first, as always.
func (s *source) detect(ctx context.Context, made *session, root *ldap.Entry) (*layout, error) {
	if isAD(root) {
		return s.chosen(presetsOf(AD)), nil
	}
	known, err := made.schema(ctx, root)
	if err != nil {
		return nil, err
	}
	p, err := choose(root, known)
	if err != nil {
		return nil, fault.New(fault.Invalid, "choose layout", made.server.text, err, layoutHint)
	}
	l := s.chosen(p)
	if err := known.check(l); err != nil {
		return nil, fault.New(fault.Invalid, "choose layout", made.server.text, err, "correct the name of the attribute, or leave it out")
	}
	return l, nil
}

// schema reads what the server knows.
func (s *session) schema(ctx context.Context, root *ldap.Entry) (*schema, error) {
	const op = "read schema"
	at := root.GetEqualFoldAttributeValue("subschemaSubentry")
	var e *ldap.Entry
	var err error
	if at != "" {
		e, err = s.entry(ctx, at, "(objectClass=subschema)", []string{"objectClasses", "attributeTypes"})
	}
	if err != nil {
		return nil, searchError(ctx, s.server, op, "users", at, err)
	}
	var known schema
	if e != nil {
		known = parseSchema(e)
	}
	if len(known.classes) == 0 || len(known.attributes) == 0 {
		return nil, fault.New(fault.Invalid, op, s.server.text, errors.New("the server shows no schema, so that its layout cannot be told"),
			layoutHint+", or let the account of bind.dn read the schema")
	}
	return &known, nil
}

func (s *source) chosen(p presets) *layout {
	l := s.config.fill(p)
	l.detected = true
	return &l
}

package scim

import (
	"context"
	"net/url"
	"strings"

	"groupsyncd/internal/fault"
)

// description is what a server says of itself (RFC 7643, 5 to 7). All of it may be missing or
// wrong; it only decides what is tried first.
type description struct {
	users, groups string
	cursor        bool
	// maxPage is the largest page, as the server says; zero: it does not.
	maxPage int
	// onRequest says that members are shown only where they are asked for by name, and hidden
	// that they never are.
	onRequest, hidden bool
	// said lists which of the documents the server gave, for doctor.
	said []string
}

type providerConfig struct {
	Pagination struct {
		Cursor      bool `json:"cursor"`
		MaxPageSize int  `json:"maxPageSize"`
	} `json:"pagination"`
}

type resourceType struct {
	ID       text `json:"id"`
	Name     text `json:"name"`
	Endpoint text `json:"endpoint"`
	Schema   text `json:"schema"`
}

type schema struct {
	ID         text `json:"id"`
	Attributes []struct {
		Name     text `json:"name"`
		Returned text `json:"returned"`
	} `json:"attributes"`
}

// describe asks the server what it is, once in a while. Only the end of the call is an error.
func (r *reader) describe(ctx context.Context) (description, error) {
	if k := r.knows(); !k.described.IsZero() && r.now().Sub(k.described) < r.describeAgain {
		return k.description, nil
	}
	d := description{users: "/Users", groups: "/Groups"}
	ask := func(document string, into any) (bool, error) {
		q, err := r.request("read "+document, "/"+document, "", nil)
		if err == nil {
			q.Into, q.Repeat = into, false
			_, err = r.session.Do(ctx, q)
		}
		if fault.KindOf(err) == fault.Canceled {
			return false, err
		}
		if err == nil {
			d.said = append(d.said, document)
		} else {
			r.logger.Debug("the server does not describe itself", "server", r.where(), "document", document, "err", err)
		}
		return err == nil, nil
	}
	var provider providerConfig
	if ok, err := ask("ServiceProviderConfig", &provider); err != nil {
		return d, err
	} else if ok {
		d.cursor, d.maxPage = provider.Pagination.Cursor, provider.Pagination.MaxPageSize
	}
	var types, schemas list
	if ok, err := ask("ResourceTypes", &types); err != nil {
		return d, err
	} else if ok {
		r.endpoints(&d, types)
	}
	if ok, err := ask("Schemas", &schemas); err != nil {
		return d, err
	} else if ok {
		d.members(schemas)
	}
	r.learn(func(k *known) { k.description, k.described = d, r.now() })
	return d, nil
}

// endpoints takes where users and groups are, unless that is on another server.
func (r *reader) endpoints(d *description, types list) {
	for _, raw := range types.items {
		var t resourceType
		if decode(raw, &t) != nil || t.Endpoint == "" {
			continue
		}
		for _, want := range []struct {
			name string
			at   *string
		}{{"User", &d.users}, {"Group", &d.groups}} {
			if !strings.EqualFold(string(t.Schema), coreSchemas+want.name) && (t.Schema != "" || !strings.EqualFold(string(t.Name), want.name)) {
				continue
			}
			if at, ok := r.below(string(t.Endpoint)); ok {
				*want.at = at
			} else {
				r.logger.Warn("the server names an address elsewhere, which is not asked", "server", r.where(), "document", "ResourceTypes", "type", want.name)
			}
		}
	}
}

// below gives an endpoint as a path below the base, or says that it is elsewhere. Some servers
// give a whole address, some a path that begins at the root.
func (r *reader) below(endpoint string) (string, bool) {
	u, err := url.Parse(endpoint)
	if err != nil || u.RawQuery != "" || u.User != nil || strings.Contains(u.Path, "..") {
		return "", false
	}
	if u.Host != "" && (!strings.EqualFold(u.Host, r.base.Host) || u.Scheme != r.base.Scheme) {
		return "", false
	}
	if rest, ok := strings.CutPrefix(u.EscapedPath(), r.base.EscapedPath()+"/"); ok && r.base.Path != "" {
		return "/" + rest, true
	}
	if u.Host != "" && r.base.Path != "" {
		return "", false // Beside what was configured.
	}
	return "/" + strings.Trim(u.EscapedPath(), "/"), true
}

// members takes whether groups show their members.
func (d *description) members(schemas list) {
	for _, raw := range schemas.items {
		var s schema
		if decode(raw, &s) != nil || !strings.EqualFold(string(s.ID), coreSchemas+"Group") {
			continue
		}
		for _, a := range s.Attributes {
			if strings.EqualFold(string(a.Name), "members") {
				d.onRequest, d.hidden = strings.EqualFold(string(a.Returned), "request"), strings.EqualFold(string(a.Returned), "never")
			}
		}
	}
}

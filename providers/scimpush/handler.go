package scimpush

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"groupsyncd/internal/logging"
	"groupsyncd/providers"
)

const (
	// maxBody bounds a request.
	maxBody = 8 << 20
	// maxProduct bounds what is kept of who asks.
	maxProduct = 60
	mediaType  = "application/scim+json"
)

// call is one request, or one of several in a bulk request.
type call struct {
	method, path string
	query        url.Values
	body         []byte
	// match and noneMatch are the conditions If-Match and If-None-Match.
	match, noneMatch string
	// base is the address under which the provider knows us.
	base string
}

// reply is the answer to a call; a nil body is none at all.
type reply struct {
	status         int
	body           document
	etag, location string
}

// Handler answers the provider.
func (s *Source) Handler() http.Handler { return s.handler }

func (s *Source) routes() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rest, ok := strings.CutPrefix(r.URL.Path, s.prefix)
		if !ok || rest != "" && rest[0] != '/' {
			s.answer(w, r, nil, refuse(http.StatusNotFound, "", "there is nothing at this path"))
			return
		}
		c := &call{method: r.Method, path: strings.TrimRight(rest, "/"), query: r.URL.Query(), match: r.Header.Get("If-Match"),
			noneMatch: r.Header.Get("If-None-Match"), base: s.base(r)}
		s.note(r)
		if r.Body != nil && r.Method != http.MethodGet && r.Method != http.MethodDelete {
			var err error
			if c.body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody)); err != nil {
				status, text := http.StatusBadRequest, "the body did not come to its end"
				if _, long := errors.AsType[*http.MaxBytesError](err); long {
					status, text = http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is longer than %d bytes", maxBody)
				}
				s.answer(w, r, nil, refuse(status, "", "%s", text))
				return
			}
		}
		out, err := s.serve(c)
		s.answer(w, r, out, err)
	})
}

// base gives the address of all that is here, as the provider sees it.
func (s *Source) base(r *http.Request) string {
	if at := strings.TrimRight(s.options.PublicURL, "/"); at != "" {
		return at + s.prefix
	}
	scheme := "http"
	if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
		scheme = "https"
	}
	return scheme + "://" + r.Host + s.prefix
}

// note remembers who asked, and when.
func (s *Source) note(r *http.Request) {
	product, _, _ := strings.Cut(r.UserAgent(), " ")
	product = strings.Map(func(c rune) rune {
		if unicode.IsGraphic(c) {
			return c
		}
		return -1
	}, product)
	if len(product) > maxProduct {
		product = strings.ToValidUTF8(product[:maxProduct], "")
	}
	s.noticed.Lock()
	defer s.noticed.Unlock()
	s.heard.last = s.now().UTC()
	if product != "" {
		s.heard.product = product
	}
	if r.Method != http.MethodGet && !strings.HasSuffix(r.URL.Path, "/.search") {
		s.heard.tried, s.heard.stirred = s.heard.last, time.Now()
	}
}

// Missed notes that a request of the provider was turned away before it came here.
func (s *Source) Missed() {
	s.noticed.Lock()
	defer s.noticed.Unlock()
	s.heard.last = s.now().UTC()
	s.heard.tried, s.heard.stirred = s.heard.last, time.Now()
}

// answer writes an answer.
func (s *Source) answer(w http.ResponseWriter, r *http.Request, out *reply, err error) {
	if err != nil {
		refused := refusalOf(err)
		if refused.status >= http.StatusInternalServerError && refused.status != http.StatusNotImplemented {
			w.Header().Set("Retry-After", "10")
			s.options.Logger.LogAttrs(r.Context(), slog.LevelError, "provisioning failed", slog.String(logging.KeyErr, err.Error()))
		}
		out = &reply{status: refused.status, body: refused.body()}
	}
	if out.etag != "" {
		w.Header().Set("ETag", out.etag)
	}
	if out.location != "" {
		w.Header().Set("Location", out.location)
	}
	if out.body == nil {
		w.WriteHeader(out.status)
		return
	}
	w.Header().Set("Content-Type", mediaType)
	w.WriteHeader(out.status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	if err := e.Encode(out.body); err != nil {
		s.options.Logger.LogAttrs(r.Context(), slog.LevelDebug, "answer not sent", slog.String(logging.KeyErr, err.Error()))
	}
}

// serve answers a call, again when the store was written by another hand meanwhile.
func (s *Source) serve(c *call) (*reply, error) {
	for range 5 {
		out, err := s.route(c)
		if !errors.Is(err, providers.ErrMoved) {
			return out, err
		}
	}
	return nil, providers.ErrMoved
}

// route finds what a call is about.
func (s *Source) route(c *call) (*reply, error) {
	head, id, _ := strings.Cut(strings.TrimPrefix(c.path, "/"), "/")
	switch head {
	case "ServiceProviderConfig", "Schemas", "ResourceTypes":
		if c.method != http.MethodGet {
			return nil, refuse(http.StatusMethodNotAllowed, "", "this path takes GET alone")
		}
		return s.describe(c, head, id)
	case "Bulk":
		if c.method != http.MethodPost || id != "" {
			return nil, refuse(http.StatusMethodNotAllowed, "", "bulk requests are posted")
		}
		return s.bulk(c)
	case "Me":
		return nil, refuse(http.StatusNotImplemented, "", "nobody is signed in here")
	case "", ".search":
		if head == "" && c.method == http.MethodGet || head != "" && c.method == http.MethodPost && id == "" {
			return s.search(c, users(), groups())
		}
	case "Users":
		return s.resource(c, users(), id)
	case "Groups":
		return s.resource(c, groups(), id)
	}
	return nil, refuse(http.StatusNotFound, "", "there is nothing at this path")
}

// resource answers a call about users or groups.
func (s *Source) resource(c *call, kind *resourceType, id string) (*reply, error) {
	switch {
	case id == "" && c.method == http.MethodGet, id == ".search" && c.method == http.MethodPost:
		return s.search(c, kind)
	case id == "" && c.method == http.MethodPost:
		return s.create(c, kind)
	case id == "" || id == ".search":
		return nil, refuse(http.StatusMethodNotAllowed, "", "this path takes GET and POST alone")
	case c.method == http.MethodGet:
		return s.get(c, kind, id)
	case c.method == http.MethodPut:
		return s.replace(c, kind, id)
	case c.method == http.MethodPatch:
		return s.patch(c, kind, id)
	case c.method == http.MethodDelete:
		return s.delete(c, kind, id)
	}
	return nil, refuse(http.StatusMethodNotAllowed, "", "this path takes GET, PUT, PATCH and DELETE alone")
}

// describe says what this service provider can do, and what its resources look like.
func (s *Source) describe(c *call, what, id string) (*reply, error) {
	meta := func(kind, at string) document { return document{"resourceType": kind, "location": c.base + at} }
	if what == "ServiceProviderConfig" {
		yes := document{"supported": true}
		return &reply{status: http.StatusOK, body: document{
			"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"},
			"patch":   yes, "sort": yes, "etag": yes, "changePassword": document{"supported": false},
			"bulk":       document{"supported": true, "maxOperations": maxBulk, "maxPayloadSize": maxBody},
			"filter":     document{"supported": true, "maxResults": maxPage},
			"pagination": document{"cursor": true, "index": true, "defaultPaginationMethod": "index", "defaultPageSize": defaultPage, "maxPageSize": maxPage},
			"authenticationSchemes": []any{document{"type": "oauthbearertoken", "name": "Bearer token", "description": "A token that both sides were given", "primary": true,
				"specUri": "https://www.rfc-editor.org/info/rfc6750"}},
			"meta": meta("ServiceProviderConfig", "/ServiceProviderConfig"),
		}}, nil
	}
	var list []any
	for _, kind := range []*resourceType{users(), groups()} {
		if what == "ResourceTypes" {
			extensions := []any{}
			for _, e := range kind.extensions {
				extensions = append(extensions, document{"schema": e.id, "required": false})
			}
			list = append(list, document{"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:ResourceType"}, "id": kind.name, "name": kind.name,
				"description": kind.core.text, "endpoint": kind.endpoint, "schema": kind.core.id, "schemaExtensions": extensions, "meta": meta("ResourceType", "/ResourceTypes/"+kind.name)})
			continue
		}
		for _, one := range append([]*schema{kind.core}, kind.extensions...) {
			list = append(list, document{"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:Schema"}, "id": one.id, "name": one.name, "description": one.text,
				"attributes": describeAll(one.attributes), "meta": meta("Schema", "/Schemas/"+one.id)})
		}
	}
	if id != "" {
		for _, x := range list {
			if d, ok := x.(document); ok && d["id"] == id {
				return &reply{status: http.StatusOK, body: d}, nil
			}
		}
		return nil, notFound(id)
	}
	if c.query.Get("filter") != "" {
		return nil, refuse(http.StatusForbidden, "", "this list takes no filter")
	}
	return &reply{status: http.StatusOK, body: document{"schemas": []string{listMessage}, "totalResults": len(list), "startIndex": 1, "itemsPerPage": len(list), "Resources": list}}, nil
}

// written gives the head after a write of the provider.
func (s *Source) written(t *table) head {
	h := t.head
	h.Wrote = s.now().UTC()
	s.noticed.Lock()
	defer s.noticed.Unlock()
	if s.heard.product != "" {
		h.Product = s.heard.product
	}
	return h
}

// dated gives a time as SCIM writes it.
func dated(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

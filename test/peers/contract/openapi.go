package contract

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// OpenAPI is a description in the format of that name, version 3.
type OpenAPI struct {
	doc    *openapi3.T
	router routers.Router
	prefix string
}

// NewOpenAPI reads a description. prefix is what stands before its paths at the server.
func NewOpenAPI(data []byte, prefix string) (*OpenAPI, error) {
	doc, err := openapi3.NewLoader().LoadFromData(data)
	if err != nil {
		return nil, err
	}
	// Whose server it is does not matter here.
	doc.Servers = openapi3.Servers{{URL: "/"}}
	for _, item := range doc.Paths.Map() {
		item.Servers = nil
		for _, op := range item.Operations() {
			op.Servers = nil
			op.Security = &openapi3.SecurityRequirements{}
		}
	}
	doc.Security = nil
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		return nil, err
	}
	return &OpenAPI{doc: doc, router: router, prefix: prefix}, nil
}

// Check gives what of an exchange the description does not know.
func (d *OpenAPI) Check(x *Exchange) []string {
	path, ok := strings.CutPrefix(x.URL.EscapedPath(), d.prefix)
	if !ok {
		return []string{fmt.Sprintf("the path %s is not described", x.URL.Path)}
	}
	u, err := url.Parse("http://localhost" + path + "?" + x.URL.RawQuery)
	if err != nil {
		return []string{err.Error()}
	}
	req, err := http.NewRequestWithContext(context.Background(), x.Method, u.String(), bytes.NewReader(x.RequestBody))
	if err != nil {
		return []string{err.Error()}
	}
	req.Header = x.RequestHeader.Clone()
	route, values, err := d.router.FindRoute(req)
	if err != nil {
		return []string{fmt.Sprintf("the path %s %s is not described: %v", x.Method, path, err)}
	}
	bad := unknownParameters(route, u.Query())
	in := &openapi3filter.RequestValidationInput{Request: req, PathParams: values, Route: route, Options: &openapi3filter.Options{
		MultiError: true, IncludeResponseStatus: true, AuthenticationFunc: openapi3filter.NoopAuthenticationFunc,
	}}
	if err := openapi3filter.ValidateRequest(context.Background(), in); err != nil {
		bad = append(bad, "request: "+one(err))
	}
	if x.Status == http.StatusNotModified {
		return bad
	}
	if x.Status > 299 && route.Operation.Responses.Status(x.Status) == nil && route.Operation.Responses.Default() == nil {
		return bad // Few descriptions name every way to fail.
	}
	out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: x.Status, Header: x.Header, Body: io.NopCloser(bytes.NewReader(x.Body)), Options: in.Options}
	if err := openapi3filter.ValidateResponse(context.Background(), out); err != nil {
		bad = append(bad, "answer: "+one(err))
	}
	return append(bad, d.unknownFields(route, x)...)
}

// one shortens an error to the lines that say what and where.
func one(err error) string {
	where := ""
	if r, ok := errors.AsType[*openapi3filter.RequestError](err); ok && r.Parameter != nil {
		where = "parameter " + r.Parameter.Name + ": "
	}
	more := ""
	if many, ok := errors.AsType[openapi3.MultiError](err); ok && len(many) > 1 {
		more = fmt.Sprintf(" (and %d more)", len(many)-1)
		err = many[0]
	}
	text, _, _ := strings.Cut(err.Error(), "\nSchema:")
	return where + strings.Join(strings.Fields(text), " ") + more
}

// unknownParameters gives the parameters of a query that are not described.
func unknownParameters(route *routers.Route, q url.Values) []string {
	var known []string
	for _, list := range []openapi3.Parameters{route.PathItem.Parameters, route.Operation.Parameters} {
		for _, p := range list {
			if p.Value != nil && p.Value.In == "query" {
				known = append(known, p.Value.Name)
			}
		}
	}
	var bad []string
	for _, name := range slices.Sorted(maps.Keys(q)) {
		if !slices.Contains(known, name) {
			bad = append(bad, fmt.Sprintf("parameter %s is not described", name))
		}
	}
	return bad
}

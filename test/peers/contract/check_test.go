package contract

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestADescriptionThatCannotBeHadIsAFailure(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]source{
		"no such module":    {module: "google.golang.org/api@v0.0.1-none", file: "x"},
		"no such file":      {module: "google.golang.org/api@v0.311.0", file: "no/such/file"},
		"another file":      {module: "google.golang.org/api@v0.311.0", file: "admin/directory/v1/admin-gen.go", sha256: "00"},
		"no such npm":       {npm: "@microsoft/microsoft-graph-types@0.0.0-none", file: "x"},
		"not in npm's file": {npm: "@microsoft/microsoft-graph-types@2.43.1", file: "no-such-file"},
	} {
		if _, err := s.read(t); err == nil {
			t.Errorf("%s: it is read", name)
		}
	}
}

// drifts are a small interface in the three formats, and what must be noticed in each.
const (
	smallDiscovery = `{"parameters": {"fields": {"type": "string", "location": "query"}}, "resources": {"users": {"methods": {"list": {"httpMethod": "GET", "path": "v1/users",
		"parameters": {"max": {"type": "integer", "location": "query", "maximum": "10"}, "order": {"type": "string", "location": "query", "enum": ["up"]}, "who": {"type": "string", "location": "query", "required": true}},
		"response": {"$ref": "Users"}}}}}, "schemas": {"Users": {"type": "object", "properties": {"kind": {"type": "string", "default": "users"}, "users": {"type": "array", "items": {"$ref": "User"}}}},
		"User": {"type": "object", "properties": {"name": {"type": "string"}, "off": {"type": "boolean"}, "count": {"type": "string", "format": "int64"}}}}}`
	smallOpenAPI = `{"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": {"/v1/users": {"get": {"parameters": [
		{"name": "max", "in": "query", "schema": {"type": "integer", "maximum": 10}}, {"name": "order", "in": "query", "schema": {"type": "string", "enum": ["up"]}}, {"name": "who", "in": "query", "required": true, "schema": {"type": "string"}},
		{"name": "fields", "in": "query", "schema": {"type": "string"}}],
		"responses": {"200": {"description": "ok", "content": {"application/json": {"schema": {"type": "object", "required": ["kind", "users"], "properties": {"kind": {"type": "string", "enum": ["users"]},
		"users": {"type": "array", "items": {"allOf": [{"type": "object", "properties": {"name": {"type": "string"}, "off": {"type": "boolean"}}}, {"type": "object", "properties": {"count": {"type": "string", "pattern": "^[0-9]+$"}}}]}}}}}}}}}}}}`
	good = `{"kind": "users", "users": [{"name": "a", "off": false, "count": "3"}]}`
)

func TestDriftIsNoticed(t *testing.T) {
	t.Parallel()
	d, err := NewDiscovery([]byte(smallDiscovery))
	if err != nil {
		t.Fatal(err)
	}
	o, err := NewOpenAPI([]byte(smallOpenAPI), "")
	if err != nil {
		t.Fatal(err)
	}
	for format, description := range map[string]description{"discovery": d, "openapi": o} {
		for name, c := range map[string]struct{ method, path, query, body, want string }{
			"nothing":              {"GET", "/v1/users", "who=a&max=10&order=up", good, ""},
			"another path":         {"GET", "/v2/users", "who=a", good, "is not described"},
			"another method":       {"DELETE", "/v1/users", "who=a", good, "is not described"},
			"another parameter":    {"GET", "/v1/users", "who=a&sort=up", good, "parameter sort"},
			"a missing parameter":  {"GET", "/v1/users", "max=1", good, "who"},
			"a parameter too high": {"GET", "/v1/users", "who=a&max=11", good, "max"},
			"no number":            {"GET", "/v1/users", "who=a&max=x", good, "max"},
			"no such order":        {"GET", "/v1/users", "who=a&order=down", good, "order"},
			"another type":         {"GET", "/v1/users", "who=a", strings.Replace(good, "false", `"no"`, 1), "off"},
			"no number in a text":  {"GET", "/v1/users", "who=a", strings.Replace(good, `"3"`, `"three"`, 1), "count"},
			"another field":        {"GET", "/v1/users", "who=a", strings.Replace(good, "name", "nom", 1), "nom is not described"},
			"no kind":              {"GET", "/v1/users", "who=a", strings.Replace(good, `"kind": "users", `, "", 1), "kind"},
			"no list":              {"GET", "/v1/users", "who=a", `{"kind": "users", "users": {}}`, "users"},
			"no JSON":              {"GET", "/v1/users", "who=a", "<html>", ""},
		} {
			got := strings.Join(description.Check(&Exchange{Method: c.method, URL: &url.URL{Path: c.path, RawQuery: c.query}, RequestHeader: http.Header{},
				Status: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(c.body)}), "\n")
			if (got == "") != (name == "nothing") || !strings.Contains(got, c.want) {
				t.Errorf("%s, %s: %q", format, name, got)
			}
		}
	}
	asked := d.Check(&Exchange{Method: "GET", URL: &url.URL{Path: "/v1/users", RawQuery: "who=a&fields=users(name,nom)"}, Status: 200, Body: []byte(`{"kind": "users", "users": [{"off": true}]}`)})
	if got := strings.Join(asked, "\n"); !strings.Contains(got, "kind was not asked for") || !strings.Contains(got, "off was not asked for") || !strings.Contains(got, "nom") {
		t.Errorf("fields: %s", got)
	}
}

func TestDriftOfTypesIsNoticed(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	for i := range 100 {
		text.WriteString("export interface Other" + strings.Repeat("x", i) + " {\n}\n")
	}
	text.WriteString(`export type Kind = "one" | "two";
export interface Entity {
    // The id; of {anybody}.
    id?: string;
}
export interface DirectoryObject extends Entity {
    deletedDateTime?: NullableOption<string>;
}
export interface User extends DirectoryObject {
    /**
     * Is it on?
     */
    accountEnabled?: NullableOption<boolean>;
    kind?: Kind;
    memberOf?: NullableOption<DirectoryObject[]>;
}
export interface Group extends DirectoryObject {
    displayName?: string;
}
`)
	g, err := NewGraph([]byte(text.String()), map[string]string{"users": "User"})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ path, query, body, want string }{
		"nothing":             {"/v1.0/users/1", "", `{"@odata.context": "x", "id": "1", "accountEnabled": null, "kind": "two"}`, ""},
		"along a property":    {"/v1.0/users/1/memberOf", "", `{"value": [{"@odata.type": "#microsoft.graph.group", "id": "1", "displayName": "x"}]}`, ""},
		"another set":         {"/v1.0/people", "", `{}`, "is not described"},
		"another property":    {"/v1.0/users/1/friends", "", `{}`, "no property friends"},
		"another option":      {"/v1.0/users/1", "page=2", `{"id": "1"}`, "page"},
		"a bad selection":     {"/v1.0/users/1", "$select=id,nom", `{"id": "1"}`, "nom to select"},
		"what nobody asked":   {"/v1.0/users/1", "$select=id", `{"id": "1", "kind": "one"}`, "was not asked for"},
		"another field":       {"/v1.0/users/1", "", `{"id": "1", "nom": "x"}`, "nom is not described"},
		"another type":        {"/v1.0/users/1", "", `{"id": "1", "accountEnabled": "yes"}`, "accountEnabled"},
		"another word":        {"/v1.0/users/1", "", `{"id": "1", "kind": "three"}`, "none of"},
		"no id":               {"/v1.0/users/1", "", `{"kind": "one"}`, "id is missing"},
		"an object of others": {"/v1.0/users", "", `{"value": [{"@odata.type": "#microsoft.graph.group", "id": "1"}]}`, "no User"},
		"no reason":           {"/v1.0/users/delta", "", `{"value": [{"id": "1", "@removed": {"reason": "bored"}}]}`, "no reason that is known"},
	} {
		got := strings.Join(g.Check(&Exchange{Method: "GET", URL: &url.URL{Path: c.path, RawQuery: c.query}, Status: 200, Body: []byte(c.body)}), "\n")
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

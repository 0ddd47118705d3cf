package scimpush

import (
	"strings"
)

// The names of the schemas and messages of SCIM.
const (
	userSchema       = "urn:ietf:params:scim:schemas:core:2.0:User"
	groupSchema      = "urn:ietf:params:scim:schemas:core:2.0:Group"
	enterpriseSchema = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"

	listMessage  = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
	patchMessage = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
	errorMessage = "urn:ietf:params:scim:api:messages:2.0:Error"
	bulkRequest  = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
	bulkResponse = "urn:ietf:params:scim:api:messages:2.0:BulkResponse"
)

// attribute is what a schema says of one attribute. The zero values are the usual ones: a text
// that may be read and written, once, without regard to case.
type attribute struct {
	name string
	// kind is the type, empty: string.
	kind                        string
	multi, required, exact      bool
	mutability, returned, alone string
	refs, words                 []string
	subs                        []attribute
}

// schema is a schema with its attributes.
type schema struct {
	id, name, text string
	attributes     []attribute
}

// resourceType is one kind of resource.
type resourceType struct {
	name, endpoint string
	core           *schema
	extensions     []*schema
}

func text(name string) attribute  { return attribute{name: name} }
func exact(name string) attribute { return attribute{name: name, exact: true} }

// several is an attribute with several values, each with a type, a name and a mark for one.
func several(name string, value attribute, types ...string) attribute {
	value.name = "value"
	return attribute{name: name, kind: "complex", multi: true, subs: []attribute{value, text("display"),
		{name: "type", words: types}, {name: "primary", kind: "boolean"}}}
}

// users gives the resource type of users.
func users() *resourceType {
	core := &schema{id: userSchema, name: "User", text: "A person", attributes: []attribute{
		{name: "userName", required: true, alone: "server"},
		{name: "name", kind: "complex", subs: []attribute{text("formatted"), text("familyName"), text("givenName"), text("middleName"),
			text("honorificPrefix"), text("honorificSuffix")}},
		text("displayName"), text("nickName"), {name: "profileUrl", kind: "reference", refs: []string{"external"}},
		text("title"), text("userType"), text("preferredLanguage"), text("locale"), text("timezone"),
		{name: "active", kind: "boolean"},
		several("emails", attribute{}, "work", "home", "other"),
		several("phoneNumbers", attribute{}, "work", "home", "mobile", "fax", "pager", "other"),
		several("ims", attribute{}, "aim", "gtalk", "icq", "xmpp", "msn", "skype", "qq", "yahoo"),
		several("photos", attribute{kind: "reference", refs: []string{"external"}}, "photo", "thumbnail"),
		{name: "addresses", kind: "complex", multi: true, subs: []attribute{text("formatted"), text("streetAddress"), text("locality"),
			text("region"), text("postalCode"), text("country"), {name: "type", words: []string{"work", "home", "other"}}, {name: "primary", kind: "boolean"}}},
		{name: "groups", kind: "complex", multi: true, mutability: "readOnly", subs: []attribute{
			{name: "value", mutability: "readOnly"}, {name: "$ref", kind: "reference", mutability: "readOnly", refs: []string{"Group"}},
			{name: "display", mutability: "readOnly"}, {name: "type", mutability: "readOnly", words: []string{"direct", "indirect"}}}},
		several("entitlements", attribute{}), several("roles", attribute{}),
		several("x509Certificates", attribute{kind: "binary", exact: true}),
	}}
	enterprise := &schema{id: enterpriseSchema, name: "EnterpriseUser", text: "A person in an organisation", attributes: []attribute{
		text("employeeNumber"), text("costCenter"), text("organization"), text("division"), text("department"),
		{name: "manager", kind: "complex", subs: []attribute{exact("value"), {name: "$ref", kind: "reference", refs: []string{"User"}},
			{name: "displayName", mutability: "readOnly"}}},
	}}
	return &resourceType{name: "User", endpoint: "/Users", core: core, extensions: []*schema{enterprise}}
}

// groups gives the resource type of groups.
func groups() *resourceType {
	core := &schema{id: groupSchema, name: "Group", text: "A group", attributes: []attribute{
		{name: "displayName", required: true},
		{name: "members", kind: "complex", multi: true, subs: []attribute{
			{name: "value", exact: true, mutability: "immutable"},
			{name: "$ref", kind: "reference", exact: true, mutability: "immutable", refs: []string{"User", "Group"}},
			{name: "type", mutability: "immutable", words: []string{"User", "Group"}}, {name: "display", mutability: "readOnly"}}},
	}}
	return &resourceType{name: "Group", endpoint: "/Groups", core: core}
}

// find gives an attribute by its name in any case, nil when the schema has none.
func (s *schema) find(name string) *attribute { return findIn(s.attributes, name) }

func findIn(list []attribute, name string) *attribute {
	for i := range list {
		if strings.EqualFold(list[i].name, name) {
			return &list[i]
		}
	}
	return nil
}

// common are the attributes of every resource that no schema lists.
func common(name string) *attribute {
	return findIn([]attribute{{name: "id", exact: true, mutability: "readOnly"}, {name: "externalId", exact: true},
		{name: "schemas", multi: true, exact: true, mutability: "ignored"}, {name: "meta", kind: "complex", exact: true, mutability: "readOnly", subs: []attribute{
			exact("resourceType"), {name: "created", kind: "dateTime"}, {name: "lastModified", kind: "dateTime"}, exact("location"), exact("version")}}}, name)
}

// extension gives the schema of an extension by its name in any case, nil for a foreign one.
func (t *resourceType) extension(urn string) *schema {
	for _, e := range t.extensions {
		if strings.EqualFold(e.id, urn) {
			return e
		}
	}
	return nil
}

// attribute gives what is known of an attribute, and of the part of it that a path names; nil
// for foreign ones.
func (t *resourceType) attribute(p attrPath) *attribute {
	var a *attribute
	switch e := t.extension(p.urn); {
	case e != nil:
		a = e.find(p.name)
	case p.urn != "" && !strings.EqualFold(p.urn, t.core.id):
		return nil
	default:
		if a = t.core.find(p.name); a == nil {
			a = common(p.name)
		}
	}
	if a != nil && p.sub != "" {
		return findIn(a.subs, p.sub)
	}
	return a
}

// describe gives an attribute as /Schemas shows it.
func (a *attribute) describe() map[string]any {
	or := func(s, other string) string {
		if s == "" {
			return other
		}
		return s
	}
	out := map[string]any{"name": a.name, "type": or(a.kind, "string"), "multiValued": a.multi, "description": a.name, "required": a.required,
		"mutability": or(a.mutability, "readWrite"), "returned": or(a.returned, "default")}
	if a.kind != "complex" && a.kind != "boolean" {
		out["caseExact"], out["uniqueness"] = a.exact || a.kind == "reference" || a.kind == "binary", or(a.alone, "none")
	}
	if len(a.refs) > 0 {
		out["referenceTypes"] = a.refs
	}
	if len(a.words) > 0 {
		out["canonicalValues"] = a.words
	}
	if len(a.subs) > 0 {
		out["subAttributes"] = describeAll(a.subs)
	}
	return out
}

func describeAll(list []attribute) []any {
	out := make([]any, len(list))
	for i := range list {
		out[i] = list[i].describe()
	}
	return out
}

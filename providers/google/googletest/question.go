package googletest

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// question is one request of the API.
type question struct {
	*tenant
	w http.ResponseWriter
	r *http.Request
	q url.Values
}

func (q *question) no(status int, reason, format string, args ...any) {
	refuse(q.w, status, reason, fmt.Sprintf(format, args...))
}

func (q *question) invalid(name string) {
	q.no(http.StatusBadRequest, "invalid", "Invalid Input: %s", name)
}

// knows refuses parameters that the method does not have.
func (q *question) knows(names ...string) bool {
	for name := range q.q {
		if !slices.Contains(names, name) && name != "fields" && name != "prettyPrint" && name != "alt" {
			q.invalid(name)
			return false
		}
	}
	return true
}

// oneOf refuses a value that the parameter does not have.
func (q *question) oneOf(name string, values ...string) bool {
	if v := q.q.Get(name); v != "" && !slices.Contains(values, v) {
		q.invalid(name)
		return false
	}
	return true
}

// ours refuses other customers, and domains that are not the customer's.
func (q *question) ours() bool {
	customer, domain := q.q.Get("customer"), q.q.Get("domain")
	switch {
	case customer != "" && customer != "my_customer" && customer != CustomerID:
		q.no(http.StatusForbidden, "forbidden", "Not Authorized to access this resource/api")
	case domain != "" && !q.domains[strings.ToLower(domain)]:
		q.no(http.StatusNotFound, "domainNotFound", "Domain not found.")
	default:
		return true
	}
	return false
}

func (q *question) users() {
	if !q.knows("customer", "domain", "maxResults", "orderBy", "sortOrder", "pageToken", "projection", "customFieldMask", "query", "showDeleted", "viewType") ||
		!q.oneOf("orderBy", "email", "familyName", "givenName") || !q.oneOf("projection", "basic", "custom", "full") || !q.oneOf("showDeleted", "true", "false") || !q.ours() {
		return
	}
	if q.q.Get("customer") == "" && q.q.Get("domain") == "" {
		q.no(http.StatusBadRequest, "badRequest", "Bad Request")
		return
	}
	list := q.tenant.users
	if q.q.Get("showDeleted") == "true" {
		list = q.deleted
	}
	q.page("users", "admin#directory#users", q.inDomain(list, "primaryEmail"), 500, 100)
}

// inDomain leaves those whose address is in the domain that is asked for.
func (q *question) inDomain(list []row, field string) []row {
	domain := q.q.Get("domain")
	if domain == "" {
		return list
	}
	var kept []row
	for _, r := range list {
		if strings.HasSuffix(strings.ToLower(text(r.body[field])), "@"+strings.ToLower(domain)) {
			kept = append(kept, r)
		}
	}
	return kept
}

func (q *question) user(key string) {
	if !q.knows("projection", "customFieldMask", "viewType") || !q.oneOf("projection", "basic", "custom", "full") {
		return
	}
	u := q.byKey[strings.ToLower(key)]
	_, domain, mail := strings.Cut(strings.ToLower(key), "@")
	switch {
	case u != nil:
		q.resource(q.customised(u), userFields())
	case mail && !q.domains[domain]:
		q.no(http.StatusForbidden, "forbidden", "Not Authorized to access this resource/api")
	default:
		q.no(http.StatusNotFound, "notFound", "Resource Not Found: userKey")
	}
}

// customised adds the custom schemas that are asked for.
func (q *question) customised(u map[string]any) map[string]any {
	shown := map[string]any{}
	for schema, fields := range q.custom[text(u["id"])] {
		if p := q.q.Get("projection"); p == "full" || p == "custom" && slices.Contains(strings.Split(q.q.Get("customFieldMask"), ","), schema) {
			shown[schema] = fields
		}
	}
	if len(shown) == 0 {
		return u
	}
	with := maps.Clone(u)
	with["customSchemas"] = shown
	return with
}

func (q *question) groups() {
	if !q.knows("customer", "domain", "userKey", "maxResults", "orderBy", "sortOrder", "pageToken", "query") || !q.oneOf("orderBy", "email") || !q.ours() {
		return
	}
	key, list := q.q.Get("userKey"), q.tenant.groups
	switch {
	case key != "" && q.q.Get("customer") != "":
		q.no(http.StatusBadRequest, "invalid", "Invalid Input")
		return
	case key == "" && q.q.Get("customer") == "" && q.q.Get("domain") == "":
		q.no(http.StatusBadRequest, "badRequest", "Bad Request")
		return
	case key != "":
		id, ok := q.whose(key)
		if !ok {
			q.no(http.StatusNotFound, "notFound", "Resource Not Found: userKey")
			return
		}
		list = q.in[id]
	}
	list, ok := q.search(q.inDomain(list, "email"))
	if ok {
		q.page("groups", "admin#directory#groups", list, 200, 200)
	}
}

// whose gives the id behind a userKey: the id or an address of somebody, or the address of a
// group. The id of a group is none.
func (q *question) whose(key string) (string, bool) {
	if u := q.byKey[strings.ToLower(key)]; u != nil {
		return text(u["id"]), true
	}
	if g := q.groupKey[strings.ToLower(key)]; g != nil && strings.Contains(key, "@") {
		return text(g["id"]), true
	}
	return "", false
}

// search understands name= name: email= and email: of the API's queries.
func (q *question) search(list []row) ([]row, bool) {
	text := q.q.Get("query")
	if text == "" {
		return list, true
	}
	field, value := "", ""
	prefix := false
	for _, f := range []string{"name", "email"} {
		if v, ok := strings.CutPrefix(text, f+"="); ok {
			field, value = f, strings.Trim(v, "'")
		}
		if v, ok := strings.CutPrefix(text, f+":"); ok && strings.HasSuffix(v, "*") {
			field, value, prefix = f, strings.TrimSuffix(v, "*"), true
		}
	}
	if field == "" {
		q.invalid("query")
		return nil, false
	}
	var kept []row
	for _, r := range list {
		got, _ := r.body[field].(string)
		if got == value || prefix && strings.HasPrefix(got, value) {
			kept = append(kept, r)
		}
	}
	return kept, true
}

// visible gives the group behind a key, unless it is not ours to see.
func (q *question) visible(key string) map[string]any {
	g := q.groupKey[strings.ToLower(key)]
	switch {
	case g == nil:
		q.no(http.StatusNotFound, "notFound", "Resource Not Found: groupKey")
	case q.foreign[text(g["id"])]:
		q.no(http.StatusForbidden, "forbidden", "Not Authorized to access this resource/api")
		return nil
	}
	return g
}

func (q *question) group(key string) {
	if !q.knows() {
		return
	}
	if g := q.visible(key); g != nil {
		q.resource(g, groupFields())
	}
}

func (q *question) members(key string) {
	if !q.knows("includeDerivedMembership", "maxResults", "pageToken", "roles") || !q.oneOf("includeDerivedMembership", "false") {
		return
	}
	if g := q.visible(key); g != nil {
		q.page("members", "admin#directory#members", q.tenant.members[text(g["id"])], 200, 200)
	}
}

func (q *question) member(key, member string) {
	if !q.knows() {
		return
	}
	g := q.visible(key)
	if g == nil {
		return
	}
	for _, m := range q.tenant.members[text(g["id"])] {
		if text(m.body["id"]) == member || strings.EqualFold(text(m.body["email"]), member) {
			q.resource(m.body, memberFields())
			return
		}
	}
	q.no(http.StatusNotFound, "notFound", "Resource Not Found: memberKey")
}

// resource answers with one resource, as far as fields names it.
func (q *question) resource(body map[string]any, known []string) {
	m, err := q.mask()
	if err != nil || m.unknown(known) != "" {
		q.no(http.StatusBadRequest, "invalidParameter", "Invalid field selection %s", m.unknown(known))
		return
	}
	answer(q.w, http.StatusOK, m.of(body))
}

func (q *question) mask() (mask, error) {
	if q.q.Get("fields") == "" {
		return nil, nil
	}
	return parseMask(q.q.Get("fields"))
}

// page answers with a page of a list. Its token is a place in the list, not a number.
func (q *question) page(name, kind string, list []row, most, usual int) {
	size := usual
	if v := q.q.Get("maxResults"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > most {
			q.invalid("maxResults")
			return
		}
		size = n
	}
	m, err := q.mask()
	known := map[string][]string{"users": userFields(), "groups": groupFields(), "members": memberFields()}[name]
	if err != nil || m.unknown([]string{"kind", "etag", "nextPageToken", name}) != "" || m[name].unknown(known) != "" {
		q.no(http.StatusBadRequest, "invalidParameter", "Invalid field selection")
		return
	}
	from := 0
	if token := q.q.Get("pageToken"); token != "" {
		after, err := base64.RawURLEncoding.DecodeString(token)
		place, ok := strings.CutPrefix(string(after), name+" "+q.r.URL.Path+" ")
		if err != nil || !ok {
			q.invalid(token)
			return
		}
		from, _ = slices.BinarySearchFunc(list, place+"\x01", func(r row, key string) int { return strings.Compare(r.key+"\x00", key) })
	}
	to := min(len(list), from+size)
	body := map[string]any{"kind": kind, "etag": fmt.Sprintf("%q", fmt.Sprint(name, from, len(list)))}
	var rows []map[string]any
	for _, r := range list[from:to] {
		b := r.body
		if name == "users" {
			b = q.customised(b)
		}
		rows = append(rows, b)
	}
	if len(rows) > 0 { // An empty list is left out.
		body[name] = rows
	}
	if to < len(list) {
		body["nextPageToken"] = base64.RawURLEncoding.EncodeToString([]byte(name + " " + q.r.URL.Path + " " + list[to-1].key))
	}
	answer(q.w, http.StatusOK, m.of(body))
}

func userFields() []string {
	return []string{"agreedToTerms", "aliases", "archived", "changePasswordAtNextLogin", "creationTime", "customSchemas", "customerId", "deletionTime", "emails", "etag", "id",
		"includeInGlobalAddressList", "ipWhitelisted", "isAdmin", "isDelegatedAdmin", "isEnforcedIn2Sv", "isEnrolledIn2Sv", "isMailboxSetup", "kind", "lastLoginTime", "name",
		"orgUnitPath", "organizations", "primaryEmail", "suspended", "suspensionReason"}
}

func groupFields() []string {
	return []string{"adminCreated", "aliases", "description", "directMembersCount", "email", "etag", "id", "kind", "name", "nonEditableAliases"}
}

func memberFields() []string {
	return []string{"delivery_settings", "email", "etag", "id", "kind", "role", "status", "type"}
}

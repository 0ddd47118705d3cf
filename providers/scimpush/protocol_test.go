package scimpush

import (
	"fmt"
	"net/http"
	"slices"
	"testing"

	"groupsyncd/providers/scimpush/scimpushtest"
)

// ids gives those of the resources of an answer.
func idsOf(a scimpushtest.Answer) []string {
	list, _ := a.Body["Resources"].([]any)
	out := make([]string, 0, len(list))
	for _, x := range list {
		out = append(out, fmt.Sprint(x.(map[string]any)["userName"]))
	}
	return out
}

func TestPagesByNumberAndByCursor(t *testing.T) {
	t.Parallel()
	s := open(t, &scimpushtest.Store{}, nil)
	p := provider(s)
	var all []string
	for i := range 25 {
		name := fmt.Sprintf("u%02d", i)
		all = append(all, name)
		p.Ask(t, "POST", "/Users", map[string]any{"userName": name, "title": fmt.Sprint(i % 3)})
	}
	var byNumber, byCursor []string
	for start := 1; start <= 25; start += 10 {
		a := p.Ask(t, "GET", fmt.Sprintf("/Users?startIndex=%d&count=10", start), nil)
		if a.Body["totalResults"] != 25.0 || a.Body["startIndex"] != float64(start) {
			t.Errorf("%v", a.Body)
		}
		byNumber = append(byNumber, idsOf(a)...)
	}
	for cursor, more := "", true; more; {
		a := p.Ask(t, "POST", "/Users/.search", map[string]any{"cursor": cursor, "count": 10})
		byCursor = append(byCursor, idsOf(a)...)
		cursor, more = "", false
		if next, ok := a.Body["nextCursor"].(string); ok {
			cursor, more = next, true
		}
		// Whoever goes meanwhile moves nobody else.
		if len(byCursor) == 10 {
			first := p.Ask(t, "GET", "/Users?filter=userName+eq+%22u09%22", nil).Body["Resources"].([]any)[0]
			p.Ask(t, "DELETE", "/Users/"+fmt.Sprint(first.(map[string]any)["id"]), nil)
		}
	}
	slices.Sort(byNumber)
	if !slices.Equal(byNumber, all) || !slices.Equal(byCursor, all) {
		t.Errorf("by number %v, by cursor %v", byNumber, byCursor)
	}
	for path, want := range map[string]int{"/Users?count=0": 0, "/Users?startIndex=-4&count=2": 2, "/Users?count=-1": 0, "/Users?startIndex=99": 0, "/Users?filter=title+eq+%221%22": 8,
		"/?filter=meta.resourceType+eq+%22User%22&count=3": 3} {
		if a := p.Ask(t, "GET", path, nil); a.Status != 200 || len(idsOf(a)) != want {
			t.Errorf("%s: %d, %d shown", path, a.Status, len(idsOf(a)))
		}
	}
	for _, path := range []string{"/Users?cursor=%21", "/Users?count=x", "/Users?filter=x", "/Users?sortBy=a..b", "/Users?attributes=a..b", "/Users?cursor=MDE&sortBy=title"} {
		if a := p.Ask(t, "GET", path, nil); a.Status != 400 || a.Body["scimType"] == nil {
			t.Errorf("%s: %d %v", path, a.Status, a.Body)
		}
	}
	a := p.Ask(t, "GET", "/Users?sortBy=userName&sortOrder=descending&count=2", nil)
	if got := idsOf(a); !slices.Equal(got, []string{"u24", "u23"}) {
		t.Errorf("sorted: %v", got)
	}
}

func TestVersionsOfAResource(t *testing.T) {
	t.Parallel()
	p := provider(open(t, &scimpushtest.Store{}, nil))
	made := p.Ask(t, "POST", "/Users", `{"userName":"ana"}`)
	at, tag := "/Users/"+fmt.Sprint(made.Body["id"]), made.Header.Get("ETag")
	if made.Header.Get("Location") != p.Base+at || tag == "" || tag[:2] != "W/" {
		t.Fatalf("%v", made.Header)
	}
	patch := `{"Operations":[{"op":"replace","path":"title","value":"x"}]}`
	for _, c := range []struct {
		method, body, header, value string
		status                      int
	}{
		{"GET", "", "If-None-Match", tag, http.StatusNotModified}, {"GET", "", "If-None-Match", `W/"other"`, http.StatusOK},
		{"PATCH", patch, "If-Match", `W/"other"`, http.StatusPreconditionFailed}, {"DELETE", "", "If-Match", `W/"other"`, http.StatusPreconditionFailed},
		{"PUT", `{"userName":"ana"}`, "If-Match", `W/"other"`, http.StatusPreconditionFailed}, {"PATCH", patch, "If-Match", `W/"other", ` + tag, http.StatusOK},
		{"PATCH", patch, "If-Match", tag, http.StatusPreconditionFailed}, {"GET", "", "If-None-Match", tag, http.StatusOK}, {"DELETE", "", "If-Match", "*", http.StatusNoContent},
	} {
		if a := p.Ask(t, c.method, at, c.body, c.header, c.value); a.Status != c.status {
			t.Errorf("%s with %s %s: %d", c.method, c.header, c.value, a.Status)
		}
	}
}

func TestBulkRequests(t *testing.T) {
	t.Parallel()
	p := provider(open(t, &scimpushtest.Store{}, nil))
	bulk := func(fail int, ops ...any) []any {
		t.Helper()
		a := p.Ask(t, "POST", "/Bulk", map[string]any{"failOnErrors": fail, "Operations": ops})
		list, _ := a.Body["Operations"].([]any)
		if a.Status != 200 {
			t.Fatalf("%d %v", a.Status, a.Body)
		}
		return list
	}
	status := func(list []any) (out []string) {
		for _, x := range list {
			out = append(out, fmt.Sprint(x.(map[string]any)["status"]))
		}
		return out
	}
	op := func(method, id, path string, data any) map[string]any {
		return map[string]any{"method": method, "bulkId": id, "path": path, "data": data}
	}
	// A group names a user who is made behind it, and is changed by its name.
	list := bulk(0, op("POST", "g", "/Groups", map[string]any{"displayName": "G", "members": []any{map[string]any{"value": "bulkId:u"}}}),
		op("PATCH", "", "/Groups/bulkId:g", map[string]any{"Operations": []any{map[string]any{"op": "replace", "path": "displayName", "value": "H"}}}),
		op("POST", "u", "/Users", map[string]any{"userName": "ana"}))
	if got := status(list); !slices.Equal(got, []string{"201", "204", "201"}) {
		t.Fatalf("%v: %v", got, list)
	}
	user := p.Ask(t, "GET", "/Users?filter=userName+eq+%22ana%22", nil).Body["Resources"].([]any)[0].(map[string]any)
	if groups, _ := user["groups"].([]any); len(groups) != 1 || groups[0].(map[string]any)["display"] != "H" {
		t.Errorf("%v", user)
	}
	bad := op("POST", "x", "/Users", map[string]any{"userName": "ANA"})
	if got := status(bulk(1, bad, op("POST", "y", "/Users", map[string]any{"userName": "bo"}))); !slices.Equal(got, []string{"409"}) {
		t.Errorf("ends with the first failure: %v", got)
	}
	if got := status(bulk(0, bad, op("POST", "", "/Users", map[string]any{"userName": "bo"}), op("GET", "", "/Users", nil), op("DELETE", "", "/Users/nobody", nil))); !slices.Equal(got, []string{"409", "400", "400", "404"}) {
		t.Errorf("goes on: %v", got)
	}
	if got := status(bulk(0, op("POST", "a", "/Groups", map[string]any{"displayName": "A", "members": []any{map[string]any{"value": "bulkId:b"}}}),
		op("POST", "b", "/Groups", map[string]any{"displayName": "B", "members": []any{map[string]any{"value": "bulkId:a"}}}))); !slices.Equal(got, []string{"409", "409"}) {
		t.Errorf("who wait for each other: %v", got)
	}
}

func TestWhatIsShownOfAResource(t *testing.T) {
	t.Parallel()
	p := provider(open(t, &scimpushtest.Store{}, nil))
	a := p.Ask(t, "POST", "/Users", someone)
	at := "/Users/" + fmt.Sprint(a.Body["id"])
	for query, want := range map[string][]string{
		"attributes=userName": {"id", "schemas", "userName"}, "attributes=emails.value": {"emails", "id", "schemas"},
		"attributes=" + enterpriseSchema + ":department": {"id", "schemas", enterpriseSchema}, "attributes=nothing": {"id", "schemas"},
		"excludedAttributes=emails,name,meta,title,loginCount,active,externalId,id,schemas,userName,urn:example:1.0:Badge": {"id", "schemas", enterpriseSchema},
	} {
		got := p.Ask(t, "GET", at+"?"+query, nil).Body
		var keys []string
		for k := range got {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		if !slices.Equal(keys, want) {
			t.Errorf("%s: %v", query, keys)
		}
	}
	for _, c := range []struct {
		method, path, body string
		status             int
	}{
		{"GET", "/Me", "", 501}, {"GET", "/nothing", "", 404}, {"POST", "/Schemas", "", 405}, {"PUT", "/Users", "{}", 405}, {"POST", "/Users", "[]", 400}, {"POST", "/Users", "{", 400},
		{"POST", "/Users", `{"userName":7.5,"active":"perhaps"}`, 400}, {"POST", "/Groups", `{}`, 400}, {"PATCH", at, `{"Operations":[]}`, 400},
		{"PATCH", at, `{"Operations":[{"op":"move","path":"title"}]}`, 400}, {"PATCH", at, `{"Operations":[{"op":"remove"}]}`, 400}, {"PATCH", at, `{"Operations":[{"op":"replace","path":"id","value":"x"}]}`, 400},
		{"PATCH", at, `{"Operations":[{"op":"remove","path":"userName"}]}`, 400}, {"PATCH", at, `{"Operations":[{"op":"replace","path":"emails[value sw \"zz\"].type","value":"x"}]}`, 400},
		{"GET", "/Schemas/urn:none", "", 404}, {"GET", "/Schemas/" + userSchema, "", 200}, {"GET", "/ResourceTypes/Group", "", 200}, {"GET", "/Schemas?filter=id+pr", "", 403},
	} {
		if a := p.Ask(t, c.method, c.path, c.body); a.Status != c.status {
			t.Errorf("%s %s %s: %d %v", c.method, c.path, c.body, a.Status, a.Body)
		}
	}
}

// TestAGroupThatIsPutWithoutMembersKeepsThem: only who says that nobody is left means it.
func TestAGroupThatIsPutWithoutMembersKeepsThem(t *testing.T) {
	t.Parallel()
	p := provider(open(t, &scimpushtest.Store{}, nil))
	ana := fmt.Sprint(p.Ask(t, "POST", "/Users", `{"userName":"ana"}`).Body["id"])
	made := p.Ask(t, "POST", "/Groups", `{"displayName":"sales","members":[{"value":"`+ana+`"}]}`)
	at := "/Groups/" + fmt.Sprint(made.Body["id"])
	for _, c := range []struct {
		body string
		left int
	}{
		{`{"displayName":"sales"}`, 1}, {`{"displayName":"sales","members":[]}`, 0},
		{`{"displayName":"sales","members":[{"value":"` + ana + `"}]}`, 1}, {`{"displayName":"sales","members":null}`, 0},
	} {
		if a := p.Ask(t, "PUT", at, c.body); a.Status != http.StatusOK {
			t.Fatalf("%s: %d %v", c.body, a.Status, a.Body)
		}
		members, _ := p.Ask(t, "GET", at, nil).Body["members"].([]any)
		if len(members) != c.left {
			t.Errorf("after %s there are %v", c.body, members)
		}
	}
}

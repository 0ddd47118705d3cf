package authentik

import (
	"encoding/json"
	"slices"
	"testing"
	"unicode/utf8"
)

func TestCustomAttributesAreFoundByKeysAndDots(t *testing.T) {
	t.Parallel()
	var u userRow
	err := json.Unmarshal([]byte(`{"attributes":{"department":"Finance","office.city":"Bern","office":{"city":"Genf","rooms":[1,2.5,"x",null,true,{"a":1}]},"empty":"","none":null,"path":"custom"}}`), &u)
	if err != nil {
		t.Fatal(err)
	}
	for field, want := range map[string][]string{
		"department": {"Finance"}, "attributes.department": {"Finance"}, "office.city": {"Bern"}, "office.rooms": {"1", "2.5", "x", "true"},
		"office": nil, "empty": nil, "none": nil, "department.x": nil, "nothing": nil, "path": nil, "attributes.path": {"custom"},
	} {
		if got := u.values(field); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", field, got, want)
		}
	}
}

func TestUUIDs(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"0a000000-0000-4000-8000-000000000001": true, "0A00000F-0000-4000-8000-00000000000F": true,
		"": false, "0a000000-0000-4000-8000-00000000000g": false, "0a000000x0000-4000-8000-000000000001": false, "0a000000-0000-4000-8000-0000000000011": false, "-0a00000-0000-4000-8000-000000000001": false,
	} {
		if isUUID(text) != want {
			t.Errorf("%q: %v", text, !want)
		}
	}
}

// FuzzRows throws rows at what makes people and groups of them.
func FuzzRows(f *testing.F) {
	f.Add([]byte(`{"pk":5,"uuid":"0A","username":"ada","is_active":true,"type":"external","attributes":{"a.b":"x","a":{"b":[1,[2,{"c":3}]]}},"groups":["g"]}`), "a.b")
	f.Add([]byte(`{"pk":"g","name":"x","parents":["a"],"parent":"b","users":[1]}`), "attributes.a")
	f.Fuzz(func(t *testing.T, row []byte, field string) {
		c, _ := Type().New().(*Config)
		c.Users.Attributes = map[string]string{"x": field}
		var u userRow
		if json.Unmarshal(row, &u) == nil && u.check() == nil {
			p := c.person(&u)
			for _, text := range append(p.Value("x"), p.ID, p.Email, p.Username, p.Name) {
				if utf8.ValidString(field) && !utf8.ValidString(text) {
					t.Errorf("%q is no text", text)
				}
			}
			if p.Disabled == *u.Active || !p.StatusKnown {
				t.Error("the status is not what it is")
			}
			c.counts(&u)
		}
		var g groupRow
		if json.Unmarshal(row, &g) == nil && g.check() == nil && len(g.above()) < len(g.Parents) {
			t.Error("a group above is missing")
		}
		isUUID(field)
	})
}

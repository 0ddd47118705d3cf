package google

import (
	"encoding/json"
	"testing"
)

// FuzzValues: whatever a field of a person holds, it is read as values or refused, and what
// was read can be written and read again.
func FuzzValues(f *testing.F) {
	for _, seed := range []string{`"x"`, `7`, `1e400`, `true`, `null`, `[{"value": "a"}, {"value": 2}]`, `[]`, `[{}]`, `{"value": 1}`, `[["x"]]`, `[{"value": {"a": 1}}]`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var v values
		if json.Unmarshal(data, &v) != nil {
			return
		}
		again, err := json.Marshal(v.list)
		if err != nil || !json.Valid(again) {
			t.Errorf("%q gives %q", data, v.list)
		}
	})
}

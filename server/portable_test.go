package server

import (
	"context"
	"encoding/json"
	"slices"
	"testing"
)

func (b *backend) Export(_ context.Context, target string, groups []string) ([]json.RawMessage, error) {
	return []json.RawMessage{json.RawMessage(`{"name":"<A & B>","n":12345678901234567890.10}`)}, b.note("export %s %q", target, groups)
}

func TestAnExportComesThroughAsTheServerWroteIt(t *testing.T) {
	t.Parallel()
	b := &backend{}
	c, _, _ := start(t, b, nil)
	got, err := c.Export(t.Context(), "chat", []string{"Sales & more", "id 2"})
	if err != nil || len(got) != 1 || string(got[0]) != `{"name":"<A & B>","n":12345678901234567890.10}` {
		t.Errorf("%s, %v", got, err)
	}
	if got, err = c.Export(t.Context(), "", nil); err != nil || len(got) != 1 {
		t.Errorf("%s, %v", got, err)
	}
	if want := []string{`export chat ["Sales & more" "id 2"]`, `export  []`}; !slices.Equal(b.asked, want) {
		t.Errorf("asked %q, want %q", b.asked, want)
	}
}

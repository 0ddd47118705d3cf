package server

import (
	"context"
	"encoding/json"
	"slices"
	"testing"

	"groupsyncd/sync/run"
)

func (b *backend) Export(_ context.Context, req run.ExportRequest) ([]json.RawMessage, error) {
	return []json.RawMessage{json.RawMessage(`{"name":"<A & B>","n":12345678901234567890.10}`)}, b.note("export %s %q %v", req.Target, req.Groups, req.Bare)
}

func (b *backend) Import(_ context.Context, req *run.ImportRequest) (*run.Report, error) {
	return &run.Report{Imports: req.Name}, b.note("import %s %s %s %s %v %s %s", req.File, req.Name, req.Mode, req.Target, req.Exact, req.Reason, req.By)
}

func TestAnImportReachesTheDaemonWithWhoAsks(t *testing.T) {
	t.Parallel()
	b := &backend{}
	c, _, _ := start(t, b, nil)
	file := `[{"name":"<A & B>","n":12345678901234567890.10}]`
	got, err := c.Import(t.Context(), &run.ImportRequest{File: []byte(file), Name: "g.json", Mode: run.Plan, Target: "chat", Exact: true, Reason: "why", By: "liar"})
	if err != nil || got.Imports != "g.json" {
		t.Errorf("%v, %v", got, err)
	}
	if want := []string{"import " + file + " g.json plan chat true why " + me(t)}; !slices.Equal(b.asked, want) {
		t.Errorf("asked %q, want %q", b.asked, want)
	}
}

func TestAnExportComesThroughAsTheServerWroteIt(t *testing.T) {
	t.Parallel()
	b := &backend{}
	c, _, _ := start(t, b, nil)
	got, err := c.Export(t.Context(), run.ExportRequest{Target: "chat", Groups: []string{"Sales & more", "id 2"}, Bare: true})
	if err != nil || len(got) != 1 || string(got[0]) != `{"name":"<A & B>","n":12345678901234567890.10}` {
		t.Errorf("%s, %v", got, err)
	}
	if got, err = c.Export(t.Context(), run.ExportRequest{}); err != nil || len(got) != 1 {
		t.Errorf("%s, %v", got, err)
	}
	if want := []string{`export chat ["Sales & more" "id 2"] true`, `export  [] false`}; !slices.Equal(b.asked, want) {
		t.Errorf("asked %q, want %q", b.asked, want)
	}
}

package server

import (
	"context"
	"errors"
	"testing"

	"groupsyncd/internal/fault"
	"groupsyncd/sync/engine"

	"github.com/google/go-cmp/cmp"
)

func (b *backend) CheckState(context.Context) (*engine.StateStatus, error) {
	return &engine.StateStatus{Path: "/state.db", Size: 7}, b.note("check")
}

func (b *backend) BackupState(_ context.Context, path, by string) (*engine.BackupMade, error) {
	return &engine.BackupMade{Path: path}, b.note("backup %q %s", path, by)
}

func TestStateIsCheckedAndCopiedThroughTheSocket(t *testing.T) {
	t.Parallel()
	b := &backend{}
	client, _, _ := start(t, b, nil)
	s, err := client.CheckState(t.Context())
	if err != nil || s.Path != "/state.db" || s.Size != 7 {
		t.Errorf("check gives %v, %v", s, err)
	}
	made, err := client.BackupState(t.Context(), "/mnt/copy.db", "somebody else")
	if err != nil || made.Path != "/mnt/copy.db" {
		t.Errorf("backup gives %v, %v", made, err)
	}
	// The kernel says who asks, and not the client.
	if diff := cmp.Diff([]string{"check", `backup "/mnt/copy.db" ` + me(t)}, b.asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	b.err = fault.New(fault.Damaged, "check state", "/state.db", errors.New("page 7 is broken"), "put a backup in its place")
	_, err = client.CheckState(t.Context())
	if fault.KindOf(err) != fault.Damaged || err.Error() != b.err.Error() || fault.HintOf(err) != "put a backup in its place" {
		t.Errorf("damage arrives as %v", err)
	}
}

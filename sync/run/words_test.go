package run_test

import (
	"testing"

	"groupsyncd/sync/run"
)

func TestChangesInWords(t *testing.T) {
	t.Parallel()
	ann := &run.UserRef{ID: "u1", Email: "ann@example.org"}
	gpt := &run.ResourceRef{Type: "models", ID: "gpt-4", Name: "GPT-4"}
	for _, c := range []struct {
		change             run.Change
		who, where, values string
	}{
		{run.Change{Op: run.AddMember, Group: &run.GroupRef{ID: "g", Name: "Sales"}, User: ann}, "ann@example.org", "Sales", ""},
		{run.Change{Op: run.SetRole, User: ann, Fields: []run.Field{{Name: "role", From: "user", To: "admin"}}}, "ann@example.org", "account", "user → admin"},
		{run.Change{Op: run.CreateAccount, User: &run.UserRef{Email: "new@example.org"}, Fields: []run.Field{{Name: "role", To: "pending"}, {Name: "name", To: "New"}}},
			"new@example.org", "account", "as pending, name=New"},
		{run.Change{Op: run.SetGrants, Resource: gpt, Fields: []run.Field{{Name: "read group Sales", From: false, To: true}, {Name: "write everybody", From: true, To: false}}},
			"", "model GPT-4", "+read group Sales, -write everybody"},
		{run.Change{Op: run.SetGrants, Resource: &run.ResourceRef{Type: "knowledge", ID: "k1"}}, "", "knowledge k1", ""},
		{run.Change{Op: run.SetPermissions, Fields: []run.Field{{Name: "permissions.chat.call", From: true, To: false}, {Name: "permissions.chat.tts", From: true}}},
			"", "default permissions", "permissions.chat.call=false, permissions.chat.tts=unset"},
		{run.Change{Op: run.UpdateGroup, Group: &run.GroupRef{Name: "Sales"}, Fields: []run.Field{{Name: "description", To: ""}}}, "", "Sales", `description=""`},
		{run.Change{Op: run.RemoveMember, User: &run.UserRef{ID: "u2"}}, "u2", "account", ""},
	} {
		if who, where, values := c.change.Who(), c.change.Where(), c.change.Values(); who != c.who || where != c.where || values != c.values {
			t.Errorf("%s: %q, %q, %q; want %q, %q, %q", c.change.Op, who, where, values, c.who, c.where, c.values)
		}
	}
}

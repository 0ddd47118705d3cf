package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"groupsyncd/sync/run"
)

// everythingElse are changes of everything beside groups and their members.
func everythingElse() []run.Change {
	ann, bob := &run.UserRef{ID: "u1", Email: "ann@example.org"}, &run.UserRef{ID: "u2", Email: "bob@example.org"}
	return []run.Change{
		{Op: run.SetRole, User: bob, Fields: []run.Field{{Name: "role", From: "user", To: "pending"}}, Absence: "explicit", Reason: "disabled (corp)", Outcome: run.Applied},
		{Op: run.RemoveMember, User: bob, Group: &run.GroupRef{ID: "g1", Name: "Sales"}, Reason: "left cn=sales (corp)", Outcome: run.Applied},
		{Op: run.CreateAccount, User: &run.UserRef{Email: "new@example.org"}, Fields: []run.Field{{Name: "role", To: "user"}}, Reason: "wanted in a group (corp)", Outcome: run.Planned},
		{Op: run.SetPermissions, Fields: []run.Field{{Name: "permissions.chat.call", From: true, To: false}}, Reason: "set by defaults", Outcome: run.Held,
			Hold: &run.HoldRef{Check: run.MaxCuts, Detail: "120 people > 50"}},
		{Op: run.SetRole, User: ann, Fields: []run.Field{{Name: "role", From: "user", To: "admin"}}, Reason: "in cn=admins (corp)", Outcome: run.Applied},
		{Op: run.SetGrants, Resource: &run.ResourceRef{Type: "models", ID: "gpt-4", Name: "GPT-4"}, Fields: []run.Field{{Name: "read group Sales", From: false, To: true}},
			Reason: "wanted by rule all", Outcome: run.Failed, Error: "503"},
	}
}

const rightsTable = `
target chat: 0 requests, 0 writes
  CHANGE           WHERE                WHO OR WHAT                      OUTCOME  WHY
  set role         account              bob@example.org: user → pending  applied  disabled (corp)
  remove member    Sales                bob@example.org                  applied  left cn=sales (corp)
  create account   account              new@example.org: as user         planned  wanted in a group (corp)
  set permissions  default permissions  permissions.chat.call=false      held     max_cuts: 120 people > 50; set by defaults
  set role         account              ann@example.org: user → admin    applied  in cn=admins (corp)
  set grants       model GPT-4          +read group Sales                failed   503
  2 roles changed, 1 change failed
`

func TestRolesAccountsGrantsAndDefaultsInAReport(t *testing.T) {
	t.Parallel()
	c, out, _ := printer()
	c.reportTable(&run.Report{Run: "01", Targets: []run.TargetReport{{Name: "chat", Changes: everythingElse(), Summary: run.Summary{RolesChanged: 2, Failed: 1}}}}, false)
	_, table, _ := strings.Cut(out.String(), "\n")
	if diff := cmp.Diff(rightsTable, table); diff != "" {
		t.Error(diff)
	}
}

func TestHoldsListWhatIsInNoGroup(t *testing.T) {
	t.Parallel()
	c, out, _ := printer()
	c.now = func() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }
	changes := []run.Change{everythingElse()[3], {Outcome: run.Held}} // of the last one only its key is left
	c.holdsTable([]run.Hold{{Hash: "abc", Check: run.MaxCuts, Target: "chat", Detail: "120 people > 50", Changes: changes, Approve: "groupsyncd approve abc --reason TEXT"}}, false)
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 5 || !strings.Contains(lines[3], "default permissions  permissions.chat.call=false") {
		t.Error(out.String())
	}
}

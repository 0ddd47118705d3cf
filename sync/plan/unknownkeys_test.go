package plan_test

import (
	"encoding/json"
	"testing"

	"groupsyncd/permission"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"
)

func TestPermissionsThatTheServerDoesNotKnowAreReportedAndSet(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "corp").rule("r", "sales", grants(permission.Set{"chat.edit": true, "chat.file_uplaod": true, "next.year": true, "chat.tts": false})).accounts("ann")
	w.mem.Mirror.Version = "0.9.6"
	if p := w.read("corp", 0, "users: ann", "sales: ann").run(); told(p, run.KindNaming, "") {
		t.Errorf("said without the server's own permissions: %v", p.Problems)
	}
	w.mem.Mirror.Defaults = json.RawMessage(`{"chat":{"edit":true,"file_upload":true,"limit":3}}`)
	p := w.run()
	for _, want := range []string{
		`Open WebUI 0.9.6 does not know the permission "chat.file_uplaod"; did you mean "chat.file_upload"?`,
		`Open WebUI 0.9.6 does not know the permission "next.year"`,
		`Open WebUI 0.9.6 does not know the permission "chat.tts" yet`,
	} {
		if !told(p, run.KindNaming, want) {
			t.Errorf("nobody said %s: %v", want, p.Problems)
		}
	}
	if len(p.Problems) != 3 || !w.permissions("sales")["next.year"] {
		t.Errorf("%v, %v", p.Problems, w.permissions("sales"))
	}
	w.settled()
}

func TestNoPermissionIsUnknownWhileTheServersOwnAreNot(t *testing.T) {
	t.Parallel()
	set := permission.Set{"chat.edit": true}
	for _, tree := range []string{"", "null", "{}", "[]", `{"chat":{"edit":false}}`, `{"chat":{"edit":"odd"},"a":{"b":true}}`} {
		if said := plan.UnknownPermissions("1", json.RawMessage(tree), set); said != nil {
			t.Errorf("%s: %v", tree, said)
		}
	}
}

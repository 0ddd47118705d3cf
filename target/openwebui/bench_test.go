package openwebui_test

import (
	"fmt"
	"testing"
	"time"

	"groupsyncd/internal/secret"
	"groupsyncd/permission"
	"groupsyncd/sync/plan"
	"groupsyncd/target/openwebui"
	"groupsyncd/target/openwebui/openwebuitest"
)

// BenchmarkNoopLook measures our own share of a look at 10,000 accounts, 500 groups and
// 50,000 memberships of which nothing changed; the simulator's share is in it too.
func BenchmarkNoopLook(b *testing.B) {
	now := time.Unix(1_795_000_000, 0)
	s := openwebuitest.New(openwebuitest.Options{Now: func() time.Time { return now }})
	ids := make([]string, 10_000)
	for i := range ids {
		ids[i] = s.AddAccount(openwebuitest.Account{Email: fmt.Sprintf("u%d@example.org", i), CreatedAt: int64(1_700_000_000 + i)})
	}
	m := plan.NewMirror()
	c, err := openwebui.New(openwebui.Options{
		Name: "chat", URL: "http://chat", Transport: s.Transport(), APIKey: func() (secret.Value, error) { return secret.New(s.Key), nil },
	})
	if err != nil {
		b.Fatal(err)
	}
	memory := &plan.Memory{Mirror: m}
	for g := range 500 {
		id := s.CreateGroup(fmt.Sprintf("g%d", g))
		s.AddMembers(id, ids[g:g+100]...)
		s.SetPermissions(id, permission.Explicit(nil))
	}
	now = now.Add(time.Minute)
	o, err := c.Session().Observe(b.Context(), m, plan.Look{All: true})
	if err != nil {
		b.Fatal(err)
	}
	memory.Observe(o)
	for b.Loop() {
		session := c.Session()
		if _, err := session.Observe(b.Context(), m, plan.Look{}); err != nil {
			b.Fatal(err)
		}
		if requests, _ := session.Spent(); requests != 3 {
			b.Fatalf("%d requests", requests)
		}
	}
}

package state

import (
	"bytes"
	"testing"

	"groupsyncd/sync/plan"
	"groupsyncd/sync/replica"
	"groupsyncd/sync/run"
)

// FuzzDecoders gives every decoder any bytes. None may panic or ask for much more
// memory than the record is long, and what one accepts must mean the same when it is
// written and read again.
func FuzzDecoders(f *testing.F) {
	r := bigReplica(3, 2, 2, noon())
	r.Users()[1].Attributes = map[string][]string{"department": {"Finance"}}
	evidence(&r.Users()[2]).SeenAt = noon().AddDate(0, 1, 0)
	r.Groups()[0].Direct = []uint32{0}
	r.Groups()[1].Missing = replica.Missing{First: noon(), Last: noon(), Reads: 2}
	evidence(&r.Users()[0]).DeletedAt = noon()
	r.Groups()[1].DeletedAt, r.Groups()[1].Kept, r.Groups()[1].OwnersOf = noon(), []uint32{1}, "g"
	r.Groups()[1].Recent = []replica.Recent{{User: 1, First: noon()}}
	r.Groups()[1].Blocked = []replica.Block{{Child: 0, Refs: []string{"cn=x"}}}
	m := smallMemory()
	seed := func(kind byte, encode func(*writer) error) {
		w := &writer{}
		if err := encode(w); err != nil {
			f.Fatal(err)
		}
		f.Add(kind, w.b)
	}
	c := &clock{noon(), noon()}
	seed(0, func(w *writer) error { encodeUsers(w, r.Users(), c); return nil })
	seed(1, func(w *writer) error { return encodeGroup(w, &r.Groups()[1], c) })
	seed(2, func(w *writer) error { encodeMissing(w, r.Users(), r.Groups(), c); return nil })
	seed(3, func(w *writer) error { encodeAccounts(w, m.Mirror.Accounts()); return nil })
	seed(4, func(w *writer) error { return encodeMirrorGroup(w, m.Mirror.Group("g1")) })
	seed(5, func(w *writer) error { return encodeOwned(w, m.Owned["g1"]) })
	seed(6, func(w *writer) error {
		encodePerson(w, plan.PersonLink{Account: "a0", By: "email", Since: noon()})
		return nil
	})
	seed(7, func(w *writer) error {
		encodeBegun(w, &begun{Plan: "x", Accounts: []string{"a0"}, Intents: 1})
		return nil
	})
	seed(8, func(w *writer) error {
		return encodeIntent(w, &plan.Intent{Op: "add", Accounts: []string{"a0"}, Feeds: [][]int{{0}}, Keys: []plan.FeedKey{{Rule: "all"}}}, map[string]int{"a0": 0})
	})
	seed(8, func(w *writer) error {
		role := m.Roles["a0"]
		return encodeIntent(w, &plan.Intent{Op: "set_grants", Role: &role, Email: "a@example.org", Resource: smallResource().ResourceKey,
			Add: []plan.OwnedGrant{{Grant: smallResource().Grants[0], Since: noon()}}, Remove: smallResource().Grants}, nil)
	})
	seed(9, func(w *writer) error { w.byte(packedPlain); w.b = append(w.b, "[[]]"...); return nil })
	seed(10, func(w *writer) error { return encodeAudit(w, &run.AuditRecord{Event: fullEvent()}) })
	seed(11, func(w *writer) error { encodeDeleted(w, r.Users(), r.Groups()); return nil })
	f.Fuzz(func(t *testing.T, kind byte, payload []byte) {
		first, ok := recode(kind, payload)
		if !ok {
			return
		}
		second, ok := recode(kind, first)
		if !ok || !bytes.Equal(first, second) {
			t.Fatalf("record %x is written as %x and that as %x", payload, first, second)
		}
	})
}

// recode reads a record and writes what it means; false when it was refused.
// nobody gives users of whom nothing is known.
func nobody(n int) []replica.User {
	users := make([]replica.User, n)
	for i := range users {
		users[i].Evidence = &replica.Evidence{}
	}
	return users
}

func recode(kind byte, payload []byte) ([]byte, bool) {
	c, w := &clock{noon(), noon().AddDate(0, 0, 1)}, &writer{}
	var err error
	switch kind % 12 {
	case 0:
		var users []replica.User
		if users, err = decodeUsers(payload, c, nil, &replica.Shared{}); err == nil {
			encodeUsers(w, users, c)
		}
	case 1:
		var g replica.Group
		if g, err = decodeGroup(payload, c, 50, 5); err == nil {
			err = encodeGroup(w, &g, c)
		}
	case 2:
		users, groups := nobody(50), make([]replica.Group, 5)
		if err = decodeMissing(payload, users, groups, c, &replica.Shared{}); err == nil {
			encodeMissing(w, users, groups, c)
		}
	case 3:
		var accounts []plan.Account
		if accounts, err = decodeAccounts(payload, nil); err == nil {
			encodeAccounts(w, accounts)
		}
	case 4:
		var g *plan.MirrorGroup
		if g, err = decodeMirrorGroup("g", payload, 50); err == nil {
			err = encodeMirrorGroup(w, g)
		}
	case 5:
		var o *plan.OwnedGroup
		if o, err = decodeOwned("g", payload, 50, nil); err == nil {
			err = encodeOwned(w, o)
		}
	case 6:
		var p plan.PersonLink
		if p, err = decodePerson(payload, smallMemory().Mirror); err == nil {
			encodePerson(w, p)
		}
	case 7:
		var p *begun
		if p, err = decodeBegun(payload); err == nil {
			encodeBegun(w, p)
		}
	case 8:
		var in plan.Intent
		if in, err = decodeIntent("run", 0, payload, &begun{Accounts: []string{"a0", "a1"}}); err == nil {
			err = encodeIntent(w, &in, map[string]int{"a0": 0, "a1": 1})
		}
	case 9:
		// Compressed changes may be as large as they like: only their text is read.
		if len(payload) == 0 || payload[0] == packedGzip {
			return nil, false
		}
		if _, err = unpackChanges(payload); err == nil {
			w.b = append(w.b, payload...)
		}
	case 10:
		if len(payload) <= auditHashSize || payload[auditHashSize] == packedGzip {
			return nil, false
		}
		var r run.AuditRecord
		if r, err = decodeAudit(payload); err == nil {
			err = encodeAudit(w, &r)
		}
	case 11:
		users, groups := nobody(50), make([]replica.Group, 5)
		if err = decodeDeleted(payload, users, groups, &replica.Shared{}); err == nil {
			encodeDeleted(w, users, groups)
		}
	}
	return w.b, err == nil
}

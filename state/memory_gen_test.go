package state

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"groupsyncd/directory"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"

	"pgregory.net/rapid"
)

func anyName() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string { return strings.ReplaceAll(anyText().Draw(t, "name"), "\x00", "") })
}

func anyFeedKey() *rapid.Generator[plan.FeedKey] {
	return rapid.Custom(func(t *rapid.T) plan.FeedKey {
		return plan.FeedKey{Rule: anyText().Draw(t, "rule"), Group: directory.GroupKey{Source: anyText().Draw(t, "source"), ID: anyText().Draw(t, "group")}}
	})
}

func anyLinkKey() *rapid.Generator[plan.LinkKey] {
	return rapid.Custom(func(t *rapid.T) plan.LinkKey {
		return plan.LinkKey{Rule: anyName().Draw(t, "rule"), To: anyName().Draw(t, "to"), Group: directory.GroupKey{Source: anyName().Draw(t, "source"), ID: anyText().Draw(t, "group")}}
	})
}

func anyRaw() *rapid.Generator[json.RawMessage] {
	return rapid.SampledFrom([]json.RawMessage{json.RawMessage(`true`), json.RawMessage(`"a<b>&c"`), json.RawMessage(`{"chat":{"file_upload":true}}`), json.RawMessage(`null`)})
}

func anyAccount() *rapid.Generator[plan.Account] {
	return rapid.Custom(func(t *rapid.T) plan.Account {
		a := plan.Account{ID: anyID().Draw(t, "id"), ByHand: rapid.Bool().Draw(t, "by hand"), Email: anyText().Draw(t, "email"), Name: anyText().Draw(t, "name"), Role: anyText().Draw(t, "role"),
			CreatedAt: rapid.Int64().Draw(t, "created"), Deleted: rapid.Bool().Draw(t, "deleted")}
		if rapid.Bool().Draw(t, "subjects") {
			a.Subjects = rapid.MapOfN(anyText(), anyText(), 0, 3).Draw(t, "values")
		}
		return a
	})
}

func anyChange() *rapid.Generator[run.Change] {
	return rapid.Custom(func(t *rapid.T) run.Change {
		c := run.Change{Op: run.AddMember, Absence: anyText().Draw(t, "absence"), Reason: anyText().Draw(t, "reason"), Rule: anyText().Draw(t, "rule"), Outcome: run.Held, Error: anyText().Draw(t, "error")}
		if rapid.Bool().Draw(t, "group") {
			c.Group = &run.GroupRef{ID: anyID().Draw(t, "id"), Name: anyText().Draw(t, "name")}
			c.User = &run.UserRef{ID: anyID().Draw(t, "id"), Email: anyText().Draw(t, "email")}
			c.Hold = &run.HoldRef{Check: run.Emptied, Detail: anyText().Draw(t, "detail"), Hash: anyText().Draw(t, "hash")}
			c.Fields = []run.Field{{Name: anyText().Draw(t, "field"), From: nil, To: anyText().Draw(t, "to")}, {Name: "n", From: true, To: 1.5}}
		}
		return c
	})
}

// anyMemory draws a memory with everything in it, and a Dirty that names all.
func anyMemory(target string) *rapid.Generator[*plan.Memory] {
	return rapid.Custom(func(t *rapid.T) *plan.Memory {
		at := anyTime(noon())
		m := plan.NewMemory(target, anyText().Draw(t, "instance"), at.Draw(t, "began"))
		m.Serial = rapid.Uint64().Draw(t, "serial")
		for range rapid.IntRange(0, 2).Draw(t, "peers") {
			m.Peers[anyText().Draw(t, "peer")] = plan.Peer{Serial: rapid.Uint64().Draw(t, "serial of peer"), Moved: anyTime().Draw(t, "moved")}
		}
		accounts := rapid.SliceOfN(anyAccount(), 0, 12).Draw(t, "accounts")
		var groups []*plan.MirrorGroup
		owned := rapid.SliceOfNDistinct(anyID(), 0, 4, rapid.ID[string]).Draw(t, "groups")
		for _, id := range owned {
			g := &plan.MirrorGroup{Group: plan.Group{ID: id, Name: anyText().Draw(t, "name"), Description: anyText().Draw(t, "description"),
				Permissions: anyRaw().Draw(t, "permissions"), Data: json.RawMessage("{ \"kept\":  \"as it is\" }"), Share: anyText().Draw(t, "share"),
				Parent: anyText().Draw(t, "parent"), MemberCount: rapid.Int().Draw(t, "count"), UpdatedAt: rapid.Int64().Draw(t, "updated"),
				MembersRead: rapid.Bool().Draw(t, "read"), ReadAt: at.Draw(t, "readAt")}, Numbers: anyRows(len(accounts)).Draw(t, "numbers")}
			if rapid.Bool().Draw(t, "marked") {
				g.Mark = &plan.Mark{Instance: anyText().Draw(t, "instance"), Rule: anyText().Draw(t, "rule"), To: anyText().Draw(t, "to"), Serial: rapid.Uint64().Draw(t, "serial")}
			}
			groups = append(groups, g)
			o := &plan.OwnedGroup{GroupID: id}
			for range rapid.IntRange(0, 3).Draw(t, "feeds") {
				o.Feeds = append(o.Feeds, plan.OwnedFeed{Key: anyFeedKey().Draw(t, "key"), Accounts: anyRows(len(accounts)).Draw(t, "members")})
			}
			for _, n := range anyRows(len(accounts)).Draw(t, "clocks") {
				o.Clocks = append(o.Clocks, plan.Clock{Account: n, First: at.Draw(t, "first"), Last: at.Draw(t, "last"), Reads: rapid.IntRange(0, 9).Draw(t, "reads")})
			}
			m.Owned[id] = o
			if found := anyRows(len(accounts)).Draw(t, "found"); len(found) > 0 {
				m.Lost[id] = found
			}
		}
		m.Mirror = plan.RestoreMirror(plan.Mirror{Version: anyText().Draw(t, "version"), Deployment: anyText().Draw(t, "deployment"), Self: anyText().Draw(t, "self"),
			ReadAllAt: at.Draw(t, "readAllAt"), At: at.Draw(t, "at"), Defaults: anyRaw().Draw(t, "mirror defaults"),
			Parents: rapid.Bool().Draw(t, "parents"), ResourcesAt: rapid.MapOfN(anyText(), at, 0, 3).Draw(t, "resourcesAt")}, accounts, groups, anyResources(t)...)
		drawSharing(t, m)
		drawMaps(t, m, accounts, at)
		drawLists(t, m, at)
		return m
	})
}

func drawMaps(t *rapid.T, m *plan.Memory, accounts []plan.Account, at *rapid.Generator[time.Time]) {
	for range rapid.IntRange(0, 6).Draw(t, "people") {
		p := plan.PersonLink{Account: anyID().Draw(t, "account"), By: rapid.SampledFrom([]string{"sign_in", "email", "manual", ""}).Draw(t, "by"),
			Email: anyText().Draw(t, "email"), Since: at.Draw(t, "since")}
		if len(accounts) > 0 && rapid.Bool().Draw(t, "known") {
			a := rapid.SampledFrom(accounts).Draw(t, "account")
			p.Account, p.Email = a.ID, a.Email
		}
		m.People.Set(directory.UserKey{Source: anyName().Draw(t, "source"), ID: anyText().Draw(t, "id")}, p)
	}
	for range rapid.IntRange(0, 5).Draw(t, "links") {
		m.Links[anyLinkKey().Draw(t, "key")] = plan.GroupLink{GroupID: anyID().Draw(t, "id"), Since: at.Draw(t, "since"), Created: rapid.Bool().Draw(t, "created"),
			Applied: rapid.MapOfN(anyText(), anyRaw(), 0, 2).Draw(t, "applied"), Before: rapid.MapOfN(anyText(), anyRaw(), 0, 2).Draw(t, "before"),
			RecreatedAt: at.Draw(t, "recreated")}
	}
	for _, id := range rapid.SliceOfN(rapid.StringN(1, 5, 20), 0, 3).Draw(t, "scopes") {
		m.Scopes[id] = anyAccepted().Draw(t, "accepted")
	}
}

func anyAccepted() *rapid.Generator[run.AcceptedSource] {
	return rapid.Custom(func(t *rapid.T) run.AcceptedSource {
		return run.AcceptedSource{Scope: anyText().Draw(t, "scope"), Users: rapid.Int().Draw(t, "users"), Groups: rapid.Int().Draw(t, "groups")}
	})
}

func drawLists(t *rapid.T, m *plan.Memory, at *rapid.Generator[time.Time]) {
	texts := rapid.SliceOfN(anyText(), 0, 3)
	for range rapid.SampledFrom([]int{0, 2, manyEntries, manyEntries + 3}).Draw(t, "losses") {
		m.Losses = append(m.Losses, plan.Loss{At: noon(), Group: "g", Account: "a"})
	}
	if n := len(m.Losses); n > 0 {
		m.Losses[n-1] = plan.Loss{At: at.Draw(t, "at"), Group: anyID().Draw(t, "group"), Account: anyID().Draw(t, "account"), Approved: true}
	}
	for range rapid.IntRange(0, 3).Draw(t, "lists") {
		m.Holds = append(m.Holds, run.Hold{Hash: anyText().Draw(t, "hash"), Check: run.MaxPeople, Target: m.Target, Scope: anyText().Draw(t, "scope"), Detail: anyText().Draw(t, "detail"),
			Since: at.Draw(t, "since"), Changes: rapid.SliceOfN(anyChange(), 0, 3).Draw(t, "changes"), Approve: anyText().Draw(t, "approve"), Keys: texts.Draw(t, "keys"),
			Accepts: rapid.Ptr(anyAccepted(), true).Draw(t, "accepts"),
			List:    rapid.Int().Draw(t, "list"), Entered: rapid.SliceOfN(rapid.Int(), 0, 3).Draw(t, "entered"),
			Earlier: []run.EarlierList{{Hash: anyText().Draw(t, "hash"), List: rapid.Int().Draw(t, "list"), Accepts: rapid.Ptr(anyAccepted(), true).Draw(t, "accepts"), Until: at.Draw(t, "until")}}})
		m.Approvals = append(m.Approvals, run.Approval{Hash: anyText().Draw(t, "hash"), Check: run.Exact, Target: m.Target, Scope: anyText().Draw(t, "scope"),
			Keys: texts.Draw(t, "keys"), By: anyText().Draw(t, "by"), Reason: anyText().Draw(t, "reason"), At: at.Draw(t, "at"), Until: at.Draw(t, "until")})
		m.Accepted = append(m.Accepted, plan.AcceptedRule{Key: anyText().Draw(t, "key"), Hash: anyText().Draw(t, "hash"), Spec: anyRaw().Draw(t, "spec")})
		m.Tombstones = append(m.Tombstones, plan.Tombstone{At: at.Draw(t, "at"), Group: anyID().Draw(t, "group"), Account: anyID().Draw(t, "account"), Feed: anyFeedKey().Draw(t, "feed")})
	}
}

func anyGrant() *rapid.Generator[plan.Grant] {
	return rapid.Custom(func(t *rapid.T) plan.Grant {
		return plan.Grant{Kind: rapid.SampledFrom([]string{plan.KindGroup, plan.KindUser, plan.KindAnyone}).Draw(t, "kind"), ID: anyID().Draw(t, "principal"),
			Permission: rapid.SampledFrom([]string{plan.Read, plan.Write}).Draw(t, "permission")}
	})
}

func anyOwnedGrant() *rapid.Generator[plan.OwnedGrant] {
	return rapid.Custom(func(t *rapid.T) plan.OwnedGrant {
		return plan.OwnedGrant{Grant: anyGrant().Draw(t, "grant"), Since: anyTime(noon()).Draw(t, "since"), Rule: anyText().Draw(t, "rule")}
	})
}

func anyResourceKey() *rapid.Generator[plan.ResourceKey] {
	return rapid.Custom(func(t *rapid.T) plan.ResourceKey {
		return plan.ResourceKey{Type: rapid.SampledFrom(plan.ResourceTypes()).Draw(t, "type"), ID: anyID().Draw(t, "resource")}
	})
}

func anyResources(t *rapid.T) []*plan.Resource {
	var out []*plan.Resource
	for _, k := range rapid.SliceOfNDistinct(anyResourceKey(), 0, 4, rapid.ID[plan.ResourceKey]).Draw(t, "resources") {
		out = append(out, &plan.Resource{ResourceKey: k, Name: anyText().Draw(t, "name"), Owner: anyText().Draw(t, "owner"), Base: anyText().Draw(t, "base"),
			Inactive: rapid.Bool().Draw(t, "inactive"), Unlisted: rapid.Bool().Draw(t, "unlisted"), Grants: rapid.SliceOfN(anyGrant(), 0, 3).Draw(t, "grants")})
	}
	return out
}

func anyRole() *rapid.Generator[plan.OwnedRole] {
	return rapid.Custom(func(t *rapid.T) plan.OwnedRole {
		return plan.OwnedRole{Role: anyText().Draw(t, "role"), Before: anyText().Draw(t, "before"), Since: anyTime(noon()).Draw(t, "since"), Why: anyText().Draw(t, "why"),
			Rule: anyText().Draw(t, "rule"), Group: directory.GroupKey{Source: anyText().Draw(t, "source"), ID: anyText().Draw(t, "id")}}
	})
}

func drawSharing(t *rapid.T, m *plan.Memory) {
	m.Roles = rapid.MapOfN(anyID(), anyRole(), 0, 4).Draw(t, "roles")
	m.Grants = rapid.MapOfN(anyResourceKey(), rapid.SliceOfN(anyOwnedGrant(), 1, 3), 0, 4).Draw(t, "owned grants")
	m.Defaults = plan.Values{Applied: rapid.MapOfN(anyText(), anyRaw(), 0, 2).Draw(t, "applied"), Before: rapid.MapOfN(anyText(), anyRaw(), 0, 2).Draw(t, "before")}
}

// everything names all parts of a memory.
func everything(m *plan.Memory) plan.Dirty {
	d := plan.Dirty{Head: true, Losses: true, Holds: true, Approvals: true, Accepted: true, Scopes: true, Tombstones: true,
		Roles: slices.Collect(maps.Keys(m.Roles)), Grants: slices.Collect(maps.Keys(m.Grants)),
		People: slices.Collect(m.People.Keys()), Links: slices.Collect(maps.Keys(m.Links)), Owned: slices.Collect(maps.Keys(m.Owned)), Lost: slices.Collect(maps.Keys(m.Lost))}
	for i := range m.Mirror.Accounts() {
		d.Accounts = append(d.Accounts, uint32(i))
	}
	for _, g := range m.Mirror.Groups() {
		d.MirrorGroups = append(d.MirrorGroups, g.ID)
	}
	for _, r := range m.Mirror.Resources() {
		d.Resources = append(d.Resources, r.ResourceKey)
	}
	return d
}

func anyIntents(run string) *rapid.Generator[[]plan.Intent] {
	return rapid.Custom(func(t *rapid.T) []plan.Intent {
		list := make([]plan.Intent, rapid.IntRange(1, 5).Draw(t, "intents"))
		for i := range list {
			in := &list[i]
			*in = plan.Intent{Run: run, Seq: i * 300, At: anyTime(noon()).Draw(t, "at"), Op: anyText().Draw(t, "op"), Link: anyLinkKey().Draw(t, "link"),
				GroupID: anyText().Draw(t, "group"), Name: anyText().Draw(t, "name"), Accounts: rapid.SliceOfN(anyID(), 0, 6).Draw(t, "accounts"),
				Keys: rapid.SliceOfN(anyFeedKey(), 0, 3).Draw(t, "keys")}
			if rapid.Bool().Draw(t, "of an account") {
				role := anyRole().Draw(t, "role")
				in.Role, in.Email = &role, anyText().Draw(t, "email")
			}
			if rapid.Bool().Draw(t, "of a resource") {
				in.Resource, in.Add, in.Remove = anyResourceKey().Draw(t, "resource"), rapid.SliceOfN(anyOwnedGrant(), 0, 3).Draw(t, "add"), rapid.SliceOfN(anyGrant(), 0, 3).Draw(t, "remove")
			}
			for range in.Accounts {
				in.Feeds = append(in.Feeds, rapid.SliceOfN(rapid.IntRange(0, 3), 0, 3).Draw(t, "feeds"))
			}
		}
		return list
	})
}

// anyEvent draws an event with any of its values set or not.
func anyEvent() *rapid.Generator[run.Event] {
	return rapid.Custom(func(t *rapid.T) run.Event {
		e := run.Event{At: anyTime(noon()).Draw(t, "at"), Kind: run.EventKind(anyText().Draw(t, "kind")), Count: rapid.IntRange(0, 9).Draw(t, "count"),
			Keys: rapid.SliceOfN(anyText(), 0, 3).Draw(t, "keys")}
		for _, text := range auditTexts(&e)[1:] {
			if rapid.Bool().Draw(t, "set") {
				*text = anyText().Draw(t, "text")
			}
		}
		for range rapid.IntRange(0, 2).Draw(t, "fields") {
			values := rapid.SampledFrom([]any{nil, true, "a<b>\u2028", 1.5, 1e30, []any{"x", nil}, map[string]any{"b": false, "a": "1"}})
			e.Fields = append(e.Fields, run.Field{Name: anyText().Draw(t, "name"), From: values.Draw(t, "from"), To: values.Draw(t, "to")})
		}
		return e
	})
}

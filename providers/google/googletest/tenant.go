package googletest

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"groupsyncd/providers/providertest"
)

// tenant is a customer at one moment. Nothing of it changes.
type tenant struct {
	users   []row
	deleted []row
	groups  []row
	members map[string][]row
	// users and groups by id and by every address in small letters, and whose groups name whom.
	byKey, groupKey map[string]map[string]any
	in              map[string][]row
	foreign         map[string]bool
	domains         map[string]bool
	custom          map[string]map[string]map[string]any
}

// row is a resource and its place in its list.
type row struct {
	key  string
	body map[string]any
}

const made = "2024-03-01T09:00:00.000Z"

// GroupMail gives the address of a group.
func GroupMail(id string) string { return "g-" + strings.ToLower(id) + "@example.org" }

// make works out what the world and what is beside it come to.
func (s *Server) make() *tenant {
	t := &tenant{members: map[string][]row{}, byKey: map[string]map[string]any{}, groupKey: map[string]map[string]any{}, in: map[string][]row{},
		foreign: map[string]bool{}, domains: map[string]bool{"example.org": true}, custom: s.extra.custom}
	for i := range s.world.Users {
		u := userBody(&s.world.Users[i])
		mail := strings.ToLower(s.world.Users[i].Email)
		t.users = append(t.users, row{mail, u})
		t.byKey[s.world.Users[i].ID], t.byKey[mail] = u, u
		_, domain, _ := strings.Cut(mail, "@")
		t.domains[domain] = true
	}
	for id, at := range s.gone {
		t.deleted = append(t.deleted, row{id, map[string]any{"kind": "admin#directory#user", "etag": `"d"`, "id": id, "primaryEmail": "deleted-" + id + "@example.org",
			"customerId": CustomerID, "deletionTime": at.UTC().Format(time.RFC3339)}})
	}
	all := slices.Concat(s.world.Groups, s.extra.foreign)
	for i := range all {
		g := groupBody(&all[i])
		mail := GroupMail(all[i].ID)
		t.groupKey[all[i].ID], t.groupKey[mail] = g, g
		t.foreign[all[i].ID] = i >= len(s.world.Groups)
		if !t.foreign[all[i].ID] {
			t.groups = append(t.groups, row{mail, g})
		}
	}
	for mail, id := range s.extra.aliases {
		if u := t.byKey[id]; u != nil {
			t.byKey[strings.ToLower(mail)] = u
			u["aliases"] = append(texts(u["aliases"]), mail)
		}
	}
	for i := range all {
		t.join(&all[i], slices.Contains(s.extra.everybody, all[i].ID))
	}
	for _, list := range [][]row{t.users, t.deleted, t.groups} {
		sortRows(list)
	}
	for _, list := range t.in {
		sortRows(list)
	}
	return t
}

func texts(v any) []string {
	list, _ := v.([]string)
	return list
}

func sortRows(list []row) {
	slices.SortFunc(list, func(a, b row) int { return cmp.Compare(a.key, b.key) })
}

// join works out the members of a group.
func (t *tenant) join(g *providertest.Group, everybody bool) {
	var list []row
	add := func(id, mail, kind, status string) {
		role := "MEMBER"
		if kind == "USER" && slices.Contains(g.Owners, id) {
			role = "OWNER"
		}
		body := map[string]any{"kind": "admin#directory#member", "etag": `"m"`, "id": id, "role": role, "type": kind}
		if mail != "" {
			body["email"] = mail
		}
		if status != "" {
			body["status"] = status
		}
		list = append(list, row{mail + "\x00" + id, body})
	}
	for _, id := range g.Members {
		u := t.byKey[id]
		switch {
		case u == nil:
			add(id, id+"@elsewhere.example", "EXTERNAL", "")
		case u["suspended"] == true:
			add(id, text(u["primaryEmail"]), "USER", "SUSPENDED")
		default:
			add(id, text(u["primaryEmail"]), "USER", "ACTIVE")
		}
	}
	for _, id := range g.Groups {
		add(id, GroupMail(id), "GROUP", "ACTIVE")
	}
	if everybody {
		add(CustomerID, "", "CUSTOMER", "")
	}
	sortRows(list)
	list = slices.CompactFunc(list, func(a, b row) bool { return a.key == b.key })
	t.members[g.ID] = list
	group := t.groupKey[g.ID]
	group["directMembersCount"] = strconv.Itoa(len(list))
	for _, m := range list {
		if m.body["type"] != "CUSTOMER" { // Nobody is told of the groups that everybody is in.
			id := text(m.body["id"])
			t.in[id] = append(t.in[id], row{GroupMail(g.ID), group})
		}
	}
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

// userBody gives somebody as the API shows them, with everything that it always shows.
func userBody(u *providertest.User) map[string]any {
	given, family, found := strings.Cut(u.Name, " ")
	if !found {
		family = u.Name
	}
	body := map[string]any{
		"kind": "admin#directory#user", "id": u.ID, "etag": fmt.Sprintf("%q", "u-"+u.ID), "primaryEmail": u.Email,
		"name":    map[string]any{"givenName": given, "familyName": family, "fullName": u.Name},
		"isAdmin": false, "isDelegatedAdmin": false, "lastLoginTime": made, "creationTime": made, "agreedToTerms": true,
		"suspended": u.Disabled, "archived": false, "changePasswordAtNextLogin": false, "ipWhitelisted": false,
		"emails": []map[string]any{{"address": u.Email, "primary": true}}, "customerId": CustomerID, "orgUnitPath": "/",
		"isMailboxSetup": true, "isEnrolledIn2Sv": false, "isEnforcedIn2Sv": false, "includeInGlobalAddressList": true,
	}
	if u.Disabled {
		body["suspensionReason"] = "ADMIN"
	}
	var organizations []map[string]any
	for i, d := range u.Attributes["department"] {
		organizations = append(organizations, map[string]any{"department": d, "customType": "", "primary": i == 0, "fullTimeEquivalent": 100000})
	}
	if len(organizations) > 0 {
		body["organizations"] = organizations
	}
	return body
}

// groupBody gives a group as the API shows it.
func groupBody(g *providertest.Group) map[string]any {
	return map[string]any{
		"kind": "admin#directory#group", "id": g.ID, "etag": fmt.Sprintf("%q", "g-"+g.ID), "email": GroupMail(g.ID), "name": g.Name,
		"description": g.Description, "directMembersCount": "0", "adminCreated": true,
	}
}

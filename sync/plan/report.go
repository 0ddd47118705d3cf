package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"groupsyncd/sync/replica"
	"groupsyncd/sync/run"
)

// separator stands between the parts of a key.
const separator = "\x1f"

// changeKey identifies a change across runs: the operation, the group (or, before it
// exists, its link), and the account or the values.
func changeKey(op run.Op, scope, what string) string {
	return string(op) + separator + scope + separator + what
}

func createKey(l LinkKey) string { return changeKey(run.CreateGroup, l.String(), "") }

// RemovalKey is the key of the removal of an account from a group.
func RemovalKey(group, account string) string { return changeKey(run.RemoveMember, group, account) }

// Removal reports whether a key is that of a membership to be taken away.
func Removal(key string) bool { return strings.HasPrefix(key, string(run.RemoveMember)+"\x1f") }

// hashOf is over what the plan would do, in its order, without what became of it.
func hashOf(p *Plan) string {
	h := sha256.New()
	enc := json.NewEncoder(h)
	for i := range p.Changes {
		ch := p.Changes[i].Change
		ch.Outcome, ch.Hold, ch.Reason, ch.Error = "", nil, "", ""
		// The hash writer and the types of a change cannot fail.
		_ = enc.Encode(ch)
		_ = enc.Encode(p.Changes[i].Key)
		// What a creation writes stands in no field; our mark counts runs and is left out.
		spec := p.Changes[i].Spec
		spec.Mark = nil
		_ = enc.Encode(spec)
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// reportPeople counts people without an account, and names a few who can never get one. A
// plan for somebody with an account is about nobody without.
func (c *computer) reportPeople() {
	if c.in.Only != nil && !c.in.Only.None {
		return
	}
	const shown = 5
	for s := range c.without {
		src := &c.in.Sources[s]
		var names []string
		count := 0
		for n, without := range c.without[s] {
			if !without {
				continue
			}
			if c.people.account[s][n] == pending {
				c.plan.Summary.Pending++
				continue
			}
			if c.people.account[s][n] == unmatched {
				count++
				if len(names) < shown {
					names = append(names, label(&src.Replica.Users()[n]))
				}
			}
		}
		if count > 0 && c.in.Only == nil {
			c.problem(run.KindUnmatched, fmt.Sprintf("%d people of source %s can never be matched to an account, among them %s", count, src.Name, strings.Join(names, ", ")),
				"they have no mail address that is theirs alone and within email_domains, and no sign-in subject")
		}
		groups := src.Replica.Groups()
		for n := range groups {
			g := &groups[n]
			if len(g.Blocked) > 0 && c.in.Only == nil {
				c.problem(run.KindUnresolved, fmt.Sprintf("%s (%s) names %d nested groups that resolved before and do not now; who came in through them stays",
					firstOf(g.DN, g.Path, g.Name), src.Name, len(g.Blocked)), unresolvedHint(src.Name, g))
			}
		}
	}
}

// unresolvedHint says what can be done about nested groups that do not resolve any more.
func unresolvedHint(source string, g *replica.Group) string {
	return "move the groups back, or widen groups.base; to let those people leave, take the references out in the directory; to let them stay for good: " +
		"groupsyncd release --source " + quoted(source) + " --reference " + quoted(firstOf(g.DN, g.ID)) + " --reason TEXT"
}

// quoted writes a word so that a shell takes it as one.
func quoted(word string) string {
	if strings.ContainsAny(word, " \t'\"\\$`!*?#&|;<>()[]{}~") {
		return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
	}
	return word
}

// Tally counts the changes of a plan by what became of them.
func (p *Plan) Tally() run.Summary {
	s := p.Summary
	for i := range p.Changes {
		switch p.Changes[i].Outcome {
		case run.Held:
			s.Held++
			continue
		case run.Failed:
			s.Failed++
			continue
		case run.Skipped:
			continue
		}
		switch p.Changes[i].Op {
		case run.CreateGroup:
			s.GroupsCreated++
		case run.UpdateGroup:
			s.GroupsUpdated++
		case run.SetPermissions: // one call for each group
			if p.Changes[i].Group == nil {
				s.DefaultsChanged++
			} else if i == 0 || p.Changes[i-1].Op != run.SetPermissions || p.Changes[i-1].GroupID() != p.Changes[i].GroupID() || p.Changes[i-1].Outcome != p.Changes[i].Outcome {
				s.GroupsUpdated++
			}
		case run.SetGrants:
			s.GrantsChanged++
		case run.DeleteGroup:
			s.GroupsDeleted++
		case run.AddMember:
			s.MembersAdded++
		case run.RemoveMember:
			s.MembersRemoved++
		case run.AdoptMember:
			s.MembersAdopted++
		case run.ReleaseMember:
			s.MembersReleased++
		case run.SetRole:
			if c := &p.Changes[i]; c.Demotes() || c.Promotes() {
				s.RolesChanged++
			}
		case run.CreateAccount:
			s.AccountsCreated++
		}
	}
	return s
}

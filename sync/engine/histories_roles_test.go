package engine_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/sync/engine/enginetest"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"
)

// TestRoleHistories lets roles live through many short histories: people come, go and are
// disabled in two directories, lines name them or do not, an administrator gives and takes
// roles by hand, reads fail or are cut, processes die, holds are approved and runs undone. Each
// role that changes is judged by who knows the truth, and in the end roles equal the directory.
func TestRoleHistories(t *testing.T) {
	t.Parallel()
	count := 600
	if n, err := strconv.Atoi(os.Getenv("GROUPSYNCD_HISTORIES")); err == nil {
		count = n
	}
	shards := runtime.GOMAXPROCS(0)
	for shard := range shards {
		t.Run(fmt.Sprintf("shard %d", shard), func(t *testing.T) {
			t.Parallel()
			for seed := shard + 1; seed <= count; seed += shards {
				if *historySeed != 0 && uint64(seed) != *historySeed {
					continue
				}
				h := newRoleHistory(t, uint64(seed))
				if h.play(); h.failed != "" {
					if *historySeed != 0 {
						why, _ := h.engine.ExplainUser(strings.Fields(h.failed)[1] + "@example.org")
						h.say("%+v", why)
						for _, tr := range h.ended[len(h.ended)-1].Targets {
							h.say("%+v", tr.Problems)
						}
					}
					t.Fatalf("history %d fails: %s\n    %s", seed, h.failed, strings.Join(h.told, "\n    "))
				}
			}
		})
	}
}

// roleHistory is one history with who judges it.
type roleHistory struct {
	*office
	*rand.Rand
	told   []string
	failed string
	seen   int // effects that were judged
	roles  map[string]string
	// hand are accounts whose role somebody else set last; named are those whom a line has
	// named since then, for that very role.
	hand, named map[string]bool
	handAt      map[string]bool // hand as it was when a run ended last
	held        map[string]run.Check
	let         map[string]bool
	undoing     bool
	signed      map[string]time.Time
	// before are accounts that were administrator by hand when they were suspended.
	before map[string]bool
	looked time.Time // when anybody first looked at Open WebUI
}

const staff = 5

func newRoleHistory(t *testing.T, seed uint64) *roleHistory {
	h := &roleHistory{office: newOffice(t), Rand: rand.New(rand.NewPCG(seed, 20261122)), roles: map[string]string{"a-root": "admin"},
		hand: map[string]bool{"a-root": true}, named: map[string]bool{}, held: map[string]run.Check{}, let: map[string]bool{}, signed: map[string]time.Time{}, before: map[string]bool{}}
	h.limits.MaxDemotions, h.limits.MaxNewAdmins = plan.LimitCount(2+h.IntN(4)), plan.LimitCount(1+h.IntN(3))
	h.rules.Otherwise = []string{"keep", "pending"}[h.IntN(4)/3]
	h.rules.Authority = []string{"corp"}
	if h.IntN(2) == 0 {
		h.hr = enginetest.NewSource(enginetest.NewDirectory(h.clock), h.clock)
		if h.IntN(2) == 0 {
			h.rules.Authority = []string{"corp", "hr"}
		}
	}
	if h.IntN(3) == 0 {
		h.rules.Create = "user"
	}
	h.say("authority %v, otherwise %s, create %s, demotions %v, new admins %v", h.rules.Authority, h.rules.Otherwise, h.rules.Create, h.limits.MaxDemotions, h.limits.MaxNewAdmins)
	for n := range staff {
		for _, name := range slices.Sorted(maps.Keys(h.dirs())) {
			if h.IntN(5) > 0 {
				h.user(name, fmt.Sprintf("h%d", n), true)
			}
		}
		if h.IntN(4) > 0 {
			h.signUp(fmt.Sprintf("h%d", n))
		}
	}
	for _, g := range []string{"admins", "people", "ai-x"} {
		var in []string
		for n := range staff {
			if h.IntN(3) == 0 {
				in = append(in, fmt.Sprintf("h%d", n))
			}
		}
		h.group(g, in...)
	}
	h.clock.Add(time.Hour)
	h.boot()
	return h
}

func (h *roleHistory) say(format string, args ...any) {
	h.told = append(h.told, h.clock.Now().Format("15:04:05 ")+fmt.Sprintf(format, args...))
}

func (h *roleHistory) fail(kind, format string, args ...any) {
	if h.failed == "" {
		h.failed = kind + ": " + fmt.Sprintf(format, args...)
	}
}

func (h *roleHistory) dirs() map[string]*enginetest.Source {
	all := map[string]*enginetest.Source{"corp": h.corp}
	if h.hr != nil {
		all["hr"] = h.hr
	}
	return all
}

// source gives a source by chance.
func (h *roleHistory) source() (string, *enginetest.Source) {
	if h.hr != nil && h.IntN(2) == 0 {
		return "hr", h.hr
	}
	return "corp", h.corp
}

func (h *roleHistory) user(source, who string, on bool) {
	h.dirs()[source].Directory.SetUser(directory.User{ID: who, Email: who + "@example.org", Username: who, StatusKnown: true, Disabled: !on,
		Attributes: map[string][]string{"sub": {who}}})
}

func (h *roleHistory) signUp(who string) {
	id := "a-" + who
	if h.web.HasAccount(id) || h.web.HasAccount("made-"+who+"@example.org") {
		return
	}
	h.clock.Add(time.Second)
	h.web.SignUp(id, who+"@example.org", map[string]string{"idp": who})
	if h.IntN(2) == 0 {
		h.web.GiveRole(id, "pending") // as the server makes all new ones
	}
	h.roles[id], h.signed[id] = h.web.Role(id), h.clock.Now()
	h.hand[id] = h.roles[id] != "pending"
}

func (h *roleHistory) human() string { return fmt.Sprintf("h%d", h.IntN(staff)) }

// account gives the account of somebody, whoever made it.
func (h *roleHistory) account(who string) string {
	if h.web.HasAccount("a-" + who) {
		return "a-" + who
	}
	if h.web.HasAccount("made-" + who + "@example.org") {
		return "made-" + who + "@example.org"
	}
	return ""
}

func humanBehind(account string) string {
	account = strings.TrimSuffix(strings.TrimPrefix(account, "made-"), "@example.org")
	return strings.TrimPrefix(account, "a-")
}

func (h *roleHistory) play() {
	for range 15 + h.IntN(30) {
		if h.something(); h.failed != "" {
			return
		}
	}
	h.calm()
}

// something lets one thing happen.
func (h *roleHistory) something() {
	h.clock.Add(time.Second)
	name, src := h.source()
	who := h.human()
	_, known := src.Directory.Now().Users[who]
	switch n := h.IntN(40); {
	case n < 4 && known:
		on := h.IntN(2) == 0
		h.say("%s: %s enabled %v", name, who, on)
		h.user(name, who, on)
	case n < 6 && known:
		h.say("%s: %s is gone", name, who)
		src.Directory.RemoveUser(who)
	case n < 9 && !known:
		h.say("%s: %s is there", name, who)
		h.user(name, who, true)
	case n < 15:
		g := []string{"admins", "people", "ai-x"}[h.IntN(3)]
		in := h.IntN(2) == 0
		h.say("corp: %s in %s: %v", who, g, in)
		h.dir.Edit(g, func(t *enginetest.TrueGroup) {
			if delete(t.Members, who); in {
				t.Members[who] = true
			}
		})
	case n < 18:
		h.byHand(who, []string{"admin", "user", "pending"}[h.IntN(3)])
	case n < 20:
		h.say("%s signs up", who)
		h.signUp(who)
	case n < 23:
		d := []time.Duration{time.Minute, 16 * time.Minute, 16 * time.Minute, time.Hour, 13 * time.Hour, 25 * time.Hour}[h.IntN(6)]
		h.say("wait %s", d)
		h.clock.Add(d)
	case n < 26:
		h.say("webhook %s", who)
		h.go1(run.Request{Trigger: run.Webhook, User: who + "@example.org"})
	case n < 28:
		cut := h.IntN(16)
		h.say("crash after %d", cut)
		h.store.Power.CutAfter(cut)
		h.go1(run.Request{Trigger: run.Schedule})
	case n < 30:
		h.decide(h.IntN(3) == 0)
	case n < 31:
		h.revert()
	case n < 32:
		h.say("down")
		h.web.Down = fault.New(fault.Unavailable, "call", "open webui", errors.New("it is down"), "")
		h.go1(run.Request{Trigger: run.Schedule})
		h.web.Down = nil
	default:
		h.trouble(name, src)
		h.say("run")
		h.go1(run.Request{Trigger: run.Schedule})
	}
}

func (h *roleHistory) trouble(name string, src *enginetest.Source) {
	f := enginetest.Whole()
	switch h.IntN(8) {
	case 0:
		f.Fails = true
	case 1:
		f.Cut = []string{[]string{"admins", "people"}[h.IntN(2)]}
	case 2:
		f.CutUsers = h.IntN(staff)
	case 3:
		f.CutGroups = h.IntN(3)
	default:
		return
	}
	h.say("%s reads badly: %+v", name, f)
	src.Next = f
}

// byHand changes a role as an administrator does, who leaves the primary one alone.
func (h *roleHistory) byHand(who, role string) {
	id := h.account(who)
	if id == "" || h.web.Role(id) == role {
		return
	}
	h.say("%s is made %s by hand", who, role)
	// Whom nobody has seen in another role could as well be new.
	m := h.store.Peek(target).Mirror
	n, met := m.Number(id)
	h.web.GiveRole(id, role)
	switch {
	case h.begun(id, role):
		h.hand[id] = false // A run that died was about to do the same: who did it shows nowhere.
	case role == "pending":
		h.hand[id] = met && (plan.RoleRank(m.Account(n).Role) > 0 || m.Account(n).ByHand)
	case met && m.Account(n).Role == role:
		h.hand[id] = h.handAt[id] // Nobody saw what it was in between.
	default:
		h.hand[id] = true
	}
	h.roles[id], h.named[id] = role, false
}

// begun reports whether a run that died had written down that it gives an account this role.
func (h *roleHistory) begun(id, role string) bool {
	open, err := h.store.Open(target)
	if err != nil {
		h.t.Fatal(err)
	}
	return slices.ContainsFunc(open, func(in plan.Intent) bool {
		return in.Role != nil && in.Role.Role == role && slices.Contains(in.Accounts, id)
	})
}

// go1 carries out a run and judges what it did.
func (h *roleHistory) go1(req run.Request) {
	h.keepHolds()
	if req.Mode == "" {
		req.Mode = run.Apply
	}
	h.clock.Add(time.Second)
	before := map[string]int{}
	for name, src := range h.dirs() {
		before[name] = len(src.Reads)
	}
	_, err := h.engine.Run(context.Background(), req)
	dead := h.store.Power.Off()
	if err != nil && !dead && fault.KindOf(err) != fault.NotFound && req.Revert == "" {
		h.fail("error", "%v", err)
	}
	for name, src := range h.dirs() {
		for i := before[name]; i < len(src.Reads); i++ {
			src.Reads[i].Lost = dead
		}
		src.Next = enginetest.Whole()
	}
	if dead {
		h.say("the process dies")
	}
	if h.looked.IsZero() && !h.store.Peek(target).Mirror.At.IsZero() {
		h.looked = h.clock.Now()
	}
	h.noteNamed()
	for ; h.seen < len(h.web.Effects); h.seen++ {
		if e := &h.web.Effects[h.seen]; e.Op == run.SetRole {
			h.judge(e)
		} else if e.Op == run.CreateAccount {
			h.say("        # account %s made as %s", e.Account, e.Name)
			h.roles[e.Account] = e.Name
			if e.Name != h.rules.Create {
				h.fail("S5", "%s was made as %s", e.Account, e.Name)
			}
		}
	}
	h.store.Power.On()
	if dead {
		h.boot()
		return
	}
	if what := h.store.Unsaved(target); what != "" {
		h.fail("state", "%s differ between the process and the store", what)
	}
	h.noteNamed()
	h.handAt = maps.Clone(h.hand)
}

// noteNamed keeps whom a line named for the role that they have by hand: then it may be ours.
func (h *roleHistory) noteNamed() {
	for id, role := range h.roles {
		for _, r := range h.corp.Reads {
			if s := h.dir.At(r.Data); h.inLine(s, humanBehind(id), role) {
				h.named[id] = h.named[id] || h.hand[id] && !s.Users[humanBehind(id)].Disabled
			}
		}
	}
}

func (h *roleHistory) inLine(s *enginetest.State, who, role string) bool {
	group := map[string]string{"admin": "admins", "user": "people"}[role]
	return group != "" && s.Groups[group].Members[who]
}

// judge asks of every change of a role why it was made.
func (h *roleHistory) judge(e *enginetest.Effect) {
	was, is, who := h.roles[e.Account], e.Name, humanBehind(e.Account)
	h.say("        # %s: %s > %s", e.Account, was, is)
	h.roles[e.Account] = is
	hand, named := h.hand[e.Account], h.named[e.Account]
	h.hand[e.Account], h.named[e.Account] = h.undoing && hand && is != "pending", false
	switch {
	case was == "admin" && is == "pending":
		h.before[e.Account] = hand
	case is == "admin" && was == "pending":
		h.hand[e.Account] = h.before[e.Account]
	}
	if e.Account == "a-root" {
		h.fail("never", "the primary administrator was touched")
	}
	if !slices.ContainsFunc(slices.Collect(mapsValues(h.roles)), func(r string) bool { return r == "admin" }) {
		h.fail("never", "no administrator is left")
	}
	if h.undoing {
		return
	}
	if plan.RoleRank(is) > plan.RoleRank(was) {
		if hand && was == "pending" {
			h.fail("S2", "%s was let in whom somebody suspended", who)
		}
		return
	}
	key := plan.RemovalKey(plan.RoleGroup(was), e.Account)
	if check, held := h.held[key]; held && !h.let[key] && is != "pending" && check != run.LastAdmin {
		h.fail("S4", "%s lost %s while %s held it", who, was, check)
	}
	suspended := is == "pending" && (h.endedBy(who, false) || h.endedBy(who, true))
	if suspended {
		return
	}
	if h.shows(who, was, false) && h.shows(who, was, true) {
		h.fail("S1", "%s lost the role %s although the directory names them", who, was)
	}
	if hand && !named && (was == "admin" || h.rules.Otherwise != "pending") {
		h.fail("S2", "%s lost the role %s, which was given by hand, and no line has ever named them", who, was)
	}
}

// endedBy reports whether the newest evidence of every deciding source says that somebody is
// disabled, or not there; lost: also by what a process read that died.
func (h *roleHistory) endedBy(who string, lost bool) bool {
	said := false
	for _, name := range h.rules.Authority {
		state := ""
		for _, r := range h.dirs()[name].Reads {
			s := h.dirs()[name].Directory.At(r.Data)
			u, there := s.Users[who]
			switch {
			case r.Lost && !lost:
			case slices.Contains(r.Shown, who) && there && u.Disabled:
				state = "disabled"
			case slices.Contains(r.Shown, who) && there:
				state = "enabled"
			case r.Users && state != "":
				state = "missing"
			}
		}
		if state == "enabled" {
			return false
		}
		said = said || state != ""
	}
	return said
}

// shows reports whether the newest evidence names somebody, enabled, for a role.
func (h *roleHistory) shows(who, role string, lost bool) bool {
	group := map[string]string{"admin": "admins", "user": "people"}[role]
	in, enabled := false, false
	for _, r := range h.corp.Reads {
		if r.Lost && !lost {
			continue
		}
		s := h.dir.At(r.Data)
		u, there := s.Users[who]
		shown := slices.Contains(r.Shown, who) && there
		if shown {
			enabled = !u.Disabled
		} else if r.Users {
			enabled = false
		}
		if shown && slices.Contains(r.Covered, group) || r.Person == who {
			in = s.Groups[group].Members[who]
		}
	}
	return in && enabled
}

func (h *roleHistory) keepHolds() {
	clear(h.held)
	for _, hold := range h.store.Peek(target).Holds {
		for _, k := range hold.Keys {
			h.held[k] = hold.Check
		}
	}
}

// decide approves a hold, or keeps what it lists.
func (h *roleHistory) decide(keep bool) {
	holds := h.engine.Holds()
	if len(holds) == 0 {
		return
	}
	hold := holds[h.IntN(len(holds))]
	if keep && hold.Release != "" {
		h.say("release %s", hold.Check)
		if _, err := h.engine.Release(context.Background(), run.Release{Hold: hold.Hash, Reason: "because"}, "tester"); err != nil {
			h.fail("error", "release: %v", err)
		}
		for _, k := range hold.Keys {
			if p, removal := removalOf(k); removal && plan.IsRole(p.group) {
				h.hand[p.account], h.named[p.account] = true, false
			}
		}
		return
	}
	h.approve(&hold)
}

func (h *roleHistory) approve(hold *run.Hold) {
	h.say("approve %s %s", hold.Check, hold.Scope)
	a, err := h.engine.Approve(context.Background(), hold.Hash, "because", "tester")
	if err != nil {
		h.fail("error", "approve: %v", err)
		return
	}
	for _, k := range a.Keys {
		h.let[k] = true
	}
}

func (h *roleHistory) revert() {
	reports, err := h.store.Runs(2)
	if err != nil || len(reports) == 0 {
		return
	}
	id := reports[h.IntN(len(reports))].Run
	h.say("revert %s", id)
	h.undoing = true
	h.go1(run.Request{Trigger: run.Manual, Revert: id, Reason: "because", By: "tester"})
	h.undoing = false
}

// calm lets everything come to rest, with all approved, and compares roles with the directory.
func (h *roleHistory) calm() {
	h.store.Power.On()
	h.boot()
	for range 8 {
		h.clock.Add(16 * time.Minute)
		h.say("calm run")
		h.go1(run.Request{Trigger: run.Manual})
		for _, hold := range h.engine.Holds() {
			if hold.Approve != "" {
				h.approve(&hold)
			}
		}
		if h.failed != "" {
			return
		}
	}
	for n := range staff {
		h.rest(fmt.Sprintf("h%d", n))
	}
}

// rest asks whether somebody has the role that the directory, and nobody's hand, gives.
func (h *roleHistory) rest(who string) {
	id := h.account(who)
	if id == "" {
		return
	}
	known, enabled, off := false, true, true
	for _, name := range h.rules.Authority {
		u, there := h.dirs()[name].Directory.Now().Users[who]
		// Whoever was gone before they had an account is tied to none.
		met := h.store.Peek(target).People.Link(directory.UserKey{Source: name, ID: who}).Account == id
		known = known || met
		enabled = enabled && (!met || there && !u.Disabled)
		if !met && there && !u.Disabled {
			return // Somebody else claims the account, and a person has to settle it.
		}
		off = off && (!met || !there || u.Disabled)
	}
	_, inCorp := h.dir.Now().Users[who]
	linked := slices.ContainsFunc(slices.Collect(mapsKeys(h.store.Peek(target))), func(a string) bool { return a == id })
	role, suspended := h.web.Role(id), h.hand[id] && h.roles[id] == "pending"
	// Whoever was pending for a day when we first looked may have been suspended by somebody.
	suspended = suspended || role == "pending" && h.looked.Sub(h.signed[id]) > 24*time.Hour
	switch {
	case !linked || !known || suspended:
	case off && role == "admin" && h.hand[id]: // Linked by mail, it is left to a person.
	case off && role != "pending":
		h.fail("L1", "%s is %s at the end, and everybody who decides ended them", who, role)
	case off || !enabled || !inCorp:
	case h.inLine(h.dir.Now(), who, "admin") && role != "admin":
		h.fail("L1", "%s is %s at the end, and the line of administrators names them", who, role)
	case h.inLine(h.dir.Now(), who, "user") && role == "pending":
		h.fail("L1", "%s is pending at the end, and the line of users names them", who)
	case role == "admin" && !h.inLine(h.dir.Now(), who, "admin") && !h.hand[id]:
		h.fail("L1", "%s is administrator at the end, and nobody names them", who)
	}
}

func mapsValues(m map[string]string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for _, v := range m {
			if !yield(v) {
				return
			}
		}
	}
}

// mapsKeys gives the accounts that somebody is linked to.
func mapsKeys(m *plan.Memory) func(func(string) bool) {
	return func(yield func(string) bool) {
		for _, l := range m.People.All() {
			if !yield(l.Account) {
				return
			}
		}
	}
}

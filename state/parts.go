package state

import (
	"fmt"
	"maps"
	"slices"

	"groupsyncd/directory"
	"groupsyncd/sync/plan"
)

// The compact parts of a target's memory.

// Bits of the first byte of an account.
const (
	accountDeleted = 1 << iota
	accountSubjects
	accountByHand
)

// encodeAccounts writes one chunk of accounts: all ids, then the rest row by row.
func encodeAccounts(w *writer, accounts []plan.Account) {
	w.uint(uint64(len(accounts)))
	for i := range accounts {
		w.id(accounts[i].ID)
	}
	for i := range accounts {
		a := &accounts[i]
		var flags byte
		if a.Deleted {
			flags |= accountDeleted
		}
		if a.Subjects != nil {
			flags |= accountSubjects
		}
		if a.ByHand {
			flags |= accountByHand
		}
		w.byte(flags)
		w.string(a.Email)
		w.string(a.Name)
		w.string(a.Role)
		w.int(a.CreatedAt)
		if a.Subjects != nil {
			w.uint(uint64(len(a.Subjects)))
			for _, provider := range slices.Sorted(maps.Keys(a.Subjects)) {
				w.string(provider)
				w.id(a.Subjects[provider])
			}
		}
	}
}

// decodeAccounts appends the accounts of one chunk.
func decodeAccounts(payload []byte, accounts []plan.Account) ([]plan.Account, error) {
	r := newReader(payload)
	ids := r.ids(r.count(1))
	r.share()
	for _, id := range ids {
		flags := r.byte()
		a := plan.Account{ID: id, Deleted: flags&accountDeleted != 0, ByHand: flags&accountByHand != 0}
		a.Email = r.string()
		a.Name = r.string()
		a.Role = r.string()
		a.CreatedAt = r.int()
		if flags&accountSubjects != 0 {
			n := r.count(2)
			a.Subjects = make(map[string]string, n)
			for range n {
				provider := r.string()
				a.Subjects[provider] = r.idString()
			}
		}
		if r.err != nil {
			break
		}
		accounts = append(accounts, a)
	}
	return accounts, r.end()
}

// Bits of the first byte of a mirrored group.
const (
	mirrorRead = 1 << iota
	mirrorMark
)

// encodeMirrorGroup writes a group of the target. Its members are the numbers; the
// list of ids is not kept.
func encodeMirrorGroup(w *writer, g *plan.MirrorGroup) error {
	var flags byte
	if g.MembersRead {
		flags |= mirrorRead
	}
	if g.Mark != nil {
		flags |= mirrorMark
	}
	w.byte(flags)
	w.string(g.Name)
	w.string(g.Description)
	w.bytes(g.Permissions)
	w.bytes(g.Data)
	w.string(g.Share)
	if g.Mark != nil {
		mark, err := toJSON(g.Mark)
		if err != nil {
			return err
		}
		w.bytes(mark)
	}
	w.id(g.Parent)
	w.int(int64(g.MemberCount))
	w.int(g.UpdatedAt)
	w.time(g.ReadAt)
	if err := w.rows(g.Numbers); err != nil {
		return fmt.Errorf("members of Open WebUI group %q: %w", g.Name, err)
	}
	return nil
}

// decodeMirrorGroup reads a group of a target with that many accounts.
func decodeMirrorGroup(id string, payload []byte, accounts int) (*plan.MirrorGroup, error) {
	r := newReader(payload)
	flags := r.byte()
	g := &plan.MirrorGroup{Group: plan.Group{ID: id, MembersRead: flags&mirrorRead != 0}}
	g.Name = r.string()
	g.Description = r.string()
	g.Permissions = r.bytes()
	g.Data = r.bytes()
	g.Share = r.string()
	if flags&mirrorMark != 0 {
		mark := r.bytes()
		if r.err == nil {
			g.Mark = &plan.Mark{}
			if err := fromJSON(mark, g.Mark); err != nil {
				return nil, err
			}
		}
	}
	g.Parent = r.idString()
	g.MemberCount = int(r.int())
	g.UpdatedAt = r.int()
	g.ReadAt = r.time()
	g.Numbers = r.rows(accounts)
	return g, r.end()
}

// encodeOwned writes who is in one group because of us.
func encodeOwned(w *writer, o *plan.OwnedGroup) error {
	w.uint(uint64(len(o.Feeds)))
	for i := range o.Feeds {
		f := &o.Feeds[i]
		encodeFeedKey(w, f.Key)
		if err := w.rows(f.Accounts); err != nil {
			return fmt.Errorf("owned members of Open WebUI group %s: %w", o.GroupID, err)
		}
	}
	w.uint(uint64(len(o.Clocks)))
	for _, c := range o.Clocks {
		w.uint(uint64(c.Account))
		w.time(c.First)
		w.time(c.Last)
		w.int(int64(c.Reads))
	}
	return nil
}

// decodeOwned reads the ownership in one group of a target with that many accounts. Where
// exactly the members of the mirrored group are ours, which is usual, the two share one list.
func decodeOwned(id string, payload []byte, accounts int, g *plan.MirrorGroup) (*plan.OwnedGroup, error) {
	r := newReader(payload)
	o := &plan.OwnedGroup{GroupID: id}
	for range r.count(4) {
		f := plan.OwnedFeed{Key: decodeFeedKey(r), Accounts: r.rows(accounts)}
		if g != nil && slices.Equal(f.Accounts, g.Numbers) {
			f.Accounts = slices.Clip(g.Numbers)
		}
		o.Feeds = append(o.Feeds, f)
	}
	for range r.count(6) {
		c := plan.Clock{Account: r.row(accounts)}
		c.First = r.time()
		c.Last = r.time()
		c.Reads = int(r.int())
		o.Clocks = append(o.Clocks, c)
	}
	return o, r.end()
}

func encodeFeedKey(w *writer, k plan.FeedKey) {
	w.string(k.Rule)
	w.string(k.Group.Source)
	w.id(k.Group.ID)
}

func decodeFeedKey(r *reader) plan.FeedKey {
	k := plan.FeedKey{Rule: r.string()}
	k.Group.Source = r.string()
	k.Group.ID = r.idString()
	return k
}

// encodePerson writes the account of a directory user.
func encodePerson(w *writer, p plan.PersonLink) {
	w.id(p.Account)
	w.string(p.By)
	w.string(p.Email)
	w.time(p.Since)
}

// decodePerson reads a link. The texts that it shares with the account in the table are
// taken from there, so that a large directory is not kept twice.
func decodePerson(payload []byte, m *plan.Mirror) (plan.PersonLink, error) {
	var p plan.PersonLink
	r := newReader(payload)
	var buf [64]byte
	account := r.id(buf[:0])
	n, known := m.Number(string(account))
	if known {
		p.Account = m.Account(n).ID
	} else {
		p.Account = string(account)
	}
	p.By = r.shared("sign_in", "email", "manual")
	if known {
		p.Email = r.shared(m.Account(n).Email)
	} else {
		p.Email = r.string()
	}
	p.Since = r.time()
	return p, r.end()
}

func personKey(k directory.UserKey) ([]byte, error) { return joinKey(k.Source, k.ID) }

func linkKey(k plan.LinkKey) ([]byte, error) {
	return joinKey(k.Rule, k.To, k.Group.Source, k.Group.ID)
}

// begun is what a journal notes about a plan before its first write.
type begun struct {
	Plan string
	// Accounts are the ids that the intents name; the intents themselves hold their
	// positions here, because one account is in many groups.
	Accounts []string
	// Intents is how many there were.
	Intents int
}

func encodeBegun(w *writer, p *begun) {
	w.string(p.Plan)
	w.uint(uint64(p.Intents))
	w.uint(uint64(len(p.Accounts)))
	for _, id := range p.Accounts {
		w.id(id)
	}
}

func decodeBegun(payload []byte) (*begun, error) {
	r := newReader(payload)
	p := &begun{Plan: r.string(), Intents: int(r.uint())}
	p.Accounts = r.ids(r.count(1))
	return p, r.end()
}

// encodeIntent writes one call that is about to be made; position gives the place of
// an account in the plan's list.
func encodeIntent(w *writer, in *plan.Intent, position map[string]int) error {
	link, err := toJSON(in.Link)
	if err != nil {
		return err
	}
	w.time(in.At)
	w.string(in.Op)
	w.bytes(link)
	w.id(in.GroupID)
	w.string(in.Name)
	w.uint(uint64(len(in.Accounts)))
	for _, id := range in.Accounts {
		w.uint(uint64(position[id]))
	}
	w.uint(uint64(len(in.Feeds)))
	for _, feeds := range in.Feeds {
		w.uint(uint64(len(feeds)))
		for _, f := range feeds {
			w.int(int64(f))
		}
	}
	w.uint(uint64(len(in.Keys)))
	for _, k := range in.Keys {
		encodeFeedKey(w, k)
	}
	return w.intentMore(in)
}

func decodeIntent(run string, seq int, payload []byte, p *begun) (plan.Intent, error) {
	r := newReader(payload)
	in := plan.Intent{Run: run, Seq: seq, At: r.time(), Op: r.string()}
	link := r.bytes()
	in.GroupID = r.idString()
	in.Name = r.string()
	for range r.count(1) {
		if n := r.row(len(p.Accounts)); r.err == nil {
			in.Accounts = append(in.Accounts, p.Accounts[n])
		}
	}
	for range r.count(1) {
		var feeds []int
		for range r.count(1) {
			feeds = append(feeds, int(r.int()))
		}
		in.Feeds = append(in.Feeds, feeds)
	}
	for range r.count(3) {
		in.Keys = append(in.Keys, decodeFeedKey(r))
	}
	r.intentMore(&in)
	if err := r.end(); err != nil {
		return in, err
	}
	if err := fromJSON(link, &in.Link); err != nil {
		return in, err
	}
	return in, nil
}

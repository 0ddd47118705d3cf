package wire

import (
	"errors"
	"fmt"

	ldap "github.com/go-ldap/ldap/v3"
)

// answer is one message of the answer to a search, decoded. Its bytes are borrowed.
type answer struct {
	id int64
	op byte
	// entry is set for a SearchResultEntry.
	entry Entry
	// references counts the addresses of a SearchResultReference.
	references int
	done       done
}

// done is the end of an answer.
type done struct {
	code       uint16
	matched    string
	diagnostic string
	// paged says that the paging control came, with its cookie.
	paged  bool
	cookie []byte
}

// err gives the error of a result code, nil for success.
func (d *done) err() error {
	if d.code == ldap.LDAPResultSuccess {
		return nil
	}
	return &ldap.Error{ResultCode: d.code, MatchedDN: d.matched, Err: errors.New(d.diagnostic)}
}

// The most attributes that an entry, and controls that a message may have.
const (
	maxAttributes = 100_000
	maxControls   = 100
)

// messageID reads the id of a whole message and gives a cursor behind it.
func messageID(message []byte) (int64, cursor, error) {
	c := cursor{message: message, end: len(message)}
	in, err := c.take(tagSequence, "a message")
	if err == nil {
		err = c.over("a message")
	}
	if err != nil {
		return 0, cursor{}, err
	}
	id, err := in.number(tagInteger, maxLength, "the number of a message")
	return id, in, err
}

// decode reads a message of the answer to a search. The attributes of the entry are
// kept from message to message, so that nothing is allocated for each.
func (a *answer) decode(message []byte) error {
	id, c, err := messageID(message)
	if err != nil {
		return err
	}
	a.id, a.op = id, c.peek()
	switch a.op {
	case tagEntry:
		err = a.decodeEntry(&c)
	case tagReference:
		err = a.decodeReference(&c)
	case tagDone:
		err = a.decodeDone(&c)
	default:
		return c.malformed("the answer to a search", fmt.Sprintf("nothing with the tag %#02x belongs there", a.op))
	}
	if err != nil {
		return err
	}
	if c.peek() == tagControls {
		err = a.decodeControls(&c)
	}
	if err != nil {
		return err
	}
	return c.over("the answer to a search")
}

func (a *answer) decodeEntry(c *cursor) error {
	op, err := c.take(tagEntry, "an entry")
	if err != nil {
		return err
	}
	name, err := op.take(tagOctets, "the name of an entry")
	if err != nil {
		return err
	}
	list, err := op.take(tagSequence, "the attributes of an entry")
	if err == nil {
		err = op.over("an entry")
	}
	a.entry.DN, a.entry.Attributes = name.bytes(), a.entry.Attributes[:0]
	for err == nil && list.more() {
		if len(a.entry.Attributes) == maxAttributes {
			return list.malformed("the attributes of an entry", "there are too many")
		}
		a.entry.Attributes = append(a.entry.Attributes, Attribute{})
		err = a.entry.Attributes[len(a.entry.Attributes)-1].decode(&list)
	}
	if err != nil {
		return fmt.Errorf("entry %q: %w", short(a.entry.DN), err)
	}
	return nil
}

func (a *Attribute) decode(list *cursor) error {
	in, err := list.take(tagSequence, "an attribute")
	if err != nil {
		return err
	}
	name, err := in.take(tagOctets, "the name of an attribute")
	if err != nil {
		return err
	}
	set, err := in.take(tagSet, "the values of an attribute")
	if err == nil {
		err = in.over("an attribute")
	}
	if err != nil {
		return err
	}
	a.Name, a.values, a.count = name.bytes(), set.bytes(), 0
	for at := set.at; at < set.end; a.count++ {
		tag, _, to, why := header(set.message, at, set.end)
		if why == "" && tag != tagOctets {
			why = fmt.Sprintf("its tag is %#02x instead of %#02x", tag, tagOctets)
		}
		if why != "" {
			set.at = at
			return set.malformed(fmt.Sprintf("value %d of attribute %q", a.count, short(a.Name)), why)
		}
		at = to
	}
	return nil
}

func (a *answer) decodeReference(c *cursor) error {
	list, err := c.take(tagReference, "a reference to another server")
	a.references = 0
	for err == nil && list.more() {
		_, err = list.take(tagOctets, "the address in a reference")
		a.references++
	}
	if err == nil && a.references == 0 {
		return list.malformed("a reference to another server", "it has no address")
	}
	return err
}

func (a *answer) decodeDone(c *cursor) error {
	op, err := c.take(tagDone, "the end of an answer")
	if err != nil {
		return err
	}
	a.done, err = decodeResult(&op)
	if err != nil {
		return err
	}
	return op.over("the end of an answer")
}

// decodeResult reads the parts that all results have (RFC 4511, 4.1.9).
func decodeResult(op *cursor) (done, error) {
	code, err := op.number(tagEnumerated, 1<<16-1, "a result code")
	if err != nil {
		return done{}, err
	}
	matched, err := op.take(tagOctets, "the matched name of a result")
	if err != nil {
		return done{}, err
	}
	diagnostic, err := op.take(tagOctets, "the message of a result")
	if err != nil {
		return done{}, err
	}
	if op.peek() == tagReferral {
		list, err := op.take(tagReferral, "the referral of a result")
		for err == nil && list.more() {
			_, err = list.take(tagOctets, "the address of a referral")
		}
		if err != nil {
			return done{}, err
		}
	}
	return done{code: uint16(code), matched: string(matched.bytes()), diagnostic: string(diagnostic.bytes())}, nil
}

func (a *answer) decodeControls(c *cursor) error {
	list, err := c.take(tagControls, "the controls of a message")
	for n := 0; err == nil && list.more(); n++ {
		if n == maxControls {
			return list.malformed("the controls of a message", "there are too many")
		}
		err = a.decodeControl(&list)
	}
	return err
}

func (a *answer) decodeControl(list *cursor) error {
	in, err := list.take(tagSequence, "a control")
	if err != nil {
		return err
	}
	oid, err := in.take(tagOctets, "the type of a control")
	if err != nil {
		return err
	}
	if in.peek() == tagBoolean {
		if _, err = in.take(tagBoolean, "the criticality of a control"); err != nil {
			return err
		}
	}
	value := cursor{}
	if in.more() {
		if value, err = in.take(tagOctets, "the value of a control"); err != nil {
			return err
		}
	}
	if err := in.over("a control"); err != nil {
		return err
	}
	if a.op != tagDone || string(oid.bytes()) != ldap.ControlTypePaging {
		return nil
	}
	if a.done.paged {
		return list.malformed("the paging control", "it comes twice")
	}
	return a.done.decodePaging(value)
}

// decodePaging reads the value of the paging control: an estimate of the number of
// entries, which servers may leave at 0, and the cookie (RFC 2696).
func (d *done) decodePaging(value cursor) error {
	in, err := value.take(tagSequence, "the paging control")
	if err == nil {
		err = value.over("the paging control")
	}
	if err != nil {
		return err
	}
	if _, err := in.take(tagInteger, "the number in the paging control"); err != nil {
		return err
	}
	cookie, err := in.take(tagOctets, "the cookie of the paging control")
	if err != nil {
		return err
	}
	d.paged, d.cookie = true, cookie.bytes()
	return in.over("the paging control")
}

// short keeps names in errors readable.
func short(b []byte) string {
	const most = 200
	if len(b) > most {
		return string(b[:most]) + "…"
	}
	return string(b)
}

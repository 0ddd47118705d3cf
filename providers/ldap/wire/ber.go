package wire

import (
	"errors"
	"fmt"
)

// The tags of what a search answers (RFC 4511, 4.5.2 and appendix B).
const (
	tagInteger    = 0x02
	tagOctets     = 0x04
	tagEnumerated = 0x0a
	tagBoolean    = 0x01
	tagSequence   = 0x30
	tagSet        = 0x31
	tagEntry      = 0x64
	tagDone       = 0x65
	tagReference  = 0x73
	tagExtended   = 0x78
	tagControls   = 0xa0
	tagReferral   = 0xa3
)

// errMalformed is wrapped by every error about bytes that are no LDAP message.
var errMalformed = errors.New("malformed message")

// The ways in which an element can be wrong. They are texts made once, because the
// checks run for every value of every entry.
const (
	whyCut        = "it ends too early"
	whyIndefinite = "an indefinite length, which LDAP does not allow"
	whyLength     = "a length of more than eight bytes"
	whyBeyond     = "its length goes beyond what contains it"
	whyLongTag    = "a tag of several bytes, which LDAP does not have"
	whyRest       = "something follows that does not belong there"
)

// header reads the header of the element at b[at:end]: its tag and where its contents
// begin and stop. Lengths may be written longer than needed: Active Directory writes
// most of them in five bytes. why is empty for a good element.
func header(b []byte, at, end int) (tag byte, from, to int, why string) {
	if end-at < 2 {
		return 0, 0, 0, whyCut
	}
	tag = b[at]
	length := int(b[at+1])
	from = at + 2
	if length >= 0x80 {
		count := length & 0x7f
		switch {
		case count == 0:
			return 0, 0, 0, whyIndefinite
		case count > 8:
			return 0, 0, 0, whyLength
		case end-from < count:
			return 0, 0, 0, whyCut
		}
		length = 0
		for _, c := range b[from : from+count] {
			if length > maxLength>>8 {
				return 0, 0, 0, whyBeyond
			}
			length = length<<8 | int(c)
		}
		from += count
	}
	if tag&0x1f == 0x1f {
		return 0, 0, 0, whyLongTag
	}
	if length > end-from {
		return 0, 0, 0, whyBeyond
	}
	return tag, from, from + length, ""
}

// maxLength is more than any message may have, and less than what an int overflows at.
const maxLength = 1<<31 - 1

// cursor walks over the elements of a part of a message.
type cursor struct {
	message []byte
	at, end int
}

func (c *cursor) more() bool { return c.at < c.end }

func (c *cursor) bytes() []byte { return c.message[c.at:c.end:c.end] }

// peek gives the tag of the next element, 0 without one.
func (c *cursor) peek() byte {
	if !c.more() {
		return 0
	}
	return c.message[c.at]
}

// take reads the next element, which must have that tag, and gives a cursor over its
// contents. what names it in an error.
func (c *cursor) take(tag byte, what string) (cursor, error) {
	got, from, to, why := header(c.message, c.at, c.end)
	if why != "" {
		return cursor{}, c.malformed(what, why)
	}
	if got != tag {
		return cursor{}, c.malformed(what, fmt.Sprintf("its tag is %#02x instead of %#02x", got, tag))
	}
	c.at = to
	return cursor{message: c.message, at: from, end: to}, nil
}

// over makes sure that nothing follows.
func (c *cursor) over(what string) error {
	if c.more() {
		return c.malformed(what, whyRest)
	}
	return nil
}

func (c *cursor) malformed(what, why string) error {
	return fmt.Errorf("%w: %s at byte %d: %s", errMalformed, what, c.at, why)
}

// number reads an INTEGER or ENUMERATED that is not negative.
func (c *cursor) number(tag byte, most int64, what string) (int64, error) {
	start := *c
	in, err := c.take(tag, what)
	if err != nil {
		return 0, err
	}
	raw := in.bytes()
	if len(raw) == 0 || len(raw) > 8 {
		return 0, start.malformed(what, fmt.Sprintf("a number of %d bytes", len(raw)))
	}
	n := int64(int8(raw[0]))
	for _, b := range raw[1:] {
		n = n<<8 | int64(b)
	}
	if n < 0 || n > most {
		return 0, start.malformed(what, fmt.Sprintf("the number %d is not between 0 and %d", n, most))
	}
	return n, nil
}

// maxDepth is how deep elements may contain each other; search answers need seven.
const maxDepth = 64

// wellFormed walks over all elements of a message and makes sure that each lies inside
// the one that contains it. What passes cannot make another decoder read, or make room
// for, more than there is.
func wellFormed(message []byte) error {
	var ends [maxDepth]int
	depth, at := 0, 0
	ends[0] = len(message)
	for {
		for at == ends[depth] {
			if depth == 0 {
				return nil
			}
			depth--
		}
		tag, from, to, why := header(message, at, ends[depth])
		if why != "" {
			return (&cursor{message: message, at: at}).malformed("an element", why)
		}
		at = to
		if tag&0x20 == 0 {
			continue
		}
		if depth++; depth == maxDepth {
			return (&cursor{message: message, at: from}).malformed("an element", "elements contain each other too deep")
		}
		ends[depth], at = to, from
	}
}
